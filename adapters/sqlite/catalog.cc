#include "adapters/sqlite/catalog.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <sqlite3.h>

#include "adapters/sqlite/create_table.h"
#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/session.h"
#include "adapters/sqlite/tokens.h"
#include "adapters/sqlite/types.h"

namespace migrator::sqlite {
namespace {

// Rows are counted up to this many: a tenth of a second's work, from a file in the cache.
constexpr std::int64_t kCountLimit = 200'000;
// dbstat visits every page, so larger files are sized from a sample of rows.
constexpr std::int64_t kDbstatPagesMax = 20'000;
constexpr int kSampleRows = 200;

std::string text_or_empty(const Value& value) { return is_null(value) ? "" : as_text(value); }

class TableReader {
 public:
  TableReader(Session& session, std::string name, bool without_rowid, bool strict)
      : session_(session) {
    table_.name.name = std::move(name);
    table_.without_rowid = without_rowid;
    table_.strict = strict;
  }

  TableSchema read(std::int64_t page_count) {
    read_columns();
    read_indexes();
    settle_primary_key();
    read_foreign_keys();
    read_triggers();
    read_text();
    estimate(page_count);
    return std::move(table_);
  }

 private:
  Result ask_about(const std::string& sql) {
    const std::vector<Value> parameters{table_.name.name};
    return session_.ask(sql, parameters);
  }

  void read_columns() {
    std::vector<std::pair<std::int64_t, std::string>> primary;
    for (const auto& row :
         ask_about(
             "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)")
             .rows) {
      Column column;
      column.name = as_text(row[0]);
      column.native_type = text_or_empty(row[1]);
      column.type = neutral_type(column.native_type);
      column.nullable = as_integer(row[2]) == 0;
      if (!is_null(row[3])) column.default_sql = as_text(row[3]);
      if (as_integer(row[4]) > 0) primary.emplace_back(as_integer(row[4]), column.name);
      const std::int64_t hidden = as_integer(row[5]);
      column.generated = hidden == 2 || hidden == 3;
      column.generated_stored = hidden == 3;
      read_metadata(column);
      table_.columns.push_back(std::move(column));
    }
    std::sort(primary.begin(), primary.end());
    for (auto& [position, name] : primary) table_.primary_key.push_back(name);
  }

  void read_metadata(Column& column) {
    const char* collation = nullptr;
    int autoincrement = 0;
    session_.check(sqlite3_table_column_metadata(
                       session_.handle(), "main", table_.name.name.c_str(), column.name.c_str(),
                       nullptr, &collation, nullptr, nullptr, &autoincrement),
                   "cannot read a column", table_.name.name);
    if (collation != nullptr && !same_name(collation, "BINARY"))
      column.collation = upper(collation);
    if (autoincrement != 0) table_.autoincrement = true;
  }

  const std::string& collation_of(const std::string& name) const {
    static const std::string binary = "BINARY";
    const Column* column = table_.find_column(name);
    return column == nullptr || column->collation.empty() ? binary : column->collation;
  }

  void read_indexes() {
    for (const auto& row : ask_about("SELECT l.name, l.\"unique\", l.origin, l.partial, s.sql "
                                     "FROM pragma_index_list(?1) l LEFT JOIN sqlite_schema s "
                                     "ON s.type = 'index' AND s.name = l.name ORDER BY l.name")
                               .rows) {
      Index index;
      index.name = as_text(row[0]);
      index.unique = as_integer(row[1]) != 0;
      const std::string origin = as_text(row[2]);
      index.plain = as_integer(row[3]) == 0;
      index.definition = text_or_empty(row[4]);
      read_index_columns(index);
      if (origin == "pk") {
        has_primary_index_ = true;
        note_primary_index(index);
      } else {
        if (!index.plain && index.definition.empty()) {
          table_.not_carried.push_back("the collation of unique constraint on (" +
                                       list(index.columns) + ")");
        }
        table_.indexes.push_back(std::move(index));
      }
    }
  }

