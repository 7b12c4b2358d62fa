// Decimal texts as SQLite's storage classes need them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace migrator::sqlite {

// A plain decimal in its parts, without zeros that carry no value: -012.340 is {true, "12", "34"},
// and zero has no digits and no sign. Views into the text it was made of.
struct Decimal {
  bool negative = false;
  std::string_view whole, fraction;

  // False on anything that is_plain_decimal (codec.h) refuses.
  static bool parse(std::string_view text, Decimal& decimal);
  // With exactly `scale` digits after the point, or with those it has if they are more.
  void print(std::string& out, std::size_t scale) const;
  bool fits(std::uint32_t precision, std::uint32_t scale) const;
};

// "NaN", "Infinity", "-Infinity".
bool is_special_decimal(std::string_view text);

// The shortest digits that read back as the same double, without an exponent. REQUIRES: finite.
void print_plain(std::string& out, double value);

// By value: -Infinity, numbers, Infinity, NaN, and then whatever is no decimal, by its bytes.
int compare_decimals(std::string_view a, std::string_view b);

}  // namespace migrator::sqlite
