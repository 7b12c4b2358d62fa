#include "tests/conformance/neutral.h"

#include <cfloat>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "adapters/codec.h"

namespace migrator::test {
namespace {

constexpr std::int64_t kMin64 = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax64 = std::numeric_limits<std::int64_t>::max();

std::int64_t days(std::int64_t year, unsigned month, unsigned day) {
  return days_from_civil(year, month, day);
}

std::vector<Value> integers(const Column& column) {
  const std::string& native = column.native_type;
  const bool natural = native.find("unsigned") != std::string::npos;
  // MySQL's narrow types travel as the next wider neutral one.
  std::int64_t bits = column.type.kind == TypeKind::int16   ? 16
                      : column.type.kind == TypeKind::int32 ? 32
                                                            : 64;
  if (native.starts_with("tinyint")) bits = 8;
  if (native.starts_with("smallint")) bits = 16;
  if (native.starts_with("mediumint")) bits = 24;
  if (native.starts_with("int(") || native == "integer") bits = 32;
  if (bits == 64)
    return {kMin64,          kMin64 + 1,      std::int64_t{-1},
            std::int64_t{0}, std::int64_t{1}, std::int64_t{9007199254740993},
            kMax64};
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  if (natural) return {std::int64_t{0}, std::int64_t{1}, half, 2 * half - 1};
  return {-half, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, half - 1};
}

std::vector<Value> decimals(const Type& type) {
  if (type.precision == 0) return {std::string("0"), std::string("-12345678901234567.0123456789")};
  std::string whole(type.precision - type.scale, '9'), part(type.scale, '9');
  if (whole.empty()) whole = "0";
  const std::string most = type.scale ? whole + "." + part : whole;
  std::string least = type.scale ? "0." + std::string(type.scale - 1, '0') + "1" : "1";
  return {std::string("0"), most, "-" + most, least, "-" + least, std::string("1"),
          std::string("-7")};
}

std::vector<Value> reals(bool narrow, bool negative_zero) {
  std::vector<Value> values;
  if (narrow) {
    for (const float value :
         {0.0f, 1.5f, -0.1f, 16777217.0f, FLT_MAX, -FLT_MAX, FLT_MIN, 3.14159274f}) {
      values.push_back(static_cast<double>(value));
    }
  } else {
    for (const double value :
         {0.0, 1.5, -0.1, 1.0 / 3, DBL_MAX, -DBL_MAX, DBL_MIN, 9007199254740993.0, 1e22, 5e-324}) {
      values.push_back(value);
    }
  }
  if (negative_zero) values.push_back(-0.0);
  return values;
}

std::vector<Value> texts(const Type& type) {
  if (type.fixed) {
    std::string full;
    while (full.size() < type.length) full += static_cast<char>('a' + full.size() % 26);
    return {full, std::string(1, 'x')};
  }
  std::vector<Value> values = {
      std::string(),
      std::string("plain"),
      std::string("  both sides  "),
      std::string("it's \"x\" \\ \\N \t\n\r%"),
      std::string("Ünïcödé 日本語 🎉 e\u0301"),
      std::string("\\."),
      std::string("NULL"),
  };
  if (type.length > 0 && type.length < 100) {
    std::string longest;
    for (std::uint64_t at = 0; at < type.length; ++at) longest += "🎉";
    values.push_back(longest);
  }
  return values;
}

std::vector<Value> byte_strings(const Type& type) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  if (type.fixed) {
    const std::string zeros(type.length, '\0');
    std::string ends_in_zero = zeros;
    ends_in_zero[0] = '\xff';
    return {Bytes{zeros}, Bytes{std::string(type.length, '\xff')}, Bytes{ends_in_zero}};
  }
  std::vector<Value> values = {Bytes{}, Bytes{std::string(1, '\0')}, Bytes{"\\x00"},
                               Bytes{std::string("a\0\0", 3)}};
  const std::uint64_t room = type.length ? type.length : 1000;
  for (std::size_t at = 0; at < all.size(); at += room)
    values.push_back(Bytes{all.substr(at, room)});
  return values;
}

std::vector<Value> moments(const Column& column, Engine engine) {
  const std::int64_t step = column.type.precision == 0 && engine == Engine::mysql ? 1'000'000
                            : column.type.precision == 3                          ? 1000
                                                                                  : 1;
  if (engine == Engine::mysql && column.native_type.starts_with("timestamp")) {
    return {kMicrosPerSecond, std::int64_t{2147483647} * kMicrosPerSecond + 999'999,
            std::int64_t{1710054000} * kMicrosPerSecond + 1};
  }
  const std::int64_t last = days(10000, 1, 1) * kMicrosPerDay - step;
  // MySQL promises no year before 1000.
  return {days(1000, 1, 1) * kMicrosPerDay,
          last,
          std::int64_t{0},
          -step,
          step,
          days(2024, 2, 29) * kMicrosPerDay + 45'296 * kMicrosPerSecond + 7 * step,
          days(2024, 3, 10) * kMicrosPerDay + 9'000 * kMicrosPerSecond};
}

std::string trimmed(std::string text, char what) {
  text.erase(text.find_last_not_of(what) + 1);
  return text;
}

// A value of any type as the text that a target's text column would hold.
std::string as_cell_text(const Value& value, const Type& from) {
  std::string out;
  switch (from.kind) {
    case TypeKind::date:
      print_date(out, std::get<std::int64_t>(value));
      return out;
    case TypeKind::time:
      print_time(out, std::get<std::int64_t>(value), 6);
      return out;
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      print_timestamp(out, std::get<std::int64_t>(value), 6);
      return out;
    case TypeKind::uuid:
      print_uuid(out, std::get<Bytes>(value).data.data());
      return out;
    case TypeKind::uint64:
      return std::to_string(std::get<std::uint64_t>(value));
    case TypeKind::text:
    case TypeKind::json:
    case TypeKind::decimal:
      return std::get<std::string>(value);
    default:
      break;
  }
  throw std::logic_error("no text form for " + describe(from));
}

bool is_integer(TypeKind kind) {
  return kind == TypeKind::boolean || kind == TypeKind::int16 || kind == TypeKind::int32 ||
         kind == TypeKind::int64;
}

std::string decimal_text_of(const Value& value) {
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) return std::to_string(*natural);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  return std::get<std::string>(value);
}

}  // namespace