  void read_index_columns(Index& index) {
    const std::vector<Value> parameters{index.name};
    bool descending = false;
    for (const auto& row : session_
                               .ask("SELECT name, desc, coll, cid FROM pragma_index_xinfo(?1) "
                                    "WHERE key = 1 ORDER BY seqno",
                                    parameters)
                               .rows) {
      if (is_null(row[0])) {  // an expression
        index.plain = false;
        continue;
      }
      index.columns.push_back(as_text(row[0]));
      index.descending.push_back(as_integer(row[1]) != 0);
      descending |= index.descending.back();
      if (!same_name(as_text(row[2]), collation_of(index.columns.back()))) index.plain = false;
    }
    if (!descending) index.descending.clear();
  }

  void note_primary_index(const Index& index) {
    for (std::size_t i = 0; i < index.descending.size(); ++i) {
      if (index.descending[i]) {
        table_.not_carried.push_back("descending order of primary key column " + index.columns[i]);
      }
    }
    if (!index.plain) table_.not_carried.push_back("the collation of the primary key");
  }

  // INTEGER PRIMARY KEY, and nothing else, is another name for the rowid.
  void settle_primary_key() {
    if (table_.without_rowid || table_.primary_key.size() != 1 || has_primary_index_) return;
    for (Column& column : table_.columns) {
      if (column.name != table_.primary_key[0] || !same_name(column.native_type, "INTEGER"))
        continue;
      column.identity = true;
      column.nullable = false;
    }
  }

  void read_foreign_keys() {
    std::optional<std::int64_t> id;
    // The last one declared has id 0.
    for (const auto& row : ask_about("SELECT id, \"table\", \"from\", \"to\", on_update, on_delete "
                                     "FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq")
                               .rows) {
      if (id != as_integer(row[0])) {
        id = as_integer(row[0]);
        ForeignKey key;
        key.referenced_table.name = as_text(row[1]);
        key.on_update = as_text(row[4]);
        key.on_delete = as_text(row[5]);
        table_.foreign_keys.push_back(std::move(key));
      }
      table_.foreign_keys.back().columns.push_back(as_text(row[2]));
      if (!is_null(row[3]))
        table_.foreign_keys.back().referenced_columns.push_back(as_text(row[3]));
    }
    for (ForeignKey& key : table_.foreign_keys) {
      if (!key.referenced_columns.empty()) continue;
      // Without columns the other table's primary key is meant.
      const std::vector<Value> parameters{key.referenced_table.name};
      for (const auto& row :
           session_
               .ask("SELECT name FROM pragma_table_xinfo(?1) WHERE pk > 0 ORDER BY pk", parameters)
               .rows) {
        key.referenced_columns.push_back(as_text(row[0]));
      }
    }
  }

  void read_triggers() {
    for (const auto& row : ask_about("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' "
                                     "AND tbl_name = ?1 COLLATE NOCASE ORDER BY name")
                               .rows) {
      const std::string name = as_text(row[0]);
      const std::string description = describe_trigger(text_or_empty(row[1]));
      table_.triggers.push_back({name, description.empty() ? "trigger" : description});
    }
  }

  // What the pragmas do not tell.
  void read_text() {
    std::string sql;
    for (const auto& row : ask_about("SELECT sql FROM sqlite_schema WHERE type = 'table' "
                                     "AND name = ?1 COLLATE NOCASE")
                               .rows) {
      sql = text_or_empty(row[0]);
    }
    CreatedTable created;
    const bool understood =
        parse_create_table(sql, created) &&
        std::equal(created.columns.begin(), created.columns.end(), table_.columns.begin(),
                   table_.columns.end(), [](const CreatedColumn& a, const Column& b) {
                     return same_name(a.name, b.name);
                   });
    if (!understood) {
      table_.not_carried.push_back(
          "checks and generated expressions, as its CREATE TABLE is not understood");
      return;
    }
    table_.checks = std::move(created.checks);
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      table_.columns[i].generated_sql = created.columns[i].generated_sql;
    }
    if (created.foreign_keys.size() == table_.foreign_keys.size()) {
      for (std::size_t i = 0; i < created.foreign_keys.size(); ++i) {
        table_.foreign_keys[i].name = created.foreign_keys[i].name;
        table_.foreign_keys[i].deferrable = created.foreign_keys[i].deferrable;
      }
    }
    if (created.conflict_clauses)
      table_.not_carried.push_back("ON CONFLICT clauses of constraints");
  }

