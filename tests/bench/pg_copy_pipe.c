// Binary COPY out of one PostgreSQL server streamed into binary COPY of another, in one thread a
// stream: what two psql and a pipe do, without the pipe.
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "key_streams.h"

static PGconn* connect_pg(unsigned port, const char* database) {
  char conninfo[256];
  snprintf(conninfo, sizeof conninfo,
           "host=" BENCH_HOST " user=" BENCH_USER " sslmode=disable port=%u dbname=%s", port,
           database);
  PGconn* session = PQconnectdb(conninfo);
  if (PQstatus(session) != CONNECTION_OK) fail("PQconnectdb", PQerrorMessage(session));
  return session;
}

static void begin_copy(PGconn* session, const char* sql, ExecStatusType expected) {
  PGresult* result = PQexec(session, sql);
  if (PQresultStatus(result) != expected) fail(sql, PQerrorMessage(session));
  PQclear(result);
}

static void copy(const struct key_stream* stream) {
  char sql[256] = "COPY orders TO STDOUT (FORMAT binary)";
  if (!stream->whole)
    snprintf(sql, sizeof sql,
             "COPY (SELECT * FROM orders WHERE id > %" PRId64 " AND id <= %" PRId64
             ") TO STDOUT (FORMAT binary)",
             stream->after, stream->upto);
  PGconn* source = connect_pg(stream->source_port, stream->source_database);
  PGconn* target = connect_pg(stream->target_port, stream->target_database);
  begin_copy(source, sql, PGRES_COPY_OUT);
  begin_copy(target, "COPY orders FROM STDIN (FORMAT binary)", PGRES_COPY_IN);

  char* row;
  int bytes;
  while ((bytes = PQgetCopyData(source, &row, 0)) > 0) {
    if (PQputCopyData(target, row, bytes) != 1) fail("PQputCopyData", PQerrorMessage(target));
    PQfreemem(row);
  }
  if (bytes != -1) fail("PQgetCopyData", PQerrorMessage(source));
  PGresult* sent = PQgetResult(source);
  if (PQresultStatus(sent) != PGRES_COMMAND_OK) fail("COPY TO", PQerrorMessage(source));
  if (PQputCopyEnd(target, NULL) != 1) fail("PQputCopyEnd", PQerrorMessage(target));
  PGresult* loaded = PQgetResult(target);
  if (PQresultStatus(loaded) != PGRES_COMMAND_OK) fail("COPY FROM", PQerrorMessage(target));
  if (strcmp(PQcmdTuples(sent), PQcmdTuples(loaded)) != 0) fail("COPY", "rows are missing");
  PQclear(sent);
  PQclear(loaded);
  PQfinish(source);
  PQfinish(target);
}

int main(int argc, char** argv) { return run_key_streams(argc, argv, NULL, copy); }
