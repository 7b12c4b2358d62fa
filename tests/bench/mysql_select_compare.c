// Two unbuffered SELECTs, compared row by row as the servers sent them, in one thread a stream: the
// least that a program must do to know that both hold the same.
#include <string.h>

#include "mysql_reader.h"

static void compare(const struct key_stream* stream) {
  MYSQL* source = connect_mysql(stream->source_port, stream->source_database);
  MYSQL* target = connect_mysql(stream->target_port, stream->target_database);
  MYSQL_RES* rows = read_orders(source, stream);
  MYSQL_RES* others = read_orders(target, stream);
  while (1) {
    MYSQL_ROW row = mysql_fetch_row(rows), other = mysql_fetch_row(others);
    if (!row != !other) fail("compare", "one side has more rows");
    if (!row) break;
    unsigned long *lengths = mysql_fetch_lengths(rows),
                  *others_lengths = mysql_fetch_lengths(others);
    for (int column = 0; column < ORDERS_COLUMNS; ++column) {
      if (!row[column] != !other[column] || lengths[column] != others_lengths[column] ||
          (row[column] && memcmp(row[column], other[column], lengths[column]) != 0))
        fail("compare", "rows differ");
    }
  }
  if (mysql_errno(source)) fail("mysql_fetch_row", mysql_error(source));
  if (mysql_errno(target)) fail("mysql_fetch_row", mysql_error(target));
  mysql_free_result(rows);
  mysql_free_result(others);
  mysql_close(source);
  mysql_close(target);
}

int main(int argc, char** argv) { return run_key_streams(argc, argv, mysql_setup, compare); }
