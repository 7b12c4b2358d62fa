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

// A function of the server takes no more than 100 arguments.
constexpr std::size_t kColumnsTogether = 40;

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
    case TypeKind::text: {
      // The cast takes the spaces off that end a character(n), and those of an unbounded one, which
      // are its own.
      const auto native = parse_native_type(column.native_type);
      const bool plain = native && !native->array &&
                         (native->base == "text" || native->base == "character varying");
      return column.type.fixed || plain ? name + "::text" : "concat(" + name + ")";
    }
    default:
      return name + "::text";
  }
}

}  // namespace

// Every column is asked whether it is NULL: a table may have been altered since its columns were
// looked at.
std::string canonical_form(const std::vector<Column>& columns) {
  std::string sql = "concat_ws(';'";
  for (std::size_t at = 0; at < columns.size(); ++at) {
    const Column& column = columns[at];
    if (at % kColumnsTogether == 0) sql += std::string(at == 0 ? "" : ")") + ", concat_ws(';'";
    const std::string name = dialect().quote(column.name), text = canonical_text(column);
    if (column.type.kind == TypeKind::text) {
      // A NULL is left out: its length says so.
      sql += ", CASE WHEN " + name + " IS NULL THEN 'N' ELSE octet_length(" + text +
             ")::text END, CASE WHEN " + name + " IS NOT NULL THEN " + text + " END";
    } else {
      sql += ", coalesce(" + text + ", 'N')";
    }
  }
  return sql + "))";
}

}  // namespace migrator::postgres
