#include "migrator/verify/recheck.h"

#include <algorithm>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "migrator/copy/backoff.h"
#include "migrator/verify/cell_comparison.h"
#include "migrator/verify/found_rows.h"

namespace migrator {
namespace {

using Time = std::chrono::steady_clock;

// Keys a statement: what SQLite's parameters allow for keys of up to 32 columns.
constexpr std::size_t kKeysPerRead = 500;
// Bytes of rows that are held for one look, above which fewer keys are looked at together, and
// below which more: rows may be of any size.
constexpr std::size_t kBytesMost = 16 << 20, kBytesLeast = 4 << 20;
// Keys of changes that are read to see which rows are at rest. With more, none is taken to be.
constexpr std::size_t kPendingMost = 200'000;
// Looks in a row that have to find the same difference.
constexpr std::size_t kLooksAlike = 2;
// Differences whose values are kept: as many as a log has by default.
constexpr std::size_t kValuesKept = 1000;
// How long rows may keep changing, beyond the plan's waits.
constexpr std::chrono::seconds kRestless{20};
constexpr std::chrono::milliseconds kRestlessWait{500};

// What is different about a row; absent if nothing is.
std::optional<Difference> difference(const ComparedTable& table, const RowSet::Row& source,
                                     const RowSet::Row& target, bool values) {
  if (!source.cells && !target.cells) return std::nullopt;
  Difference found;
  if (!source.cells || !target.cells) {
    found.kind = source.cells ? DifferenceKind::missing : DifferenceKind::extra;
    return found;
  }
  const auto columns = table.differing(*source.batch, source.cells, *target.batch, target.cells);
  if (columns.empty()) return std::nullopt;
  table.describe(columns, values, *source.batch, source.cells, *target.batch, target.cells, found);
  return found;
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
  std::size_t at = 0;     // of TableComparison::found
  std::size_t alike = 0;  // looks that found it different and at rest, in a row
  bool equal = false;
  bool unaskable = false;  // one of the servers has no form for its key
  std::string name;        // its key, as the source has it

  bool restless() const { return alike < kLooksAlike; }
};

struct Recheck::Looks {
  std::vector<Look> open;              // at what is not known to be equal
  std::vector<std::size_t> unaskable;  // of TableComparison::found