std::vector<Value> extremes_of(const Column& column, Engine engine, bool negative_zero) {
  const Type& type = column.type;
  switch (type.kind) {
    case TypeKind::boolean:
      return {std::int64_t{0}, std::int64_t{1}};
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      return integers(column);
    case TypeKind::uint64:
      return {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 63,
              (std::uint64_t{1} << 63) - 1, std::numeric_limits<std::uint64_t>::max()};
    case TypeKind::decimal:
      return decimals(type);
    case TypeKind::float32:
      return reals(true, negative_zero);
    case TypeKind::float64:
      return reals(false, negative_zero);
    case TypeKind::text:
      return texts(type);
    case TypeKind::bytes:
      return byte_strings(type);
    case TypeKind::date:
      return {days(1000, 1, 1), days(9999, 12, 31), std::int64_t{0},
              std::int64_t{-1}, days(2024, 2, 29),  days(1900, 2, 28)};
    case TypeKind::time:
      return {std::int64_t{0}, kMicrosPerDay - 1, std::int64_t{1}, 45'296 * kMicrosPerSecond + 7};
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      return moments(column, engine);
    case TypeKind::json:
      return {std::string("{}"), std::string("null"), std::string("[1, 2.5, \"x\", null, true]"),
              std::string("{\"a\": {\"b\": \"it's \\\"q\\\" \\\\ 日本 🎉\"}}"),
              std::string("\"text\"")};
    case TypeKind::uuid:
      return {Bytes{std::string(16, '\0')}, Bytes{std::string(16, '\xff')},
              Bytes{std::string("\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00",
                                16)}};
    case TypeKind::opaque:
      break;
  }
  throw std::logic_error("no values for " + column.native_type);
}

Value converted(const Value& value, const Type& from, const Type& to) {
  if (is_null(value) || from.kind == to.kind) return value;
  if (is_integer(from.kind) && is_integer(to.kind)) return value;
  if (is_integer(from.kind) && to.kind == TypeKind::uint64) {
    return static_cast<std::uint64_t>(std::get<std::int64_t>(value));
  }
  if (from.kind == TypeKind::uint64 && is_integer(to.kind)) {
    return static_cast<std::int64_t>(std::get<std::uint64_t>(value));
  }
  const bool whole = is_integer(from.kind) || from.kind == TypeKind::uint64;
  if (to.kind == TypeKind::decimal && whole) return decimal_text_of(value);
  if (from.kind == TypeKind::decimal && (is_integer(to.kind) || to.kind == TypeKind::uint64)) {
    std::string text = std::get<std::string>(value);
    if (text.find('.') != std::string::npos) text = trimmed(trimmed(text, '0'), '.');
    if (to.kind == TypeKind::uint64) return static_cast<std::uint64_t>(std::stoull(text));
    return static_cast<std::int64_t>(std::stoll(text));
  }
  const bool real_from = from.kind == TypeKind::float32 || from.kind == TypeKind::float64;
  const bool real_to = to.kind == TypeKind::float32 || to.kind == TypeKind::float64;
  if (real_from && real_to) return value;
  const bool moment_from = from.kind == TypeKind::timestamp || from.kind == TypeKind::timestamptz;
  const bool moment_to = to.kind == TypeKind::timestamp || to.kind == TypeKind::timestamptz;
  if (moment_from && moment_to) return value;
  if (to.kind == TypeKind::text || to.kind == TypeKind::json) return as_cell_text(value, from);
  if (to.kind == TypeKind::bytes && from.kind == TypeKind::uuid) return value;
  throw std::logic_error("a column of " + describe(from) + " became one of " + describe(to));
}

}  // namespace migrator::test
