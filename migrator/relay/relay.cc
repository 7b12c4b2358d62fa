#include "migrator/relay/relay.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "migrator/copy/stop_point.h"
#include "migrator/relay/schema_watch.h"

namespace migrator {

using namespace std::chrono_literals;

namespace {

using Time = std::chrono::steady_clock;

// Entries a round: it starts with few, so that the first ones are not kept waiting, and takes more
// as long as a round is no matter of many seconds. Behind a long journal more are cheaper: keys
// that changed often are written once, and rows that trade unique values meet. What is held back is
// read beside them, up to a limit: entries of a hundred bytes or two.
constexpr std::size_t kFirstLimit = 2000, kLimitMost = 50'000, kHeldMost = 200'000;
constexpr std::chrono::milliseconds kRoundShort = 2s, kRoundLong = 8s;
// Keys a statement that reads rows: what SQLite's parameters allow for keys of up to 32 columns.
constexpr std::size_t kKeysPerRead = 1000, kReadBytes = 128 * 1024;
constexpr std::chrono::milliseconds kIdle = 50ms;
// Between two looks whether a hold is over.
constexpr std::chrono::milliseconds kHeld = 200ms;
constexpr std::chrono::seconds kSchemaEvery = 10s, kBacklogEvery = 1s;
// The first tries again come at once: mostly it is another row of the journal that is in the way.
constexpr std::chrono::milliseconds kRefusedFirst = 100ms, kRefusedMost = 30s;
// Tries before a row counts as a reject that a person has to look at: one that another row is in
// the way of (a unique value, a foreign key) for about a minute, another one at once.
constexpr int kTriesInConflict = 10, kTriesOfValue = 2;
// What drain() waits for.
constexpr int kTriesAtOnce = 4;

std::pair<std::string, std::string> name_of(const std::string& table, const Key& key) {
  return {table, encode_key(key)};
}

}  // namespace

struct Relay::Table {
  const TableRoute* route = nullptr;
  std::optional<RowForm> form;
  std::optional<KeyForm> key_form;
};

// A key to be made equal, or a whole table.
struct Relay::Item {
  std::size_t table = 0;  // of tables_
  std::optional<std::string> row_key;
  Key key;
  std::vector<std::size_t> entries;  // of the round's
  std::int64_t newest = 0;           // the highest number of these
  bool in_any_case = false;          // whatever its guard says
};

struct Relay::Round {
  std::size_t read = 0, deferred = 0, refused = 0, retired = 0;
  bool full = false;
  Time::time_point began = Time::now();
};

struct Relay::Refusal {
  int tries = 0;
  Time::time_point retry_at{};
};

namespace {

// Parents before children, as far as the target's foreign keys are no circle.
std::vector<const TableRoute*> parents_first(const std::vector<TableRoute>& routes) {
  std::vector<const TableRoute*> order, left;
  for (const TableRoute& route : routes) left.push_back(&route);
  const auto waits = [&](const TableRoute* route) {
    const auto& keys = route->target.foreign_keys;
    return std::any_of(keys.begin(), keys.end(), [&](const ForeignKey& key) {
      return std::any_of(left.begin(), left.end(), [&](const TableRoute* other) {
        return other != route && other->write.table.name == key.referenced_table.name;
      });
    });
  };
  while (!left.empty()) {
    auto ready = std::find_if_not(left.begin(), left.end(), waits);
    if (ready == left.end()) ready = left.begin();
    order.push_back(*ready);
    left.erase(ready);
  }
  return order;
}

}  // namespace

Relay::Relay(const std::vector<TableRoute>& routes, const RelayContext& context)
    : context_(context),
      holders_(context.endpoints, context.interrupt),
      limit_(kFirstLimit),
      together_(kHeldMost),
      idle_(kIdle) {
  for (const TableRoute* route : parents_first(routes)) {
    tables_.emplace_back().route = route;
  }
}

Relay::~Relay() = default;

RelayProgress Relay::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

RelayProgress Relay::drain(const std::function<void(const RelayProgress&)>& tick,
                           std::chrono::seconds most) {
  Backoff backoff(context_.retry, context_.interrupt);
  const Time::time_point began = Time::now();
  const auto over = [&] { return most != 0s && Time::now() - began >= most; };
  while (!over()) {
    const bool more = round_with_retry(backoff, over);
    if (tick) tick(progress());
    if (more) continue;
    if (!waits_for_a_try()) break;
    context_.interrupt.sleep(kIdle);
  }
  backlog_seen_ = {};
  watch_backlog();
  return progress();
}

void Relay::follow(const std::stop_token& stop,
                   const std::function<void(const RelayProgress&)>& tick) {
  Backoff backoff(context_.retry, context_.interrupt);
  const auto over = [&] { return stop.stop_requested(); };
  while (!over()) {
    wait_out_hold(over, tick);
    const bool more = round_with_retry(backoff, over);
    if (tick) tick(progress());
    if (!more && !context_.interrupt.sleep(idle_)) context_.interrupt.check();
  }
}

void Relay::hold(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  hold_ = reason;
}

// Nothing is open meanwhile, and the journal keeps what comes.
void Relay::wait_out_hold(const std::function<bool()>& over,
                          const std::function<void(const RelayProgress&)>& tick) {
  while (!over()) {
    {
      const std::lock_guard lock(mutex_);
      if (hold_.empty()) return;
      progress_.waits_for = hold_;
    }
    try {
      connect();
      watch_backlog();  // it grows meanwhile
    } catch (const Error& error) {
      close(error);
      context_.interrupt.check();
    }
    if (tick) tick(progress());
    if (!context_.interrupt.sleep(kHeld)) context_.interrupt.check();
  }
}

// A row whose first tries are not over may go in together with another one.
bool Relay::waits_for_a_try() const {
  return std::any_of(refusals_.begin(), refusals_.end(),
                     [](const auto& refusal) { return refusal.second.tries < kTriesAtOnce; });
}

// over: asked before an outage is waited out.
bool Relay::round_with_retry(Backoff& backoff, const std::function<bool()>& over) {
  while (true) {
    context_.interrupt.check();
    try {
      const bool more = round();
      backoff.reset();
      const std::lock_guard lock(mutex_);
      progress_.waits_for.clear();
      return more;
    } catch (const Error& error) {
      close(error);
      context_.interrupt.check();
      {
        const std::lock_guard lock(mutex_);
        progress_.waits_for = error.what();
      }
      if (over()) return false;
      if (!backoff.again(error)) throw;
    }
  }
}

void Relay::connect() {
  if (!source_) source_ = open_source(context_.endpoints, context_.interrupt);
  if (!target_) target_ = open_target(context_.endpoints, context_.interrupt);
  if (epoch_) return;
  epoch_ = context_.lease.take(
      target_.session(), [this](std::uint64_t held) { return context_.store.next_epoch(held); });
  stop_point("relay_leased");
}

// Which of the two sessions was lost an error does not say; opening one anew costs little.
void Relay::close(const Error& error) {
  if (target_) target_.session().rollback();
  if (source_) source_.session().rollback();
  if (error.scope() != ErrorScope::session) return;
  source_.close();
  target_.close();
  holders_.close();
}

// One round; true if there may be more to do at once.
bool Relay::round() {
  connect();
  watch_schema();
  watch_backlog();
  Round round;
  const std::vector<std::int64_t> done = copy_changes(round);
  context_.feed.retire(source_.session(), done);
  stop_point("relay_retired");
  round.retired = done.size();
  const std::size_t held_before = std::exchange(held_, round.read - round.retired);
  // What is held back is read again each time: the more it is, the more seldom.
  idle_ = round.retired > 0 ? kIdle
                            : std::clamp<std::chrono::milliseconds>(held_ / 20 * 1ms, kIdle, 5s);
  adapt(round);
  const std::lock_guard lock(mutex_);
  ++progress_.rounds;
  progress_.deferred = round.deferred;
  progress_.refused = round.refused;
  if (round.refused == 0) progress_.refusal.clear();
  return round.full && (round.retired > 0 || held_ > held_before);
}

std::vector<std::int64_t> Relay::copy_changes(Round& round) {
  Session& source = source_.session();
  const std::size_t limit = std::min(limit_ + held_, kHeldMost);
  std::vector<std::size_t> done;
  renew_snapshot();
  const std::vector<Change> entries = context_.feed.read(source, limit);
  if (context_.guard != nullptr) {
    const auto side = context_.side->read(source);
    if (!side) {
      throw Error(ErrorKind::gate,
                  "the source's row of this migration is gone: the shim's writes "
                  "cannot be told from older ones")
          .remedy("run `migrate start PLAN`");
    }
    source_epoch_ = side->epoch;
  }
  stop_point("relay_read");
  round.read = entries.size();
  round.full = entries.size() == limit;
  std::vector<Item> items = items_of(entries, round);
  leave_in_flight(items, round.deferred);
  if (!items.empty()) apply(items, done);
  source.commit();
  for (const Item& item : items) {
    if (refusals_.empty()) break;
    const auto refusal =
        refusals_.find({tables_[item.table].route->name, item.row_key.value_or("")});
    if (refusal == refusals_.end()) continue;
    (refusal->second.tries < kTriesAtOnce ? round.deferred : round.refused) += item.entries.size();
  }
  return count_done(entries, done, round);
}

// The numbers of the entries that are done.
std::vector<std::int64_t> Relay::count_done(const std::vector<Change>& entries,
                                            const std::vector<std::size_t>& done,
                                            const Round& round) {
  std::vector<std::int64_t> seqs;
  const double since = std::chrono::duration<double>(Time::now() - round.began).count();
  const std::lock_guard lock(mutex_);
  for (const std::size_t at : done) {
    seqs.push_back(entries[at].seq);
    progress_.seq = std::max(progress_.seq, entries[at].seq);
    progress_.lag.add(since + static_cast<double>(entries[at].age_ms) / 1000);
  }
  progress_.entries += done.size();
  return seqs;
}

// Of the journal and the rows; or, after an error, of the rows alone, which may be read at any time
// after the journal.
void Relay::renew_snapshot() {
  std::vector<TableName> names;
  for (const Table& table : tables_) names.push_back(table.route->source.name);
  source_.session().rollback();
  source_.session().begin_snapshot(names);
}

// The keys that are to be made equal, each once, in the order of the tables; without those that
// wait for their next try.
std::vector<Relay::Item> Relay::items_of(const std::vector<Change>& entries, Round& round) {
  std::unordered_map<std::string_view, std::size_t> tables;
  for (std::size_t table = 0; table < tables_.size(); ++table) {
    tables[tables_[table].route->name] = table;
  }
  std::vector<std::unordered_map<std::string_view, std::size_t>> seen(tables_.size());
  std::vector<Item> items;
  const CaptureDialect& capture = source_.session().dialect().capture();
  const Time::time_point now = Time::now();
  for (std::size_t at = 0; at < entries.size(); ++at) {
    const Change& entry = entries[at];
    const auto table = tables.find(entry.relation);
    if (table == tables.end()) {
      throw Error(ErrorKind::gate, fmt::format("the journal has changes of `{}`, which is no table "
                                               "of the plan",
                                               entry.relation))
          .remedy("give the plan the table back; or drop its triggers, and these entries");
    }
    if (!refusals_.empty()) {
      const auto refusal = refusals_.find({entry.relation, entry.row_key.value_or("")});
      if (refusal != refusals_.end() && refusal->second.retry_at > now) {
        ++(refusal->second.tries < kTriesAtOnce ? round.deferred : round.refused);
        continue;
      }
    }
    // "" is no key's text but an empty one's: entries for a whole table have none.
    const auto [place, first] = seen[table->second].try_emplace(
        entry.row_key ? std::string_view(*entry.row_key) : std::string_view(), items.size());
    if (first || items[place->second].row_key != entry.row_key) {
      Item& item = items.emplace_back();
      item.table = table->second;
      item.row_key = entry.row_key;
      if (entry.row_key) {
        item.key = capture.decode(tables_[item.table].route->read.key, *entry.row_key);
      }
      item.entries.push_back(at);
      item.newest = entry.seq;
    } else {
      items[place->second].entries.push_back(at);
      items[place->second].newest = std::max(items[place->second].newest, entry.seq);
    }
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.table < b.table; });
  return items;
}

