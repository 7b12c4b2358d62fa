#include "adapters/sqlite/decimal.h"

#include <array>
#include <charconv>

#include "adapters/codec.h"

namespace migrator::sqlite {
namespace {

// The longest plain form of a double: 2^-1074 has 324 places before its first digits end.
constexpr std::size_t kPlainDoubleMax = 800;

int rank(std::string_view text, Decimal& decimal) {
  if (text == "-Infinity") return 0;
  if (Decimal::parse(text, decimal)) return 1;
  if (text == "Infinity") return 2;
  if (text == "NaN") return 3;
  return 4;
}

int sign(int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

int compare_magnitudes(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  if (const int order = a.whole.compare(b.whole); order != 0) return sign(order);
  // Without trailing zeros, fractions compare as texts: a prefix is the smaller one.
  return sign(a.fraction.compare(b.fraction));
}

}  // namespace

bool Decimal::parse(std::string_view text, Decimal& decimal) {
  if (!is_plain_decimal(text)) return false;
  decimal = {};
  if (text.front() == '-' || text.front() == '+') {
    decimal.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const std::size_t point = text.find('.');
  decimal.whole = text.substr(0, point);
  if (point != std::string_view::npos) decimal.fraction = text.substr(point + 1);
  while (!decimal.whole.empty() && decimal.whole.front() == '0') decimal.whole.remove_prefix(1);
  while (!decimal.fraction.empty() && decimal.fraction.back() == '0') {
    decimal.fraction.remove_suffix(1);
  }
  if (decimal.whole.empty() && decimal.fraction.empty()) decimal.negative = false;
  return true;
}

void Decimal::print(std::string& out, std::size_t scale) const {
  if (negative) out += '-';
  if (whole.empty()) out += '0';
  out += whole;
  if (fraction.empty() && scale == 0) return;
  out += '.';
  out += fraction;
  if (fraction.size() < scale) out.append(scale - fraction.size(), '0');
}

bool Decimal::fits(std::uint32_t precision, std::uint32_t scale) const {
  if (precision == 0) return true;
  // decimal(3,5) holds no whole digits at all.
  const std::size_t whole_digits = precision > scale ? precision - scale : 0;
  return whole.size() <= whole_digits && fraction.size() <= scale;
}

bool is_special_decimal(std::string_view text) {
  return text == "NaN" || text == "Infinity" || text == "-Infinity";
}

void print_plain(std::string& out, double value) {
  std::array<char, kPlainDoubleMax> buffer;
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  out.append(buffer.data(), result.ptr);
}

int compare_decimals(std::string_view a, std::string_view b) {
  Decimal left, right;
  const int left_rank = rank(a, left), right_rank = rank(b, right);
  if (left_rank != right_rank) return left_rank < right_rank ? -1 : 1;
  if (left_rank == 4) return sign(a.compare(b));
  if (left_rank != 1) return 0;
  if (left.negative != right.negative) return left.negative ? -1 : 1;
  const int order = compare_magnitudes(left, right);
  return left.negative ? -order : order;
}

}  // namespace migrator::sqlite
