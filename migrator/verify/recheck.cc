#include "migrator/verify/recheck.h"

#include <algorithm>
#include <memory>
#include <optional>

#include <fmt/format.h>

namespace migrator {
namespace {

using Time = std::chrono::steady_clock;

// Keys a statement: what SQLite's parameters allow for keys of up to 32 columns.
constexpr std::size_t kKeysPerRead = 500;
// Looks in a row that have to find the same difference.
constexpr int kLooksAlike = 2;
// How long rows may keep changing, beyond the plan's waits.
constexpr std::chrono::seconds kRestless{60};
constexpr std::chrono::milliseconds kRestlessWait{500};

// The rows of some keys, of one side.
class RowSet {
 public:
  struct Row {
    const RowBatch* batch = nullptr;
    const Cell* cells = nullptr;
  };

  RowSet(const ComparedTable& table, RowStream& stream, const Transcoder* transcoder)
      : table_(table) {
    RowBatch batch;
    while (stream.next(batch)) {
      if (transcoder) transcoder->apply(batch, Misfits::mark);
      batches_.push_back(std::make_unique<RowBatch>(std::move(batch)));
      batch = {};
    }
    for (const auto& held : batches_) {
      for (std::size_t row = 0; row < held->rows(); ++row) {
        if (!table.has_misfit_key(held->row(row))) rows_.push_back({held.get(), held->row(row)});
      }
    }
    std::sort(rows_.begin(), rows_.end(), [&](const Row& a, const Row& b) { return less(a, b); });
  }

  // The row of that key; `cells` is null if there is none.
  Row find(const Row& key) const {
    const auto at = std::lower_bound(rows_.begin(), rows_.end(), key,
                                     [&](const Row& a, const Row& b) { return less(a, b); });
    if (at == rows_.end() || less(key, *at)) return {};
    return *at;
  }

 private:
  bool less(const Row& a, const Row& b) const {
    return table_.compare_keys(*a.batch, a.cells, *b.batch, b.cells) < 0;
  }

  const ComparedTable& table_;
  std::vector<std::unique_ptr<RowBatch>> batches_;
  std::vector<Row> rows_;
};

// What is different about a row; absent if nothing is.
std::optional<Difference> difference(const ComparedTable& table, const RowSet::Row& source,
                                     const RowSet::Row& target) {
  if (!source.cells && !target.cells) return std::nullopt;
  if (!target.cells) return Difference{DifferenceKind::missing, {}, {}};
  if (!source.cells) return Difference{DifferenceKind::extra, {}, {}};
  std::vector<std::string> columns =
      table.differing(*source.batch, source.cells, *target.batch, target.cells);
  if (columns.empty()) return std::nullopt;
  return Difference{DifferenceKind::differs, {}, std::move(columns)};
}

// Both read from the source.
bool same_row(const ComparedTable& table, const RowSet::Row& a, const RowSet::Row& b) {
  if (!a.cells || !b.cells) return a.cells == b.cells;
  return table.same_source_row(*a.batch, a.cells, *b.batch, b.cells);
}

std::uint64_t& counter(TableComparison& result, DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::missing:
      return result.missing;
    case DifferenceKind::extra:
      return result.extra;
    case DifferenceKind::differs:
      break;
  }
  return result.differing;
}

}  // namespace

struct Recheck::Look {
  std::size_t at = 0;  // of TableComparison::found
  int alike = 0;       // looks that found it different and at rest, in a row
  bool equal = false;
};

// The keys of what was found, in the words of both sides.
class Recheck::Keys {
 public:
  Keys(const TableRoute& route, const RowBatch& found) : found_(found) {
    for (std::size_t at = 0; at < route.write.key.size(); ++at) {
      if (!Transcoder::refusal(route.write.key[at], route.read.key[at]).empty()) return;
    }
    back_.set_columns(found.columns());
    for (std::size_t row = 0; row < found.rows(); ++row) push(found, row, back_);
    Transcoder(route.write.key, route.read.key, route.name).apply(back_, Misfits::mark);
  }

  // Whether both sides can be asked for it.
  bool has(std::size_t row) const {
    return row < back_.rows() && fits(found_, row) && fits(back_, row);
  }
  RowBatch of_target(std::span<const Look> looks) const { return some(found_, looks); }
  RowBatch of_source(std::span<const Look> looks) const { return some(back_, looks); }

  static void push(const RowBatch& from, std::size_t row, RowBatch& to) {
    for (std::size_t at = 0; at < from.columns(); ++at) to.push_cell(from, from.row(row)[at]);
    to.end_cell_row();
  }

 private:
  static bool fits(const RowBatch& batch, std::size_t row) {
    const Cell* cells = batch.row(row);
    return std::none_of(cells, cells + batch.columns(),
                        [](const Cell& cell) { return cell.tag == Cell::Tag::misfit; });
  }
  static RowBatch some(const RowBatch& from, std::span<const Look> looks) {
    RowBatch rows;
    rows.set_columns(from.columns());
    for (const Look& look : looks) push(from, look.at, rows);
    return rows;
  }

  const RowBatch& found_;
  RowBatch back_;  // in the source's types; none where there is no way back to these
};

void Recheck::open() {
  if (!source_) source_ = open_source(endpoints_, interrupt_);
  if (target_) return;
  target_.side =
      endpoints_.target_adapter().open_source(endpoints_.target_url, endpoints_.target_options);
  target_.registration = interrupt_.watch(target_.session());
}