// A chunk that is in flight may have been read before the change, and be written after it.
void Relay::leave_in_flight(std::vector<Item>& items, std::size_t& deferred) {
  if (items.empty()) return;
  const auto in_flight = context_.fence.in_flight(target_.session());
  stop_point("relay_looked");
  if (in_flight.empty()) return;
  std::vector<Item> kept;
  for (std::size_t first = 0; first < items.size();) {
    std::size_t end = first;
    std::vector<Key> keys;
    while (end < items.size() && items[end].table == items[first].table) ++end;
    const TableRoute& route = *tables_[items[first].table].route;
    const auto ranges = in_flight.find(route.name);
    std::vector<bool> inside;
    if (ranges != in_flight.end()) {
      for (std::size_t at = first; at < end; ++at) {
        if (items[at].row_key) keys.push_back(items[at].key);
      }
      inside = source_->in_ranges(route.read, keys, ranges->second);
    }
    std::size_t key = 0;
    for (std::size_t at = first; at < end; ++at) {
      const bool leave = ranges != in_flight.end() && (!items[at].row_key || inside.at(key++));
      if (leave) {
        deferred += items[at].entries.size();
      } else {
        kept.push_back(std::move(items[at]));
      }
    }
    first = end;
  }
  items = std::move(kept);
}