  void estimate(std::int64_t page_count) {
    const std::string table = dialect().quote(table_.name.name);
    std::int64_t rows =
        as_integer(session_
                       .ask(fmt::format("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {})", table,
                                        kCountLimit))
                       .rows[0][0]);
    if (rows >= kCountLimit && !table_.without_rowid) {
      // Gaps make it too high, never too low.
      const Value highest = session_.ask("SELECT max(rowid) FROM " + table).rows[0][0];
      // A column of that name may hold anything.
      if (const auto* number = std::get_if<std::int64_t>(&highest)) rows = std::max(rows, *number);
    }
    if (rows >= kCountLimit) {
      if (const auto analyzed = analyzed_rows(); analyzed && *analyzed > kCountLimit)
        rows = *analyzed;
    }
    table_.rows_estimate = static_cast<std::uint64_t>(rows);
    table_.bytes_estimate = estimate_bytes(rows, page_count);
  }

  // ANALYZE's own count, where it has been run: "rows distinct...".
  std::optional<std::int64_t> analyzed_rows() {
    if (session_.ask("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").empty()) return {};
    const Result found = ask_about(
        "SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = ?1 COLLATE NOCASE");
    if (found.empty() || is_null(found.rows[0][0])) return {};
    return as_integer(found.rows[0][0]);
  }

  std::uint64_t estimate_bytes(std::int64_t rows, std::int64_t page_count) {
    if (page_count <= kDbstatPagesMax) {
      try {
        const Result pages = ask_about("SELECT sum(pgsize) FROM dbstat WHERE name = ?1");
        if (!is_null(pages.rows[0][0]))
          return static_cast<std::uint64_t>(as_integer(pages.rows[0][0]));
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled) throw;  // else: SQLite was built without dbstat
      }
    }
    const Statement statement = session_.prepare(
        fmt::format("SELECT * FROM {} LIMIT {}", dialect().quote(table_.name.name), kSampleRows));
    std::uint64_t bytes = 0, sampled = 0;
    while (session_.step(statement.get(), table_.name.name)) {
      ++sampled;
      for (int i = 0; i < sqlite3_column_count(statement.get()); ++i) {
        // Two bytes of header and eight of number are about what any value costs.
        const int type = sqlite3_column_type(statement.get(), i);
        const bool sized = type == SQLITE_TEXT || type == SQLITE_BLOB;
        bytes +=
            2 + (sized ? static_cast<std::uint64_t>(sqlite3_column_bytes(statement.get(), i)) : 8);
      }
    }
    return sampled == 0 ? 0 : bytes * static_cast<std::uint64_t>(rows) / sampled;
  }

  static std::string list(const std::vector<std::string>& names) {
    std::string result;
    for (const std::string& name : names) result += (result.empty() ? "" : ", ") + name;
    return result;
  }

  Session& session_;
  TableSchema table_;
  bool has_primary_index_ = false;
};

bool is_own(const std::string& name) { return name.starts_with("_migrator_"); }

}  // namespace

Catalog read_catalog(Session& session, const std::string& schema) {
  if (!schema.empty() && !same_name(schema, "main")) {
    throw Error(ErrorKind::usage, "SQLite has no schema " + schema)
        .remedy("leave the schema out of the tables' names");
  }
  Catalog catalog;
  const std::int64_t page_count = as_integer(session.ask("PRAGMA page_count").rows[0][0]);
  for (const auto& row :
       session
           .ask("SELECT name, type, wr, strict FROM pragma_table_list "
                "WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
                "ORDER BY name COLLATE BINARY")
           .rows) {
    const std::string name = as_text(row[0]), type = as_text(row[1]);
    if (is_own(name) || type == "shadow") continue;  // a shadow table goes with its virtual one
    if (type != "table") {
      catalog.not_carried.push_back((type == "virtual" ? "virtual table " : type + " ") + name);
      continue;
    }
    TableReader reader(session, name, as_integer(row[2]) != 0, as_integer(row[3]) != 0);
    catalog.tables.push_back(reader.read(page_count));
  }
  return catalog;
}

}  // namespace migrator::sqlite
