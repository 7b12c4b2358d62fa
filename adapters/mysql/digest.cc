#include "adapters/mysql/digest.h"

#include <algorithm>

#include <fmt/format.h>

#include "adapters/canonical_digest.h"
#include "adapters/mysql/codec.h"
#include "adapters/mysql/key_range.h"
#include "adapters/mysql/native_type.h"

namespace migrator::mysql {

bool has_digest(const std::vector<Column>& columns) {
  return std::none_of(columns.begin(), columns.end(), [](const Column& column) {
    const Base base = parse_native_type(column.native_type).base;
    return base == Base::unknown || base == Base::geometry || base == Base::json;
  });
}

namespace {

// Bytes that no number, no date and no text of UTF-8 has. By their cast they count as much as a
// column: constants would be made a text for columns that are. So the whole is bytes, no text is
// converted, and those of several character sets mix.
constexpr std::string_view kSeparator = "CAST(UNHEX('FF') AS BINARY)";
constexpr std::string_view kNull = "CAST(UNHEX('FE') AS BINARY)";

}  // namespace

std::string digest_form(const std::vector<Column>& columns) {
  std::string sql = fmt::format("CONCAT_WS({}", kSeparator);
  for (const Column& column : columns) {
    const NativeType native = parse_native_type(column.native_type);
    std::string value = quote_name(column.name);
    if (native.is_text() ? is_raw_text(column, native)
                         : native.is_binary() && native.base != Base::bit) {
      // A NULL is left out by CONCAT_WS: its length says so.
      sql += fmt::format(", IFNULL(LENGTH({0}), '-'), {0}", value);
      continue;
    }
    if (native.base == Base::bit) {
      value += " + 0";
    } else if (native.base == Base::real32) {
      // As a double, for FLOAT is printed with six digits; times one, which keeps the sign of zero.
      value += " * 1e0";
    } else if (native.base == Base::uuid || native.base == Base::inet) {
      // Beside bytes IFNULL would make a UUID of them, which they are not.
      value = fmt::format("CAST({} AS CHAR)", value);
    }
    // What cannot be NULL on one side, and can on the other, is spelled alike on both.
    sql += column.nullable ? fmt::format(", IFNULL({}, {})", value, kNull) : ", " + value;
  }
  return sql + ")";
}

std::string digest_sums(std::string_view hash) {
  const auto folded = [hash](int digits) {
    return fmt::format("CRC32(LEFT({}, {}))", hash, digits);
  };
  return fmt::format("SUM(CRC32({}) << 32 | {}), SUM({} << 32 | {})", hash, folded(30), folded(20),
                     folded(10));
}

bool has_canonical_form(const std::vector<Column>& columns) {
  return std::all_of(columns.begin(), columns.end(), [](const Column& column) {
    const NativeType native = parse_native_type(column.native_type);
    switch (column.type.kind) {
      case TypeKind::boolean:
      case TypeKind::int16:
      case TypeKind::int32:
      case TypeKind::int64:
      case TypeKind::uint64:
        return native.is_integer() || native.base == Base::bit || native.base == Base::year;
      case TypeKind::decimal:
        return native.base == Base::decimal &&
               column.native_type.find("zerofill") == std::string::npos;
      case TypeKind::text:
        return native.is_text();
      case TypeKind::bytes:
        return native.is_binary() && native.base != Base::bit;
      case TypeKind::date:
        return native.base == Base::date;
      case TypeKind::time:
        return native.base == Base::time;
      case TypeKind::timestamp:
      case TypeKind::timestamptz:
        return native.base == Base::datetime || native.base == Base::timestamp;
      case TypeKind::uuid:
        return native.base == Base::uuid;
      default:
        return false;
    }
  });
}

std::string canonical_sums(std::string_view hash) {
  return fmt::format(
      "SUM(CAST(CONV(LEFT({0}, 16), 16, -10) AS SIGNED)), SUM(CAST(CONV(SUBSTR({0}, 17, 16), 16, "
      "-10) AS SIGNED))",
      hash);
}

namespace {

// Without the zeros of a fraction that say nothing: by the value, as a table may have been altered
// since its columns were looked at.
std::string without_zeros(const std::string& text) {
  return fmt::format(
      "IF(LOCATE('.', {0}), TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {0})), {0})", text);
}

std::string canonical_value(const Column& column) {
  const NativeType native = parse_native_type(column.native_type);
  std::string name = quote_name(column.name);
  switch (column.type.kind) {
    case TypeKind::decimal:
      return native.scale > 0 ? without_zeros(name) : name;
    case TypeKind::text: {
      // Texts of several character sets meet in one form: as bytes they mix.
      if (may_leave_unicode(column.charset)) return unicode_expression(name, column.charset);
      return is_utf8_charset(column.charset) && native.base != Base::enumeration &&
                     native.base != Base::set
                 ? fmt::format("CAST({} AS BINARY)", name)
                 : fmt::format("CAST(CONVERT({} USING utf8mb4) AS BINARY)", name);
    }
    case TypeKind::bytes:
      return fmt::format("LOWER(HEX({}))", name);
    case TypeKind::time:
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      return column.type.precision > 0 ? without_zeros(name) : name;
    case TypeKind::date:
      return name;
    case TypeKind::uuid:
      // With a text beside it IFNULL would make a UUID of that text, which is none.
      return fmt::format("CAST({} AS CHAR)", name);
    default: {
      // Bits as a number, and nothing of ZEROFILL; others as they are, for of a text, should the
      // column have become one, the sum would be the digits that it begins with.
      const bool as_number = native.base == Base::bit || native.base == Base::year ||
                             column.native_type.find("zerofill") != std::string::npos;
      return as_number ? name + " + 0" : name;
    }
  }
}

}  // namespace

// A NULL is only what the column says is one: where a function gives NULL for a value, the whole
// form is NULL, and so is its hash, which is noticed.
std::string canonical_form(const std::vector<Column>& columns) {
  std::string sql;
  for (const Column& column : columns) {
    const std::string value = canonical_value(column);
    const std::string item = column.type.kind == TypeKind::text
                                 ? fmt::format("CONCAT(LENGTH({0}), ';', {0})", value)
                                 : value;
    sql += fmt::format("{}IF({} IS NULL, 'N', {})", sql.empty() ? "CONCAT(" : ", ';', ",
                       quote_name(column.name), item);
  }
  return sql + ")";
}

}  // namespace migrator::mysql
