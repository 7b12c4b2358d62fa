// From a Plan to the YAML that a person would have written: no defaults, no quotes without need,
// short things on one line.

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "migrator/include/migrator/error.h"
#include "plans/environment.h"
#include "plans/plan.h"
#include "plans/unicode.h"
#include "plans/units.h"

namespace migrator {
namespace {

enum class Context { block, flow };  // flow: between [] or {}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

// Whether some reader of YAML, 1.1 or 1.2, would take the bare text for a number, a date or a time.
bool looks_like_number(std::string_view text) {
  if (!is_digit(text[0]) && !contains("+-.", text[0])) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
           contains("_.:+- xXoOtTzZinfINF", c);
  });
}

// The words that YAML 1.1 or 1.2 reads as null, a boolean, or something of its own.
bool is_reserved_word(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  constexpr std::string_view kWords[] = {"null", "~",   "true", "false", "yes", "no",
                                         "on",   "off", "y",    "n",     "=",   "<<"};
  return std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords);
}

bool all_visible(std::string_view text) {
  while (!text.empty()) {
    if (!is_visible(take_code_point(text))) return false;
  }
  return true;
}

bool can_be_bare(std::string_view text, Context context) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  if (is_reserved_word(text) || looks_like_number(text) || !all_visible(text)) return false;
  if (contains("-?:,[]{}#&*!|>'\"%@`", text.front()) || text.back() == ':') return false;
  if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos) {
    return false;
  }
  // A ? inside is fine by the standard, but ends the text for yaml-cpp.
  return context == Context::block || text.find_first_of(",[]{}:#?") == std::string_view::npos;
}

// Double quotes and the escapes of YAML, so that nothing invisible is left in the file.
std::string double_quoted(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t c = take_code_point(text);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += static_cast<char>(c);
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (c == '\r') {
      result += "\\r";
    } else if (is_visible(c)) {
      result += before.substr(0, before.size() - text.size());
    } else if (c < 0x100) {
      result += fmt::format("\\x{:02X}", static_cast<unsigned>(c));
    } else if (c < 0x10000) {
      result += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      result += fmt::format("\\U{:08X}", static_cast<unsigned>(c));
    }
  }
  return result + '"';
}

// As it stands: nothing in it is escaped from the expansion of variables.
std::string spell_raw(std::string_view text, Context context) {
  if (find_invalid_utf8(text) != std::string_view::npos) {
    throw Error(ErrorKind::permanent,
                "a name is not valid UTF-8, so no plan can be written with it")
        .remedy("Rename it in the database, or leave it out of the migration.");
  }
  if (can_be_bare(text, context)) return std::string(text);
  // Single quotes spare the backslashes.
  const bool many_escapes = text.find_first_of("\"\\") != std::string_view::npos;
  if (many_escapes && text.find('\'') == std::string_view::npos && all_visible(text)) {
    return fmt::format("'{}'", text);
  }
  return double_quoted(text);
}

std::string spell(std::string_view text, Context context) {
  return spell_raw(escape_expansion(text), context);
}

// SQL of several lines reads best as a block; the rest is quoted.
std::string spell_sql(const std::string& text, std::size_t indent) {
  const std::string escaped = escape_expansion(text);
  const std::size_t newlines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  const bool ends_line = escaped.ends_with('\n');
  const std::string_view body =
      std::string_view(escaped).substr(0, escaped.size() - (ends_line ? 1 : 0));
  bool block = newlines > (ends_line ? 1 : 0) && find_invalid_utf8(escaped) == std::string::npos &&
               body.front() != ' ' && body.front() != '\n' && body.back() != '\n';
  std::string result = ends_line ? "|" : "|-";
  for (std::string_view rest = body; block;) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    // White space at the end is lost in many editors, and an empty line could hide some.
    block = !line.empty() && all_visible(line) && line.back() != ' ';
    result += fmt::format("\n{}{}", std::string(indent, ' '), line);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return block ? result : spell(text, Context::block);
}

