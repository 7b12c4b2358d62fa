#include "adapters/sqlite/key_walk.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/session.h"
#include "adapters/sqlite/tokens.h"

namespace migrator::sqlite {
namespace {

struct ColumnFacts {
  std::string name, collation;
  bool nullable = true;
  std::int64_t id = 0;
};

struct IndexColumn {
  std::string name, collation;
  bool descending = false;
};

struct UniqueIndex {
  std::string name;
  bool primary = false;
  std::vector<IndexColumn> columns;
};

struct TableFacts {
  std::vector<ColumnFacts> columns;
  std::vector<UniqueIndex> indexes;
  std::vector<std::string> primary_key;
  bool without_rowid = false;
  std::string rowid_alias;  // "" if there is none
};

std::string declared_collation(Session& session, const std::string& schema,
                               const std::string& table, const std::string& column) {
  const char* collation = nullptr;
  const int result =
      sqlite3_table_column_metadata(session.handle(), schema.c_str(), table.c_str(), column.c_str(),
                                    nullptr, &collation, nullptr, nullptr, nullptr);
  return result == SQLITE_OK && collation != nullptr ? collation : "BINARY";
}

std::vector<IndexColumn> index_columns(Session& session, const std::string& schema,
                                       const std::string& index) {
  std::vector<IndexColumn> columns;
  const std::vector<Value> parameters{index, schema};
  const Result rows = session.ask(
      "SELECT name, coll, desc FROM pragma_index_xinfo(?1, ?2) WHERE key = 1 ORDER BY seqno",
      parameters);
  for (const auto& row : rows.rows) {
    columns.push_back(
        {is_null(row[0]) ? "" : as_text(row[0]), as_text(row[1]), as_integer(row[2]) != 0});
  }
  return columns;
}

TableFacts table_facts(Session& session, const std::string& schema, const std::string& table) {
  TableFacts facts;
  const std::vector<Value> parameters{table, schema};
  std::string integer_key;
  std::vector<std::pair<std::int64_t, std::string>> primary;
  for (const auto& row :
       session
           .ask("SELECT cid, name, type, \"notnull\", pk FROM pragma_table_xinfo(?1, ?2)",
                parameters)
           .rows) {
    const std::string name = as_text(row[1]);
    facts.columns.push_back({name, declared_collation(session, schema, table, name),
                             as_integer(row[3]) == 0, as_integer(row[0])});
    if (as_integer(row[4]) > 0) primary.emplace_back(as_integer(row[4]), name);
    if (as_integer(row[4]) > 0 && same_name(as_text(row[2]), "INTEGER")) integer_key = name;
  }
  if (facts.columns.empty()) {
    throw Error(ErrorKind::permanent, fmt::format("there is no table {}", table))
        .table(table)
        .remedy("check the table's name in the plan");
  }
  std::sort(primary.begin(), primary.end());
  for (const auto& [position, name] : primary) facts.primary_key.push_back(name);
  const std::vector<Value> by_schema{schema, table};
  for (const auto& row :
       session
           .ask("SELECT wr FROM pragma_table_list WHERE schema = ?1 COLLATE NOCASE AND name = ?2 "
                "COLLATE NOCASE",
                by_schema)
           .rows) {
    facts.without_rowid = as_integer(row[0]) != 0;
  }
  bool primary_index = false;
  for (const auto& row :
       session
           .ask("SELECT name, origin FROM pragma_index_list(?1, ?2) WHERE \"unique\" "
                "AND NOT partial ORDER BY origin <> 'pk', seq DESC",
                parameters)
           .rows) {
    UniqueIndex index{as_text(row[0]), as_text(row[1]) == "pk", {}};
    index.columns = index_columns(session, schema, index.name);
    primary_index |= index.primary;
    // A nameless column is an expression.
    const bool plain = std::none_of(index.columns.begin(), index.columns.end(),
                                    [](const IndexColumn& c) { return c.name.empty(); });
    if (plain) facts.indexes.push_back(std::move(index));
  }
  // With an index of its own the primary key is no alias (INTEGER PRIMARY KEY DESC is the classic).
  if (!facts.without_rowid && primary.size() == 1 && !primary_index)
    facts.rowid_alias = integer_key;
  return facts;
}

const ColumnFacts& find_column(const TableFacts& facts, const std::string& table,
                               const std::string& name) {
  for (const ColumnFacts& column : facts.columns) {
    if (same_name(column.name, name)) return column;
  }
  throw Error(ErrorKind::permanent, fmt::format("table {} has no column {}", table, name))
      .table(table)
      .remedy("check the key in the plan");
}

bool same_columns(const UniqueIndex& index, const std::vector<Column>& key) {
  return index.columns.size() == key.size() &&
         std::equal(
             key.begin(), key.end(), index.columns.begin(),
             [](const Column& a, const IndexColumn& b) { return same_name(a.name, b.name); });
}

bool same_columns_in_any_order(const UniqueIndex& index, const std::vector<Column>& key) {
  return index.columns.size() == key.size() &&
         std::all_of(key.begin(), key.end(), [&](const Column& column) {
           return std::any_of(index.columns.begin(), index.columns.end(),
                              [&](const IndexColumn& c) { return same_name(c.name, column.name); });
         });
}

bool one_direction(const UniqueIndex& index) {
  return std::all_of(index.columns.begin(), index.columns.end(), [&](const IndexColumn& c) {
    return c.descending == index.columns.front().descending;
  });
}

std::string term(const ColumnFacts& column, const std::string& collation) {
  std::string result = dialect().quote(column.name);
  if (!same_name(collation, column.collation)) result += " COLLATE " + dialect().quote(collation);
  return result;
}

}  // namespace

KeyWalk KeyWalk::find(Session& session, const std::string& schema, const std::string& table,
                      const std::vector<Column>& key) {
  const TableFacts facts = table_facts(session, schema, table);
  KeyWalk walk;
  for (const Column& column : key) {
    const ColumnFacts& found = find_column(facts, table, column.name);
    if (!walk.columns_.empty()) walk.columns_ += ", ";
    walk.columns_ += dialect().quote(found.name);
    const bool alias = same_name(found.name, facts.rowid_alias);
    if (found.nullable && !alias) walk.nullable_.push_back(found.name);
  }
  if (key.size() == 1 && same_name(key[0].name, facts.rowid_alias)) {
    walk.parts_.push_back({walk.columns_, false, "BINARY"});
    walk.hint_ = "NOT INDEXED";
    walk.conflict_target_ = walk.columns_;
    return walk;
  }
  // The primary key first, and of the others one that can be compared as a row value.
  const UniqueIndex* chosen = nullptr;
  for (const UniqueIndex& index : facts.indexes) {
    if (!same_columns(index, key)) continue;
    if (chosen == nullptr || (!one_direction(*chosen) && one_direction(index))) chosen = &index;
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    const ColumnFacts& column = find_column(facts, table, key[i].name);
    const std::string& collation =
        chosen == nullptr ? column.collation : chosen->columns[i].collation;
    // An index of one direction is walked forwards or backwards: the order is ascending either way.
    const bool descending =
        chosen != nullptr && !one_direction(*chosen) && chosen->columns[i].descending;
    walk.parts_.push_back({term(column, collation), descending, collation});
  }
  if (chosen != nullptr) {
    walk.hint_ = facts.without_rowid && chosen->primary
                     ? "NOT INDEXED"
                     : "INDEXED BY " + dialect().quote(chosen->name);
  }
  const UniqueIndex* unique = chosen;
  for (const UniqueIndex& index : facts.indexes) {
    if (unique == nullptr && same_columns_in_any_order(index, key)) unique = &index;
  }
  if (unique != nullptr) {
    for (const IndexColumn& part : unique->columns) {
      if (!walk.conflict_target_.empty()) walk.conflict_target_ += ", ";
      walk.conflict_target_ += term(find_column(facts, table, part.name), part.collation);
    }
  }
  return walk;
}

bool KeyWalk::mixed() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const KeyPart& p) { return p.descending; });
}

