#include <deque>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "migrator/shim/shim_body.h"

namespace migrator {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::string_view kOver = "this transaction is over";

}  // namespace

struct Transaction::Body {
  explicit Body(Shim::Body& owner) : shim(owner) { enter(shim.wait_open()); }

  ~Body() {
    rollback();
    if (state) shim.left(state->state.epoch);
  }

  // Queued, and sent and received together by flush().
  struct Step {
    std::function<void(Source&)> send, receive;
  };
  // A row that has to be written on the other side.
  struct Change {
    const TableLane* lane = nullptr;
    const InlineRoutes::Way* way = nullptr;
    std::optional<EntryWriter::Entry> entry;
    bool is_there = false;  // there is a row; else it was deleted
    RowBatch row;           // empty although there is one: it cannot travel
  };

  void enter(std::shared_ptr<const KnownState> known) {
    if (state) shim.left(state->state.epoch);
    state = std::move(known);
    states.push_back(state);
    shim.entered(state->state.epoch);
  }

  const TableLane& lane(std::string_view table) const { return state->lane(table); }

  void require_open() const {
    if (over) throw Error(ErrorKind::usage, std::string(kOver)).remedy("begin another one");
  }

  void queue(std::function<void(Source&)> send, std::function<void(Source&)> receive) {
    require_open();
    steps.push_back({std::move(send), std::move(receive)});
  }

  void run(TableLane::Statement statement) {
    queue(
        [statement = std::move(statement)](Source& source) {
          Session& session = source.session();
          if (statement.otherwise) {
            session.send_otherwise(statement.sql, statement.parameters);
          } else {
            session.send(statement.sql, statement.parameters);
          }
        },
        [](Source& source) { source.session().receive(); });
  }

  // The way of a row that is written on the other side, too; null for one that is not.
  const InlineRoutes::Way* way_of(const TableLane& table, const Key& key) {
    if (!state->row.inline_writes || !table.chosen(key)) return nullptr;
    if (!routes && shim.breaker.may_allow()) routes = shim.inline_routes();
    if (routes && routes->authority == side()) {
      const auto found = routes->ways.find(table.relation());
      if (found != routes->ways.end()) return &found->second;
    }
    shim.count(shim.counters.skipped, "inline_skipped", table.relation());
    return nullptr;
  }

  // Whether the library writes an entry: where triggers do, only to know its place.
  bool journals(const InlineRoutes::Way* way) const {
    return way != nullptr || state->row.capture != "trigger";
  }

  // What becomes of a row that is written on the other side, too; null for another one.
  Change* change_of(const TableLane& table, const InlineRoutes::Way* way) {
    if (way == nullptr) return nullptr;
    Change& change = changes.emplace_back();
    change.lane = &table;
    change.way = way;
    return &change;
  }

  void queue_entry(const TableLane& table, Change* change, std::function<void(Source&)> send) {
    queue(std::move(send), [this, &table, change](Source& source) {
      auto entry = table.entries().receive(source.session(), change != nullptr);
      if (!entry) return;
      ++journaled;
      if (change != nullptr) change->entry = std::move(entry);
    });
  }

  // The row's entry in the journal, written now; where `way` is given, to be known by its place.
  Change* journal(const TableLane& table, const Key& key, const InlineRoutes::Way* way,
                  bool written) {
    if (!journals(way)) return nullptr;
    Change* const change = change_of(table, way);
    queue_entry(table, change, [&table, key, change, written](Source& source) {
      table.entries().send(source.session(), key, change != nullptr, written);
    });
    return change;
  }

  // The change and its entry as one. Absent: the engine cannot, or triggers write the entry.
  std::optional<Change*> run_journaled(const TableLane& table, const InlineRoutes::Way* way,
                                       const TableLane::Statement& statement) {
    if (!journals(way)) return std::nullopt;
    std::string sql = table.entries().with_entries(statement.sql, statement.parameters.size());
    if (sql.empty()) return std::nullopt;
    Change* const change = change_of(table, way);
    queue_entry(
        table, change,
        [&table, sql = std::move(sql), parameters = statement.parameters, change](Source& source) {
          table.entries().send_with_entries(source.session(), sql, parameters, change != nullptr);
        });
    return change;
  }

