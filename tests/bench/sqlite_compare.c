// Two cursors stepped side by side and compared value by value, in one thread a stream.
//   sqlite_compare SOURCE_FILE TARGET_FILE STREAMS ROWS
// `orders` has the keys 1 .. ROWS.
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
  const char *source, *target;
  sqlite3_int64 after, upto;
};

static void stop(const char* what, const char* detail) {
  fprintf(stderr, "%s: %s\n", what, detail);
  exit(1);
}

static sqlite3_stmt* cursor(const char* file, const struct part* part) {
  sqlite3* database = NULL;
  if (sqlite3_open_v2(file, &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL))
    stop(file, sqlite3_errmsg(database));
  sqlite3_busy_timeout(database, 10000);
  sqlite3_stmt* rows = NULL;
  if (sqlite3_prepare_v2(database, "SELECT * FROM orders WHERE id > ?1 AND id <= ?2 ORDER BY id",
                         -1, &rows, NULL))
    stop(file, sqlite3_errmsg(database));
  sqlite3_bind_int64(rows, 1, part->after);
  sqlite3_bind_int64(rows, 2, part->upto);
  return rows;
}

static int same(sqlite3_stmt* a, sqlite3_stmt* b, int column) {
  int type = sqlite3_column_type(a, column);
  if (type != sqlite3_column_type(b, column)) return 0;
  if (type == SQLITE_NULL) return 1;
  if (type == SQLITE_INTEGER)
    return sqlite3_column_int64(a, column) == sqlite3_column_int64(b, column);
  if (type == SQLITE_FLOAT)
    return sqlite3_column_double(a, column) == sqlite3_column_double(b, column);
  const void *x = sqlite3_column_blob(a, column), *y = sqlite3_column_blob(b, column);
  int bytes = sqlite3_column_bytes(a, column);
  return bytes == sqlite3_column_bytes(b, column) &&
         (bytes == 0 || memcmp(x, y, (size_t)bytes) == 0);
}

static void* compare(void* given) {
  const struct part* part = given;
  sqlite3_stmt *rows = cursor(part->source, part), *others = cursor(part->target, part);
  while (1) {
    int state = sqlite3_step(rows);
    if (state != sqlite3_step(others)) stop("compare", "one side has more rows");
    if (state == SQLITE_DONE) break;
    if (state != SQLITE_ROW) stop("sqlite3_step", sqlite3_errmsg(sqlite3_db_handle(rows)));
    for (int column = 0; column < sqlite3_column_count(rows); ++column)
      if (!same(rows, others, column)) stop("compare", "rows differ");
  }
  for (int side = 0; side < 2; ++side) {
    sqlite3_stmt* statement = side ? others : rows;
    sqlite3* database = sqlite3_db_handle(statement);
    sqlite3_finalize(statement);
    sqlite3_close(database);
  }
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: %s SOURCE_FILE TARGET_FILE STREAMS ROWS\n", argv[0]);
    return 2;
  }
  enum { most = 64 };
  int streams = atoi(argv[3]);
  sqlite3_int64 rows = atoll(argv[4]);
  if (streams < 1 || streams > most) return 2;
  pthread_t threads[most];
  struct part parts[most];
  for (int at = 0; at < streams; ++at) {
    parts[at] = (struct part){argv[1], argv[2], rows * at / streams, rows * (at + 1) / streams};
    if (pthread_create(&threads[at], NULL, compare, &parts[at])) stop("pthread_create", "failed");
  }
  for (int at = 0; at < streams; ++at) pthread_join(threads[at], NULL);
  return 0;
}
