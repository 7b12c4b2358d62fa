#include "migrator/verify/row_pair.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "migrator/verify/found_rows.h"

namespace migrator {
namespace {

Error cannot_be_found(const TableRoute& route, const Key& key) {
  return Error(ErrorKind::permanent,
               fmt::format("{}: the row {} cannot be looked for by its key: one of the sides may "
                           "spell it otherwise",
                           route.name, describe(key)))
      .table(route.name)
      .remedy(
          "look for it on both sides by hand; `migrate verify` finds it by comparing the table");
}

RowPair side_by_side(const ComparedTable& table, const RowSet::Row& source,
                     const RowSet::Row& target) {
  const ValueWords words(/*show=*/true, "");
  RowPair pair;
  pair.on_source = source.cells != nullptr;
  pair.on_target = target.cells != nullptr;
  for (std::size_t at = 0; at < table.source.columns.size(); ++at) {
    const Type& type = table.target.columns[at].type;
    RowPair::Column& column = pair.columns.emplace_back();
    column.name = table.source.columns[at].name;
    if (source.cells) column.source = words.of(*source.batch, source.cells[at], type);
    if (target.cells) column.target = words.of(*target.batch, target.cells[at], type);
  }
  if (!pair.on_source || !pair.on_target) return pair;
  for (const std::size_t at :
       table.differing(*source.batch, source.cells, *target.batch, target.cells)) {
    pair.columns[at].differs = true;
  }
  return pair;
}

}  // namespace

bool RowPair::equal() const {
  return on_source == on_target && std::none_of(columns.begin(), columns.end(),
                                                [](const Column& one) { return one.differs; });
}

RowPair read_pair(const TableRoute& route, const Endpoints& endpoints, Interrupt& interrupt,
                  const Key& key) {
  if (route.write.key.empty()) {
    throw Error(ErrorKind::permanent,
                fmt::format("{}: the table has no key to look for a row by", route.name))
        .table(route.name)
        .remedy(
            "`migrate verify` counts its rows; with `verify: {show_values: true}` in the plan it "
            "names those that are too few or too many by their values");
  }
  const ComparedTable table(route, endpoints.source_url.engine() == endpoints.target_url.engine());
  const Opened<Source> source = open_source(endpoints, interrupt);
  Opened<Source> target;
  target.side =
      endpoints.target_adapter().open_source(endpoints.target_url, endpoints.target_options);
  target.registration = interrupt.watch(target.session());

  RowBatch found;
  found.set_columns(route.write.key.size());
  constexpr std::array<std::size_t, 1> kFirst{0};
  std::vector<Key> source_key, target_key;
  try {
    target->key_cells(table.target, {&key, 1}, cells_layout(), found);
    const FoundKeys keys(route, endpoints, found);
    if (!keys.has(0)) throw cannot_be_found(route, key);
    target_key = target->keys_of(table.target, keys.of_target(kFirst));
    source_key = source->keys_of(table.source, keys.of_source(kFirst));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data || error.scope() == ErrorScope::session) throw;
    throw cannot_be_found(route, key);
  }
  const auto there = target->read_keys(table.target, target_key, cells_layout());
  const RowSet of_target(table, *there, nullptr);
  const auto here = source->read_keys(table.source, source_key, cells_layout());
  const RowSet of_source(table, *here, &table.transcoder);
  RowBatch names;
  table.spread_key(found, found.row(0), names);
  const RowSet::Row wanted{&names, names.row(0)};
  return side_by_side(table, of_source.find(wanted), of_target.find(wanted));
}

}  // namespace migrator
