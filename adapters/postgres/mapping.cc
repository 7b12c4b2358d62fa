// Columns of other engines, and of PostgreSQL itself, as columns here.
#include <algorithm>
#include <cctype>

#include "adapters/codec.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {
namespace {

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// 'text' without its quotes, doubled ones undone. False if it is no literal, or has a backslash,
// which engines read in different ways.
bool unquoted(std::string_view sql, std::string& text) {
  if (sql.size() < 2 || sql.front() != '\'' || sql.back() != '\'') return false;
  text.clear();
  for (std::size_t at = 1; at + 1 < sql.size(); ++at) {
    if (sql[at] == '\\') return false;
    if (sql[at] == '\'') {
      if (at + 2 >= sql.size() || sql[at + 1] != '\'') return false;
      ++at;
    }
    text += sql[at];
  }
  return true;
}

bool is_number(TypeKind kind) {
  switch (kind) {
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint64:
    case TypeKind::decimal:
    case TypeKind::float32:
    case TypeKind::float64:
      return true;
    default:
      return false;
  }
}

bool is_current_time(const std::string& sql) {
  for (const char* form : {"current_timestamp", "now", "localtimestamp"}) {
    if (!sql.starts_with(form)) continue;
    const std::string_view rest = std::string_view(sql).substr(std::string_view(form).size());
    const bool digits = rest.size() == 3 && rest.front() == '(' && rest.back() == ')';
    if (rest == "()" || digits || (rest.empty() && std::string_view(form) != "now")) return true;
  }
  return false;
}

// A date or time that PostgreSQL reads as well; MySQL's zero dates are none.
bool is_moment(TypeKind kind, const std::string& text) {
  std::int64_t ignored = 0;
  switch (kind) {
    case TypeKind::date:
      return parse_date(text, ignored);
    case TypeKind::time:
      return parse_time(text, ignored);
    case TypeKind::timestamp:
      return parse_timestamp(text, ignored);
    default:
      return false;
  }
}

// The default in this engine's SQL; absent if it is not one of the few forms that mean the same in
// all.
std::optional<std::string> translated_default(const std::string& sql, TypeKind kind) {
  const std::string low = lowered(sql);
  std::string text;
  const bool literal = unquoted(sql, text);
  double ignored = 0;
  if (kind == TypeKind::boolean) {
    const std::string word = literal ? lowered(text) : low;
    if (word == "0" || word == "false" || word == "b'0'") return "false";
    if (word == "1" || word == "true" || word == "b'1'") return "true";
    return {};
  }
  if (is_number(kind)) {
    const std::string& digits = literal ? text : sql;
    if (is_plain_decimal(digits) || parse_double(digits, ignored)) {
      return literal ? ddl_literal(digits) : digits;
    }
    return {};
  }
  if (kind == TypeKind::timestamp || kind == TypeKind::timestamptz) {
    if (is_current_time(low)) return "CURRENT_TIMESTAMP";
  }
  if (kind == TypeKind::date && (low == "current_date" || low == "curdate()"))
    return "CURRENT_DATE";
  if (literal && (kind == TypeKind::text || kind == TypeKind::uuid)) return ddl_literal(text);
  if (literal && is_moment(kind, text)) return ddl_literal(text);
  return {};
}

// Same engine: as it is, but for what cannot be said in the DDL of one table.
MappedColumn carried(const Column& column) {
  MappedColumn mapped;
  mapped.column = column;
  if (column.default_sql && lowered(*column.default_sql).find("nextval(") != std::string::npos) {
    mapped.column.default_sql.reset();
    mapped.notes.push_back("the default " + *column.default_sql +
                           " is not carried: the sequence belongs to no column");
  }
  if (column.identity) mapped.column.default_sql.reset();
  if (column.enum_values.empty() && !parse_native_type(column.native_type)) {
    mapped.notes.push_back("the type " + column.native_type + " must exist on the target");
  }
  return mapped;
}

void map_type(const Column& column, MappedColumn& mapped) {
  Column& to = mapped.column;
  to.native_type = native_type_for(column.type);
  const std::string native = lowered(column.native_type);
  if (!column.enum_values.empty()) {
    if (native.starts_with("enum")) {
      to.native_type = "text";
      mapped.notes.emplace_back("the enum becomes text with a CHECK of its values");
    } else {
      to.native_type = "text";
      to.enum_values.clear();
      mapped.notes.emplace_back("the set becomes text: its members joined by commas, unchecked");
    }
  }
  if (column.type.kind == TypeKind::bytes && column.type.length != 0) {
    mapped.notes.emplace_back("the length limit of the bytes is not carried");
  }
  if (column.type.kind == TypeKind::json) {
    mapped.notes.emplace_back(
        "jsonb keeps the last of duplicate keys and its own order of keys, and no \\u0000");
  }
  to.type = parse_native_type(to.native_type)->type;
}

}  // namespace

MappedColumn PgDialect::map_column(const Column& column, Engine from) const {
  if (from == Engine::postgres) return carried(column);
  MappedColumn mapped;
  Column& to = mapped.column;
  to = column;
  to.charset.clear();
  to.collation.clear();
  to.default_sql.reset();
  to.identity_always = false;
  if (column.type.kind == TypeKind::opaque) {
    mapped.refused = "the type " + column.native_type + " has no form in PostgreSQL yet";
    return mapped;
  }
  map_type(column, mapped);
  if (column.type.kind == TypeKind::text && !column.collation.empty() &&
      !lowered(column.collation).ends_with("_bin") && lowered(column.collation) != "binary") {
    mapped.notes.push_back("the collation " + column.collation +
                           " is not carried: text compares by the target database's own");
  }
  if (column.generated) {
    to.generated = false;
    to.generated_sql.clear();
    to.generated_stored = true;
    mapped.notes.push_back("generated in " + std::string(name(from)) +
                           ": a plain column here, its expression is not carried");
  }
  if (column.identity && to.type.kind != TypeKind::int16 && to.type.kind != TypeKind::int32 &&
      to.type.kind != TypeKind::int64 && to.type.kind != TypeKind::decimal) {
    to.identity = false;
    mapped.notes.push_back("the column does not count up here: " + to.native_type + " cannot");
  }
  if (column.default_sql && !to.identity && lowered(*column.default_sql) != "null") {
    to.default_sql = translated_default(*column.default_sql, column.type.kind);
    if (!to.default_sql) {
      mapped.notes.push_back("the default " + *column.default_sql + " is not carried");
    }
  }
  return mapped;
}

Column PgDialect::column_of_type(std::string_view name, std::string_view native_type) const {
  Column column;
  column.name = name;
  if (const std::optional<NativeType> native = parse_native_type(native_type)) {
    column.native_type = native->canonical;
    column.type = native->type;
    column.identity = native->serial;
    return column;
  }
  // A type of the user's own is only known to the server; written with its schema it is taken at
  // its word, and can then be copied only from the very same type.
  const bool qualified = native_type.find('.') != std::string_view::npos;
  const bool harmless =
      std::all_of(native_type.begin(), native_type.end(),
                  [](char c) {
                    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                           std::string_view("_.\"[](), $").find(c) != std::string_view::npos;
                  }) &&
      std::count(native_type.begin(), native_type.end(), '"') % 2 == 0;
  if (!qualified || !harmless) {
    throw Error(ErrorKind::usage, "PostgreSQL has no type \"" + std::string(native_type) + "\"")
        .remedy("write one of its own types, or one of yours with its schema, as in public.mood");
  }
  column.native_type = native_type;
  return column;
}

}  // namespace migrator::postgres