// In as few transactions as succeed. What fails is tried again together with the rows that are in
// its way, and then by half; how many went in together is what the next ones begin with.
void Relay::apply(std::vector<Item> items, std::vector<std::size_t>& done) {
  for (std::size_t first = 0; first < items.size();) {
    context_.interrupt.check();
    const std::size_t count = std::min(together_, items.size() - first);
    const auto begin = items.begin() + static_cast<std::ptrdiff_t>(first);
    const std::vector<Item> piece(begin, begin + static_cast<std::ptrdiff_t>(count));
    const std::optional<Error> error = write_or_join(piece);
    if (error && count > 1) {
      together_ = count / 2;
      continue;
    }
    first += count;
    if (error) {
      refuse(piece.front(), *error);
      continue;
    }
    together_ = std::min(together_ * 2, kHeldMost);
    for (const Item& item : piece) {
      done.insert(done.end(), item.entries.begin(), item.entries.end());
    }
  }
}

// Why it is not written, if so.
std::optional<Error> Relay::write_or_join(std::vector<Item> items) {
  const auto failed = [this](std::vector<Item>& trying) -> std::optional<Error> {
    try {
      write(trying);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data || error.scope() == ErrorScope::session) throw;
      target_.session().rollback();
      renew_snapshot();  // a stream of rows that was left in its middle may have spoiled it
      return error;
    }
    settle(trying);
    return std::nullopt;
  };
  std::optional<Error> error = failed(items);
  if (!error || !error->duplicate_key()) return error;
  const bool joined = add_holders(items);
  if (!joined && context_.guard == nullptr) return error;
  // Rows that were left alone for their guards may be those in the way: as of this moment all of
  // them fit together. An older row may come back so, for as long as its newer entry is to come.
  for (Item& item : items) item.in_any_case = true;
  // What then still stands in the way is in a chunk that is being copied, or came this moment.
  return failed(items);
}

