#include "migrator/relay/schema_watch.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "adapters/capture.h"

namespace migrator {
namespace {

void add(std::string& text, const std::string& line) {
  if (!text.empty()) text += "; ";
  text += line;
}

std::set<std::string> own_triggers(const TableSchema& table) {
  std::set<std::string> names;
  for (const Trigger& trigger : table.triggers) {
    if (trigger.name.starts_with(kOwnPrefix) && trigger.fires) names.insert(trigger.name);
  }
  return names;
}

}  // namespace

std::string description(const TableSchema& table) {
  std::string text;
  for (const Column& column : table.columns) {
    add(text, fmt::format("column {} {}{}{}{}", column.name, column.native_type,
                          column.charset.empty() ? "" : " " + column.charset,
                          column.collation.empty() ? "" : " " + column.collation,
                          column.generated ? " generated" : ""));
  }
  std::string key;
  for (const std::string& name : table.primary_key) key += (key.empty() ? "" : ", ") + name;
  add(text, "primary key (" + key + ")");
  for (const TableName& partition : table.partitions) add(text, "partition " + partition.text());
  return text;
}

std::string difference(const std::string& before, const std::string& now) {
  const auto parts = [](const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find("; ", at), text.size());
      lines.push_back(text.substr(at, end - at));
      at = end + 2;
    }
    return lines;
  };
  const std::vector<std::string> old_lines = parts(before), new_lines = parts(now);
  const auto has = [](const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  };
  std::string text;
  for (const std::string& line : old_lines) {
    if (!has(new_lines, line)) add(text, "was: " + line);
  }
  for (const std::string& line : new_lines) {
    if (!has(old_lines, line)) add(text, "is: " + line);
  }
  return text;
}

std::string difference(const TableSchema& before, const TableSchema& now) {
  std::string text = difference(description(before), description(now));
  const std::set<std::string> left = own_triggers(now);
  for (const std::string& trigger : own_triggers(before)) {
    if (!left.contains(trigger)) add(text, fmt::format("trigger {} is gone or disabled", trigger));
  }
  return text;
}

void refuse_altered_tables(Session& source, const std::vector<const TableRoute*>& routes) {
  std::map<std::string, Catalog> catalogs;
  for (const TableRoute* route : routes) {
    const TableName& name = route->source.name;
    auto found = catalogs.find(name.schema);
    if (found == catalogs.end()) {
      found = catalogs.emplace(name.schema, source.catalog(name.schema)).first;
    }
    const auto& tables = found->second.tables;
    const auto table = std::find_if(tables.begin(), tables.end(), [&](const TableSchema& one) {
      return one.name.name == name.name;
    });
    const std::string what =
        table == tables.end() ? "it is gone" : difference(route->source, *table);
    if (what.empty()) continue;
    throw Error(ErrorKind::gate,
                fmt::format("table {} of the source has changed in mid-run: {}", route->name, what))
        .table(route->name)
        .remedy(
            "take the change back and run the same command again; or begin the migration anew with "
            "a new plan. Until then changes stay in the journal");
  }
}

}  // namespace migrator