// The rows behind (lower) or up to (upper) the bound at parameters first.., looking at parts from
// `part` on.
std::string KeyWalk::bound(const std::vector<KeyPart>& parts, bool lower, int first,
                           std::size_t part) {
  const KeyPart& key = parts[part];
  const int parameter = first + static_cast<int>(part);
  const char* op = lower != key.descending ? ">" : "<";
  if (part + 1 == parts.size()) {
    return fmt::format("{} {}{} ?{}", key.term, op, lower ? "" : "=", parameter);
  }
  const std::string rest = bound(parts, lower, first, part + 1);
  // The first comparison is implied by the second; it is what the index can be searched by.
  return fmt::format("({0} {1}= ?{2} AND ({0} {1} ?{2} OR ({0} = ?{2} AND {3})))", key.term, op,
                     parameter, rest);
}

std::string KeyWalk::condition(const KeyRange& range) const {
  std::string result;
  int first = 1;
  const auto add = [&](bool lower) {
    if (!result.empty()) result += " AND ";
    const int count = static_cast<int>(parts_.size());
    if (mixed() || count == 1) {
      result += bound(parts_, lower, first, 0);
    } else {
      std::string terms, places;
      for (int i = 0; i < count; ++i) {
        terms += (i == 0 ? "" : ", ") + parts_[static_cast<std::size_t>(i)].term;
        places += fmt::format("{}?{}", i == 0 ? "" : ", ", first + i);
      }
      result += fmt::format("({}) {} ({})", terms, lower ? ">" : "<=", places);
    }
    first += count;
  };
  if (range.lower) add(true);
  if (range.upper) add(false);
  return result;
}