// Adds the keys of those rows that hold, on the target, a unique value that one of these needs; and
// of those that hold what they need, and so on. False if there are none.
bool Relay::add_holders(std::vector<Item>& items) {
  const CaptureDialect& capture = source_.session().dialect().capture();
  std::set<std::pair<std::size_t, std::string>> known;
  for (const Item& item : items) {
    if (item.row_key) known.emplace(item.table, *item.row_key);
  }
  bool added = false;
  std::vector<Item> looking = items;
  while (!looking.empty() && items.size() < kHeldMost) {
    std::vector<Item> more;
    for (std::size_t first = 0, end = 0; first < looking.size(); first = end) {
      const std::size_t table = looking[first].table;
      const TableRoute& route = *tables_[table].route;
      std::vector<Key> keys;
      for (end = first; end < looking.size() && looking[end].table == table; ++end) {
        if (looking[end].row_key) keys.push_back(looking[end].key);
      }
      if (keys.empty()) continue;
      for (Key& key : holders_.find(route, *source_, keys)) {
        std::string row_key = capture.encode(route.read.key, key);
        if (!known.emplace(table, row_key).second) continue;
        Item& item = more.emplace_back();
        item.table = table;
        item.row_key = std::move(row_key);
        item.key = std::move(key);
      }
    }
    std::size_t left_out = 0;
    leave_in_flight(more, left_out);
    added = added || !more.empty();
    items.insert(items.end(), more.begin(), more.end());
    looking = std::move(more);
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.table < b.table; });
  return added;
}

