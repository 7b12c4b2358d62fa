#include "plans/units.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "migrator/include/migrator/error.h"
#include "plans/plan.h"

namespace migrator {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first, so that the first one that divides is the shortest spelling.
constexpr std::array kDurationUnits = {Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1'000},
                                       Unit{"ms", 1}};
constexpr std::array kSizeUnits = {Unit{"GiB", 1u << 30}, Unit{"MiB", 1u << 20},
                                   Unit{"KiB", 1u << 10}, Unit{"", 1}};

constexpr std::string_view kDurationRemedy =
    "Write a whole number and its unit without a space: 500ms, 5s, 2m, 24h.";
constexpr std::string_view kSizeRemedy =
    "Write a whole number of bytes, or one with KiB, MiB or GiB (powers of 1024) and no space: "
    "4096, 64KiB, 16MiB, 1GiB.";

// Absent unless `text` is digits and then exactly one of the units, and the product is at most
// `max`.
template <std::size_t N>
std::optional<std::uint64_t> parse_number_with_unit(std::string_view text,
                                                    const std::array<Unit, N>& units,
                                                    std::uint64_t max) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc{}) return std::nullopt;
  // 010 is 8 to some readers of YAML and 10 to others.
  if (text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9') return std::nullopt;
  const std::string_view unit_name(rest, static_cast<std::size_t>(end - rest));
  for (const Unit& unit : units) {
    if (unit.name != unit_name) continue;
    if (number > max / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string spell_with_unit(std::uint64_t number, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (number != 0 && number % unit.factor == 0) {
      return fmt::format("{}{}", number / unit.factor, unit.name);
    }
  }
  return fmt::format("0{}", units.back().name);
}

}  // namespace

std::chrono::milliseconds parse_duration(std::string_view text) {
  constexpr auto kMax =
      static_cast<std::uint64_t>(std::numeric_limits<std::chrono::milliseconds::rep>::max());
  const auto parsed = parse_number_with_unit(text, kDurationUnits, kMax);
  if (!parsed) {
    throw Error(ErrorKind::usage, fmt::format("\"{}\" is not a duration", text))
        .remedy(std::string(kDurationRemedy));
  }
  return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(*parsed));
}

std::uint64_t parse_size(std::string_view text) {
  const auto parsed =
      parse_number_with_unit(text, kSizeUnits, std::numeric_limits<std::uint64_t>::max());
  if (!parsed) {
    throw Error(ErrorKind::usage, fmt::format("\"{}\" is not a size", text))
        .remedy(std::string(kSizeRemedy));
  }
  return *parsed;
}

std::string spell_duration(std::chrono::milliseconds duration) {
  return spell_with_unit(static_cast<std::uint64_t>(duration.count()), kDurationUnits);
}

std::string spell_size(std::uint64_t bytes) { return spell_with_unit(bytes, kSizeUnits); }

}  // namespace migrator