// Comments take any text; what could end the comment or hide in it becomes a space.
void add_comment(const std::vector<std::string>& lines, std::string_view indent,
                 std::string& yaml) {
  for (const std::string& text : lines) {
    std::string_view rest = text;
    while (true) {
      const std::size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      std::string visible;
      const bool valid = find_invalid_utf8(line) == std::string_view::npos;
      while (valid && !line.empty()) {
        const std::string_view before = line;
        const bool show = is_visible(take_code_point(line));
        visible += show ? before.substr(0, before.size() - line.size()) : " ";
      }
      if (!valid) visible = "(a note that is not valid UTF-8)";
      visible.erase(visible.find_last_not_of(' ') + 1);
      yaml += fmt::format("{}#{}{}\n", indent, visible.empty() ? "" : " ", visible);
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
}

std::string join(const std::vector<std::string>& parts) {
  std::string result;
  for (const std::string& part : parts) result += (result.empty() ? "" : ", ") + part;
  return result;
}

std::string spell_column(const std::string& name, const ColumnPlan& column) {
  if (column.drop) return "null";
  if (column.type.empty()) return spell(column.to.empty() ? name : column.to, Context::block);
  const std::string type = "type: " + spell(column.type, Context::flow);
  if (column.to.empty()) return fmt::format("{{{}}}", type);
  return fmt::format("{{to: {}, {}}}", spell(column.to, Context::flow), type);
}

void add_table(const TablePlan& table, std::string& yaml) {
  yaml += fmt::format("  - name: {}\n", spell(table.name, Context::block));
  if (!table.to.empty()) yaml += fmt::format("    to: {}\n", spell(table.to, Context::block));
  if (!table.key.empty()) {
    std::vector<std::string> key;
    for (const std::string& column : table.key) key.push_back(spell(column, Context::flow));
    yaml += fmt::format("    key: [{}]\n", join(key));
  }
  if (!table.columns.empty()) yaml += "    columns:\n";
  for (const auto& [name, column] : table.columns) {
    // Keys are not expanded, so nothing in them is escaped.
    yaml +=
        fmt::format("      {}: {}\n", spell_raw(name, Context::flow), spell_column(name, column));
  }
  if (!table.where.empty()) yaml += fmt::format("    where: {}\n", spell_sql(table.where, 6));
}

std::vector<std::string> spell_chunk(const BackfillPlan& plan) {
  const BackfillPlan standard;
  std::vector<std::string> parts;
  if (plan.chunk_target) {
    parts.push_back(fmt::format("target_ms: {}", plan.chunk_target->count()));
  }
  if (plan.chunk_rows_max != standard.chunk_rows_max) {
    parts.push_back(fmt::format("max_rows: {}", plan.chunk_rows_max));
  }
  if (plan.chunk_bytes_max) {
    parts.push_back("max_bytes: " + spell_size(*plan.chunk_bytes_max));
  }
  return parts;
}

std::vector<std::string> spell_throttle(const ThrottlePlan& plan) {
  std::vector<std::string> parts;
  if (plan.max_lag.count() != 0) parts.push_back("max_lag: " + spell_duration(plan.max_lag));
  if (plan.max_active_sessions != 0) {
    parts.push_back(fmt::format("max_active_sessions: {}", plan.max_active_sessions));
  }
  if (plan.max_lock_waits != 0) {
    parts.push_back(fmt::format("max_lock_waits: {}", plan.max_lock_waits));
  }
  if (!plan.window.empty()) parts.push_back("window: " + spell(plan.window, Context::flow));
  return parts;
}

void add_backfill(const BackfillPlan& plan, std::string& yaml) {
  const BackfillPlan standard;
  if (plan == standard) return;
  yaml += "\nbackfill:\n";
  if (plan.jobs != standard.jobs) yaml += fmt::format("  jobs: {}\n", plan.jobs);
  if (const auto chunk = spell_chunk(plan); !chunk.empty()) {
    yaml += fmt::format("  chunk: {{{}}}\n", join(chunk));
  }
  if (plan.rows_per_second != standard.rows_per_second) {
    yaml += fmt::format("  rows_per_second: {}\n", plan.rows_per_second);
  }
  if (plan.bytes_per_second != standard.bytes_per_second) {
    yaml += fmt::format("  bytes_per_second: {}\n", spell_size(plan.bytes_per_second));
  }
  if (plan.rejects_max != standard.rejects_max) {
    yaml += fmt::format("  max_rejects: {}\n", plan.rejects_max);
  }
  if (const auto throttle = spell_throttle(plan.throttle); !throttle.empty()) {
    yaml += fmt::format("  throttle: {{{}}}\n", join(throttle));
  }
}

void add_verify(const VerifyPlan& plan, std::string& yaml) {
  const VerifyPlan standard;
  if (plan == standard) return;
  yaml += "\nverify:\n";
  if (plan.range_rows != standard.range_rows) {
    yaml += fmt::format("  range_rows: {}\n", plan.range_rows);
  }
  if (plan.recheck != standard.recheck) {
    std::vector<std::string> waits;
    for (const auto wait : plan.recheck) waits.push_back(spell_duration(wait));
    yaml += fmt::format("  recheck: [{}]\n", join(waits));
  }
  if (plan.sample_log != standard.sample_log) {
    yaml += fmt::format("  sample_log: {}\n", plan.sample_log);
  }
  if (plan.show_values != standard.show_values) {
    yaml += fmt::format("  show_values: {}\n", plan.show_values);
  }
}

// The path as it is written beside the plan; "" if it is the default one.
std::string checkpoint_to_write(const Plan& plan) {
  namespace fs = std::filesystem;
  std::string path = plan.checkpoint;
  if (!plan.file.empty() && fs::path(path).is_absolute()) {
    std::error_code problem;
    const fs::path folder =
        fs::absolute(fs::path(plan.file).parent_path() / "", problem).lexically_normal();
    const fs::path relative = fs::path(path).lexically_relative(folder);
    if (!problem && !relative.empty() && *relative.begin() != "..") path = relative.string();
  }
  return path == plan.name + ".migrate.db" ? "" : path;
}

}  // namespace

std::string write_plan(const Plan& plan,
                       const std::map<std::string, std::vector<std::string>>& comments) {
  std::string yaml;
  if (const auto head = comments.find(""); head != comments.end()) {
    add_comment(head->second, "", yaml);
    yaml += '\n';
  }
  yaml += fmt::format("version: {}\n", plan.version);
  yaml += fmt::format("name: {}\n", spell(plan.name, Context::block));
  yaml += fmt::format("source: {}\n", spell_raw(plan.source_url, Context::block));
  yaml += fmt::format("target: {}\n", spell_raw(plan.target_url, Context::block));
  if (const std::string path = checkpoint_to_write(plan); !path.empty()) {
    yaml += fmt::format("checkpoint: {}\n", spell(path, Context::block));
  }
  yaml += fmt::format("capture: {}\n", spell(plan.capture, Context::block));
  if (plan.inline_writes) yaml += "inline_writes: true\n";
  yaml += "\ntables:\n";
  for (const TablePlan& table : plan.tables) {
    if (const auto notes = comments.find(table.name); notes != comments.end()) {
      add_comment(notes->second, "  ", yaml);
    }
    add_table(table, yaml);
  }
  add_backfill(plan.backfill, yaml);
  add_verify(plan.verify, yaml);
  return yaml;
}

}  // namespace migrator