// One transaction. Whole tables are made equal by transactions of their own, first.
void Relay::write(std::span<Item> items) {
  for (const Item& item : items) {
    if (item.row_key || copy_whole(item.table)) continue;
    throw Error(ErrorKind::data, fmt::format("{}: some rows cannot be made equal after a TRUNCATE",
                                             tables_[item.table].route->name))
        .table(tables_[item.table].route->name);
  }
  Session& session = target_.session();
  session.begin();
  context_.lease.check(session, *epoch_);
  std::vector<Item*> writing;
  for (Item& item : items) {
    if (item.row_key) writing.push_back(&item);
  }
  if (context_.guard != nullptr) pass_guard(writing);
  for (std::size_t first = 0, end = 0; first < writing.size(); first = end) {
    while (end < writing.size() && writing[end]->table == writing[first]->table) ++end;
    replace(tables_[writing[first]->table],
            std::span<Item* const>(writing).subspan(first, end - first));
  }
  stop_point("relay_written");
  session.commit();
  stop_point("relay_committed");
}

// Raises the guards of the keys, and takes out those that a writer has brought a newer row for: its
// entry is still to come. A higher number that a relay has put there is no such proof. Keys of no
// entry have no place among the changes, and are written in any case.
void Relay::pass_guard(std::vector<Item*>& items) {
  std::map<InlineGuard::Name, ChangePlace> places;
  std::vector<InlineGuard::Name> names;
  const auto name_of_item = [this](const Item& item) {
    return InlineGuard::Name{tables_[item.table].route->name, *item.row_key};
  };
  for (const Item* item : items) {
    if (item->entries.empty()) continue;
    names.push_back(name_of_item(*item));
    places[names.back()] = {source_epoch_, item->newest};
  }
  context_.guard->raise(target_.session(), places);
  const auto held = context_.guard->lock(target_.session(), names);
  std::erase_if(items, [&](const Item* item) {
    if (item->entries.empty() || item->in_any_case) return false;
    const auto found = held.find(name_of_item(*item));
    return found != held.end() && !found->second.by_relay &&
           found->second.place > places.at(found->first);
  });
}

void Relay::replace(Table& table, std::span<Item* const> items) {
  const TableRoute& route = *table.route;
  if (!table.form) {
    table.form = row_form(route, *source_, *target_);
    table.key_form = key_form(route, *source_, *target_);
  }
  std::vector<Key> keys;
  for (const Item* item : items) keys.push_back(item->key);
  RowBatch batch;
  key_rows(*table.key_form, *source_, keys, batch);
  const auto sink =
      target_->replace(route.write, batch, table.key_form->form.layout, table.form->layout);
  for (std::size_t first = 0, count = 0; first < keys.size(); first += count) {
    std::size_t bytes = 0;
    for (count = 0; first + count < keys.size() && count < kKeysPerRead && bytes < kReadBytes;
         ++count) {
      bytes += items[first + count]->row_key->size();
    }
    const auto rows = source_->read_keys(
        route.read, std::span<const Key>(keys).subspan(first, count), table.form->layout);
    while (rows->next(batch)) {
      if (table.form->transcoder) table.form->transcoder->apply(batch);
      sink->write(batch);
    }
  }
  const LoadCount count = sink->finish();
  const std::lock_guard lock(mutex_);
  progress_.keys += keys.size();
  progress_.rows += count.inserted;
}

// After a TRUNCATE: every row that the target has is made equal to the source's, which mostly has
// none for it. Rows that the source has and the target has not have entries of their own. False if
// some could not be.
bool Relay::copy_whole(std::size_t table) {
  const TableRoute& route = *tables_[table].route;
  const std::size_t refused_before = helpers_refused_;
  std::optional<Key> after;
  do {
    std::vector<Item> items;
    for (Key& key : holders_.next_keys(route, *source_, after, kKeysPerRead)) {
      Item& item = items.emplace_back();
      item.table = table;
      item.row_key = "";  // no entry's
      item.key = std::move(key);
    }
    std::vector<std::size_t> none;
    if (!items.empty()) apply(std::move(items), none);
  } while (after);
  return helpers_refused_ == refused_before;
}

