// ATTACH and one INSERT ... SELECT: what SQLite itself does best between two files.
//   sqlite_attach SOURCE_FILE TARGET_FILE
// The target has the table already, and its journal mode is the one that the file was made with.
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static void run(sqlite3* database, const char* sql) {
  char* message = NULL;
  if (sqlite3_exec(database, sql, NULL, NULL, &message) == SQLITE_OK) return;
  fprintf(stderr, "%s: %s\n", sql, message);
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s SOURCE_FILE TARGET_FILE\n", argv[0]);
    return 2;
  }
  sqlite3* target = NULL;
  if (sqlite3_open_v2(argv[2], &target, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
    fprintf(stderr, "%s: %s\n", argv[2], sqlite3_errmsg(target));
    return 1;
  }
  // What a target session of migrator has too: a power cut may lose the last commits, never tear
  // one.
  run(target, "PRAGMA synchronous = NORMAL");
  char* attach = sqlite3_mprintf("ATTACH %Q AS source", argv[1]);
  run(target, attach);
  sqlite3_free(attach);
  // Without a condition and with the same columns SQLite moves whole records and parses none.
  run(target, "INSERT INTO main.orders SELECT * FROM source.orders");
  // The last connection to close writes the log back into the file and so is a part of the work.
  if (sqlite3_close(target) != SQLITE_OK) {
    fprintf(stderr, "close: %s\n", sqlite3_errmsg(target));
    return 1;
  }
  return 0;
}
