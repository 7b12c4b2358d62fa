// SELECT streamed into LOAD DATA LOCAL INFILE: the rows are the "file", through the client's
// callbacks.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mysql_reader.h"
#include "text_escape.h"

struct feed {
  MYSQL* source;
  MYSQL_RES* rows;
  int plain[ORDERS_COLUMNS];
  char* text;  // rows rendered and not yet taken: [taken, used)
  size_t size;
  size_t taken;
  size_t used;
  unsigned long long sent;
};

enum { kRenderBytes = 64 * 1024 };

static int start_feed(void** handle, const char* name, void* feed) {
  (void)name;
  *handle = feed;
  return 0;
}

static void render_rows(struct feed* feed) {
  feed->taken = feed->used = 0;
  MYSQL_ROW row;
  while (feed->used < kRenderBytes && (row = mysql_fetch_row(feed->rows))) {
    const unsigned long* lengths = mysql_fetch_lengths(feed->rows);
    const size_t room = feed->used + text_row_max(lengths, ORDERS_COLUMNS);
    if (room > feed->size) {
      feed->size = 2 * room;
      feed->text = grow(feed->text, feed->size);
    }
    char* end = text_row(feed->text + feed->used, row, lengths, feed->plain, ORDERS_COLUMNS);
    feed->used = (size_t)(end - feed->text);
    ++feed->sent;
  }
  if (mysql_errno(feed->source)) fail("fetch", mysql_error(feed->source));
}

static int read_feed(void* handle, char* buffer, unsigned int size) {
  struct feed* feed = handle;
  if (feed->taken == feed->used) render_rows(feed);
  const size_t left = feed->used - feed->taken;
  const size_t bytes = left < size ? left : size;
  memcpy(buffer, feed->text + feed->taken, bytes);
  feed->taken += bytes;
  return (int)bytes;
}

static void end_feed(void* handle) { (void)handle; }

static int feed_error(void* handle, char* message, unsigned int size) {
  (void)handle;
  snprintf(message, size, "the feed failed");
  return 1;
}

static void copy(const struct key_stream* stream) {
  struct feed feed = {.source = connect_mysql(stream->source_port, stream->source_database)};
  MYSQL* target = connect_mysql(stream->target_port, stream->target_database);
  feed.rows = read_orders(feed.source, stream);
  for (unsigned c = 0; c < ORDERS_COLUMNS; ++c) {
    // Character set 63 is "binary": numbers and dates here, as `orders` has no binary strings.
    feed.plain[c] = mysql_fetch_field_direct(feed.rows, c)->charsetnr == 63;
  }
  mysql_set_local_infile_handler(target, start_feed, read_feed, end_feed, feed_error, &feed);
  run_mysql(target, "LOAD DATA LOCAL INFILE 'orders' INTO TABLE orders CHARACTER SET utf8mb4");
  if (mysql_warning_count(target)) fail("LOAD DATA", "gave warnings");
  if (mysql_affected_rows(target) != feed.sent) fail("LOAD DATA", "rows are missing");
  run_mysql(target, "COMMIT");

  mysql_free_result(feed.rows);
  mysql_close(feed.source);
  mysql_close(target);
  free(feed.text);
}

int main(int argc, char** argv) { return run_key_streams(argc, argv, mysql_setup, copy); }