  // Behind a delete: a row that came in between the entry and it, and was taken away unseen.
  void journal_absence(const TableLane& table, const Key& key) {
    if (state->row.capture == "trigger") return;
    queue([&table, key](Source& source) { table.entries().send_absence(source.session(), key); },
          [this](Source& source) { journaled += source.session().receive().affected; });
  }

  void read(Change* change, const Key& key) {
    if (change == nullptr) return;
    queue(
        [change, key](Source& source) {
          source.send_read(change->way->route.read, key, change->way->row.layout);
        },
        [change](Source& source) { change->is_there = source.receive_row(change->row); });
  }

  Side side() const { return *state->state.authority; }

  void flush();
  void send_all(Source& source);
  void commit();
  void rollback() noexcept;
  std::vector<InlineRow> inline_rows();
  [[noreturn]] void end(const Error& error);

  Shim::Body& shim;
  std::shared_ptr<const KnownState> state;
  std::vector<std::shared_ptr<const KnownState>> states;  // whose lanes the steps refer to
  std::shared_ptr<const InlineRoutes> routes;
  SourcePool::Lease connection;
  std::deque<Step> steps;
  std::deque<Change> changes;
  std::uint64_t journaled = 0;
  bool begun = false;  // on the server, the fence taken
  bool over = false;
};

void Transaction::Body::send_all(Source& source) {
  Session& session = source.session();
  for (const Change& change : changes) {
    source.prepare_read(change.way->route.read, change.way->row.layout);
  }
  int entering = 0;
  if (!begun) {
    session.send_begin();
    entering = 1 + shim.side_table.send_enter(session, state->state.epoch);
  }
  for (const Step& step : steps) step.send(source);
  for (int at = 0; at < entering; ++at) session.receive();
  begun = true;
  for (const Step& step : steps) step.receive(source);
}

// Sends what is queued. The fence comes with the first of it: where that one is closed, nothing of
// the rest has had any effect, and it is sent again once somebody is open.
void Transaction::Body::flush() {
  require_open();
  const Side began_on = side();
  std::size_t stale = 0;
  while (true) {
    try {
      if (!connection) connection = shim.authority(side()).take(shim.options.connection_wait);
      send_all(*connection);
      steps.clear();
      return;
    } catch (const Error& error) {
      if (begun) end(error);
      // One that has died in the pool, after a restart of the server, say. What was sent on it was
      // not committed: that would be in doubt.
      if (connection && error.kind() == ErrorKind::transient &&
          error.scope() == ErrorScope::session && stale++ < shim.options.connections_max) {
        connection.lose();
        connection = {};
        continue;
      }
      if (error.kind() != ErrorKind::fenced) end(error);
      connection.session().rollback();
    } catch (...) {
      // No error of a server's: answers may still be under way on this connection.
      over = true;
      steps.clear();
      connection.lose();
      connection = {};
      throw;
    }
    shim.count(shim.counters.fenced, "fenced", "");
    try {
      enter(shim.wait_open(state->state.epoch));
    } catch (const Error& error) {
      end(error);
    }
    if (side() == began_on) continue;
    end(Error(ErrorKind::transient, "the authority has moved to the other database")
            .remedy("run the transaction again: it will be on that one"));
  }
}

void Transaction::Body::end(const Error& error) {
  over = true;
  steps.clear();
  if (connection) {
    if (error.scope() == ErrorScope::session) {
      connection.lose();
    } else {
      connection.session().rollback();
    }
  }
  connection = {};
  if (error.kind() == ErrorKind::in_doubt) {
    shim.count(shim.counters.in_doubt, "in_doubt", "");
  } else {
    shim.count(shim.counters.rolled_back, "rolled_back", "");
  }
  throw Error(error);
}

void Transaction::Body::commit() {
  require_open();
  const auto began = Clock::now();
  if (!begun && steps.empty()) {
    over = true;
    return;
  }
  queue([](Source& source) { source.session().send_commit(); },
        [](Source& source) { source.session().receive(); });
  flush();
  over = true;
  std::vector<InlineRow> rows = inline_rows();
  connection = {};
  shim.count(shim.counters.committed, "committed", "");
  shim.count(shim.counters.journaled, "journaled", "", journaled);
  shim.observe("commit", "", began);
  if (rows.empty()) return;
  std::chrono::milliseconds budget = changes.front().lane->options().budget;
  for (const Change& change : changes) budget = std::min(budget, change.lane->options().budget);
  shim.write_inline(std::move(rows), side() == Side::source ? Side::target : Side::source, budget);
}

