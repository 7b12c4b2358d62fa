#include "adapters/sqlite/dialect.h"

#include <algorithm>

#include <fmt/format.h>

#include "adapters/sqlite/create_table.h"
#include "adapters/sqlite/tokens.h"
#include "adapters/sqlite/types.h"

namespace migrator::sqlite {
namespace {

std::string quoted_list(const std::vector<std::string>& names) {
  std::string result;
  for (const std::string& name : names) {
    if (!result.empty()) result += ", ";
    result += dialect().quote(name);
  }
  return result;
}

std::string with_digits(std::string_view name, std::uint32_t digits) {
  return digits >= 6 ? std::string(name) : fmt::format("{}({})", name, digits);
}

std::string decimal_name(const Type& type) {
  if (type.precision == 0) return "DECIMAL_TEXT";
  const bool numeric = type.precision <= kNumericDigits && type.scale <= type.precision;
  return fmt::format("{}({},{})", numeric ? "NUMERIC" : "DECIMAL_TEXT", type.precision, type.scale);
}

// The declared type for a neutral one; "" for none. Chosen so that SQLite's affinity leaves each
// value as the codec wrote it.
std::string declared_type(const Type& type, bool identity) {
  switch (type.kind) {
    case TypeKind::boolean:
      return "BOOLEAN";
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      return "INTEGER";  // no other name makes a key the rowid
    case TypeKind::uint64:
      return identity ? "INTEGER" : "DECIMAL_TEXT(20,0)";
    case TypeKind::decimal:
      return decimal_name(type);
    case TypeKind::float32:
      return "FLOAT";
    case TypeKind::float64:
      return "REAL";
    case TypeKind::text:
      if (type.length == 0) return "TEXT";
      return fmt::format("{}({})", type.fixed ? "CHAR" : "VARCHAR", type.length);
    case TypeKind::bytes:
      return "BLOB";
    case TypeKind::date:
      return "DATE";
    case TypeKind::time:
      return with_digits("TIME", type.precision);
    case TypeKind::timestamp:
      return with_digits("DATETIME", type.precision);
    case TypeKind::timestamptz:
      return with_digits("TIMESTAMPTZ", type.precision);
    case TypeKind::json:
      return "JSON_TEXT";
    case TypeKind::uuid:
      return "UUID";
    case TypeKind::opaque:
      return "";
  }
  return "";
}

bool is_integer(TypeKind kind) {
  return kind == TypeKind::int16 || kind == TypeKind::int32 || kind == TypeKind::int64;
}

std::string identity_definition(const TableSchema& table, const Column& column) {
  return fmt::format("{} INTEGER PRIMARY KEY{}", dialect().quote(column.name),
                     table.autoincrement ? " AUTOINCREMENT" : "");
}

std::string column_definition(const TableSchema& table, const Column& column) {
  if (!is_type_name(column.native_type)) {
    throw Error(ErrorKind::usage,
                fmt::format("column {} of {}: {} is no type that SQLite can declare", column.name,
                            table.name.text(), column.native_type))
        .remedy("name another type for the column in the plan");
  }
  std::string sql = dialect().quote(column.name);
  if (!column.native_type.empty()) sql += " " + column.native_type;
  if (!column.nullable) sql += " NOT NULL";
  if (!column.collation.empty()) sql += " COLLATE " + dialect().quote(column.collation);
  if (column.generated) {
    if (column.generated_sql.empty()) {
      throw Error(ErrorKind::permanent,
                  fmt::format("the expression of generated column {} of {} is not known",
                              column.name, table.name.text()))
          .remedy("make the table on the target by hand before the migration");
    }
    return sql + fmt::format(" GENERATED ALWAYS AS ({}) {}", column.generated_sql,
                             column.generated_stored ? "STORED" : "VIRTUAL");
  }
  if (column.default_sql) sql += " DEFAULT " + default_clause(*column.default_sql);
  return sql;
}

std::string foreign_key_definition(const ForeignKey& key) {
  std::string sql;
  if (!key.name.empty()) sql += "CONSTRAINT " + dialect().quote(key.name) + " ";
  sql += fmt::format("FOREIGN KEY({}) REFERENCES {}", quoted_list(key.columns),
                     dialect().quote(key.referenced_table.name));
  if (!key.referenced_columns.empty()) sql += "(" + quoted_list(key.referenced_columns) + ")";
  if (key.on_delete != "NO ACTION") sql += " ON DELETE " + key.on_delete;
  if (key.on_update != "NO ACTION") sql += " ON UPDATE " + key.on_update;
  if (key.deferrable) sql += " DEFERRABLE INITIALLY DEFERRED";
  return sql;
}

void require_action(const TableSchema& table, const std::string& action) {
  for (const char* known : {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"}) {
    if (action == known) return;
  }
  throw Error(ErrorKind::permanent, fmt::format("foreign key of {}: SQLite knows no action {}",
                                                table.name.text(), action))
      .remedy("make the table on the target by hand before the migration");
}

// SQLite's index names are one namespace: the table's name goes in front of those of engines where
// they are each table's own, and automatic names, which are reserved, are replaced.
std::string index_name(const TableSchema& table, const Index& index) {
  if (index.name.empty() || upper(index.name).starts_with("SQLITE_")) {
    std::string name = table.name.name;
    for (const std::string& column : index.columns) name += "_" + column;
    return name + (index.unique ? "_unique" : "_index");
  }
  if (!index.definition.empty() || index.name.starts_with(table.name.name)) return index.name;
  return table.name.name + "_" + index.name;
}

}  // namespace

const Dialect& dialect() {
  static const Dialect instance;
  return instance;
}

std::string Dialect::quote(std::string_view identifier) const {
  if (identifier.empty() || identifier.find('\0') != std::string_view::npos) {
    throw Error(ErrorKind::usage, "an identifier is empty or holds a NUL byte")
        .remedy("check the names in the plan");
  }
  std::string result = "\"";
  for (const char c : identifier) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + "\"";
}

MappedColumn Dialect::map_column(const Column& column, Engine from) const {
  MappedColumn mapped{column, {}, ""};
  if (from == Engine::sqlite) return mapped;
  Column& result = mapped.column;
  result.native_type = declared_type(column.type, column.identity);
  if (result.native_type.empty()) {
    mapped.refused = fmt::format("{} has no safe form in SQLite", column.native_type);
    return mapped;
  }
  result.type = neutral_type(result.native_type);
  result.charset.clear();
  result.collation.clear();
  result.enum_values.clear();
  result.identity_always = false;
  if (column.type.kind == TypeKind::uint64 && column.identity) {
    mapped.notes.push_back(
        "values above 9223372036854775807 do not fit a SQLite rowid and are refused");
  }
  if (column.type.kind == TypeKind::text && !column.collation.empty()) {
    mapped.notes.push_back(
        fmt::format("collation {} is not carried: SQLite compares bytes", column.collation));
  }
  if (!column.enum_values.empty())
    mapped.notes.push_back("the list of allowed values is not carried");
  if (column.generated) {
    result.generated = false;
    result.generated_sql.clear();
    mapped.notes.push_back(
        "is computed by the source only: its values are copied into a plain column");
  }
  if (column.identity || column.generated) result.default_sql.reset();
  if (result.default_sql) {
    const std::string translated = translate_default(*result.default_sql, result, from);
    if (translated.empty()) {
      mapped.notes.push_back(fmt::format("default {} is not carried", *result.default_sql));
      result.default_sql.reset();
    } else {
      result.default_sql = translated;
    }
  }
  return mapped;
}

Column Dialect::column_of_type(std::string_view name, std::string_view native_type) const {
  Column column;
  column.name = name;
  column.native_type = native_type;
  column.type = neutral_type(native_type);
  const bool known = column.type.kind != TypeKind::opaque || same_name(native_type, "ANY");
  if (!known || !is_type_name(native_type)) {
    throw Error(ErrorKind::usage,
                fmt::format("column {}: SQLite type \"{}\" says nothing about its values", name,
                            native_type))
        .remedy(
            "use one of INTEGER, REAL, TEXT, VARCHAR(n), BLOB, BOOLEAN, NUMERIC(p,s), "
            "DECIMAL_TEXT(p,s), "
            "DATE, TIME, DATETIME, TIMESTAMPTZ, JSON_TEXT, UUID");
  }
  return column;
}

std::vector<std::string> Dialect::create_table(const TableSchema& table) const {
  std::vector<std::string> parts;
  bool key_is_made = false;
  for (const Column& column : table.columns) {
    // An integer key is the rowid: half the space and time of a key with an index of its own.
    // SQLite to SQLite, INT and BIGINT stay what they are.
    const bool rowid = table.primary_key.size() == 1 &&
                       same_name(table.primary_key[0], column.name) && !table.without_rowid &&
                       same_name(column.native_type, "INTEGER") && is_integer(column.type.kind) &&
                       !column.generated;
    key_is_made |= rowid;
    parts.push_back(rowid ? identity_definition(table, column) : column_definition(table, column));
  }
  if (!table.primary_key.empty() && !key_is_made) {
    parts.push_back("PRIMARY KEY(" + quoted_list(table.primary_key) + ")");
  }
  if (table.unique_from_start) {
    parts.push_back("UNIQUE(" + quoted_list(table.unique_from_start->columns) + ")");
  }
  for (const Check& check : table.checks) {
    const std::string name = check.name.empty() ? "" : "CONSTRAINT " + quote(check.name) + " ";
    parts.push_back(fmt::format("{}CHECK({}\n)", name, check.sql));
  }
  for (const ForeignKey& key : table.foreign_keys) {
    require_action(table, key.on_delete);
    require_action(table, key.on_update);
    parts.push_back(foreign_key_definition(key));
  }
  std::string sql = "CREATE TABLE " + quote(table.name.name) + " (";
  for (std::size_t i = 0; i < parts.size(); ++i) sql += (i == 0 ? "\n  " : ",\n  ") + parts[i];
  sql += "\n)";
  if (table.without_rowid) sql += " WITHOUT ROWID";
  if (table.strict) sql += table.without_rowid ? ", STRICT" : " STRICT";
  return {sql};
}

std::string Dialect::create_index(const TableSchema& table, const Index& index) const {
  if (!index.plain) {
    const std::string sql = retarget_index(index.definition, quote(table.name.name));
    if (sql.empty()) {
      throw Error(ErrorKind::permanent, fmt::format("index {} of {} has no form in SQLite",
                                                    index.name, table.name.text()))
          .table(table.name.text())
          .remedy("make the index on the target by hand");
    }
    return sql;
  }
  std::string columns;
  for (std::size_t i = 0; i < index.columns.size(); ++i) {
    if (i > 0) columns += ", ";
    columns += quote(index.columns[i]);
    if (i < index.descending.size() && index.descending[i]) columns += " DESC";
  }
  return fmt::format("CREATE {}INDEX {} ON {}({})", index.unique ? "UNIQUE " : "",
                     quote(index_name(table, index)), quote(table.name.name), columns);
}

std::vector<std::string> Dialect::after_load(const TableSchema& table) const {
  // sqlite_sequence has followed the explicit keys by itself.
  return {"ANALYZE " + quote(table.name.name)};
}

Looseness Dialect::looseness(const Column& column) const {
  const std::string collation = upper(column.collation);
  if (collation.empty() || collation == "BINARY") return Looseness::none;
  return collation == "RTRIM" ? Looseness::trailing_spaces : Looseness::spellings;
}

}  // namespace migrator::sqlite
