#include "plans/plan.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <xxhash.h>

#include "plans/unicode.h"

namespace migrator {
namespace {

// A line of the meaning has to stand for one thing only, or two different plans could have one
// fingerprint: what could be taken for syntax is quoted, and in the quotes no byte is lost.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02X}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

// A table, column or key part: bare if it is a plain word.
std::string spell_name(std::string_view name) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c == '-' || static_cast<unsigned char>(c) >= 0x80;
  });
  return plain ? std::string(name) : quoted(name);
}

// What stands alone after " = ": bare unless it begins like a quoted one or has more than one line.
std::string spell_value(std::string_view value) {
  const bool plain = !value.empty() && value.front() != '"' && value.front() != ' ' &&
                     value.back() != ' ' && std::all_of(value.begin(), value.end(), [](char c) {
                       return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
                     });
  return plain ? std::string(value) : quoted(value);
}

std::string spell_names(const std::vector<std::string>& names) {
  std::string result;
  for (const std::string& name : names) {
    if (!result.empty()) result += ", ";
    result += spell_name(name);
  }
  return result;
}

// Without secrets, under the scheme's first name, the parameters in order.
std::string spell_url(const std::string& text) {
  std::string url = Url::parse(text).without_secrets();
  constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
      {"postgres://", "postgresql://"}, {"mariadb://", "mysql://"}};
  for (const auto& [alias, scheme] : kAliases) {
    if (url.starts_with(alias)) url.replace(0, alias.size(), scheme);
  }
  const std::size_t question = url.find('?');
  if (question == std::string::npos) return url;
  std::vector<std::string> parameters;
  std::string_view rest = std::string_view(url).substr(question + 1);
  while (!rest.empty()) {
    const std::size_t end = rest.find('&');
    if (end != 0) parameters.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  std::sort(parameters.begin(), parameters.end());
  std::string result = url.substr(0, question);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    result += (i == 0 ? '?' : '&') + parameters[i];
  }
  return result;
}

// White space around a condition says nothing; that a block in YAML ends with a line end even less.
std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

void add_table(const TablePlan& table, std::vector<std::string>& lines) {
  const std::string prefix = "tables." + spell_name(table.name);
  for (const auto& [name, column] : table.columns) {
    const std::string column_prefix = fmt::format("{}.columns.{}", prefix, spell_name(name));
    if (column.drop) {
      lines.push_back(column_prefix + " = dropped");
      continue;
    }
    if (!column.to.empty() && column.to != name) {
      lines.push_back(fmt::format("{}.to = {}", column_prefix, spell_value(column.to)));
    }
    if (!column.type.empty()) {
      lines.push_back(fmt::format("{}.type = {}", column_prefix, spell_value(column.type)));
    }
  }
  if (!table.key.empty()) lines.push_back(prefix + ".key = " + spell_names(table.key));
  lines.push_back(prefix + ".to = " + spell_value(table.to.empty() ? table.name : table.to));
  if (const std::string_view where = trim(table.where); !where.empty()) {
    lines.push_back(prefix + ".where = " + spell_value(where));
  }
}

}  // namespace

std::vector<std::string> meaning(const Plan& plan) {
  // A key that a later version adds must not add a line for its default: plans of running
  // migrations would seem to have changed with an upgrade.
  std::vector<std::string> lines;
  lines.push_back("capture = " + spell_value(plan.capture));
  if (plan.inline_writes) lines.emplace_back("inline_writes = true");
  lines.push_back("name = " + spell_value(plan.name));
  lines.push_back("source = " + spell_value(spell_url(plan.source_url)));
  lines.push_back("target = " + spell_value(spell_url(plan.target_url)));
  std::vector<const TablePlan*> tables;
  for (const TablePlan& table : plan.tables) tables.push_back(&table);
  std::sort(tables.begin(), tables.end(),
            [](const TablePlan* a, const TablePlan* b) { return a->name < b->name; });
  for (const TablePlan* table : tables) add_table(*table, lines);
  return lines;
}

std::string fingerprint(const Plan& plan) {
  std::string text;
  for (const std::string& line : meaning(plan)) text += line + '\n';
  return fmt::format("{:016x}", static_cast<std::uint64_t>(XXH3_64bits(text.data(), text.size())));
}

std::vector<std::string> meaning_difference(const std::vector<std::string>& before,
                                            const std::vector<std::string>& after) {
  std::vector<std::string> old_lines = before, new_lines = after, taken_out, put_in;
  std::sort(old_lines.begin(), old_lines.end());
  std::sort(new_lines.begin(), new_lines.end());
  std::set_difference(old_lines.begin(), old_lines.end(), new_lines.begin(), new_lines.end(),
                      std::back_inserter(taken_out));
  std::set_difference(new_lines.begin(), new_lines.end(), old_lines.begin(), old_lines.end(),
                      std::back_inserter(put_in));
  // Both values of one key one below the other.
  const auto key = [](const std::string& line) {
    return std::string_view(line).substr(0, line.find(" = "));
  };
  std::vector<std::string> difference;
  auto out = taken_out.begin();
  auto in = put_in.begin();
  while (out != taken_out.end() || in != put_in.end()) {
    const bool take_out = in == put_in.end() || (out != taken_out.end() && key(*out) <= key(*in));
    difference.push_back(take_out ? "- " + *out++ : "+ " + *in++);
  }
  return difference;
}

}  // namespace migrator
