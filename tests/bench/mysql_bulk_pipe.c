// SELECT streamed into INSERTs of 1000 rows a time over MariaDB's bulk protocol (array binding).
//
// Integers and times are bound in binary form, which spares the target server parsing them: worth
// some five to ten percent over binding everything as text. Decimals have no other form than text.
#include <stdlib.h>
#include <string.h>

#include "mysql_reader.h"

enum { kBatchRows = 1000 };

enum form { kText, kInteger, kTime };

struct column {
  enum form form;
  char indicators[kBatchRows];
  unsigned long lengths[kBatchRows];
  size_t offsets[kBatchRows];  // text: where in the slab, which may move until the batch is full
  void* values[kBatchRows];    // text and times are bound as an array of pointers
  long long integers[kBatchRows];
  MYSQL_TIME times[kBatchRows];
};

struct batch {
  struct column columns[ORDERS_COLUMNS];
  MYSQL_BIND binds[ORDERS_COLUMNS];
  char* slab;  // the text values of the batch, one after the other
  size_t slab_size;
  size_t slab_used;
  unsigned rows;
};

static enum form form_of(enum enum_field_types type) {
  switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
      return kInteger;
    case MYSQL_TYPE_DATETIME:
      return kTime;
    default:
      return kText;
  }
}

static struct batch* new_batch(MYSQL_RES* rows) {
  static const enum enum_field_types types[] = {MYSQL_TYPE_STRING, MYSQL_TYPE_LONGLONG,
                                                MYSQL_TYPE_DATETIME};
  struct batch* batch = calloc(1, sizeof *batch);
  if (!batch) fail("calloc", "out of memory");
  for (unsigned c = 0; c < ORDERS_COLUMNS; ++c) {
    struct column* column = &batch->columns[c];
    column->form = form_of(mysql_fetch_field_direct(rows, c)->type);
    for (int r = 0; r < kBatchRows; ++r) column->values[r] = &column->times[r];
    MYSQL_BIND* bind = &batch->binds[c];
    bind->buffer_type = types[column->form];
    bind->buffer = column->form == kInteger ? (void*)column->integers : (void*)column->values;
    bind->length = column->lengths;
    bind->u.indicator = column->indicators;
  }
  return batch;
}

static long long parse_integer(const char* text) {
  const int negative = *text == '-';
  long long value = 0;
  for (text += negative; *text; ++text) value = value * 10 + (*text - '0');
  return negative ? -value : value;
}

static unsigned two_digits(const char* text) {
  return (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
}

// "2021-01-01 00:00:37.000123"
static void parse_time(const char* text, unsigned long length, MYSQL_TIME* time) {
  if (length != 26) fail("orders", "a datetime(6) of another length than 26");
  time->year = two_digits(text) * 100 + two_digits(text + 2);
  time->month = two_digits(text + 5);
  time->day = two_digits(text + 8);
  time->hour = two_digits(text + 11);
  time->minute = two_digits(text + 14);
  time->second = two_digits(text + 17);
  time->second_part =
      two_digits(text + 20) * 10000 + two_digits(text + 22) * 100 + two_digits(text + 24);
  time->time_type = MYSQL_TIMESTAMP_DATETIME;
}

// The client overwrites a row when it reads the next one, so text must be copied once.
static void add_text(struct batch* batch, struct column* column, const char* text,
                     unsigned long length) {
  if (batch->slab_used + length > batch->slab_size) {
    batch->slab_size = 2 * (batch->slab_used + length);
    batch->slab = grow(batch->slab, batch->slab_size);
  }
  memcpy(batch->slab + batch->slab_used, text, length);
  column->offsets[batch->rows] = batch->slab_used;
  column->lengths[batch->rows] = length;
  batch->slab_used += length;
}

static void add_row(struct batch* batch, MYSQL_ROW row, const unsigned long* lengths) {
  for (int c = 0; c < ORDERS_COLUMNS; ++c) {
    struct column* column = &batch->columns[c];
    column->indicators[batch->rows] = row[c] ? STMT_INDICATOR_NONE : STMT_INDICATOR_NULL;
    if (!row[c]) continue;
    if (column->form == kInteger)
      column->integers[batch->rows] = parse_integer(row[c]);
    else if (column->form == kTime)
      parse_time(row[c], lengths[c], &column->times[batch->rows]);
    else
      add_text(batch, column, row[c], lengths[c]);
  }
  ++batch->rows;
}

static void send_batch(MYSQL_STMT* insert, struct batch* batch) {
  if (batch->rows == 0) return;
  for (int c = 0; c < ORDERS_COLUMNS; ++c) {
    struct column* column = &batch->columns[c];
    if (column->form != kText) continue;
    for (unsigned r = 0; r < batch->rows; ++r) column->values[r] = batch->slab + column->offsets[r];
  }
  if (mysql_stmt_attr_set(insert, STMT_ATTR_ARRAY_SIZE, &batch->rows) ||
      mysql_stmt_bind_param(insert, batch->binds) || mysql_stmt_execute(insert))
    fail("insert", mysql_stmt_error(insert));
  if (mysql_stmt_affected_rows(insert) != batch->rows) fail("insert", "rows are missing");
  batch->rows = 0;
  batch->slab_used = 0;
}

static void copy(const struct key_stream* stream) {
  static const char sql[] = "INSERT INTO orders VALUES (?,?,?,?,?,?,?,?,?,?)";
  MYSQL* source = connect_mysql(stream->source_port, stream->source_database);
  MYSQL* target = connect_mysql(stream->target_port, stream->target_database);
  MYSQL_STMT* insert = mysql_stmt_init(target);
  if (!insert) fail("mysql_stmt_init", "out of memory");
  if (mysql_stmt_prepare(insert, sql, sizeof sql - 1)) fail("prepare", mysql_stmt_error(insert));

  MYSQL_RES* rows = read_orders(source, stream);
  struct batch* batch = new_batch(rows);
  MYSQL_ROW row;
  while ((row = mysql_fetch_row(rows))) {
    add_row(batch, row, mysql_fetch_lengths(rows));
    if (batch->rows == kBatchRows) send_batch(insert, batch);
  }
  if (mysql_errno(source)) fail("fetch", mysql_error(source));
  send_batch(insert, batch);
  run_mysql(target, "COMMIT");

  mysql_free_result(rows);
  mysql_stmt_close(insert);
  mysql_close(source);
  mysql_close(target);
  free(batch->slab);
  free(batch);
}

int main(int argc, char** argv) { return run_key_streams(argc, argv, mysql_setup, copy); }
