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

std::string difference(const TableSchema& before, const TableSchema& now) {
  std::string text;
  for (const Column& column : before.columns) {
    const Column* found = now.find_column(column.name);
    if (found == nullptr) {
      add(text, fmt::format("column {} is gone", column.name));
    } else if (found->native_type != column.native_type) {
      add(text, fmt::format("column {} was {}, is {}", column.name, column.native_type,
                            found->native_type));
    } else if (found->generated != column.generated) {
      add(text, fmt::format("column {} is {}generated", column.name,
                            found->generated ? "" : "no longer "));
    }
  }
  for (const Column& column : now.columns) {
    if (before.find_column(column.name) == nullptr) {
      add(text, fmt::format("column {} is new", column.name));
    }
  }
  if (before.primary_key != now.primary_key) add(text, "the primary key has changed");
  if (before.partitions != now.partitions) add(text, "the partitions have changed");
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
