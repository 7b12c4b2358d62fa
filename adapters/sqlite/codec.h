// Values between SQLite's storage classes and neutral cells, checked one by one: SQLite lets any
// value into any column, and a value that its column's declared type cannot mean is an error, never
// a guess.
//
// Two layouts: "cells" (typed, by Column::type) and "sqlite-cells" (the storage class as it is,
// between columns of the same declared types).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

#include "adapters/adapter.h"
#include "adapters/sqlite/types.h"

namespace migrator::sqlite {

inline constexpr const char* kNativeFormat = "sqlite-cells";

// Appends the cells of the statement's row to a batch.
class RowDecoder {
 public:
  // `typed`: the layout is "cells", and a misfit is refused or marked.
  RowDecoder(const TableName& table, const std::vector<Column>& columns, bool typed,
             Misfits misfits = Misfits::refuse);
  // Throws Error(data) naming table and column of a misfit. The row is then half pushed: the batch
  // is of no use.
  void decode(sqlite3_stmt* statement, RowBatch& batch) const;

 private:
  void decode_typed(sqlite3_value* value, int index, RowBatch& batch) const;
  std::string table_;
  std::vector<Column> columns_;
  bool typed_;
  Misfits misfits_;
};

// Binds a batch's rows to the parameters 1.. of a statement, column by column.
class RowEncoder {
 public:
  RowEncoder(const TableName& table, const std::vector<Column>& columns, bool typed);
  // Binds without copying: the batch must stay until the statement has been reset or bound again.
  // With no statement the values are checked only. Throws Error(data) naming table and column.
  void encode(const RowBatch& batch, std::size_t row, sqlite3_stmt* statement);

 private:
  struct Target {
    Column column;
    Affinity affinity;
    std::string text;  // what was printed for the row in hand; lives as long as its binding
  };
  void encode_native(const Target& target, int position, const Cell& cell, std::string_view bytes,
                     sqlite3_stmt* statement);
  void encode_typed(Target& target, int position, const Cell& cell, std::string_view bytes,
                    sqlite3_stmt* statement);
  void encode_number(const Target& target, int position, const Cell& cell, std::string_view bytes,
                     sqlite3_stmt* statement);
  void encode_decimal(Target& target, int position, const Cell& cell, std::string_view bytes,
                      sqlite3_stmt* statement);
  void encode_time(Target& target, int position, const Cell& cell, sqlite3_stmt* statement);
  void encode_text(const Target& target, int position, const Cell& cell, std::string_view bytes,
                   sqlite3_stmt* statement);
  [[noreturn]] void refuse(const Target& target, std::string_view what) const;

  std::string table_;
  std::vector<Target> targets_;
  bool typed_;
};

// A text that a column of numeric affinity would turn into a number.
bool looks_numeric(std::string_view text);

// Of sqlite3_column_value(): a column of the row that a statement stands on, until it steps. (By
// the value, as asking the statement anew for type, bytes and length took a tenth of a scan. SQLite
// leaves such values to one thread, which a session has anyway.) Throw Error(transient) where there
// is no memory for it: SQLite itself then gives an empty one.
std::string_view text_of(sqlite3_value* value);
std::string_view bytes_of(sqlite3_value* value);

}  // namespace migrator::sqlite
