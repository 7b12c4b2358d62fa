// Binary COPY, both ways: tuples into cells and cells into tuples. A function a column, chosen once
// a table. Format: the PostgreSQL manual, COPY, "Binary Format"; values: the send and receive
// functions of the server's types.
//
// Threads: one at a time. Errors are Error(data), naming the column and never the value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/adapter.h"
#include "adapters/row_batch.h"
#include "adapters/schema.h"

namespace migrator::postgres {

// "PGCOPY\n\377\r\n\0", four bytes of flags, four of the length of an extension that nobody has.
std::string_view binary_header();
// A tuple of -1 columns.
std::string_view binary_trailer();

// Takes the header off the first message of a COPY TO. Throws Error(invariant) if it is none.
std::string_view without_header(std::string_view message);
inline bool is_trailer(std::string_view message) {
  return message.size() == 2 && message[0] == '\xff' && message[1] == '\xff';
}

class BinaryDecoder {
 public:
  // Opaque columns are expected as text. With check_utf8 texts are checked, which is for servers
  // whose encoding is SQL_ASCII and who do not. A misfit is Error(data), or marked with its binary
  // form in hex.
  BinaryDecoder(const std::vector<Column>& columns, bool check_utf8,
                Misfits misfits = Misfits::refuse);
  // One tuple, without header, as one row of cells. REQUIRES: batch.columns() is that of the
  // columns.
  void decode(std::string_view tuple, RowBatch& batch) const;

 private:
  struct Field;
  using Decode = void (*)(const Field&, RowBatch&);
  struct Target {
    Decode decode;
    std::string name;
    bool check_utf8;
  };
  struct Field {
    const Target& column;
    const char* data;
    std::size_t size;
  };
  struct Decoders;  // the functions
  std::vector<Target> columns_;
  Misfits misfits_;
};

// Can cells be encoded in binary for all of these columns? Not for opaque ones, whose receive
// functions are not known here.
bool can_encode_binary(const std::vector<Column>& columns);

class BinaryEncoder {
 public:
  // REQUIRES: can_encode_binary(columns).
  explicit BinaryEncoder(const std::vector<Column>& columns);
  // Appends one row as a tuple. Throws Error(data) for what the column cannot hold unaltered: the
  // server itself would round a number to the column's scale and cut blanks off a long text without
  // a word.
  void encode(const RowBatch& batch, const Cell* row, Slab& out) const;
  static bool has_form(const Column& column);

 private:
  using Encode = void (*)(const Column&, const RowBatch&, const Cell&, Slab&);
  struct Encoders;
  struct Target {
    Encode encode;
    Column column;
  };
  std::vector<Target> columns_;
};

// A numeric as its text, and back. The text keeps every digit that the server keeps.
// Throws Error(data) for bytes that are no numeric.
void print_numeric(std::string_view binary, std::string& out);
// Plain decimal digits, NaN, Infinity or -Infinity into the bytes of a numeric; false for anything
// else.
bool encode_numeric(std::string_view text, Slab& out);

}  // namespace migrator::postgres