  static std::vector<std::size_t> positions(std::span<const Look> looks) {
    std::vector<std::size_t> rows;
    for (const Look& look : looks) rows.push_back(look.at);
    return rows;
  }
};

void Recheck::open() {
  if (!source_) source_ = open_source(endpoints_, interrupt_);
  if (target_) return;
  target_.side =
      endpoints_.target_adapter().open_source(endpoints_.target_url, endpoints_.target_options);
  target_.registration = interrupt_.watch(target_.session());
}

void Recheck::close(const Error& error) {
  if (error.scope() != ErrorScope::session) return;
  source_ = {};
  target_ = {};
}

std::uint64_t Recheck::settle(const TableRoute& route, TableComparison& result,
                              const std::function<bool()>& quiet) {
  if (result.found.empty()) return 0;
  const ComparedTable table(route, endpoints_.source_url.engine() == endpoints_.target_url.engine(),
                            words_);
  const FoundKeys keys(route, endpoints_, result.keys);
  const std::uint64_t beyond = result.differences() - result.found.size();
  Looks looks;
  std::vector<std::size_t> stay;
  for (std::size_t at = 0; at < result.found.size(); ++at) {
    if (keys.has(at)) {
      looks.open.push_back({.at = at, .name = {}});
    } else {
      stay.push_back(at);
    }
  }
  look_until_at_rest(table, keys, result, looks, kRestless);
  stay.insert(stay.end(), looks.unaskable.begin(), looks.unaskable.end());
  result.not_looked_at = beyond + stay.size();
  std::uint64_t moving = 0;
  for (const Look& look : looks.open) {
    if (look.restless()) {
      --counter(result, result.found[look.at].kind);
      ++moving;
    } else {
      stay.push_back(look.at);
    }
  }
  std::sort(stay.begin(), stay.end());
  const std::uint64_t settled = result.found.size() - stay.size() - moving;
  std::vector<Difference> found;
  RowBatch kept;
  kept.set_columns(result.keys.columns());
  for (const std::size_t at : stay) {
    found.push_back(std::move(result.found[at]));
    push_row(result.keys, at, kept);
  }
  result.found = std::move(found);
  result.keys = std::move(kept);
  say_what_is_open(route, result, moving, quiet);
  return settled;
}

void Recheck::look_until_at_rest(const ComparedTable& table, const FoundKeys& keys,
                                 TableComparison& result, Looks& looks,
                                 std::chrono::seconds restless) {
  std::size_t looked = 0;
  for (const std::chrono::milliseconds wait : waits_) {
    if (looks.open.empty()) return;
    if (!interrupt_.sleep(wait)) interrupt_.check();
    look(table, keys, result, looks);
    ++looked;
  }
  const Time::time_point until = Time::now() + restless;
  const auto any_restless = [&] {
    return std::any_of(looks.open.begin(), looks.open.end(),
                       [](const Look& one) { return one.restless(); });
  };
  // However few the plan's waits are: so many looks it takes to know.
  for (; any_restless() && (looked < kLooksAlike || Time::now() < until); ++looked) {
    if (!interrupt_.sleep(kRestlessWait)) interrupt_.check();
    look(table, keys, result, looks);
  }
}

Recheck::Examined Recheck::examine(const TableRoute& route, std::span<const std::string> row_keys) {
  retried(interrupt_, [&] { open(); });
  Examined examined;
  TableComparison& result = examined.result;
  result.table = route.name;
  result.complete = true;
  const ComparedTable table(route, endpoints_.source_url.engine() == endpoints_.target_url.engine(),
                            words_);
  // Key by key, as one that has no form as cells spoils a batch.
  const CaptureDialect& capture = source_.session().dialect().capture();
  const Transcoder to_target(route.read.key, route.write.key, route.name);
  std::vector<std::size_t> given;  // of row_keys, by the position in result.found
  result.keys.set_columns(route.write.key.size());
  for (std::size_t at = 0; at < row_keys.size(); ++at) {
    RowBatch cells;
    try {
      const Key key = capture.decode(route.read.key, row_keys[at]);
      source_->key_cells(table.source, {&key, 1}, cells_layout(), cells);
      to_target.apply(cells, Misfits::mark);
    } catch (const Error& error) {
      // What an application has reported may be no key at all.
      const bool odd = error.kind() == ErrorKind::data || error.kind() == ErrorKind::invariant;
      if (!odd || error.scope() == ErrorScope::session) throw;
      result.complete = false;
      continue;
    }
    Difference& candidate = result.found.emplace_back();
    for (std::size_t part = 0; part < cells.columns(); ++part) {
      candidate.key.push_back(value_of(cells, cells.row(0)[part], route.write.key[part].type));
    }
    push_row(cells, 0, result.keys);
    given.push_back(at);
  }
  result.differing = result.found.size();
  result.rows_source = result.found.size();
  const FoundKeys keys(route, endpoints_, result.keys);
  Looks looks;
  const auto leave_out = [&](std::size_t at) {
    --counter(result, result.found[at].kind);
    result.complete = false;
  };
  for (std::size_t at = 0; at < result.found.size(); ++at) {
    if (keys.has(at)) {
      looks.open.push_back({.at = at, .name = {}});
    } else {
      leave_out(at);
    }
  }
  std::set<std::size_t> different;
  if (!looks.open.empty()) {
    std::set<std::size_t> looked_at;
    for (const Look& look : looks.open) looked_at.insert(look.at);
    look_until_at_rest(table, keys, result, looks, std::chrono::seconds(0));
    for (const std::size_t at : looks.unaskable) {
      looked_at.erase(at);
      leave_out(at);
    }
    for (const Look& look : looks.open) {
      looked_at.erase(look.at);
      if (look.restless()) {
        --counter(result, result.found[look.at].kind);
        examined.moving.push_back(row_keys[given[look.at]]);
      } else {
        different.insert(look.at);
      }
    }
    for (const std::size_t at : looked_at) examined.equal.push_back(result.found[at].key);
  }
  std::vector<Difference> stay;
  for (const std::size_t at : different) stay.push_back(std::move(result.found[at]));
  result.found = std::move(stay);
  result.keys.clear();
  return examined;
}

void Recheck::say_what_is_open(const TableRoute& route, TableComparison& result,
                               std::uint64_t moving, const std::function<bool()>& quiet) {
  if (moving > 0) {
    result.complete = false;
    result.error =
        fmt::format("{}: {} rows that differ keep changing, or their changes are not relayed",
                    route.name, moving);
    result.remedy =
        "see with `migrate status PLAN` whether the relay keeps up, and with `migrate rejects "
        "PLAN` whether the target refuses them; then run the same command again";
  } else if (result.not_looked_at > 0 && !quiet()) {
    result.complete = false;
    result.error = fmt::format(
        "{}: {} of the rows that differ were not looked at again: their changes may be "
        "on their way",
        route.name, result.not_looked_at);
    result.remedy =
        "run the same command again while nobody writes to the source; rows are looked at again "
        "by keys of whole numbers, bytes or text, and up to 100,000 of them";
  }
}

std::uint64_t Recheck::repair(const TableRoute& route, TableComparison& result, bool extras,
                              const std::function<bool()>& quiet) {
  const FoundKeys keys(route, endpoints_, result.keys);
  std::vector<Look> looks;
  for (std::size_t at = 0; at < result.found.size(); ++at) {
    if (!extras && result.found[at].kind == DifferenceKind::extra) continue;
    if (keys.has(at)) looks.push_back({.at = at, .name = {}});
  }
  for (std::size_t first = 0; first < looks.size(); first += kKeysPerRead) {
    const auto some = std::span(looks).subspan(first, std::min(kKeysPerRead, looks.size() - first));
    // An entry too many, where the answer to a commit was lost, does no harm.
    retried(interrupt_, [&] {
      open();
      Session& source = source_.session();
      try {
        source.begin();
        for (const Key& key :
             source_->keys_of(route.read, keys.of_source(Looks::positions(some)))) {
          feed_.append(source, route.name, source.dialect().capture().encode(route.read.key, key));
        }
        source.commit();
      } catch (const Error& error) {
        source.rollback();
        close(error);
        throw;
      }
    });
  }
  return settle(route, result, quiet);
}

bool Recheck::nothing_pending(const TableRoute& route) {
  return retried(interrupt_, [&] {
    try {
      open();
      return feed_.pending(source_.session(), route.name, 1).empty();
    } catch (const Error& error) {
      close(error);
      throw;
    }
  });
}

// The names of the keys that change. any: an entry may be of any row.
std::set<std::string> Recheck::pending(const ComparedTable& table, bool& any) {
  const CaptureDialect& capture = source_.session().dialect().capture();
  std::vector<Key> keys;
  const auto row_keys = feed_.pending(source_.session(), table.route.name, kPendingMost);
  if (row_keys.size() == kPendingMost) {
    any = true;
    return {};
  }
  for (const auto& row_key : row_keys) {
    any = any || !row_key;
    if (row_key) keys.push_back(capture.decode(table.route.read.key, *row_key));
  }
  std::set<std::string> names;
  try {
    // By way of the cells, so that they are spelled as the keys of what was found are.
    RowBatch cells;
    cells.set_columns(table.route.read.key.size());
    source_->key_cells(table.source, keys, cells_layout(), cells);
    for (const Key& key : source_->keys_of(table.source, cells)) names.insert(encode_key(key));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data || error.scope() == ErrorScope::session) throw;
    any = true;  // a key that has no form as cells: which one it is cannot be told
  }
  return names;
}

// Done again where a server was away, it is as good as done once more: only that what was found
// before has no second look at the changes behind it.
void Recheck::look(const ComparedTable& table, const FoundKeys& keys, TableComparison& result,
                   Looks& looks) {
  retried(interrupt_, [&] {
    try {
      open();
      look_once(table, keys, result, looks);
    } catch (const Error& error) {
      // Who was found equal is counted so already, and not a second time.
      std::erase_if(looks.open, [](const Look& look) { return look.equal; });
      for (Look& look : looks.open) look.alike = 0;
      close(error);
      throw;
    }
  });
}

void Recheck::look_once(const ComparedTable& table, const FoundKeys& keys, TableComparison& result,
                        Looks& looks) {
  followed_();
  bool any = false;
  std::set<std::string> changing = pending(table, any);
  for (std::size_t first = 0; first < looks.open.size();) {
    interrupt_.check();
    const std::size_t count = std::min(keys_per_read_, looks.open.size() - first);
    look_at_all(table, keys, result, std::span(looks.open).subspan(first, count));
    first += count;
  }
  changing.merge(pending(table, any));
  followed_();
  for (Look& look : looks.open) {
    if (any || changing.contains(look.name)) look.alike = 0;
    if (look.unaskable) looks.unaskable.push_back(look.at);
  }
  std::erase_if(looks.open, [](const Look& look) { return look.equal || look.unaskable; });
}

// One key that a server has no form for must not keep the others from being looked at.
void Recheck::look_at_all(const ComparedTable& table, const FoundKeys& keys,
                          TableComparison& result, std::span<Look> looks) {
  try {
    look_at_some(table, keys, result, looks);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data || error.scope() == ErrorScope::session) throw;
    if (looks.size() == 1) {
      looks.front().unaskable = true;
      return;
    }
    look_at_all(table, keys, result, looks.first(looks.size() / 2));
    look_at_all(table, keys, result, looks.subspan(looks.size() / 2));
  }
}

