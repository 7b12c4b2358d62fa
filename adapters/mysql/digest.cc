#include "adapters/mysql/digest.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "adapters/mysql/key_range.h"
#include "adapters/mysql/native_type.h"

namespace migrator::mysql {
namespace {

// Texts of different character sets would be converted to a common one, or be refused.
bool mixes_texts(const std::vector<Column>& columns) {
  std::set<std::string> kinds;
  for (const Column& column : columns) {
    const NativeType native = parse_native_type(column.native_type);
    if (native.is_text()) kinds.insert(column.charset + " " + column.collation);
    if (native.is_binary() && native.base != Base::bit) kinds.insert("bytes");
  }
  return kinds.size() > 1;
}

}  // namespace

bool has_digest(const std::vector<Column>& columns) {
  return std::none_of(columns.begin(), columns.end(), [](const Column& column) {
    const Base base = parse_native_type(column.native_type).base;
    return base == Base::unknown || base == Base::geometry || base == Base::json;
  });
}

std::string digest_form(const std::vector<Column>& columns) {
  const bool as_bytes = mixes_texts(columns);
  std::string sql = "CONCAT_WS('#'";
  for (const Column& column : columns) {
    const NativeType native = parse_native_type(column.native_type);
    const std::string name = quote_name(column.name);
    if (native.base == Base::bit) {
      sql += fmt::format(", IFNULL({} + 0, '-')", name);
    } else if (native.base == Base::real32) {
      // As a double, for FLOAT is printed with six digits; times one, which keeps the sign of zero.
      sql += fmt::format(", IFNULL({} * 1e0, '-')", name);
    } else if (native.is_text() || native.is_binary()) {
      const std::string value =
          as_bytes && !native.is_binary() ? fmt::format("CAST({} AS BINARY)", name) : name;
      // A NULL is left out by CONCAT_WS: its length says so.
      sql += fmt::format(", IFNULL(LENGTH({}), '-'), {}", name, value);
    } else if (native.base == Base::uuid || native.base == Base::inet) {
      // With a text beside it IFNULL would make a UUID of that text, which is none.
      sql += fmt::format(", IFNULL(CAST({} AS CHAR), '-')", name);
    } else if (column.nullable) {
      sql += fmt::format(", IFNULL({}, '-')", name);
    } else {
      sql += ", " + name;
    }
  }
  return sql + ")";
}

}  // namespace migrator::mysql
