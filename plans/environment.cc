#include "plans/environment.h"

#include <cstdlib>

#include <fmt/format.h>

#include "migrator/include/migrator/error.h"
#include "plans/unicode.h"

namespace migrator {
namespace {

bool is_variable_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool good =
        (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (!good) return false;
  }
  return true;
}

// The value of what stands between the braces.
std::string look_up(std::string_view inside, const Environment& environment) {
  const std::size_t separator = inside.find(":-");
  const bool has_default = separator != std::string_view::npos;
  const std::string name(inside.substr(0, separator));
  if (!is_variable_name(name)) {
    // The text is not shown: a brace forgotten in front of it may have made a secret part of it.
    throw Error(ErrorKind::usage, "what stands between ${ and } is not a variable's name")
        .remedy(
            "Write ${NAME} or ${NAME:-default} with letters, digits and _ in the name; for the "
            "characters ${ themselves write $${.");
  }
  std::optional<std::string> value = environment ? environment(name) : std::nullopt;
  if (has_default && (!value || value->empty())) value = std::string(inside.substr(separator + 2));
  if (!value) {
    throw Error(ErrorKind::usage, fmt::format("the variable {} is not set", name))
        .remedy(fmt::format("Set {0} in the environment of the command, or give a default: "
                            "${{{0}:-...}}.",
                            name));
  }
  if (find_invalid_utf8(*value) != std::string_view::npos ||
      value->find('\0') != std::string::npos) {
    throw Error(ErrorKind::usage, fmt::format("the variable {} is not valid UTF-8 text", name))
        .remedy("Set it to text in UTF-8; in a URL, write other bytes as %XX.");
  }
  return *std::move(value);
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Expansion expand(std::string_view text, const Environment& environment) {
  Expansion result;
  while (!text.empty()) {
    if (text.starts_with("$${")) {
      result.text += "${";
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      const std::size_t end = text.find('}');
      if (end == std::string_view::npos) {
        throw Error(ErrorKind::usage, "${ without its closing }")
            .remedy("Close it, as in ${NAME}; for the characters ${ themselves write $${.");
      }
      result.text += look_up(text.substr(2, end - 2), environment);
      result.from_environment = true;
      text.remove_prefix(end + 1);
    } else {
      const std::size_t next = text.find('$', 1);
      result.text += text.substr(0, next);
      text.remove_prefix(next == std::string_view::npos ? text.size() : next);
    }
  }
  return result;
}

std::string escape_expansion(std::string_view literal) {
  std::string result;
  for (std::size_t i = 0; i < literal.size(); ++i) {
    if (literal.substr(i).starts_with("${")) result += '$';
    result += literal[i];
  }
  return result;
}

}  // namespace migrator
