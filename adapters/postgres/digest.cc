#include "adapters/postgres/digest.h"

#include "adapters/canonical_digest.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {

std::string digest_bytes(const std::vector<Column>& columns) {
  std::string sql = "record_send(ROW(";
  for (const Column& column : columns) {
    if (&column != &columns.front()) sql += ", ";
    sql += dialect().quote(column.name);
    // Types of the database's own have other numbers on each side, and these are in the bytes.
    if (!has_stable_binary_format(column.native_type)) sql += "::text";
  }
  return sql + "))";
}

namespace {

// Times and numbers are printed without zeros that say nothing, by the session's settings.
std::string canonical_value(const Column& column) {
  const std::string name = dialect().quote(column.name);
  switch (column.type.kind) {
    case TypeKind::boolean:
      return name + "::int";
    case TypeKind::decimal:
      return "trim_scale(" + name + ")";
    case TypeKind::bytes:
      return "encode(" + name + ", 'hex')";
    case TypeKind::timestamptz:
      return "(" + name + " AT TIME ZONE 'UTC')";
    case TypeKind::text:
      return name + "::text";  // which takes the spaces off a character(n)
    default:
      return name;
  }
}

}  // namespace

std::string canonical_form(const std::vector<Column>& columns) {
  std::string sql = "concat_ws(';'";
  for (const Column& column : columns) {
    const std::string value = canonical_value(column);
    const bool text = column.type.kind == TypeKind::text;
    const std::string item = text ? "octet_length(" + value + ")" : value;
    sql += ", " + (column.nullable ? "coalesce(" + item + "::text, 'N')" : item);
    if (text) sql += ", " + value;  // a NULL is left out: its length says so
  }
  return sql + ")";
}

}  // namespace migrator::postgres
