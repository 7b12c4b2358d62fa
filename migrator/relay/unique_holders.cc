#include "migrator/relay/unique_holders.h"

#include <algorithm>

#include "migrator/copy/transcoder.h"

namespace migrator {
namespace {

// Keys a statement: what SQLite's parameters allow for indexes of up to 32 columns.
constexpr std::size_t kKeysPerRead = 1000;

bool same_columns(std::vector<std::string> left, const std::vector<Column>& right) {
  std::vector<std::string> names;
  for (const Column& column : right) names.push_back(column.name);
  std::sort(left.begin(), left.end());
  std::sort(names.begin(), names.end());
  return left == names;
}

// A row that holds a NULL in a unique index is in nobody's way.
RowBatch without_nulls(const RowBatch& rows) {
  RowBatch kept;
  kept.set_columns(rows.columns());
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    const Cell* cells = rows.row(row);
    const bool null = std::any_of(cells, cells + rows.columns(), [](const Cell& cell) {
      return cell.tag == Cell::Tag::null || cell.tag == Cell::Tag::misfit;
    });
    if (null) continue;
    for (std::size_t at = 0; at < rows.columns(); ++at) kept.push_cell(rows, cells[at]);
    kept.end_cell_row();
  }
  return kept;
}

}  // namespace

std::vector<std::size_t> UniqueHolders::columns_of(const TableRoute& route,
                                                   const std::vector<std::string>& index) {
  std::vector<std::size_t> columns;
  for (const std::string& name : index) {
    const auto& travels = route.write.columns;
    const auto found = std::find_if(travels.begin(), travels.end(),
                                    [&](const Column& column) { return column.name == name; });
    if (found == travels.end()) return {};
    columns.push_back(static_cast<std::size_t>(found - travels.begin()));
  }
  return columns;
}

void UniqueHolders::open() {
  if (reader_) return;
  reader_.side =
      endpoints_.target_adapter().open_source(endpoints_.target_url, endpoints_.target_options);
  reader_.registration = interrupt_.watch(reader_.session());
}

std::vector<Key> UniqueHolders::next_keys(const TableRoute& route, Source& source,
                                          std::optional<Key>& after, std::uint64_t count) {
  open();
  const ReadSpec held{route.write.table, route.write.key, route.write.key, "", Misfits::refuse};
  const Transcoder back(route.write.key, route.read.key, route.name);
  const KeyRange range{after, reader_->nth_key(held, {after, {}}, count)};
  std::vector<Key> keys;
  RowBatch batch;
  const auto rows = reader_->read(held, range, cells_layout(), ReadOrder::any);
  while (rows->next(batch)) {
    back.apply(batch);
    const std::vector<Key> some = source.keys_of(route.read, batch);
    keys.insert(keys.end(), some.begin(), some.end());
  }
  after = range.upper;
  return keys;
}

std::vector<Key> UniqueHolders::find(const TableRoute& route, Source& source,
                                     std::span<const Key> keys) {
  open();
  std::vector<std::vector<std::string>> indexes;
  if (!route.target.primary_key.empty()) indexes.push_back(route.target.primary_key);
  // Those of `wanted` are made when the rows are in.
  for (const auto* list : {&route.target.indexes, &route.wanted.indexes}) {
    for (const Index& index : *list) {
      const bool known = std::find(indexes.begin(), indexes.end(), index.columns) != indexes.end();
      if (index.unique && index.plain && !known) indexes.push_back(index.columns);
    }
  }
  std::vector<Key> holders;
  for (const std::vector<std::string>& index : indexes) {
    if (same_columns(index, route.write.key)) continue;
    const std::vector<std::size_t> columns = columns_of(route, index);
    if (columns.empty()) continue;
    for (std::size_t first = 0; first < keys.size(); first += kKeysPerRead) {
      const std::size_t count = std::min(kKeysPerRead, keys.size() - first);
      find_by(route, columns, source, keys.subspan(first, count), holders);
    }
  }
  return holders;
}

void UniqueHolders::find_by(const TableRoute& route, const std::vector<std::size_t>& columns,
                            Source& source, std::span<const Key> keys, std::vector<Key>& holders) {
  ReadSpec needed = route.read;
  needed.columns.clear();
  needed.misfits = Misfits::mark;
  ReadSpec held{route.write.table, route.write.key, {}, "", Misfits::mark};
  for (const std::size_t at : columns) {
    needed.columns.push_back(route.read.columns[at]);
    held.key.push_back(route.write.columns[at]);
  }
  const std::string& name = route.name;
  // There may be no way back from a type of the target's to the source's.
  for (std::size_t at = 0; at < route.write.key.size(); ++at) {
    if (!Transcoder::refusal(route.write.key[at], route.read.key[at]).empty()) return;
  }
  const Transcoder there(needed.columns, held.key, name);
  const Transcoder back(route.write.key, route.read.key, name);
  // Each side's session gives one stream at a time, and answers nothing else meanwhile.
  std::vector<Key> wanted;
  std::vector<RowBatch> needs;
  RowBatch batch;
  {
    const auto rows = source.read_keys(needed, keys, cells_layout());
    while (rows->next(batch)) {
      there.apply(batch, Misfits::mark);
      needs.push_back(without_nulls(batch));
    }
  }
  try {
    for (const RowBatch& rows : needs) {
      const std::vector<Key> some = reader_->keys_of(held, rows);
      wanted.insert(wanted.end(), some.begin(), some.end());
    }
    for (std::size_t first = 0; first < wanted.size(); first += kKeysPerRead) {
      const std::size_t count = std::min(kKeysPerRead, wanted.size() - first);
      const auto in_the_way = reader_->read_keys(
          held, std::span<const Key>(wanted).subspan(first, count), cells_layout());
      while (in_the_way->next(batch)) {
        back.apply(batch, Misfits::mark);
        const std::vector<Key> some = source.keys_of(route.read, without_nulls(batch));
        holders.insert(holders.end(), some.begin(), some.end());
      }
    }
  } catch (const Error& error) {
    // Rows cannot be looked for by every type (MySQL's FLOAT). Then they are not found, and the row
    // that needs the value waits for the one that has it.
    const bool by_type = error.kind() == ErrorKind::data || error.kind() == ErrorKind::permanent;
    if (!by_type || error.scope() == ErrorScope::session) throw;
  }
}

}  // namespace migrator