void Recheck::look_at_some(const ComparedTable& table, const FoundKeys& keys,
                           TableComparison& result, std::span<Look> looks) {
  const std::vector<std::size_t> asked = Looks::positions(looks);
  const std::vector<Key> target_keys = target_->keys_of(table.target, keys.of_target(asked));
  const std::vector<Key> source_keys = source_->keys_of(table.source, keys.of_source(asked));
  const auto of_source = [&] {
    const auto rows = source_->read_keys(table.source, source_keys, cells_layout());
    return RowSet(table, *rows, &table.transcoder);
  };
  const auto of_target = [&] {
    const auto rows = target_->read_keys(table.target, target_keys, cells_layout());
    return RowSet(table, *rows, nullptr);
  };
  const RowSet before = of_source(), there = of_target(), after = of_source();
  const std::size_t bytes = before.bytes() + there.bytes() + after.bytes();
  if (bytes > kBytesMost) {
    keys_per_read_ = std::max<std::size_t>(looks.size() / 2, 1);
  } else if (bytes < kBytesLeast && looks.size() == keys_per_read_) {
    keys_per_read_ = std::min(keys_per_read_ * 2, kKeysPerRead);
  }
  RowBatch names;
  for (const Look& look : looks) table.spread_key(result.keys, result.keys.row(look.at), names);
  for (std::size_t at = 0; at < looks.size(); ++at) {
    Look& look = looks[at];
    const RowSet::Row key{&names, names.row(at)};
    const RowSet::Row source = after.find(key);
    Difference& known = result.found[look.at];
    std::optional<Difference> now =
        difference(table, source, there.find(key), look.at < kValuesKept);
    --counter(result, known.kind);
    look.equal = !now;
    if (!now) continue;
    ++counter(result, now->kind);
    now->key = std::move(known.key);
    known = *std::move(now);
    look.name = encode_key(source_keys[at]);
    look.alike = same_row(table, before.find(key), source) ? look.alike + 1 : 0;
  }
}

}  // namespace migrator