// Of what was committed. A value that has no form on the other side is the relay's to report.
std::vector<InlineRow> Transaction::Body::inline_rows() {
  std::vector<InlineRow> rows;
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> newest;
  for (Change& change : changes) {
    if (!change.entry) continue;
    const std::pair<std::string_view, std::string_view> name{change.way->route.name,
                                                             change.entry->row_key};
    const auto [place, first] = newest.try_emplace(name, rows.size());
    InlineRow row;
    try {
      row.way = change.way;
      row.row_key = change.entry->row_key;
      row.place = {state->state.epoch, change.entry->seq};
      const Key key =
          connection.session().dialect().capture().decode(change.way->route.read.key, row.row_key);
      key_rows(change.way->key, *connection, {&key, 1}, row.key);
      if (change.is_there && change.row.empty())
        throw Error(ErrorKind::data, "it has no form there");
      row.row = std::move(change.row);
      if (!row.row.empty() && change.way->row.transcoder) {
        change.way->row.transcoder->apply(row.row);
      }
    } catch (const std::exception&) {
      // What came of the key before must not stand for it, either.
      shim.count(shim.counters.failed, "inline_failed", change.way->route.name);
      if (!first) rows[place->second].way = nullptr;
      newest.erase(place);
      continue;
    }
    if (first) {
      rows.push_back(std::move(row));
    } else {
      rows[place->second] = std::move(row);  // changed twice in this transaction
    }
  }
  std::erase_if(rows, [](const InlineRow& row) { return row.way == nullptr; });
  return rows;
}

void Transaction::Body::rollback() noexcept {
  if (over) return;
  over = true;
  steps.clear();
  if (connection) {
    connection.session().rollback();
    shim.count(shim.counters.rolled_back, "rolled_back", "");
  }
  connection = {};
}

