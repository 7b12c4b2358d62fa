#include "adapters/postgres/digest.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "adapters/postgres/dialect.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {
namespace {

// Types whose equality, by which they are hashed, is what a verify means by it: numerics without
// trailing zeros, bpchar without padding.
constexpr std::array<std::string_view, 15> kHashed = {"boolean",
                                                      "smallint",
                                                      "integer",
                                                      "bigint",
                                                      "numeric",
                                                      "date",
                                                      "time without time zone",
                                                      "timestamp without time zone",
                                                      "timestamp with time zone",
                                                      "uuid",
                                                      "bytea",
                                                      "jsonb",
                                                      "inet",
                                                      "macaddr",
                                                      "oid"};

std::string hashed_form(const Column& column) {
  const std::string name = dialect().quote(column.name);
  const auto native = parse_native_type(column.native_type);
  if (native && !native->array) {
    const std::string_view base = native->base;
    if (std::find(kHashed.begin(), kHashed.end(), base) != kHashed.end()) return name;
    // Nondeterministic collations take texts that differ for equal.
    if (base == "text" || base == "character varying" || base == "character") {
      return name + " COLLATE \"C\"";
    }
    // 0.0 and -0.0 are equal, and hash alike.
    if (base == "real") return "float4send(" + name + ")";
    if (base == "double precision") return "float8send(" + name + ")";
  }
  return name + "::text COLLATE \"C\"";
}

}  // namespace

std::string digest_record(const std::vector<Column>& columns) {
  std::string sql = "ROW(";
  for (const Column& column : columns) {
    if (&column != &columns.front()) sql += ", ";
    sql += hashed_form(column);
  }
  return sql + ")";
}

}  // namespace migrator::postgres
