#include "tests/conformance/conformance.h"

#include <stdexcept>
#include <thread>

namespace migrator::test {

Conformance::Conformance() : quirks(quirks_of(GetParam())), db(TestDatabase::on(GetParam())) {}

std::unique_ptr<Source> Conformance::open_source() const { return open_source(db); }
std::unique_ptr<Target> Conformance::open_target() const { return open_target(db); }

std::unique_ptr<Source> Conformance::open_source(const TestDatabase& other) const {
  return adapter().open_source(other.url(), options);
}

std::unique_ptr<Target> Conformance::open_target(const TestDatabase& other) const {
  return adapter().open_target(other.url(), options);
}

TableSchema Conformance::table(Session& session, const std::string& name) const {
  const Catalog catalog = session.catalog();
  for (const TableSchema& found : catalog.tables) {
    if (found.name.name == name) return found;
  }
  throw std::runtime_error("the catalog has no table " + name);
}

void Conformance::create_table(const std::string& name, const std::string& columns) const {
  create_table(db, name, columns);
}

void Conformance::create_table(const TestDatabase& where, const std::string& name,
                               const std::string& columns) const {
  where.exec("CREATE TABLE " + name + " (" + columns + ")" + quirks.table_suffix + ";\n");
}

std::map<std::string, TableSchema> Conformance::make_key_tables(Session& session,
                                                                bool empty) const {
  std::string script = quirks.keys_preamble;
  for (const KeySet& set : quirks.keys) {
    std::string columns, key;
    for (const auto& [column, type] : set.columns) {
      // SQLite walks INTEGER PRIMARY KEY as the rowid, and that needs the words on the column.
      columns += column + " " + type +
                 (type.find("NOT NULL") == std::string::npos ? " NOT NULL" : "") +
                 (set.name == "rowid" ? " PRIMARY KEY" : "") + ", ";
      key += (key.empty() ? "" : ", ") + column;
    }
    columns += "ordinal " + quirks.int_type;
    if (set.name != "rowid") columns += ", PRIMARY KEY (" + key + ")";
    script += "CREATE TABLE k_" + set.name + " (" + columns + ")" + quirks.table_suffix + ";\n";
    if (!empty) script += key_rows(set);
  }
  db.exec(script);
  const Catalog catalog = session.catalog();
  std::map<std::string, TableSchema> tables;
  for (const TableSchema& found : catalog.tables) {
    if (found.name.name.starts_with("k_")) tables.emplace(found.name.name.substr(2), found);
  }
  return tables;
}

std::string Conformance::key_rows(const KeySet& set) const {
  std::string values;
  for (std::size_t at = 0; at < set.rows.size(); ++at) {
    const std::size_t from = (at * 5 + 2) % set.rows.size();
    const std::size_t row = set.rows.size() % 5 == 0 ? at : from;
    values += values.empty() ? "(" : ", (";
    for (const std::string& literal : set.rows[row]) values += literal + ", ";
    values += std::to_string(row) + ")";
  }
  return "INSERT INTO k_" + set.name + " VALUES " + values + ";\n";
}

void Conformance::make_numbered_table(int rows) const {
  create_table("t", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, note " + quirks.text_type);
  std::string script;
  for (int id = 1; id <= rows; ++id) {
    script += (id % 500 == 1 ? (script.empty() ? "" : ";\n") + std::string("INSERT INTO t VALUES ")
                             : std::string(",")) +
              "(" + std::to_string(id) + ",'row " + std::to_string(id) + "')";
  }
  if (!script.empty()) db.exec(script + ";\n");
}

std::string Conformance::count_of(const std::string& table_name) const {
  return db.value("SELECT COUNT(*) FROM " + table_name + ";");
}

std::optional<Error> error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& other) {
    ADD_FAILURE() << "not a migrator::Error: " << other.what();
    return std::nullopt;
  }
  ADD_FAILURE() << "nothing was thrown";
  return std::nullopt;
}

std::optional<Error> expect_error(ErrorKind kind, const std::function<void()>& action) {
  auto error = error_of(action);
  if (error) {
    EXPECT_EQ(name(error->kind()), name(kind)) << all_text(*error);
  }
  return error;
}

std::string all_text(const Error& error) {
  return std::string(error.what()) + " | remedy: " + error.remedy() + " | code: " + error.code() +
         " | table: " + error.table();
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds deadline) {
  const Stopwatch watch;
  while (!condition()) {
    if (watch.elapsed() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string server_name(const testing::TestParamInfo<ServerKind>& info) { return name(info.param); }

}  // namespace migrator::test
