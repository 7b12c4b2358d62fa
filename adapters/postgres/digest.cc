#include "adapters/postgres/digest.h"

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

}  // namespace migrator::postgres
