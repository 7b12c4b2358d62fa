#include "adapters/mysql/table_keys.h"

#include <algorithm>
#include <cctype>

#include "adapters/mysql/key_range.h"
#include "adapters/mysql/session.h"

namespace migrator::mysql {
namespace {

// Column names are compared without case, as the server does.
bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

std::vector<TableKeys::IndexFacts> TableKeys::indexes(const TableName& table) {
  // SHOW INDEX rather than information_schema: it names its columns alike on all versions, and
  // reads one table.
  const Result rows = session_.query("SHOW INDEX FROM " + quote_name(table));
  const auto position = [&](std::string_view name) {
    const auto at = std::find_if(rows.columns.begin(), rows.columns.end(),
                                 [&](const auto& c) { return same_name(c, name); });
    return static_cast<std::size_t>(at - rows.columns.begin());
  };
  const std::size_t name = position("Key_name"), non_unique = position("Non_unique"),
                    column = position("Column_name"), part = position("Sub_part"),
                    visible = position("Visible"), ignored = position("Ignored");
  std::vector<IndexFacts> indexes;
  for (const auto& row : rows.rows) {
    if (indexes.empty() || indexes.back().name != as_text(row[name])) {
      IndexFacts& index = indexes.emplace_back();
      index.name = as_text(row[name]);
      index.unique = as_integer(row[non_unique]) == 0;
      if (visible < row.size() && as_text(row[visible]) == "NO") index.usable = false;
      if (ignored < row.size() && as_text(row[ignored]) == "YES") index.usable = false;
    }
    IndexFacts& index = indexes.back();
    if (!is_null(row[part]) || is_null(row[column])) index.whole = false;
    if (!is_null(row[column])) index.columns.push_back(as_text(row[column]));
  }
  return indexes;
}

std::string TableKeys::index_for(const TableName& table, const std::vector<Column>& key) {
  for (const IndexFacts& index : indexes(table)) {  // SHOW INDEX lists the primary key first
    if (!index.whole || !index.usable || index.columns.size() != key.size()) continue;
    if (std::equal(
            key.begin(), key.end(), index.columns.begin(),
            [](const Column& c, const std::string& name) { return same_name(c.name, name); })) {
      return index.name;
    }
  }
  return {};
}

bool TableKeys::is_unique(const TableName& table, const std::vector<Column>& key) {
  const std::vector<IndexFacts> all = indexes(table);
  return std::any_of(all.begin(), all.end(), [&](const IndexFacts& index) {
    return index.unique && index.whole && index.columns.size() == key.size() &&
           std::all_of(key.begin(), key.end(), [&](const Column& c) {
             return std::any_of(index.columns.begin(), index.columns.end(),
                                [&](const std::string& name) { return same_name(c.name, name); });
           });
  });
}

}  // namespace migrator::mysql
