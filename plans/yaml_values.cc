#include "plans/yaml_values.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "adapters/url.h"
#include "plans/environment.h"
#include "plans/units.h"

namespace migrator::yaml {
namespace {

// More than a file of kTextBytesMax without aliases can hold in earnest.
constexpr std::uint64_t kVisitsMax = 500'000;

// Every engine's limit for a name is far below (PostgreSQL 63 bytes, MySQL 64 characters; SQLite
// has none), and the longest key that YAML allows without a special form is 1024 characters.
constexpr std::size_t kNameBytesMax = 512;

std::optional<std::uint64_t> parse_whole_number(const std::string& text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc{} || rest != end) return std::nullopt;
  // 010 is 8 to some readers of YAML and 10 to others.
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  return number;
}

// Minutes since midnight of "HH:MM", from 00:00 to 23:59.
std::optional<int> parse_clock(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const std::size_t digit : {0, 1, 3, 4}) {
    if (text[digit] < '0' || text[digit] > '9') return std::nullopt;
  }
  const int hours = (text[0] - '0') * 10 + (text[1] - '0');
  const int minutes = (text[3] - '0') * 10 + (text[4] - '0');
  if (hours > 23 || minutes > 59) return std::nullopt;
  return hours * 60 + minutes;
}

}  // namespace

void ValueReader::count_visit(const Field& field) {
  if (++visits_ > kVisitsMax) {
    throw error(
        field, fmt::format("with its aliases this plan stands for more than {} values", kVisitsMax))
        .remedy("Use fewer aliases, or split the plan.");
  }
}

std::string ValueReader::shown(const Field& field) const {
  if (field.node->kind != Node::Kind::scalar) return std::string(describe(*field.node));
  const std::string& text = field.node->text;
  if (text.find("://") != std::string::npos || text.find('@') != std::string::npos) {
    return "what is written there";
  }
  return quote(text);
}

Error ValueReader::wrong(const Field& field, const std::string& what) const {
  return error(field, fmt::format("{} has to be {}, not {}", field.name, what, shown(field)));
}

ValueReader::Value ValueReader::expanded(const Field& field, const std::string& what) {
  count_visit(field);
  if (field.node->kind == Node::Kind::null) {
    throw error(field, fmt::format("{} has to be {}, and is empty", field.name, what))
        .remedy(
            "Give it a value, or take the line out to have the default; put quotes around null "
            "or ~ if that is really the name.");
  }
  if (field.node->kind != Node::Kind::scalar) {
    throw wrong(field, what).remedy("Write a single value after the colon.");
  }
  try {
    Expansion expansion = expand(field.node->text, environment_);
    return {std::move(expansion.text), expansion.from_environment};
  } catch (const Error& problem) {
    throw error(field, fmt::format("{}: {}", field.name, problem.what())).remedy(problem.remedy());
  }
}

std::string ValueReader::read_text(const Field& field) {
  Value value = expanded(field, "text");
  if (value.text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw error(field, fmt::format("{} is empty", field.name))
        .remedy("Give it a value, or take the key out to have its default.");
  }
  return std::move(value.text);
}

std::string ValueReader::read_name(const Field& field) {
  Value value = expanded(field, "a name");
  // No trim: " " is a name that a database may have.
  if (value.text.empty()) {
    throw error(field, fmt::format("{} is empty", field.name))
        .remedy("Give it a name, or take it out.");
  }
  if (value.text.size() > kNameBytesMax) {
    throw error(field, fmt::format("{} is longer than {} bytes", field.name, kNameBytesMax))
        .remedy("Check the quotes and brackets: no database has names that long.");
  }
  return std::move(value.text);
}

std::uint64_t ValueReader::read_number(const Field& field, std::uint64_t min, std::uint64_t max) {
  const std::string what = fmt::format("a whole number from {} to {}", min, max);
  const Value value = expanded(field, what);
  const auto number = parse_whole_number(value.text);
  if (number && field.node->quoted && !value.from_environment) {
    throw error(field, fmt::format("{} has to be {}, not text", field.name, what))
        .remedy("Take the quotes away.");
  }
  if (!number || *number < min || *number > max) {
    throw wrong(field, what)
        .remedy("Write digits only, without a unit, point, sign, exponent or leading zero.");
  }
  return *number;
}

std::uint64_t ValueReader::read_size(const Field& field, std::uint64_t min, std::uint64_t max) {
  const std::string what =
      fmt::format("a size from {} to {}", min == 0 ? "0" : spell_size(min), spell_size(max));
  const Value value = expanded(field, what);
  std::uint64_t size = 0;
  try {
    size = parse_size(value.text);
  } catch (const Error& problem) {
    throw wrong(field, what).remedy(problem.remedy());
  }
  if (size < min || size > max) throw wrong(field, what).remedy("Choose one within these limits.");
  return size;
}

std::chrono::milliseconds ValueReader::read_duration(const Field& field,
                                                     std::chrono::milliseconds max) {
  const std::string what = fmt::format("a duration from 0s to {}", spell_duration(max));
  const Value value = expanded(field, what);
  if (value.text == "0") return std::chrono::milliseconds(0);
  std::chrono::milliseconds duration{0};
  try {
    duration = parse_duration(value.text);
  } catch (const Error& problem) {
    throw wrong(field, what).remedy(problem.remedy());
  }
  if (duration > max) throw wrong(field, what).remedy("Choose one within these limits.");
  return duration;
}

bool ValueReader::read_boolean(const Field& field) {
  const std::string what = "true or false";
  const Value value = expanded(field, what);
  const bool yes = value.text == "true";
  if ((!yes && value.text != "false") || (field.node->quoted && !value.from_environment)) {
    throw wrong(field, what)
        .remedy("Write true or false, without quotes; yes, no, on and off are text in YAML.");
  }
  return yes;
}

std::string ValueReader::read_url(const Field& field) {
  Value value = expanded(field, "a URL");
  try {
    Url::parse(value.text);
  } catch (const Error& problem) {
    // Url::parse never shows a password, but it may show other parts, and what a variable holds is
    // nobody's business as a whole.
    if (value.from_environment) {
      throw error(field, fmt::format("{}, with its variables put in, is not a URL of a database",
                                     field.name))
          .remedy(
              "Set the variable to postgresql://user@host:port/db, mysql://user@host:port/db or "
              "sqlite:path/to.db; percent-encode special characters in the password.");
    }
    throw error(field, fmt::format("{}: {}", field.name, problem.what())).remedy(problem.remedy());
  }
  return std::move(value.text);
}

std::string ValueReader::read_window(const Field& field) {
  const std::string what = "a time of day in UTC, from and to";
  Value value = expanded(field, what);
  const std::string_view text = value.text;
  const auto from = parse_clock(text.substr(0, 5));
  const auto to = text.size() == 11 && text[5] == '-' ? parse_clock(text.substr(6)) : std::nullopt;
  if (!from || !to || *from == *to) {
    throw wrong(field, what)
        .remedy(
            "Write HH:MM-HH:MM with two different times, such as \"22:00-06:00\"; leave it out for "
            "always.");
  }
  return std::move(value.text);
}

}  // namespace migrator::yaml