// Nothing stands against these any more.
void Relay::settle(std::span<Item> items) {
  for (const Item& item : items) {
    if (refusals_.empty()) break;
    // Those of no entry, after a TRUNCATE, go by no name: they settle nothing but themselves.
    if (item.entries.empty()) continue;
    refusals_.erase({tables_[item.table].route->name, item.row_key.value_or("")});
  }
  settle_rejects(items);
}

void Relay::refuse(const Item& item, const Error& error) {
  if (item.entries.empty()) {
    ++helpers_refused_;
    return;
  }
  const std::string& table = tables_[item.table].route->name;
  Refusal& refusal = refusals_[{table, item.row_key.value_or("")}];
  ++refusal.tries;
  // The first time at once, in the next round.
  refusal.retry_at =
      Time::now() + (refusal.tries < 2 ? Time::duration::zero()
                                       : std::min<Time::duration>(
                                             kRefusedFirst * (1 << std::min(refusal.tries - 2, 10)),
                                             kRefusedMost));
  {
    const std::lock_guard lock(mutex_);
    progress_.refusal = error.what();
  }
  // SQLSTATE of a foreign key: 23503; MySQL and SQLite check none here.
  const bool conflict = error.duplicate_key() || error.code().starts_with("23503");
  if (refusal.tries < (conflict ? kTriesInConflict : kTriesOfValue) || !item.row_key) return;
  Reject reject;
  reject.table = table;
  reject.key = item.key;
  reject.chunk = kRejectOfRelay;
  reject.code = error.code();
  reject.error = error.what();
  reject.at = Clock::now();
  rejects_[name_of(table, item.key)] = context_.store.put_reject(reject);
}

// A row that was refused before, by a chunk or by the relay, has gone in, or is gone.
void Relay::settle_rejects(std::span<Item> items) {
  const std::uint64_t open = context_.store.open_rejects();
  if (open != rejects_known_) {
    rejects_.clear();
    for (const Reject& reject : context_.store.rejects("", true, 1'000'000)) {
      rejects_[name_of(reject.table, reject.key)] = reject.id;
    }
  }
  for (const Item& item : items) {
    if (rejects_.empty()) break;
    const auto reject = rejects_.find(name_of(tables_[item.table].route->name, item.key));
    if (reject == rejects_.end()) continue;
    try {
      context_.store.resolve_reject(reject->second, "relayed");
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage) throw;  // a chunk that is copied again has forgotten it
    }
    rejects_.erase(reject);
  }
  rejects_known_ = context_.store.open_rejects();
}

void Relay::adapt(const Round& round) {
  const auto took = Time::now() - round.began;
  if (took > kRoundLong) {
    limit_ = std::max(limit_ / 2, kFirstLimit);
  } else if (took < kRoundShort && round.full) {
    limit_ = std::min(limit_ * 2, kLimitMost);
  }
}

void Relay::watch_schema() {
  if (!context_.watch_schema || Time::now() - schema_seen_ < kSchemaEvery) return;
  std::vector<const TableRoute*> routes;
  for (const Table& table : tables_) routes.push_back(table.route);
  refuse_altered_tables(source_.session(), routes);
  schema_seen_ = Time::now();
}

void Relay::watch_backlog() {
  const Time::time_point now = Time::now();
  if (!source_ || now - backlog_seen_ < kBacklogEvery) return;
  const Backlog backlog = context_.feed.backlog(source_.session());
  const std::lock_guard lock(mutex_);
  if (backlog_seen_ != Time::time_point{}) {
    const double seconds = std::chrono::duration<double>(now - backlog_seen_).count();
    const double change =
        static_cast<double>(backlog.entries) - static_cast<double>(progress_.backlog.entries);
    progress_.growth = 0.7 * progress_.growth + 0.3 * change / seconds;
  }
  progress_.backlog = backlog;
  backlog_seen_ = now;
}

}  // namespace migrator
