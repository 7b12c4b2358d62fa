// SELECT of a MySQL server streamed into PostgreSQL's COPY ... FROM STDIN in text form.
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "mysql_reader.h"
#include "text_escape.h"

// libpq sends what it is given once its own buffer of 8 KiB is full; larger pieces save calls, not
// copies.
enum { kPieceBytes = 64 * 1024 };

static PGconn* connect_target(const struct key_stream* stream) {
  char conninfo[256];
  snprintf(conninfo, sizeof conninfo,
           "host=" BENCH_HOST " user=" BENCH_USER " sslmode=disable port=%u dbname=%s",
           stream->target_port, stream->target_database);
  PGconn* target = PQconnectdb(conninfo);
  if (PQstatus(target) != CONNECTION_OK) fail("PQconnectdb", PQerrorMessage(target));
  return target;
}

static void send_piece(PGconn* target, const char* text, size_t bytes) {
  if (bytes && PQputCopyData(target, text, (int)bytes) != 1)
    fail("PQputCopyData", PQerrorMessage(target));
}

static void finish_copy(PGconn* target, unsigned long long sent) {
  if (PQputCopyEnd(target, NULL) != 1) fail("PQputCopyEnd", PQerrorMessage(target));
  PGresult* result = PQgetResult(target);
  if (PQresultStatus(result) != PGRES_COMMAND_OK) fail("COPY", PQerrorMessage(target));
  if (strtoull(PQcmdTuples(result), NULL, 10) != sent) fail("COPY", "rows are missing");
  PQclear(result);
}

static void copy(const struct key_stream* stream) {
  MYSQL* source = connect_mysql(stream->source_port, stream->source_database);
  PGconn* target = connect_target(stream);
  PGresult* begun = PQexec(target, "COPY orders FROM STDIN");
  if (PQresultStatus(begun) != PGRES_COPY_IN) fail("COPY", PQerrorMessage(target));
  PQclear(begun);

  MYSQL_RES* rows = read_orders(source, stream);
  int plain[ORDERS_COLUMNS];
  for (unsigned c = 0; c < ORDERS_COLUMNS; ++c)
    plain[c] = mysql_fetch_field_direct(rows, c)->charsetnr == 63;  // numbers and dates
  char* text = NULL;
  size_t size = 0, used = 0;
  unsigned long long sent = 0;
  MYSQL_ROW row;
  while ((row = mysql_fetch_row(rows))) {
    const unsigned long* lengths = mysql_fetch_lengths(rows);
    const size_t room = used + text_row_max(lengths, ORDERS_COLUMNS);
    if (room > size) {
      size = 2 * (room > kPieceBytes ? room : kPieceBytes);
      text = grow(text, size);
    }
    used = (size_t)(text_row(text + used, row, lengths, plain, ORDERS_COLUMNS) - text);
    ++sent;
    if (used >= kPieceBytes) {
      send_piece(target, text, used);
      used = 0;
    }
  }
  if (mysql_errno(source)) fail("fetch", mysql_error(source));
  send_piece(target, text, used);
  finish_copy(target, sent);

  mysql_free_result(rows);
  mysql_close(source);
  PQfinish(target);
  free(text);
}

int main(int argc, char** argv) { return run_key_streams(argc, argv, mysql_setup, copy); }