std::uint64_t Recheck::settle(const TableRoute& route, TableComparison& result) {
  if (result.found.empty()) return 0;
  open();
  const ComparedTable table(route,
                            endpoints_.source_url.engine() == endpoints_.target_url.engine());
  const Keys keys(route, result.keys);
  std::vector<Look> looks;
  std::vector<std::size_t> stay;
  for (std::size_t at = 0; at < result.found.size(); ++at) {
    if (keys.has(at)) {
      looks.push_back({at});
    } else {
      stay.push_back(at);
    }
  }
  for (const std::chrono::milliseconds wait : waits_) {
    if (!interrupt_.sleep(wait)) interrupt_.check();
    look(table, keys, result, looks);
  }
  const auto restless = [&] {
    return std::any_of(looks.begin(), looks.end(),
                       [](const Look& look) { return look.alike < kLooksAlike; });
  };
  const Time::time_point until = Time::now() + kRestless;
  while (restless() && Time::now() < until) {
    if (!interrupt_.sleep(kRestlessWait)) interrupt_.check();
    look(table, keys, result, looks);
  }
  if (restless()) {
    throw Error(ErrorKind::transient,
                fmt::format("{}: some of {} rows that differ keep changing, or their changes are "
                            "not relayed",
                            route.name, looks.size()))
        .table(route.name)
        .remedy(
            "see with `migrate status PLAN` whether the relay keeps up, and run the same "
            "command again");
  }
  for (const Look& look : looks) stay.push_back(look.at);
  std::sort(stay.begin(), stay.end());
  const std::uint64_t settled = result.found.size() - stay.size();
  std::vector<Difference> found;
  RowBatch kept;
  kept.set_columns(result.keys.columns());
  for (const std::size_t at : stay) {
    found.push_back(std::move(result.found[at]));
    Keys::push(result.keys, at, kept);
  }
  result.found = std::move(found);
  result.keys = std::move(kept);
  return settled;
}

std::uint64_t Recheck::repair(const TableRoute& route, TableComparison& result, bool extras) {
  open();
  const Keys keys(route, result.keys);
  std::vector<Look> looks;
  for (std::size_t at = 0; at < result.found.size(); ++at) {
    if (!extras && result.found[at].kind == DifferenceKind::extra) continue;
    if (keys.has(at)) looks.push_back({at});
  }
  Session& source = source_.session();
  for (std::size_t first = 0; first < looks.size(); first += kKeysPerRead) {
    const auto some = std::span(looks).subspan(first, std::min(kKeysPerRead, looks.size() - first));
    source.begin();
    try {
      for (const Key& key : source_->keys_of(route.read, keys.of_source(some))) {
        feed_.append(source, route.name, source.dialect().capture().encode(route.read.key, key));
      }
      source.commit();
    } catch (...) {
      source.rollback();
      throw;
    }
  }
  return settle(route, result);
}

void Recheck::look(const ComparedTable& table, const Keys& keys, TableComparison& result,
                   std::vector<Look>& looks) {
  for (std::size_t first = 0; first < looks.size(); first += kKeysPerRead) {
    interrupt_.check();
    look_at_some(table, keys, result,
                 std::span(looks).subspan(first, std::min(kKeysPerRead, looks.size() - first)));
  }
  std::erase_if(looks, [](const Look& look) { return look.equal; });
}

void Recheck::look_at_some(const ComparedTable& table, const Keys& keys, TableComparison& result,
                           std::span<Look> looks) {
  const TableRoute& route = table.route;
  const std::vector<Key> target_keys = target_->keys_of(table.target, keys.of_target(looks));
  const std::vector<Key> source_keys = source_->keys_of(table.source, keys.of_source(looks));
  std::vector<std::string> row_keys;
  for (const Key& key : source_keys) {
    row_keys.push_back(source_.session().dialect().capture().encode(route.read.key, key));
  }
  const auto of_source = [&] {
    const auto rows = source_->read_keys(table.source, source_keys, cells_layout());
    return RowSet(table, *rows, &table.transcoder);
  };
  const auto of_target = [&] {
    const auto rows = target_->read_keys(table.target, target_keys, cells_layout());
    return RowSet(table, *rows, nullptr);
  };
  const auto pending = [&] { return feed_.pending(source_.session(), route.name, row_keys); };
  const std::vector<bool> pending_before = pending();
  const RowSet before = of_source(), there = of_target(), after = of_source();
  const std::vector<bool> pending_after = pending();
  RowBatch names;
  for (const Look& look : looks) table.spread_key(result.keys, result.keys.row(look.at), names);
  for (std::size_t at = 0; at < looks.size(); ++at) {
    Look& look = looks[at];
    const RowSet::Row key{&names, names.row(at)};
    const RowSet::Row source = after.find(key);
    Difference& known = result.found[look.at];
    std::optional<Difference> now = difference(table, source, there.find(key));
    --counter(result, known.kind);
    look.equal = !now;
    if (!now) continue;
    ++counter(result, now->kind);
    now->key = std::move(known.key);
    known = *std::move(now);
    const bool at_rest =
        !pending_before[at] && !pending_after[at] && same_row(table, before.find(key), source);
    look.alike = at_rest ? look.alike + 1 : 0;
  }
}

}  // namespace migrator
