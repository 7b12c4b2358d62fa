#include "adapters/adapter.h"

#include <limits>

#include "adapters/codec.h"

namespace migrator {
namespace {

Error not_a(std::string_view wanted, std::string_view found) {
  return Error(ErrorKind::invariant, "the database answered with " + std::string(found) +
                                         " where " + std::string(wanted) + " was expected");
}

std::int64_t integer_of_text(std::string_view text) {
  std::int64_t parsed = 0;
  if (!parse_int64(text, parsed)) throw not_a("an integer", "a text that is none");
  return parsed;
}

std::int64_t integer_of_real(double value) {
  // 2^63 is a double exactly; every integral double below it fits.
  constexpr double kLimit = 9223372036854775808.0;
  if (!(value >= -kLimit && value < kLimit)) throw not_a("an integer", "a number out of range");
  const auto truncated = static_cast<std::int64_t>(value);
  if (static_cast<double>(truncated) != value) throw not_a("an integer", "a fraction");
  return truncated;
}

}  // namespace

std::int64_t as_integer(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* number = std::get_if<std::uint64_t>(&value)) {
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (*number > kMax) throw not_a("an integer", "a number out of range");
    return static_cast<std::int64_t>(*number);
  }
  if (const auto* real = std::get_if<double>(&value)) return integer_of_real(*real);
  if (const auto* text = std::get_if<std::string>(&value)) return integer_of_text(*text);
  // MySQL gives what it computes in a binary character set (version(), SHOW, ...) as bytes.
  if (const auto* bytes = std::get_if<Bytes>(&value)) return integer_of_text(bytes->data);
  throw not_a("an integer", "NULL");
}

std::string as_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* bytes = std::get_if<Bytes>(&value)) return bytes->data;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  if (const auto* real = std::get_if<double>(&value)) {
    std::string text;
    print_double(text, *real);
    return text;
  }
  throw not_a("a text", "NULL");
}

}  // namespace migrator
