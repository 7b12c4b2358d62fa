#include "adapters/mysql/catalog.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "adapters/mysql/key_range.h"
#include "adapters/mysql/native_type.h"
#include "adapters/mysql/session.h"

namespace migrator::mysql {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return out;
}

// information_schema gives some of its texts as blobs, and some not at all.
std::string text_or_empty(const Value& value) {
  if (is_null(value)) return {};
  if (const auto* bytes = std::get_if<Bytes>(&value)) return bytes->data;
  return as_text(value);
}

std::uint64_t number_or_zero(const Value& value) {
  return is_null(value) ? 0
                        : static_cast<std::uint64_t>(std::max<std::int64_t>(0, as_integer(value)));
}

bool is_own_table(std::string_view name) { return name.starts_with("_migrator_"); }

bool is_transactional(std::string_view engine) {
  const std::string name = lower(engine);
  return name == "innodb" || name == "rocksdb" || name == "tokudb" || name == "ndbcluster";
}

// MySQL 8 escapes quotes in its expressions: (_utf8mb4\'a\'). MariaDB does not.
std::string without_escapes(std::string_view sql) {
  std::string out;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '\\' && i + 1 < sql.size() && sql[i + 1] == '\'') continue;
    out += sql[i];
  }
  return out;
}

}  // namespace

std::optional<std::string> default_expression(const std::optional<std::string>& given,
                                              std::string_view extra, std::string_view native_type,
                                              bool gives_sql) {
  std::optional<std::string> sql;
  const std::string extra_lower = lower(extra);
  const Base base = parse_native_type(native_type).base;
  if (!given) {
    sql = std::nullopt;
  } else if (gives_sql) {
    if (upper(*given) != "NULL") sql = *given;
  } else if (extra_lower.find("default_generated") != std::string::npos &&
             base != Base::timestamp && base != Base::datetime) {
    sql = "(" + without_escapes(*given) + ")";
  } else if (upper(*given).starts_with("CURRENT_TIMESTAMP") || given->starts_with("b'") ||
             given->starts_with("0x")) {
    sql = *given;
  } else {
    const NativeType native = parse_native_type(native_type);
    const bool bare = native.is_integer() || base == Base::decimal || base == Base::real32 ||
                      base == Base::real64;
    sql = bare ? *given : quote_literal(*given);
  }
  const std::size_t at = extra_lower.find("on update ");
  if (at != std::string::npos) {
    std::string on_update =
        "ON UPDATE " + std::string(extra.substr(at + std::string_view("on update ").size()));
    sql = sql ? *sql + " " + on_update : on_update;
  }
  return sql;
}

std::string json_valid_column(std::string_view check_sql) {
  std::string_view sql = check_sql;
  const auto trim = [&] {
    while (!sql.empty() && sql.front() == ' ') sql.remove_prefix(1);
    while (!sql.empty() && sql.back() == ' ') sql.remove_suffix(1);
  };
  trim();
  constexpr std::string_view kFunction = "json_valid(";
  if (lower(sql.substr(0, kFunction.size())) != kFunction || sql.back() != ')') return {};
  sql.remove_prefix(kFunction.size());
  sql.remove_suffix(1);
  trim();
  if (sql.size() < 3 || sql.front() != '`' || sql.back() != '`') return {};
  sql = sql.substr(1, sql.size() - 2);
  std::string name;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '`' && (++i >= sql.size() || sql[i] != '`')) return {};
    name += sql[i];
  }
  return name;
}

CatalogReader::CatalogReader(MysqlSession& session, const std::string& schema)
    : session_(session),
      asked_(schema),
      schema_(schema.empty() ? session.server().database : schema) {}

CatalogReader::Rows CatalogReader::ask(const std::string& sql) {
  const Value schema = schema_;
  return session_.query(sql, std::span(&schema, 1)).rows;
}

bool CatalogReader::knows(const std::string& view, const std::string& column) const {
  return known_columns_.contains(view + "." + column);
}

std::string CatalogReader::expression(const Value& value) const {
  const std::string sql = text_or_empty(value);
  return session_.facts().mariadb ? sql : without_escapes(sql);
}

TableSchema* CatalogReader::find(const Value& table_name) {
  const auto found = index_of_.find(text_or_empty(table_name));
  return found == index_of_.end() ? nullptr : &catalog_.tables[found->second];
}

Catalog CatalogReader::read() {
  if (ask("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?").empty()) {
    throw Error(ErrorKind::permanent,
                "there is no database " + schema_ + ", or the user may not see it")
        .code("42000/1049")
        .remedy("create the database, correct its name, or grant the user SELECT on it");
  }
  read_views();
  read_tables();
  read_columns();
  read_indexes();
  read_foreign_keys();
  read_checks();
  read_triggers();
  read_code();
  settle_json();
  return std::move(catalog_);
}

// What this server's information_schema has: versions differ, and a column that is not there is an
// error.
void CatalogReader::read_views() {
  const Rows rows = session_
                        .query(
                            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS "
                            "WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME IN "
                            "('COLUMNS', 'STATISTICS', 'CHECK_CONSTRAINTS')")
                        .rows;
  for (const auto& row : rows)
    known_columns_.insert(upper(text_or_empty(row[0])) + "." + upper(text_or_empty(row[1])));
}