std::string KeyWalk::condition_on_values(const KeyRange& range) const {
  const int count = static_cast<int>(parts_.size());
  const int lower = 1, upper = range.lower ? count + 1 : 1;
  const int values = upper + (range.upper ? count : 0);
  std::vector<KeyPart> parts = parts_;
  for (int at = 0; at < count; ++at) {
    KeyPart& part = parts[static_cast<std::size_t>(at)];
    part.term = fmt::format("?{} COLLATE {}", values + at, dialect().quote(part.collation));
  }
  std::string result;
  if (range.lower) result += bound(parts, true, lower, 0);
  if (range.upper) {
    if (!result.empty()) result += " AND ";
    result += bound(parts, false, upper, 0);
  }
  return result.empty() ? "1" : result;
}

std::string KeyWalk::equality(const char* parameter) const {
  std::string result;
  for (std::size_t at = 0; at < parts_.size(); ++at) {
    result +=
        fmt::format("{}{} = {}{}", at == 0 ? "" : " AND ", parts_[at].term, parameter, at + 1);
  }
  return result;
}

std::string KeyWalk::distinct_values() const {
  std::string result;
  for (std::size_t at = 0; at < parts_.size(); ++at) {
    result += fmt::format("{}column{} COLLATE {} AS _migrator_{}", at == 0 ? "" : ", ", at + 1,
                          dialect().quote(parts_[at].collation), at + 1);
  }
  return result;
}

int KeyWalk::bind(sqlite3_stmt* statement, const KeyRange& range) const {
  int position = 1;
  for (const auto* key : {&range.lower, &range.upper}) {
    if (!*key) continue;
    if ((*key)->size() != parts_.size()) {
      throw Error(ErrorKind::invariant, "a key bound has another number of columns than the key");
    }
    for (const Value& value : **key) bind_value(statement, position++, value);
  }
  return position;
}

bool KeyWalk::plain() const {
  return std::all_of(parts_.begin(), parts_.end(), [](const KeyPart& part) {
    return !part.descending && same_name(part.collation, "BINARY");
  });
}

std::string KeyWalk::fingerprint() const {
  std::string text;
  for (const KeyPart& part : parts_) {
    text += upper(part.collation) + (part.descending ? " DESC," : ",");
  }
  return text;
}

std::string KeyWalk::order(bool reversed) const {
  std::string result;
  for (const KeyPart& part : parts_) {
    result += result.empty() ? " ORDER BY " : ", ";
    result += part.term;
    if (part.descending != reversed) result += " DESC";
  }
  return result;
}

std::string KeyWalk::columns() const { return columns_; }

}  // namespace migrator::sqlite
