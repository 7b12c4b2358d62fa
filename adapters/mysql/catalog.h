// Reads information_schema: a few queries for the whole schema, never one a table.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "adapters/adapter.h"

namespace migrator::mysql {

class MysqlSession;

class CatalogReader {
 public:
  CatalogReader(MysqlSession& session, const std::string& schema);
  Catalog read();

 private:
  using Rows = std::vector<std::vector<Value>>;

  Rows ask(const std::string& sql);
  bool knows(const std::string& view, const std::string& column) const;
  std::string expression(const Value& value) const;  // as DDL takes it
  TableSchema* find(const Value& table_name);
  void read_views();
  void read_tables();
  void read_columns();
  void read_indexes();
  void read_foreign_keys();
  void read_checks();
  void read_triggers();
  void read_code();  // routines and events
  void settle_json();

  MysqlSession& session_;
  const std::string asked_;  // as the caller named it: "" is the session's own
  std::string schema_;
  std::set<std::string> known_columns_;  // "COLUMNS.GENERATION_EXPRESSION", of information_schema
  std::map<std::string, std::size_t, std::less<>> index_of_;
  Catalog catalog_;
};

// A default as information_schema gives it, as the SQL expression that DDL wants behind DEFAULT.
// MariaDB (from 10.2.7) gives SQL already, MySQL the bare text. `extra` is the EXTRA column, whose
// "on update" part is carried within the expression: "current_timestamp() ON UPDATE
// current_timestamp()"; where there is no default it is "ON UPDATE ..." alone. Absent: no default.
std::optional<std::string> default_expression(const std::optional<std::string>& given,
                                              std::string_view extra, std::string_view native_type,
                                              bool gives_sql);

// The column of a json_valid(`c`) check, "" if the check is another one.
std::string json_valid_column(std::string_view check_sql);

}  // namespace migrator::mysql
