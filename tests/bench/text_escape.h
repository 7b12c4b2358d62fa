// The text form that PostgreSQL's COPY and MySQL's LOAD DATA share with their default options: tabs
// between fields, newline after a row, \N for NULL, and a backslash before what would be taken for
// one of these.
#pragma once

#include <stddef.h>

// Room that a row of these field lengths can need at most.
size_t text_row_max(const unsigned long* lengths, int fields);

// Writes the row at `out`, which must have text_row_max bytes, and returns its end. A field of NULL
// is SQL NULL. plain[i] says that field i (a number, a date) cannot hold a byte that needs a
// backslash.
char* text_row(char* out, char** fields, const unsigned long* lengths, const int* plain, int count);
