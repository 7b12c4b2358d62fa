#include "adapters/mysql/dialect.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/mysql/key_range.h"
#include "adapters/mysql/native_type.h"

namespace migrator::mysql {
namespace {

// The longest varchar in utf8mb4 that a row of 65,535 bytes holds beside little else, in
// characters.
constexpr std::uint64_t kVarcharMax = 16'000;
// Above this a binary value goes to a blob, which does not count towards the row's 65,535 bytes.
constexpr std::uint64_t kVarbinaryMax = 8'000;
// InnoDB's largest decimal.
constexpr std::uint32_t kDecimalDigits = 65, kDecimalScale = 30;

std::string list(const std::vector<std::string>& names, const std::vector<bool>& descending = {}) {
  std::string sql;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i != 0) sql += ", ";
    sql += quote_name(names[i]);
    if (i < descending.size() && descending[i]) sql += " DESC";
  }
  return sql;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_in_a_key(const TableSchema& table, const std::string& column) {
  if (contains(table.primary_key, column)) return true;
  const auto in_index = [&](const Index& i) {
    return i.plain && i.method != "fulltext" && contains(i.columns, column);
  };
  const auto in_foreign = [&](const ForeignKey& k) { return contains(k.columns, column); };
  return std::any_of(table.indexes.begin(), table.indexes.end(), in_index) ||
         std::any_of(table.foreign_keys.begin(), table.foreign_keys.end(), in_foreign);
}

// An enum here is its labels, without trailing spaces, compared by the column's collation.
bool fits_enum(const std::vector<std::string>& values) {
  if (values.empty() || values.size() > 65'535) return false;
  const std::set<std::string> distinct(values.begin(), values.end());
  return distinct.size() == values.size() &&
         std::none_of(values.begin(), values.end(), [](const std::string& v) {
           return v.empty() || v.back() == ' ' || v.size() > 255 || !is_valid_utf8(v);
         });
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

// A leading 'text' of standard SQL, with what stands behind it.
bool take_quoted(std::string_view& sql, std::string& value) {
  if (sql.empty() || sql.front() != '\'') return false;
  for (std::size_t i = 1; i < sql.size(); ++i) {
    if (sql[i] != '\'') {
      value += sql[i];
    } else if (i + 1 < sql.size() && sql[i + 1] == '\'') {
      value += sql[i++];
    } else {
      sql.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

// "::character varying(40)", any number of them.
bool only_casts(std::string_view sql) {
  sql = trim(sql);
  if (sql.empty()) return true;
  if (!sql.starts_with("::")) return false;
  return std::all_of(sql.begin(), sql.end(), [](unsigned char c) {
    return std::isalnum(c) ||
           std::string_view(":_ ().,\"[]").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool literal_suits(const std::string& value, TypeKind kind) {
  std::int64_t ignored = 0;
  char bytes[16];
  double real = 0;
  switch (kind) {
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      return parse_int64(value, ignored);
    case TypeKind::uint64:
    case TypeKind::decimal:
      return is_plain_decimal(value);
    case TypeKind::float32:
    case TypeKind::float64:
      return parse_double(value, real) && is_plain_decimal(value);
    case TypeKind::text:
      return true;
    case TypeKind::date:
      return parse_date(value, ignored);
    case TypeKind::time:
      return parse_time(value, ignored);
    case TypeKind::timestamp:
      return parse_timestamp(value, ignored);
    case TypeKind::uuid:
      return parse_uuid(value, bytes);
    default:
      return false;
  }
}

bool is_number(TypeKind kind) {
  return kind == TypeKind::int16 || kind == TypeKind::int32 || kind == TypeKind::int64 ||
         kind == TypeKind::uint64 || kind == TypeKind::decimal || kind == TypeKind::float32 ||
         kind == TypeKind::float64;
}

bool is_integer(TypeKind kind) { return is_number(kind) && kind < TypeKind::decimal; }

// Takes "CHARACTER SET x" and "COLLATE y" off the end of a type as DDL has them.
std::string without_charset(std::string_view text, Column& column) {
  std::string type(text);
  for (const std::string_view word : {" COLLATE ", " CHARACTER SET ", " CHARSET "}) {
    const std::size_t at = upper(type).rfind(word);
    if (at == std::string::npos) continue;
    const std::string name(trim(std::string_view(type).substr(at + word.size())));
    (word == " COLLATE " ? column.collation : column.charset) = name;
    type.resize(at);
  }
  return std::string(trim(type));
}

}  // namespace

std::optional<std::string> literal_default(std::string_view sql, const Type& type) {
  sql = trim(sql);
  while (sql.size() > 2 && sql.front() == '(' && sql.back() == ')')
    sql = trim(sql.substr(1, sql.size() - 2));
  if (type.kind == TypeKind::boolean) {
    const std::string word = upper(sql.substr(0, sql.find("::")));
    if (word == "TRUE" || word == "1" || word == "'T'" || word == "'TRUE'") return "1";
    if (word == "FALSE" || word == "0" || word == "'F'" || word == "'FALSE'") return "0";
    return std::nullopt;
  }
  std::string value;
  if (sql.starts_with('\'')) {
    if (!take_quoted(sql, value) || !only_casts(sql)) return std::nullopt;
  } else {
    value = sql.substr(0, sql.find("::"));
    if (!only_casts(sql.substr(value.size()))) return std::nullopt;
    if (value.starts_with('(') && value.ends_with(')')) value = value.substr(1, value.size() - 2);
    if (!is_number(type.kind)) return std::nullopt;
  }
  if (!literal_suits(value, type.kind)) return std::nullopt;
  return is_number(type.kind) ? value : quote_literal(value);
}

std::string MysqlDialect::quote(std::string_view identifier) const {
  return quote_name(identifier);
}

MappedColumn MysqlDialect::map_column(const Column& column, Engine from) const {
  MappedColumn mapped;
  mapped.column = column;
  if (from == Engine::mysql) return mapped;
  Column& to = mapped.column;
  to.default_sql.reset();
  to.charset.clear();
  to.collation.clear();
  to.identity_always = false;
  to.enum_values.clear();
  to.identity = column.identity && is_integer(column.type.kind);
  if (to.identity) to.nullable = false;  // AUTO_INCREMENT allows no NULL
  map_type(column, mapped);
  // As the catalog will read it back: a UUID travels as the text of its char(36), today and after a
  // restart.
  if (mapped.refused.empty()) to.type = neutral_type(parse_native_type(to.native_type));
  if (column.generated) {
    to.generated = false;
    to.generated_sql.clear();
    mapped.notes.push_back(
        "generated by the source; an ordinary column here, filled with the source's values");
  }
  if (!column.collation.empty())
    mapped.notes.push_back("collation " + column.collation + " is not carried");
  map_default(column, mapped);
  return mapped;
}

void MysqlDialect::map_type(const Column& from, MappedColumn& mapped) const {
  Column& to = mapped.column;
  const Type& type = from.type;
  const auto fraction = [&] {
    return type.precision == 0 ? std::string() : fmt::format("({})", std::min(type.precision, 6u));
  };
  switch (type.kind) {
    case TypeKind::boolean:
      to.native_type = "tinyint(1)";
      return;
    case TypeKind::int16:
      to.native_type = "smallint";
      return;
    case TypeKind::int32:
      to.native_type = "int";
      return;
    case TypeKind::int64:
      to.native_type = "bigint";
      return;
    case TypeKind::uint64:
      to.native_type = "bigint unsigned";
      return;
    case TypeKind::decimal:
      if (type.precision == 0) {
        mapped.refused =
            "a number without a precision has no lossless form: set a type such as decimal(30,10) "
            "in the plan";
      } else if (type.precision > kDecimalDigits || type.scale > kDecimalScale ||
                 type.scale > type.precision) {
        mapped.refused =
            fmt::format("decimal({},{}) is beyond decimal({},{}): set a type in the plan",
                        type.precision, type.scale, kDecimalDigits, kDecimalScale);
      }
      to.native_type = fmt::format("decimal({},{})", type.precision, type.scale);
      return;
    case TypeKind::float32:
      to.native_type = "float";
      return;
    case TypeKind::float64:
      to.native_type = "double";
      return;
    case TypeKind::text:
      map_text(from, mapped);
      return;
    case TypeKind::bytes:
      if (type.length == 0 || type.length > kVarbinaryMax) {
        to.native_type = "longblob";
      } else {
        to.native_type = fmt::format(
            "{}({})", type.fixed && type.length <= 255 ? "binary" : "varbinary", type.length);
      }
      return;
    case TypeKind::date:
      to.native_type = "date";
      return;
    case TypeKind::time:
      to.native_type = "time" + fraction();
      return;
    case TypeKind::timestamp:
      to.native_type = "datetime" + fraction();
      return;
    case TypeKind::timestamptz:
      to.native_type = "datetime" + fraction();
      mapped.notes.push_back("a time with a zone becomes a datetime in UTC");
      return;
    case TypeKind::json:
      to.native_type = traits_.json ? "json" : "longtext";
      if (!traits_.json) {
        to.charset = "utf8mb4";
        to.collation = traits_.collation;
        mapped.notes.push_back("this server has no JSON type: it becomes longtext");
      }
      return;
    case TypeKind::uuid:
      to.native_type = "char(36)";
      to.charset = "ascii";
      to.collation = "ascii_bin";
      return;
    case TypeKind::opaque:
      break;
  }
  mapped.refused = "type " + from.native_type +
                   " has no form in MySQL: leave the column out, or set a type in the plan";
}

void MysqlDialect::map_text(const Column& from, MappedColumn& mapped) const {
  Column& to = mapped.column;
  to.charset = "utf8mb4";
  to.collation = traits_.collation;
  if (fits_enum(from.enum_values)) {
    to.enum_values = from.enum_values;
    to.native_type = "enum(";
    for (const std::string& value : from.enum_values) {
      if (to.native_type.back() != '(') to.native_type += ',';
      to.native_type += quote_literal(value);
    }
    to.native_type += ')';
  } else if (from.type.length == 0 || from.type.length > kVarcharMax) {
    to.native_type = "longtext";
    if (from.type.length != 0)
      mapped.notes.push_back("the length limit is not carried: it becomes longtext");
  } else {
    to.native_type = fmt::format("varchar({})", from.type.length);
    // CHAR would lose the trailing spaces that char(n) of other engines pads with.
  }
  if (traits_.pads) {
    mapped.notes.push_back(
        "trailing spaces do not count in comparisons here: values of a unique key that differ only "
        "in them collide");
  }
}

void MysqlDialect::map_default(const Column& from, MappedColumn& mapped) const {
  if (!from.default_sql || from.identity || from.generated) return;
  const std::string text = upper(trim(*from.default_sql));
  if (text == "NULL" || text.starts_with("NULL::")) return;
  Column& to = mapped.column;
  const Base base = parse_native_type(to.native_type).base;
  const bool may =
      base != Base::blob && base != Base::json && (base != Base::text || traits_.text_defaults);
  if (may) to.default_sql = literal_default(*from.default_sql, from.type);
  if (!to.default_sql) mapped.notes.push_back("default " + *from.default_sql + " is not carried");
}

Column MysqlDialect::column_of_type(std::string_view name, std::string_view native_type) const {
  Column column;
  column.name = name;
  column.native_type = without_charset(trim(native_type), column);
  const NativeType native = parse_native_type(column.native_type);
  const auto refuse = [&](const std::string& why, const std::string& remedy) {
    throw Error(ErrorKind::usage, "column " + column.name + ": " + why).remedy(remedy);
  };
  if (native.base == Base::unknown) {
    refuse("MySQL has no type " + column.native_type,
           "write it as in CREATE TABLE: decimal(12,2), varchar(40), datetime(6)");
  }
  const bool needs_length = native.base == Base::varchar || native.base == Base::varbinary;
  if (needs_length && native.length == 0)
    refuse("type " + column.native_type + " needs a length", "write varchar(255)");
  const std::string word = upper(column.native_type);
  if (word == "BOOL" || word == "BOOLEAN") column.native_type = "tinyint(1)";
  column.type = neutral_type(native);
  column.enum_values = native.values;
  if (native.is_text()) {
    if (column.charset.empty())
      column.charset = column.collation.empty()
                           ? "utf8mb4"
                           : column.collation.substr(0, column.collation.find('_'));
    if (column.collation.empty() && column.charset == "utf8mb4")
      column.collation = traits_.collation;
  }
  return column;
}

std::string MysqlDialect::column_clause(const TableSchema& table, const Column& column) const {
  const NativeType native = parse_native_type(column.native_type);
  std::string type = column.native_type;
  const bool long_type = native.base == Base::text || native.base == Base::blob;
  if (long_type && is_in_a_key(table, column.name)) {
    // 255 characters of utf8mb4 are 1020 bytes; where no NO PAD collation is known (MySQL before
    // 8), a key column may have 767 only.
    const int length = traits_.pads ? 191 : 255;
    type = fmt::format("{}({})", native.base == Base::text ? "varchar" : "varbinary", length);
  }
  std::string sql = quote_name(column.name) + " " + type;
  const bool has_charset = native.is_text() && !column.charset.empty();
  if (has_charset) sql += " CHARACTER SET " + column.charset;
  if (has_charset && !column.collation.empty()) sql += " COLLATE " + column.collation;
  if (column.generated) {
    return sql + " GENERATED ALWAYS AS (" + column.generated_sql + ")" +
           (column.generated_stored ? " STORED" : " VIRTUAL");
  }
  // Said always: without it a TIMESTAMP is NOT NULL on older servers.
  const bool nullable = column.nullable && !contains(table.primary_key, column.name);
  sql += nullable ? " NULL" : " NOT NULL";
  if (column.identity) return sql + " AUTO_INCREMENT";
  if (column.default_sql) {
    const bool only_on_update = upper(*column.default_sql).starts_with("ON UPDATE");
    sql += (only_on_update ? " " : " DEFAULT ") + *column.default_sql;
  }
  return sql;
}

std::vector<std::string> MysqlDialect::create_table(const TableSchema& table) const {
  std::string sql = "CREATE TABLE " + quote(table.name) + " (";
  const char* separator = "\n  ";
  for (const Column& column : table.columns) {
    sql += separator + column_clause(table, column);
    separator = ",\n  ";
    // AUTO_INCREMENT must lead an index from the start; the other indexes come after the rows.
    const bool leads = !table.primary_key.empty() && table.primary_key.front() == column.name;
    if (column.identity && !leads)
      sql += std::string(separator) + "KEY (" + quote_name(column.name) + ")";
  }
  if (!table.primary_key.empty()) sql += ",\n  PRIMARY KEY (" + list(table.primary_key) + ")";
  if (const auto& key = table.unique_from_start) {
    sql += ",\n  UNIQUE KEY " + quote_name(key->name) + " (" + list(key->columns, key->descending) +
           ")";
  }
  for (const Check& check : table.checks) {
    const std::string name = check.name.empty() ? "" : "CONSTRAINT " + quote_name(check.name) + " ";
    sql += ",\n  " + name + "CHECK (" + check.sql + ")";
  }
  return {sql + "\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"};
}

std::string MysqlDialect::create_index(const TableSchema& table, const Index& index) const {
  if (!index.plain) {
    if (index.name == "PRIMARY") {
      return "ALTER TABLE " + quote(table.name) +
             index.definition.substr(index.definition.find(" ADD PRIMARY KEY"));
    }
    // The definition names the source's table; everything around that name stays.
    const std::string head = "INDEX " + quote_name(index.name) + " ON ";
    const std::size_t at = index.definition.find(head);
    const std::size_t columns =
        at == std::string::npos ? at : index.definition.find("` (", at + head.size());
    if (columns == std::string::npos) {
      throw Error(ErrorKind::permanent,
                  "index " + index.name + " of " + table.name.text() + " cannot be made here")
          .remedy("make it by hand, or leave it out");
    }
    return index.definition.substr(0, at + head.size()) + quote(table.name) +
           index.definition.substr(columns + 1);
  }
  const std::string_view kind = index.unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ";
  return std::string(kind) + quote_name(index.name) + " ON " + quote(table.name) + " (" +
         list(index.columns, index.descending) + ")";
}

std::string MysqlDialect::add_foreign_key(const TableSchema& table, const ForeignKey& key) const {
  const std::string name = key.name.empty() ? "" : "CONSTRAINT " + quote_name(key.name) + " ";
  return fmt::format(
      "ALTER TABLE {} ADD {}FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {} ON UPDATE {}",
      quote(table.name), name, list(key.columns), quote(key.referenced_table),
      list(key.referenced_columns), key.on_delete, key.on_update);
}

std::vector<std::string> MysqlDialect::after_load(const TableSchema& table) const {
  return {"ANALYZE TABLE " + quote(table.name)};
}

std::vector<Dialect::BoundSql> MysqlDialect::upsert(const TableName& table,
                                                    const std::vector<std::string>& columns,
                                                    const std::vector<std::size_t>& key) const {
  BoundSql insert, update;
  std::string values, same, set;
  for (std::size_t at = 0; at < columns.size(); ++at) {
    values += at == 0 ? "?" : ", ?";
    insert.parameters.push_back(at);
    if (std::find(key.begin(), key.end(), at) != key.end()) continue;
    set += (set.empty() ? "" : ", ") + quote(columns[at]) + " = ?";
    update.parameters.push_back(at);
  }
  for (const std::size_t at : key) {
    same += (same.empty() ? "" : " AND ") + quote(columns.at(at)) + " = ?";
    insert.parameters.push_back(at);
    update.parameters.push_back(at);
  }
  const std::string name = migrator::Dialect::quote(table);
  insert.sql = fmt::format(
      "INSERT INTO {} ({}) SELECT {} FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {} WHERE {})", name,
      list(columns), values, name, same);
  update.sql = fmt::format("UPDATE {} SET {} WHERE {}", name, set, same);
  // In this order: an update that came first and found no row would leave one alone that another
  // transaction has inserted since.
  if (set.empty()) return {insert};
  return {insert, update};
}

std::string MysqlDialect::own_raise(std::string_view table, const std::vector<std::string>& columns,
                                    std::size_t key_columns) const {
  std::string names, values, set, old, fresh;
  for (std::size_t at = 0; at < columns.size(); ++at) {
    const std::string comma = at == 0 ? "" : ", ";
    names += comma + columns[at];
    values += comma + "?";
    if (at < key_columns) continue;
    const std::string between = old.empty() ? "" : ", ";
    old += between + columns[at];
    fresh += between + "VALUES(" + columns[at] + ")";
  }
  // Assignments are made one after the other, and see those before: what decides is kept.
  for (std::size_t at = key_columns; at < columns.size(); ++at) {
    const std::string decision =
        set.empty() ? "@_migrator_newer := (" + old + ") < (" + fresh + ")" : "@_migrator_newer";
    set += fmt::format("{0}{1} = IF({2}, VALUES({1}), {1})", set.empty() ? "" : ", ", columns[at],
                       decision);
  }
  return fmt::format("INSERT INTO {} ({}) VALUES ({}) ON DUPLICATE KEY UPDATE {}", table, names,
                     values, set);
}

bool MysqlDialect::transactional(const TableSchema& table) const {
  constexpr std::array<std::string_view, 5> known{"InnoDB", "ROCKSDB", "TokuDB", "ndbcluster",
                                                  "Spider"};
  return table.storage_engine.empty() ||
         std::find(known.begin(), known.end(), table.storage_engine) != known.end();
}

const MysqlDialect& common_dialect() {
  static const MysqlDialect dialect{MysqlDialect::Traits{}};
  return dialect;
}

const MysqlDialect& dialect_for(bool mariadb, int version) {
  static const MysqlDialect modern_mariadb{
      {.mariadb = true, .text_defaults = true, .collation = "utf8mb4_nopad_bin", .pads = false}};
  static const MysqlDialect mysql8{{.collation = "utf8mb4_0900_bin", .pads = false}};
  static const MysqlDialect mysql_without_json{{.json = false}};
  if (mariadb) return version >= 100207 ? modern_mariadb : mysql_without_json;
  if (version >= 80017) return mysql8;
  return version >= 50708 ? common_dialect() : mysql_without_json;
}

Looseness MysqlDialect::looseness(const Column& column) const {
  const std::string& collation = column.collation;
  if (!parse_native_type(column.native_type).is_text() || collation.empty() ||
      collation == "binary" || collation.ends_with("_nopad_bin") ||
      collation == "utf8mb4_0900_bin") {
    return Looseness::none;
  }
  return collation.ends_with("_bin") ? Looseness::trailing_spaces : Looseness::spellings;
}

}  // namespace migrator::mysql
