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
std::string canonical_text(const Column& column) {
  const std::string name = dialect().quote(column.name);
  switch (column.type.kind) {
    case TypeKind::boolean:
      return name + "::int::text";
    case TypeKind::decimal:
      return "trim_scale(" + name + ")::text";
    case TypeKind::bytes:
      return "encode(" + name + ", 'hex')";
    case TypeKind::timestamptz:
      return "(" + name + " AT TIME ZONE 'UTC')::text";
    default:
      return name + "::text";  // which takes the spaces off a character(n)
  }
}

}  // namespace

std::string canonical_form(const std::vector<Column>& columns) {
  std::string sql;
  for (const Column& column : columns) {
    if (!sql.empty()) sql += " || ';' || ";
    std::string item = canonical_text(column);
    if (column.type.kind == TypeKind::text) {
      item = "octet_length(" + item + ")::text || ':' || " + item;
    }
    sql += column.nullable ? "coalesce(" + item + ", 'N')" : "(" + item + ")";
  }
  return sql;
}

}  // namespace migrator::postgres
