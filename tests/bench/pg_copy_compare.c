// Binary COPY out of two PostgreSQL servers, compared row by row as bytes, in one thread a stream:
// the least that a program must do to know that both hold the same.
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "key_streams.h"

static PGconn* begin_copy(unsigned port, const char* database, const char* sql) {
  char conninfo[256];
  snprintf(conninfo, sizeof conninfo,
           "host=" BENCH_HOST " user=" BENCH_USER " sslmode=disable port=%u dbname=%s", port,
           database);
  PGconn* session = PQconnectdb(conninfo);
  if (PQstatus(session) != CONNECTION_OK) fail("PQconnectdb", PQerrorMessage(session));
  PGresult* result = PQexec(session, sql);
  if (PQresultStatus(result) != PGRES_COPY_OUT) fail(sql, PQerrorMessage(session));
  PQclear(result);
  return session;
}

static void end_copy(PGconn* session, int bytes) {
  if (bytes != -1) fail("PQgetCopyData", PQerrorMessage(session));
  PGresult* result = PQgetResult(session);
  if (PQresultStatus(result) != PGRES_COMMAND_OK) fail("COPY TO", PQerrorMessage(session));
  PQclear(result);
  PQfinish(session);
}

static void compare(const struct key_stream* stream) {
  char sql[256] = "COPY (SELECT * FROM orders ORDER BY id) TO STDOUT (FORMAT binary)";
  if (!stream->whole)
    snprintf(sql, sizeof sql,
             "COPY (SELECT * FROM orders WHERE id > %" PRId64 " AND id <= %" PRId64
             " ORDER BY id) TO STDOUT (FORMAT binary)",
             stream->after, stream->upto);
  PGconn* source = begin_copy(stream->source_port, stream->source_database, sql);
  PGconn* target = begin_copy(stream->target_port, stream->target_database, sql);
  int bytes, other_bytes;
  while (1) {
    char *row, *other;
    bytes = PQgetCopyData(source, &row, 0);
    other_bytes = PQgetCopyData(target, &other, 0);
    if (bytes != other_bytes) fail("compare", "rows differ");
    if (bytes <= 0) break;
    if (memcmp(row, other, (size_t)bytes) != 0) fail("compare", "rows differ");
    PQfreemem(row);
    PQfreemem(other);
  }
  end_copy(source, bytes);
  end_copy(target, other_bytes);
}

int main(int argc, char** argv) { return run_key_streams(argc, argv, NULL, compare); }
