// How SQLite spells things.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/adapter.h"

namespace migrator::sqlite {

class Dialect final : public migrator::Dialect {
 public:
  Engine engine() const override { return Engine::sqlite; }
  using migrator::Dialect::quote;
  std::string quote(std::string_view identifier) const override;
  std::string placeholder(int) const override { return "?"; }
  std::string_view row_lock() const override { return ""; }
  bool concurrent_writers() const override { return false; }
  bool fires_triggers() const override { return false; }
  std::string_view now_ms() const override {
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
  }
  std::string_view own_key_type() const override { return "TEXT"; }
  std::string_view own_text_type() const override { return "TEXT"; }
  std::string_view own_integer_type() const override { return "INTEGER"; }
  MappedColumn map_column(const Column& column, Engine from) const override;
  Column column_of_type(std::string_view name, std::string_view native_type) const override;
  std::vector<std::string> create_table(const TableSchema& table) const override;
  std::string create_index(const TableSchema& table, const Index& index) const override;
  std::string add_foreign_key(const TableSchema&, const ForeignKey&) const override { return ""; }
  std::vector<std::string> after_load(const TableSchema& table) const override;
  Looseness looseness(const Column& column) const override;
  const CaptureDialect& capture() const override;
};

const Dialect& dialect();

// A default of another engine for a column here; "" if it is no literal (or current time) that
// means the same in SQLite. `column` is the mapped one. (defaults.cc)
std::string translate_default(std::string_view sql, const Column& column, Engine from);
// A default expression of SQLite's own as it may stand behind DEFAULT.
std::string default_clause(std::string_view sql);

}  // namespace migrator::sqlite
