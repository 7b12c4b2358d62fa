#include "migrator/shim/table_lane.h"

#include <algorithm>

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace migrator {
namespace {

const Column& column_in(const TableSchema& schema, const std::string& name) {
  const Column* found = schema.find_column(name);
  if (found != nullptr) return *found;
  throw Error(ErrorKind::gate, fmt::format("table {} has no column `{}`", schema.name.text(), name))
      .table(schema.name.text())
      .remedy("the table was altered since `migrate start`: run it again");
}

std::vector<Column> key_columns(const ShimTable& table, const TableSchema& schema, bool reversed) {
  std::vector<Column> key;
  for (const std::string& name : table.key) {
    std::string here = name;
    for (const auto& [source, target] : table.columns) {
      if (reversed && source == name) here = target;
    }
    key.push_back(column_in(schema, here));
  }
  return key;
}

}  // namespace

const TableSchema& CatalogView::table(const TableName& name) {
  auto known = catalogs_.find(name.schema);
  if (known == catalogs_.end()) {
    known = catalogs_.emplace(name.schema, session_.catalog(name.schema)).first;
    for (TableSchema& table : known->second.tables) table.name.schema = name.schema;
  }
  if (const TableSchema* found = known->second.find_table(name)) return *found;
  throw Error(ErrorKind::gate, fmt::format("table {} is not there", name.text()))
      .table(name.text())
      .remedy("run `migrate start PLAN` again");
}

TableLane::TableLane(const ShimTable& table, Side authority, CatalogView& catalog,
                     const Dialect& dialect, const std::string& migration,
                     const std::string& journal_schema, TableOptions options)
    : table_(table),
      reversed_(authority == Side::target),
      options_(options),
      dialect_(dialect),
      schema_(catalog.table(reversed_ ? table.target : table.source)),
      key_(key_columns(table, schema_, reversed_)),
      entries_(dialect, migration, table.relation, schema_.name, key_, journal_schema) {
  for (const auto& [source, target] : table.columns) columns_[source] = reversed_ ? target : source;
  if (options_.mode != WriteMode::sync) return;
  for (const Column& column : key_) {
    // Its text may depend on the session that prints it, and the guard goes by the text.
    if (column.type.kind != TypeKind::opaque) continue;
    throw Error(ErrorKind::usage,
                fmt::format("table {} cannot be written in mode sync: its key column `{}` is of "
                            "type {}",
                            relation(), column.name, column.native_type))
        .table(relation())
        .remedy("leave it in mode async");
  }
}

const std::string& TableLane::column(const std::string& name) const {
  const auto found = columns_.find(name);
  if (found != columns_.end()) return found->second;
  throw Error(
      ErrorKind::usage,
      fmt::format("the plan's table `{}` has no column `{}` that is migrated", relation(), name))
      .table(relation())
      .remedy("name columns as on the source; one that the plan drops is written by execute()");
}

std::optional<Key> TableLane::key_in(const NamedValues& row) const {
  Key key;
  for (const std::string& name : table_.key) {
    const auto found = std::find_if(row.begin(), row.end(),
                                    [&](const auto& value) { return value.first == name; });
    if (found == row.end()) continue;
    if (is_null(found->second)) {
      throw Error(ErrorKind::usage,
                  fmt::format("a key of `{}` is NULL in column `{}`", relation(), name))
          .table(relation());
    }
    key.push_back(found->second);
  }
  if (key.empty()) return std::nullopt;
  if (key.size() == table_.key.size()) return key;
  std::string names;
  for (const std::string& name : table_.key) names += (names.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::usage, fmt::format("a key of `{}` has the columns {}", relation(), names))
      .table(relation())
      .remedy("give all of them");
}

Key TableLane::key_of(const NamedValues& key) const {
  std::optional<Key> values = key_in(key);
  if (values && key.size() == table_.key.size()) return *std::move(values);
  std::string names;
  for (const std::string& name : table_.key) names += (names.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::usage, fmt::format("a key of `{}` has the columns {}", relation(), names))
      .table(relation())
      .remedy("give these, and no other");
}

bool TableLane::plain_key() const {
  return std::all_of(key_.begin(), key_.end(), [](const Column& column) {
    switch (column.type.kind) {
      case TypeKind::boolean:
      case TypeKind::int16:
      case TypeKind::int32:
      case TypeKind::int64:
      case TypeKind::uint64:
      case TypeKind::decimal:
      case TypeKind::text:
      case TypeKind::bytes:
      case TypeKind::uuid:
        return true;
      default:
        return false;
    }
  });
}

bool TableLane::chosen(const Key& key) const {
  if (options_.mode != WriteMode::sync) return false;
  if (options_.sync_percent >= 100) return true;
  const std::string text = encode_key(key);
  return static_cast<int>(XXH3_64bits(text.data(), text.size()) % 100) < options_.sync_percent;
}

std::vector<TableLane::Statement> TableLane::upsert(const NamedValues& row) const {
  std::vector<std::string> names;
  std::vector<std::size_t> key(table_.key.size());
  for (std::size_t at = 0; at < row.size(); ++at) {
    names.push_back(column(row[at].first));
    const auto part = std::find(table_.key.begin(), table_.key.end(), row[at].first);
    if (part != table_.key.end()) {
      key[static_cast<std::size_t>(part - table_.key.begin())] = at;
    }
  }
  std::vector<Statement> statements;
  for (const Dialect::BoundSql& bound : dialect_.upsert(schema_.name, names, key)) {
    Statement& statement = statements.emplace_back();
    statement.sql = bound.sql;
    statement.otherwise = statements.size() > 1;
    for (const std::size_t at : bound.parameters) statement.parameters.push_back(row[at].second);
  }
  return statements;
}

std::string TableLane::same_key(int first) const {
  std::string sql;
  for (const Column& part : key_) {
    sql += fmt::format("{}{} = {}", sql.empty() ? "" : " AND ", dialect_.quote(part.name),
                       dialect_.placeholder(first++));
  }
  return sql;
}

TableLane::Statement TableLane::update(const Key& key, const NamedValues& changes) const {
  if (changes.empty()) {
    throw Error(ErrorKind::usage, fmt::format("an update of `{}` sets no column", relation()))
        .table(relation());
  }
  Statement statement;
  std::string set;
  for (const auto& [name, value] : changes) {
    statement.parameters.push_back(value);
    set += fmt::format("{}{} = {}", set.empty() ? "" : ", ", dialect_.quote(column(name)),
                       dialect_.placeholder(static_cast<int>(statement.parameters.size())));
  }
  statement.sql = fmt::format("UPDATE {} SET {} WHERE {}", dialect_.quote(schema_.name), set,
                              same_key(static_cast<int>(statement.parameters.size()) + 1));
  statement.parameters.insert(statement.parameters.end(), key.begin(), key.end());
  return statement;
}

TableLane::Statement TableLane::erase(const Key& key) const {
  return {fmt::format("DELETE FROM {} WHERE {}", dialect_.quote(schema_.name), same_key(1)), key,
          false};
}

TableRoute TableLane::route(CatalogView& other) const {
  const TableSchema& there = other.table(reversed_ ? table_.source : table_.target);
  TableRoute route;
  route.name = relation();
  route.read.table = schema_.name;
  route.read.key = key_;
  if (!reversed_) route.read.where = table_.where;
  route.write.table = there.name;
  for (const auto& [source, target] : table_.columns) {
    route.read.columns.push_back(column_in(schema_, reversed_ ? target : source));
    route.write.columns.push_back(column_in(there, reversed_ ? source : target));
  }
  route.write.key = key_columns(table_, there, !reversed_);
  return route;
}

}  // namespace migrator