Transaction::Transaction(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

Side Transaction::side() const { return body_->side(); }

Result Transaction::execute(std::string_view sql, std::span<const Value> parameters) {
  Result result;
  body_->queue([&](Source& source) { source.session().send(sql, parameters); },
               [&](Source& source) { result = source.session().receive(); });
  body_->flush();
  return result;
}

Result Transaction::execute(std::string_view sql, std::initializer_list<Value> parameters) {
  return execute(sql, std::span<const Value>(parameters.begin(), parameters.size()));
}

void Transaction::upsert(std::string_view table, NamedValues row) {
  body_->require_open();
  const TableLane& lane = body_->lane(table);
  const std::optional<Key> key = lane.key_in(row);
  if (!key) lane.key_of({});  // throws
  std::vector<TableLane::Statement> statements = lane.upsert(row);
  const InlineRoutes::Way* way = body_->way_of(lane, *key);
  if (statements.size() == 1) {
    if (const auto change = body_->run_journaled(lane, way, statements.front())) {
      return body_->read(*change, *key);
    }
  }
  for (TableLane::Statement& statement : statements) body_->run(std::move(statement));
  body_->read(body_->journal(lane, *key, way, true), *key);
}

void Transaction::update(std::string_view table, NamedValues key, NamedValues changes) {
  body_->require_open();
  const TableLane& lane = body_->lane(table);
  const Key before = lane.key_of(key);
  // The key afterwards: what is set of it, and the rest as it was.
  NamedValues after_named = key;
  bool moves = false;
  for (const auto& [name, value] : changes) {
    for (auto& [part, held] : after_named) {
      if (part != name) continue;
      held = value;
      moves = true;
    }
  }
  TableLane::Statement statement = lane.update(before, changes);
  const InlineRoutes::Way* way = nullptr;
  if (!moves) {
    way = body_->way_of(lane, before);
    if (const auto change = body_->run_journaled(lane, way, statement)) {
      return body_->read(*change, before);
    }
  }
  // Before it moves, as an entry is written from its row.
  if (moves) body_->journal(lane, before, body_->way_of(lane, before), false);
  body_->run(std::move(statement));
  if (moves) body_->journal_absence(lane, before);
  const Key after = lane.key_of(after_named);
  // An update that found no row has written none: then there is no entry, either.
  if (moves) way = body_->way_of(lane, after);
  body_->read(body_->journal(lane, after, way, true), after);
}

void Transaction::erase(std::string_view table, NamedValues key) {
  body_->require_open();
  const TableLane& lane = body_->lane(table);
  const Key values = lane.key_of(key);
  const InlineRoutes::Way* way = body_->way_of(lane, values);
  if (body_->run_journaled(lane, way, lane.erase(values))) return;
  body_->journal(lane, values, way, false);
  body_->run(lane.erase(values));
  body_->journal_absence(lane, values);
}

void Transaction::touch(std::string_view table, NamedValues key) {
  body_->require_open();
  const TableLane& lane = body_->lane(table);
  const Key values = lane.key_of(key);
  if (body_->state->row.capture == "trigger") return;
  body_->queue(
      [&lane, values](Source& source) { lane.entries().send_touch(source.session(), values); },
      [body = body_.get()](Source& source) {
        body->journaled += source.session().receive().affected;
        body->journaled += source.session().receive().affected;
      });
}

void Transaction::commit() { body_->commit(); }
void Transaction::rollback() noexcept { body_->rollback(); }

// --- on the application's own connection

struct LentTransaction::Body {
  Body(Shim::Body& owner, std::unique_ptr<Queries> lent)
      : shim(owner), connection(std::move(lent)), state(shim.wait_open()) {
    if (!shim.side_table.enter(*connection, state->state.epoch)) {
      throw Error(ErrorKind::transient, "the database of this connection may not be written to now")
          .scope(ErrorScope::transaction)
          .remedy("roll back, and begin again on the side that Shim::state() names");
    }
    shim.entered(state->state.epoch);
  }
  ~Body() { shim.left(state->state.epoch); }

  Shim::Body& shim;
  std::unique_ptr<Queries> connection;
  std::shared_ptr<const KnownState> state;
};

LentTransaction::LentTransaction(std::unique_ptr<Body> body) : body_(std::move(body)) {}
LentTransaction::LentTransaction(LentTransaction&&) noexcept = default;
LentTransaction::~LentTransaction() = default;

void LentTransaction::touch(std::string_view table, NamedValues key) {
  const TableLane& lane = body_->state->lane(table);
  const Key values = lane.key_of(key);
  if (body_->state->row.capture == "trigger") return;
  if (!lane.plain_key()) {
    throw Error(ErrorKind::usage,
                fmt::format("a key of `{}` cannot be touched on a lent connection: how its type is "
                            "printed depends on the connection's settings",
                            table))
        .table(std::string(table))
        .remedy("write this table by Shim::begin()");
  }
  lane.entries().touch(*body_->connection, values);
  body_->shim.count(body_->shim.counters.journaled, "journaled", table);
}

// --- the shim itself

Shim::Shim(ShimOptions options) : body_(std::make_unique<Body>(std::move(options))) {}
Shim::~Shim() { close(); }

Transaction Shim::begin() { return Transaction(std::make_unique<Transaction::Body>(*body_)); }

LentTransaction Shim::lend(std::unique_ptr<Queries> connection) {
  return LentTransaction(std::make_unique<LentTransaction::Body>(*body_, std::move(connection)));
}

void Shim::report_mismatch(std::string_view table, NamedValues key) {
  body_->report_mismatch(table, key);
}

MigrationState Shim::state() const {
  const auto known = body_->known();
  MigrationState state = known->state;
  if (!body_->believed()) state.authority.reset();
  return state;
}

ShimCounters Shim::counters() const {
  const Shim::Body::Counters& now = body_->counters;
  return {now.committed, now.rolled_back, now.in_doubt,  now.journaled,
          now.written,   now.superseded,  now.failed,    now.skipped,
          now.fenced,    now.reported,    now.unreported};
}

bool Shim::other_side_down() const { return body_->breaker.open(); }

void Shim::close() noexcept {
  if (body_) body_->stop();
}

}  // namespace migrator
