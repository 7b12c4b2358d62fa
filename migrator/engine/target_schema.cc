#include "migrator/engine/target_schema.h"

#include <algorithm>

#include <fmt/format.h>

namespace migrator {
namespace {

// The same columns in the same order serve the same lookups, whatever the name. A method that one
// side does not name is its default.
bool has_index(const TableSchema& table, const Index& wanted) {
  const auto same_method = [](const std::string& a, const std::string& b) {
    const auto usual = [](const std::string& method) {
      return method.empty() || method == "btree" || method == "BTREE";
    };
    return a == b || (usual(a) && usual(b));
  };
  const auto ascending = [](const Index& index) {
    return std::find(index.descending.begin(), index.descending.end(), true) ==
           index.descending.end();
  };
  return std::any_of(table.indexes.begin(), table.indexes.end(), [&](const Index& index) {
    if (!index.plain || !wanted.plain) return index.name == wanted.name;
    return index.columns == wanted.columns && (index.unique || !wanted.unique) &&
           same_method(index.method, wanted.method) &&
           (index.descending == wanted.descending || (ascending(index) && ascending(wanted)));
  });
}

bool has_foreign_key(const TableSchema& table, const ForeignKey& wanted) {
  return std::any_of(table.foreign_keys.begin(), table.foreign_keys.end(),
                     [&](const ForeignKey& key) {
                       return key.columns == wanted.columns &&
                              key.referenced_table.name == wanted.referenced_table.name &&
                              key.referenced_columns == wanted.referenced_columns;
                     });
}

// Names what was being made; the error keeps its kind, code and remedy.
[[noreturn]] void rethrow(const Error& error, const std::string& what, const std::string& table,
                          const std::string& remedy) {
  throw Error(error.kind(), what + ": " + error.what())
      .scope(error.scope())
      .code(error.code())
      .table(table)
      .duplicate_key(error.duplicate_key())
      .remedy(error.remedy().empty() || error.kind() == ErrorKind::data ? remedy : error.remedy());
}

}  // namespace

const TableSchema* TargetSchema::find(const Catalog& catalog, const TableRoute& route) const {
  for (const TableSchema& table : catalog.tables) {
    const TableName& name = route.write.table;
    if (table.name.name == name.name && (name.schema.empty() || table.name.schema == name.schema)) {
      return &table;
    }
  }
  return nullptr;
}

// The table, and in the same statement the unique index that the copy's key rests on where that is
// not the primary key: without it "absent by that key" could not be told, and a crash between two
// statements would leave a table that no run goes on with. All other indexes come after the rows.
std::vector<std::string> TargetSchema::table_statements(const TableRoute& route) const {
  TableSchema table = route.wanted;
  std::vector<std::string> key;
  for (const Column& column : route.write.key) key.push_back(column.name);
  if (key != table.primary_key) {
    const auto index = std::find_if(
        table.indexes.begin(), table.indexes.end(),
        [&](const Index& one) { return one.unique && one.plain && one.columns == key; });
    if (index != table.indexes.end()) table.unique_from_start = *index;
  }
  return target_.dialect().create_table(table);
}

std::vector<std::string> TargetSchema::missing_tables(const std::vector<TableRoute>& routes) const {
  std::vector<std::string> statements;
  for (const TableRoute& route : routes) {
    if (route.target_exists) continue;
    for (std::string& sql : table_statements(route)) {
      statements.push_back(std::move(sql));
    }
  }
  return statements;
}

std::vector<std::string> TargetSchema::create_tables(const std::vector<TableRoute>& routes) {
  std::vector<std::string> made;
  for (const TableRoute& route : routes) {
    if (find(target_.catalog(route.write.table.schema), route)) continue;
    try {
      for (const std::string& sql : table_statements(route)) {
        target_.execute(sql);
      }
    } catch (const Error& error) {
      rethrow(
          error, "cannot create table " + route.wanted.name.text(), route.name,
          "create the table on the target by hand, or give the columns other types in the plan");
    }
    made.push_back(route.name);
  }
  return made;
}

void TargetSchema::build_indexes(const TableRoute& route) {
  const Catalog catalog = target_.catalog(route.write.table.schema);
  const TableSchema* table = find(catalog, route);
  if (!table) {
    throw Error(ErrorKind::permanent, "the target table " + route.write.table.text() + " is gone")
        .table(route.name)
        .remedy("find out who dropped it; its rows have to be copied anew");
  }
  for (const Index& index : route.wanted.indexes) {
    if (has_index(*table, index)) continue;
    TableSchema named = route.wanted;
    named.name = route.write.table;
    try {
      target_.execute(target_.dialect().create_index(named, index));
    } catch (const Error& error) {
      rethrow(
          error, fmt::format("cannot make index {} of {}", index.name, route.name), route.name,
          error.duplicate_key()
              ? "rows of the target break this index: correct them and run the same command again"
              : "make the index on the target by hand and run the same command again");
    }
  }
}

void TargetSchema::add_foreign_keys(const TableRoute& route) {
  if (route.wanted.foreign_keys.empty()) return;
  const Catalog catalog = target_.catalog(route.write.table.schema);
  const TableSchema* table = find(catalog, route);
  if (!table) return;
  TableSchema named = route.wanted;
  named.name = route.write.table;
  for (const ForeignKey& key : route.wanted.foreign_keys) {
    if (has_foreign_key(*table, key)) continue;
    const std::string sql = target_.dialect().add_foreign_key(named, key);
    if (sql.empty()) continue;
    try {
      target_.execute(sql);
    } catch (const Error& error) {
      rethrow(
          error, fmt::format("cannot make foreign key {} of {}", key.name, route.name), route.name,
          "rows refer to rows that are not there: see `migrate rejects PLAN` and `migrate verify "
          "PLAN`, mend them, and run the same command again");
    }
  }
}

std::vector<std::string> TargetSchema::orphans(const TableRoute& route) {
  std::vector<std::string> found;
  const Dialect& dialect = target_.dialect();
  if (dialect.enforces_foreign_keys()) return found;
  const Catalog catalog = target_.catalog(route.write.table.schema);
  const TableSchema* table = find(catalog, route);
  if (!table) return found;
  for (const ForeignKey& key : table->foreign_keys) {
    std::string given, same;
    for (std::size_t at = 0; at < key.columns.size(); ++at) {
      const std::string column = "c." + dialect.quote(key.columns[at]);
      given += (at == 0 ? "" : " AND ") + column + " IS NOT NULL";
      same +=
          (at == 0 ? "p." : " AND p.") + dialect.quote(key.referenced_columns[at]) + " = " + column;
    }
    const Result count = target_.query(fmt::format(
        "SELECT COUNT(*) FROM {} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {})",
        dialect.quote(route.write.table), given, dialect.quote(key.referenced_table), same));
    const std::int64_t rows = as_integer(count.rows.at(0).at(0));
    if (rows == 0) continue;
    found.push_back(fmt::format("{}: {} rows refer by ({}) to rows of {} that are not there",
                                route.name, rows, fmt::join(key.columns, ", "),
                                key.referenced_table.text()));
  }
  return found;
}

void TargetSchema::after_load(const TableRoute& route) {
  TableSchema named = route.target_exists ? route.target : route.wanted;
  named.name = route.write.table;
  for (const std::string& sql : target_.dialect().after_load(named)) target_.execute(sql);
}

}  // namespace migrator
