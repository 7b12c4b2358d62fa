#include "adapters/postgres/values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "adapters/codec.h"

namespace migrator::postgres {
namespace {

// The server's range (utils/timestamp.h, date.h): from 4714-11-24 BC, timestamps to the end of year
// 294276, dates to the end of 5874897. Microseconds and days from 2000.
constexpr std::int64_t kTimestampMin = -211'813'488'000'000'000;
constexpr std::int64_t kTimestampEnd = 9'223'371'331'200'000'000;
constexpr std::int64_t kDateMin = -2'451'545;
constexpr std::int64_t kDateEnd = 2'147'483'494 - 2'451'545;
// Digits that a numeric without a declared precision has room for (numeric.h, NUMERIC_WEIGHT_MAX
// and NUMERIC_DSCALE_MAX).
constexpr std::size_t kNumericWholeMax = 131'072;
constexpr std::size_t kNumericFractionMax = 16'383;

Error wrong_cell(const Column& column) {
  return value_error(column, "22000",
                     "a value of another kind has no form as " + column.native_type);
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// "\u0000", but not "\\u0000", which is a backslash and a word.
bool has_escaped_nul(std::string_view json) {
  for (std::size_t at = json.find("\\u0000"); at != std::string_view::npos;
       at = json.find("\\u0000", at + 1)) {
    std::size_t slashes = 1;
    while (slashes <= at && json[at - slashes] == '\\') ++slashes;
    if (slashes % 2 == 1) return true;
  }
  return false;
}

void check_digits(const Column& column, std::int64_t micros) {
  static constexpr std::int64_t kUnits[] = {1'000'000, 100'000, 10'000, 1'000, 100, 10, 1};
  const std::uint32_t digits = std::min<std::uint32_t>(column.type.precision, 6);
  if (micros % kUnits[digits] != 0) {
    throw value_error(column, "22008",
                      "more digits of a second than " + column.native_type + " keeps");
  }
}

void check_decimal_digits(const Column& column, std::string_view text) {
  if (text.front() == '-' || text.front() == '+') text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  std::string_view whole = text.substr(0, point);
  std::string_view fraction = point < text.size() ? text.substr(point + 1) : std::string_view();
  while (!whole.empty() && whole.front() == '0') whole.remove_prefix(1);
  const Type& type = column.type;
  if (type.precision == 0) {
    if (whole.size() > kNumericWholeMax || fraction.size() > kNumericFractionMax) {
      throw value_error(column, "22003", "more digits than a numeric can have");
    }
    return;
  }
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  if (whole.size() > type.precision - type.scale) {
    throw value_error(column, "22003", "a number too large for " + column.native_type);
  }
  if (fraction.size() > type.scale) {
    throw value_error(column, "22003",
                      "more digits after the point than " + column.native_type + " keeps");
  }
}

}  // namespace

Error value_error(const Column& column, const char* sqlstate, const std::string& what) {
  return Error(ErrorKind::data, "column \"" + column.name + "\": " + what)
      .code(sqlstate)
      .remedy("give the column a wider type in the plan, or correct the row at the source");
}

void check_null(const Column& column) {
  if (column.nullable) return;
  throw value_error(column, "23502", "NULL in a column that is NOT NULL");
}

std::int64_t checked_integer(const Column& column, const RowBatch& batch, const Cell& cell) {
  std::int64_t value = 0;
  switch (cell.tag) {
    case Cell::Tag::integer:
      value = cell.integer;
      break;
    case Cell::Tag::unsigned_integer:
      if (cell.unsigned_integer >
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw value_error(column, "22003", "a number too large for " + column.native_type);
      }
      value = static_cast<std::int64_t>(cell.unsigned_integer);
      break;
    case Cell::Tag::text:  // the cell of a decimal
      if (!parse_int64(batch.bytes_of(cell), value)) {
        throw value_error(column, "22003", "a number that is not one of " + column.native_type);
      }
      break;
    default:
      throw wrong_cell(column);
  }
  const auto check = [&](std::int64_t least, std::int64_t most) {
    if (value < least || value > most) {
      throw value_error(column, "22003", "a number out of range for " + column.native_type);
    }
  };
  switch (column.type.kind) {
    case TypeKind::boolean:
      check(0, 1);
      break;
    case TypeKind::int16:
      check(-32'768, 32'767);
      break;
    case TypeKind::int32:
      check(-2'147'483'648LL, 2'147'483'647LL);
      break;
    default:
      break;
  }
  return value;
}

double checked_real(const Column& column, const Cell& cell) {
  double value = 0;
  bool exact = true;
  switch (cell.tag) {
    case Cell::Tag::real:
      value = cell.real;
      break;
    case Cell::Tag::integer:
      value = static_cast<double>(cell.integer);
      exact = std::abs(value) <= 9'007'199'254'740'992.0;  // 2^53
      break;
    case Cell::Tag::unsigned_integer:
      value = static_cast<double>(cell.unsigned_integer);
      exact = value <= 9'007'199'254'740'992.0;
      break;
    default:
      throw wrong_cell(column);
  }
  if (column.type.kind == TypeKind::float32 && std::isfinite(value)) {
    exact = exact && std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max()) &&
            static_cast<double>(static_cast<float>(value)) == value;
  }
  if (!exact) {
    throw value_error(column, "22003", "a number that " + column.native_type + " would round");
  }
  return value;
}

std::string_view checked_decimal(const Column& column, const RowBatch& batch, const Cell& cell,
                                 std::string& scratch) {
  std::string_view text;
  switch (cell.tag) {
    case Cell::Tag::integer:
      text = scratch = std::to_string(cell.integer);
      break;
    case Cell::Tag::unsigned_integer:
      text = scratch = std::to_string(cell.unsigned_integer);
      break;
    case Cell::Tag::text:
      text = batch.bytes_of(cell);
      break;
    default:
      throw wrong_cell(column);
  }
  if (text == "NaN") return text;
  if (text == "Infinity" || text == "-Infinity") {
    if (column.type.precision != 0) {
      throw value_error(column, "22003", "an infinity in " + column.native_type);
    }
    return text;
  }
  if (!is_plain_decimal(text)) throw wrong_cell(column);
  check_decimal_digits(column, text);
  return text;
}

std::string_view checked_text(const Column& column, const RowBatch& batch, const Cell& cell) {
  if (cell.tag != Cell::Tag::text) throw wrong_cell(column);
  const std::string_view text = batch.bytes_of(cell);
  if (!text.empty() && std::memchr(text.data(), 0, text.size()) != nullptr) {
    throw value_error(column, "22021", "a text with a NUL byte")
        .remedy(
            "PostgreSQL has no text with a NUL byte: map the column to bytea, or correct the row");
  }
  if (!is_valid_utf8(text)) {
    throw value_error(column, "22021", "a text that is not UTF-8")
        .remedy("correct the row's encoding at the source, or map the column to bytea");
  }
  if (column.type.kind == TypeKind::json) {
    if (column.native_type == "jsonb" && has_escaped_nul(text)) {
      throw value_error(column, "22P05", "a JSON text with \\u0000, which jsonb cannot hold")
          .remedy("map the column to json, or correct the row at the source");
    }
    return text;
  }
  const std::uint64_t limit = column.type.length;
  if (limit != 0 && text.size() > limit) {
    // name counts bytes, all others characters.
    if (column.native_type == "name" || characters(text) > limit) {
      throw value_error(column, "22001", "a text too long for " + column.native_type);
    }
  }
  if (!column.enum_values.empty() && std::find(column.enum_values.begin(), column.enum_values.end(),
                                               text) == column.enum_values.end()) {
    throw value_error(column, "22P02", "a text that is none of the column's values");
  }
  return text;
}

std::string_view checked_bytes(const Column& column, const RowBatch& batch, const Cell& cell) {
  if (cell.tag != Cell::Tag::bytes) throw wrong_cell(column);
  return batch.bytes_of(cell);
}

std::int64_t checked_date(const Column& column, const Cell& cell) {
  if (cell.tag != Cell::Tag::integer) throw wrong_cell(column);
  if (cell.integer < kDateMin + kEpochDays || cell.integer >= kDateEnd + kEpochDays) {
    throw value_error(column, "22008", "a date out of range");
  }
  return cell.integer;
}

std::int64_t checked_time(const Column& column, const Cell& cell) {
  if (cell.tag != Cell::Tag::integer) throw wrong_cell(column);
  if (cell.integer < 0 || cell.integer > kMicrosPerDay) {
    throw value_error(column, "22008", "a time out of range");
  }
  check_digits(column, cell.integer);
  return cell.integer;
}

std::int64_t checked_timestamp(const Column& column, const Cell& cell) {
  if (cell.tag != Cell::Tag::integer) throw wrong_cell(column);
  // The upper end lies beyond 64 bits when counted from 1970: every value up to there fits.
  static_assert(kTimestampEnd > std::numeric_limits<std::int64_t>::max() - kEpochMicros);
  if (cell.integer < kTimestampMin + kEpochMicros) {
    throw value_error(column, "22008", "a time stamp out of range");
  }
  check_digits(column, cell.integer);
  return cell.integer;
}

const char* checked_uuid(const Column& column, const RowBatch& batch, const Cell& cell,
                         char* scratch) {
  const std::string_view bytes = cell.tag == Cell::Tag::bytes || cell.tag == Cell::Tag::text
                                     ? batch.bytes_of(cell)
                                     : std::string_view();
  if (cell.tag == Cell::Tag::bytes && bytes.size() == 16) return bytes.data();
  if (cell.tag == Cell::Tag::text && parse_uuid(bytes, scratch)) return scratch;
  throw value_error(column, "22P02", "a value that is no UUID");
}

}  // namespace migrator::postgres