void CatalogReader::read_tables() {
  const Rows rows =
      ask("SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, CREATE_OPTIONS "
          "FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME");
  for (const auto& row : rows) {
    TableSchema table;
    table.name = {asked_, text_or_empty(row[0])};
    if (is_own_table(table.name.name)) continue;
    const std::string type = text_or_empty(row[1]);
    if (type == "VIEW" || type == "SYSTEM VIEW") {
      catalog_.not_carried.push_back("view " + table.name.name);
      continue;
    }
    if (type == "SEQUENCE") {
      catalog_.not_carried.push_back("sequence " + table.name.name);
      continue;
    }
    table.storage_engine = text_or_empty(row[2]);
    table.rows_estimate = number_or_zero(row[3]);
    table.bytes_estimate = number_or_zero(row[4]);
    table.partitioned = lower(text_or_empty(row[5])).find("partitioned") != std::string::npos;
    if (table.partitioned) table.not_carried.push_back("partitioning");
    if (type == "SYSTEM VERSIONED")
      table.not_carried.push_back("system versioning (the history of rows)");
    if (!is_transactional(table.storage_engine)) {
      table.not_carried.push_back("storage engine " + table.storage_engine +
                                  ", which has no transactions");
    }
    catalog_.tables.push_back(std::move(table));
  }
  // By bytes, whatever collation the server sorted by.
  std::sort(catalog_.tables.begin(), catalog_.tables.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (std::size_t i = 0; i < catalog_.tables.size(); ++i)
    index_of_[catalog_.tables[i].name.name] = i;
}

void CatalogReader::read_columns() {
  const bool generation = knows("COLUMNS", "GENERATION_EXPRESSION");
  const bool gives_sql = session_.facts().mariadb && session_.facts().version >= 100207;
  const Rows rows =
      ask(fmt::format("SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, "
                      "EXTRA, CHARACTER_SET_NAME, "
                      "COLLATION_NAME, {} FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? "
                      "ORDER BY TABLE_NAME, ORDINAL_POSITION",
                      generation ? "GENERATION_EXPRESSION" : "NULL"));
  for (const auto& row : rows) {
    TableSchema* table = find(row[0]);
    if (table == nullptr) continue;
    const std::string extra = text_or_empty(row[5]);
    const std::string extra_lower = lower(extra);
    Column column;
    column.name = text_or_empty(row[1]);
    column.native_type = text_or_empty(row[2]);
    const NativeType native = parse_native_type(column.native_type);
    column.type = neutral_type(native);
    column.enum_values = native.values;
    column.nullable = text_or_empty(row[3]) == "YES";
    column.charset = text_or_empty(row[6]);
    column.collation = text_or_empty(row[7]);
    column.identity = extra_lower.find("auto_increment") != std::string::npos;
    column.generated_sql = expression(row[8]);
    column.generated = !column.generated_sql.empty();
    column.generated_stored = extra_lower.find("stored") != std::string::npos ||
                              extra_lower.find("persistent") != std::string::npos;
    if (!column.generated) {
      std::optional<std::string> given;
      if (!is_null(row[4])) given = text_or_empty(row[4]);
      column.default_sql = default_expression(given, extra, column.native_type, gives_sql);
    }
    if (extra_lower.find("invisible") != std::string::npos)
      table->not_carried.push_back("invisible column " + column.name);
    table->columns.push_back(std::move(column));
  }
}

void CatalogReader::read_indexes() {
  const bool expressions = knows("STATISTICS", "EXPRESSION");
  const Rows rows = ask(fmt::format(
      "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, NON_UNIQUE, SUB_PART, COLLATION, INDEX_TYPE, {} "
      "FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, INDEX_NAME, "
      "SEQ_IN_INDEX",
      expressions ? "EXPRESSION" : "NULL"));
  std::string parts;  // of the index in hand, as CREATE INDEX writes them
  Index* index = nullptr;
  TableSchema* table = nullptr;
  const auto finish = [&] {
    if (index == nullptr) return;
    if (index->name == "PRIMARY" && index->plain) {
      table->primary_key = index->columns;
      table->indexes.pop_back();
      return;
    }
    const bool ascending = std::find(index->descending.begin(), index->descending.end(), true) ==
                           index->descending.end();
    if (ascending) index->descending.clear();
    if (index->plain) return;
    if (index->name == "PRIMARY") {
      // On prefixes: no key of the whole columns.
      index->definition =
          fmt::format("ALTER TABLE {} ADD PRIMARY KEY ({})", quote_name(table->name.name), parts);
      return;
    }
    std::string kind = index->unique ? "UNIQUE " : "";
    if (index->method == "fulltext") kind = "FULLTEXT ";
    if (index->method == "spatial") kind = "SPATIAL ";
    index->definition = fmt::format("CREATE {}INDEX {} ON {} ({})", kind, quote_name(index->name),
                                    quote_name(table->name.name), parts);
  };
  for (const auto& row : rows) {
    TableSchema* of = find(row[0]);
    const std::string name = text_or_empty(row[1]);
    if (of == nullptr) continue;
    if (of != table || index == nullptr || index->name != name) {
      finish();
      table = of;
      index = &table->indexes.emplace_back();
      index->name = name;
      index->unique = as_integer(row[3]) == 0;
      index->method = lower(text_or_empty(row[6]));
      index->plain = index->method != "fulltext" && index->method != "spatial";
      parts.clear();
    }
    const bool whole = is_null(row[4]) || !index->plain;
    const bool descending = text_or_empty(row[5]) == "D";
    if (!parts.empty()) parts += ", ";
    if (is_null(row[2])) {
      index->plain = false;
      parts += "(" + expression(row[7]) + ")";
    } else {
      index->columns.push_back(text_or_empty(row[2]));
      index->descending.push_back(descending);
      parts += quote_name(index->columns.back());
      if (!whole) parts += fmt::format("({})", as_integer(row[4]));
    }
    if (!whole) index->plain = false;
    if (descending) parts += " DESC";
  }
  finish();
}

void CatalogReader::read_foreign_keys() {
  const Rows rows =
      ask("SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, "
          "k.REFERENCED_TABLE_NAME, "
          "k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE "
          "FROM information_schema.KEY_COLUMN_USAGE k JOIN "
          "information_schema.REFERENTIAL_CONSTRAINTS r "
          "ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME "
          "AND r.TABLE_NAME = k.TABLE_NAME WHERE k.TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_NAME IS "
          "NOT NULL "
          "ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION");
  for (const auto& row : rows) {
    TableSchema* table = find(row[0]);
    if (table == nullptr) continue;
    const std::string name = text_or_empty(row[1]);
    if (table->foreign_keys.empty() || table->foreign_keys.back().name != name) {
      ForeignKey& key = table->foreign_keys.emplace_back();
      key.name = name;
      const std::string schema = text_or_empty(row[3]);
      key.referenced_table = {schema == schema_ ? asked_ : schema, text_or_empty(row[4])};
      key.on_delete = text_or_empty(row[6]);
      key.on_update = text_or_empty(row[7]);
    }
    table->foreign_keys.back().columns.push_back(text_or_empty(row[2]));
    table->foreign_keys.back().referenced_columns.push_back(text_or_empty(row[5]));
  }
}

void CatalogReader::read_checks() {
  if (!knows("CHECK_CONSTRAINTS", "CHECK_CLAUSE")) return;
  // MySQL's view does not name the table.
  const Rows rows =
      knows("CHECK_CONSTRAINTS", "TABLE_NAME")
          ? ask("SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM "
                "information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? ORDER BY 1, 2")
          : ask("SELECT t.TABLE_NAME, c.CONSTRAINT_NAME, c.CHECK_CLAUSE FROM "
                "information_schema.CHECK_CONSTRAINTS c JOIN information_schema.TABLE_CONSTRAINTS "
                "t "
                "ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = "
                "c.CONSTRAINT_NAME "
                "AND t.CONSTRAINT_TYPE = 'CHECK' WHERE c.CONSTRAINT_SCHEMA = ? ORDER BY 1, 2");
  for (const auto& row : rows) {
    TableSchema* table = find(row[0]);
    if (table != nullptr) table->checks.push_back({text_or_empty(row[1]), expression(row[2])});
  }
}

void CatalogReader::read_triggers() {
  const Rows rows =
      ask("SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION "
          "FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ? ORDER BY 1, 2");
  for (const auto& row : rows) {
    TableSchema* table = find(row[0]);
    if (table == nullptr) continue;
    table->triggers.push_back(
        {text_or_empty(row[1]), text_or_empty(row[2]) + " " + text_or_empty(row[3])});
  }
}

void CatalogReader::read_code() {
  for (const auto& row :
       ask("SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME FROM information_schema.ROUTINES "
           "WHERE ROUTINE_SCHEMA = ? ORDER BY 1, 2")) {
    catalog_.not_carried.push_back(text_or_empty(row[0]) + " " + text_or_empty(row[1]));
  }
  for (const auto& row :
       ask("SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? ORDER BY 1")) {
    catalog_.not_carried.push_back("event " + text_or_empty(row[0]));
  }
}

// MariaDB's JSON is a longtext in utf8mb4_bin with a json_valid check named like the column: shown
// as json again, which makes exactly these two when it is created.
void CatalogReader::settle_json() {
  for (TableSchema& table : catalog_.tables) {
    std::erase_if(table.checks, [&](const Check& check) {
      const std::string name = json_valid_column(check.sql);
      if (name.empty() || name != check.name) return false;
      const auto column = std::find_if(table.columns.begin(), table.columns.end(),
                                       [&](const Column& c) { return c.name == name; });
      if (column == table.columns.end() || column->native_type != "longtext" ||
          column->collation != "utf8mb4_bin") {
        return false;
      }
      column->native_type = "json";
      column->type = Type{.kind = TypeKind::json};
      return true;
    });
  }
}

}  // namespace migrator::mysql
