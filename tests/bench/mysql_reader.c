#include "mysql_reader.h"

#include <inttypes.h>
#include <stdio.h>

void mysql_setup(void) {
  if (mysql_library_init(0, NULL, NULL)) fail("mysql_library_init", "failed");
}

MYSQL* connect_mysql(unsigned port, const char* database) {
  MYSQL* session = mysql_init(NULL);
  if (!session) fail("mysql_init", "out of memory");
  unsigned protocol = MYSQL_PROTOCOL_TCP;
  unsigned local_infile = 1;
  mysql_options(session, MYSQL_OPT_PROTOCOL, &protocol);
  mysql_options(session, MYSQL_OPT_LOCAL_INFILE, &local_infile);
  mysql_options(session, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (!mysql_real_connect(session, BENCH_HOST, BENCH_USER, NULL, database, port, NULL, 0))
    fail("mysql_real_connect", mysql_error(session));
  run_mysql(session, "SET time_zone = '+00:00', autocommit = 0");
  return session;
}

void run_mysql(MYSQL* session, const char* sql) {
  if (mysql_query(session, sql)) fail(sql, mysql_error(session));
}

MYSQL_RES* read_orders(MYSQL* session, const struct key_stream* stream) {
  char sql[256] = "SELECT * FROM orders";
  if (!stream->whole)
    snprintf(sql, sizeof sql,
             "SELECT * FROM orders WHERE id > %" PRId64 " AND id <= %" PRId64 " ORDER BY id",
             stream->after, stream->upto);
  run_mysql(session, sql);
  MYSQL_RES* rows = mysql_use_result(session);
  if (!rows) fail("mysql_use_result", mysql_error(session));
  if (mysql_num_fields(rows) != ORDERS_COLUMNS) fail("orders", "has not ten columns");
  return rows;
}
