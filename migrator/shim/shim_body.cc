#include "migrator/shim/shim_body.h"

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

namespace migrator {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

// Between two looks while nobody is open: a cutover's pause is a second or two.
constexpr std::chrono::milliseconds kClosedPoll{20};

// Writes to the authority that come of reads, whatever the application finds different.
constexpr int kReportsPerSecond = 20;

// Several shims of one process are instances of their own.
std::string own_name() {
  static std::atomic<int> shims = 0;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return fmt::format("{}:{}:{}", host.data(), getpid(), ++shims);
}

// Phase and percentages change nothing about how a table is written: a step of a ramp does not make
// every process read its catalogs anew.
bool same_lanes(const SideRow& before, SideRow now) {
  now.phase = before.phase;
  now.shadow_percent = before.shadow_percent;
  now.read_percent = before.read_percent;
  return now == before;
}

}  // namespace

const TableLane& KnownState::lane(std::string_view table) const {
  const auto found = lanes.find(table);
  if (found != lanes.end()) return *found->second;
  throw Error(ErrorKind::usage, fmt::format("the plan has no table `{}`", table))
      .table(std::string(table))
      .remedy("name tables as the plan does; others are written by execute()");
}

Shim::Body::Body(ShimOptions given)
    : options(std::move(given)),
      side_table(options.migration, ""),
      guard(options.migration, ""),
      reports(options.migration, ""),
      breaker(options.breaker) {
  if (options.source.adapter == nullptr || options.target.adapter == nullptr) {
    throw Error(ErrorKind::usage, "a shim needs a source and a target")
        .remedy("make them with postgres_at(), mysql_at() or sqlite_at()");
  }
  if (options.instance.empty()) options.instance = own_name();
  for (const Side side : {Side::source, Side::target}) {
    const auto at = static_cast<std::size_t>(side);
    authorities_[at] = std::make_unique<SourcePool>(options.connections_max,
                                                    [this, side] { return open_source(side); });
    others_[at] = std::make_unique<TargetPool>(options.connections_max,
                                               [this, side] { return open_target(side); });
  }
  refresh();
  if (wants_sync()) {
    const auto state = known();
    if (state && !state->row.inline_writes) {
      throw Error(ErrorKind::usage,
                  "tables are to be written in mode sync, and the plan has no "
                  "`inline_writes: true`")
          .remedy("write it into the plan before `migrate start`, or use mode async");
    }
    try {
      find_routes();
    } catch (const Error&) {
      breaker.failed();  // the target is away: the opener goes on trying
    }
  }
  keeper_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
  if (wants_sync()) {
    opener_ = std::jthread([this](const std::stop_token& stop) { open_others(stop); });
  }
}

Shim::Body::~Body() { stop(); }

void Shim::Body::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  keeper_.request_stop();
  opener_.request_stop();
  woken_.notify_all();
  for (auto& pool : others_) pool->close();
  if (keeper_.joinable()) keeper_.join();
  if (opener_.joinable()) opener_.join();
  try {
    if (const auto state = known()) {
      const std::lock_guard lock(refreshing_);
      auto& control = control_[static_cast<std::size_t>(state->row.side)];
      if (control) side_table.withdraw(control->session(), options.instance);
    }
  } catch (...) {
    // Its lease runs out.
  }
  for (auto& pool : authorities_) pool->close();
}

bool Shim::Body::wants_sync() const {
  return options.defaults.mode == WriteMode::sync ||
         std::any_of(options.tables.begin(), options.tables.end(),
                     [](const auto& table) { return table.second.mode == WriteMode::sync; });
}

// --- connections

SessionOptions Shim::Body::session_options() const {
  SessionOptions session;
  session.statement_timeout = options.statement_timeout;
  session.lock_timeout = options.lock_timeout;
  session.application_name = "migrator shim " + options.migration;
  session.application = true;
  return session;
}

std::chrono::milliseconds Shim::Body::inline_lock_wait() const {
  std::chrono::milliseconds budget = options.defaults.budget;
  for (const auto& [name, table] : options.tables) budget = std::min(budget, table.budget);
  return std::max(std::chrono::milliseconds(1), budget / 8);
}

std::unique_ptr<Source> Shim::Body::open_source(Side side) const {
  const Database& at = database(side);
  auto opened = at.adapter->open_source(Url::parse(at.url), session_options());
  for (const std::string& sql : at.session_sql) opened->session().execute(sql);
  return opened;
}

std::unique_ptr<Target> Shim::Body::open_target(Side side) const {
  const Database& at = database(side);
  SessionOptions session = session_options();
  session.application = false;  // it writes rows as the relay does
  // Who waits for the relay's row locks with locks of its own makes the relay wait, too, and longer
  // still where that is a circle. The journal has the row: it gives way. (Not where there is one
  // lock for all: they queue for it, and hold none.)
  if (!at.adapter->dialect().row_lock().empty()) session.lock_timeout = inline_lock_wait();
  auto opened = at.adapter->open_target(Url::parse(at.url), session);
  if (const auto routes = inline_routes()) {
    for (const auto& [name, way] : routes->ways) opened->prepare_single(way.route.write);
  }
  return opened;
}

// It holds up whoever waits for a state: so for no longer than the lease allows.
std::unique_ptr<Source> Shim::Body::open_control(Side side) const {
  const Database& at = database(side);
  SessionOptions session = session_options();
  session.connect_timeout = std::max<std::chrono::milliseconds>(options.lease / 3, 1s);
  session.statement_timeout = std::max<std::chrono::milliseconds>(options.lease / 3, 1s);
  session.lock_timeout = session.statement_timeout;
  auto opened = at.adapter->open_source(Url::parse(at.url), session);
  for (const std::string& sql : at.session_sql) opened->session().execute(sql);
  return opened;
}

// --- the state

std::shared_ptr<const KnownState> Shim::Body::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

std::shared_ptr<const KnownState> Shim::Body::believed() const {
  const auto state = known();
  if (!state || !state->state.authority || Clock::now() - state->read_at > options.lease) return {};
  return state;
}

std::shared_ptr<const InlineRoutes> Shim::Body::inline_routes() const {
  const std::lock_guard lock(mutex_);
  return routes_;
}

std::shared_ptr<const KnownState> Shim::Body::wait_open(std::uint64_t after) {
  const auto until = Clock::now() + options.closed_wait;
  while (true) {
    if (auto state = believed(); state && state->state.epoch > after) return state;
    refresh();
    if (auto state = believed(); state && state->state.epoch > after) return state;
    if (Clock::now() >= until) {
      throw Error(
          ErrorKind::transient,
          fmt::format("neither side of migration {} may be written to now", options.migration))
          .remedy(
              "try again: a change of authority is under way, or was broken off: see `migrate "
              "status PLAN`");
    }
    std::this_thread::sleep_for(kClosedPoll);
  }
}

void Shim::Body::refresh() {
  const std::lock_guard refreshing(refreshing_);
  std::shared_ptr<KnownState> fresh = look();
  const std::lock_guard lock(mutex_);
  if (known_ && same_lanes(known_->row, fresh->row) &&
      known_->state.authority == fresh->state.authority) {
    fresh->lanes = known_->lanes;
  }
  known_ = std::move(fresh);
}

// The source first: as long as it is open the target need not be asked, nor be there. REQUIRES:
// refreshing_ is held.
std::shared_ptr<KnownState> Shim::Body::look() {
  std::optional<SideRow> newest;
  bool found = false;
  for (const Side side : {Side::source, Side::target}) {
    auto& control = control_[static_cast<std::size_t>(side)];
    try {
      if (!control) control = open_control(side);
      const std::optional<SideRow> row = side_table.read(control->session());
      if (!row) continue;
      found = true;
      if (row->open) return state_of(side, control->session(), *row);
      if (!newest || row->epoch > newest->epoch) newest = row;
    } catch (const Error& error) {
      if (error.scope() == ErrorScope::session) control.reset();
      // One that is closed on the source may be open on a target that cannot be asked.
      if (side == Side::source) throw;
    }
  }
  if (!found) {
    throw Error(ErrorKind::gate,
                fmt::format("the source knows of no migration {}", options.migration))
        .remedy(
            "run `migrate start PLAN` first; or, if it is finished, write to the database "
            "without the shim");
  }
  auto closed = std::make_shared<KnownState>();
  closed->row = *newest;
  closed->state = {newest->phase, newest->epoch, std::nullopt, newest->shadow_percent,
                   newest->read_percent};
  closed->read_at = Clock::now();
  return closed;
}

std::shared_ptr<KnownState> Shim::Body::state_of(Side side, Session& session, const SideRow& row) {
  auto state = std::make_shared<KnownState>();
  state->row = row;
  state->row.side = side;
  state->state = {row.phase, row.epoch, side, row.shadow_percent, row.read_percent};
  state->read_at = Clock::now();
  if (const auto before = known();
      before && same_lanes(before->row, state->row) && !before->lanes.empty()) {
    return state;
  }
  CatalogView catalog(session);
  for (const ShimTable& table : side_table.tables(session)) {
    const auto given = options.tables.find(table.relation);
    state->lanes[table.relation] = std::make_shared<TableLane>(
        table, side, catalog, session.dialect(), options.migration, session.server().schema,
        given == options.tables.end() ? options.defaults : given->second);
  }
  for (const auto& [name, unused] : options.tables) {
    if (state->lanes.contains(name)) continue;
    throw Error(ErrorKind::usage, fmt::format("the plan has no table `{}`", name))
        .remedy("name tables as the plan does");
  }
  return state;
}

void Shim::Body::entered(std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  ++open_[epoch];
}

void Shim::Body::left(std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (--open_[epoch] == 0) open_.erase(epoch);
}

// REQUIRES: refreshing_ is held.
void Shim::Body::acknowledge() {
  const auto state = known();
  if (!state) return;
  auto& control = control_[static_cast<std::size_t>(state->row.side)];
  if (!control) return;
  ShimInstance instance{options.instance, state->state.epoch, state->state.phase, 0,
                        options.lease.count()};
  {
    const std::lock_guard lock(mutex_);
    if (!open_.empty()) instance.epoch = std::min(instance.epoch, open_.begin()->first);
  }
  side_table.renew(control->session(), instance);
}

void Shim::Body::keep(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    try {
      refresh();
      const std::lock_guard refreshing(refreshing_);
      acknowledge();
    } catch (const Error& error) {
      // The state is believed until the lease is over, and begin() says why it is not any more.
      const std::lock_guard refreshing(refreshing_);
      if (error.scope() == ErrorScope::session) {
        for (auto& control : control_) control.reset();
      }
    } catch (const std::exception&) {
    }
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, stop, options.lease / 3, [] { return false; });
  }
}

// --- the other side

// Both catalogs are read, once for each authority.
void Shim::Body::find_routes() {
  const auto state = believed();
  if (!state) return;
  const Side authority_side = *state->state.authority;
  if (const auto routes = inline_routes(); routes && routes->authority == authority_side) return;
  const Side other = authority_side == Side::source ? Side::target : Side::source;
  auto target = open_target(other);
  auto source = authority(authority_side).take(options.connection_wait);
  CatalogView catalog(target->session());
  auto routes = std::make_shared<InlineRoutes>();
  routes->authority = authority_side;
  for (const auto& [name, lane] : state->lanes) {
    if (lane->options().mode != WriteMode::sync) continue;
    InlineRoutes::Way way;
    way.route = lane->route(catalog);
    way.row = row_form(way.route, *source, *target);
    way.key = key_form(way.route, *source, *target);
    target->prepare_single(way.route.write);
    routes->ways.emplace(name, std::move(way));
  }
  {
    const std::lock_guard lock(mutex_);
    routes_ = std::move(routes);
  }
  others(other).renew();
  others(other).open();
}

void Shim::Body::open_others(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto state = believed();
    const Side other =
        state && state->state.authority == Side::target ? Side::source : Side::target;
    try {
      find_routes();
      if (others(other).wanted(200ms)) others(other).open();
    } catch (const std::exception&) {
      breaker.failed();
      std::unique_lock lock(mutex_);
      woken_.wait_for(lock, stop, options.breaker.first, [] { return false; });
    }
  }
}

void Shim::Body::write_inline(std::vector<InlineRow> rows, Side other,
                              std::chrono::milliseconds budget) noexcept {
  const auto began = Clock::now();
  const std::string& table = rows.front().way->route.name;
  // Who only tries whether the other side is back waits for no connection to it.
  const bool trying = breaker.open();
  if (!breaker.allow()) {
    count(counters.skipped, "inline_skipped", table, rows.size());
    return;
  }
  try {
    TargetPool::Lease lease = others(other).take_idle_until(trying ? began : began + budget);
    if (!lease) {
      breaker.failed();
      count(counters.skipped, "inline_skipped", table, rows.size());
      return;
    }
    const DeadlineWatch::Watched watched(deadlines, lease.canceller(), began + budget);
    bool whole = true;
    try {
      write_together(lease, rows);
    } catch (const Error& error) {
      if (error.scope() == ErrorScope::session) {
        lease.lose();
        throw;
      }
      lease.session().rollback();
      if (error.kind() != ErrorKind::fenced) throw;
      whole = write_one_by_one(lease, rows);
    }
    breaker.succeeded();
    if (whole) count(counters.written, "inline_written", table, rows.size());
  } catch (const Error& error) {
    // A row that the other side refuses, or that another one is in the way of, does not say that
    // the side is down; that it does not answer in time does, whatever it waits for.
    if (error.scope() == ErrorScope::session || error.kind() == ErrorKind::transient ||
        error.kind() == ErrorKind::cancelled) {
      breaker.failed();
    } else {
      breaker.succeeded();
    }
    count(counters.failed, "inline_failed", table, rows.size());
  } catch (...) {
    breaker.failed();
    count(counters.failed, "inline_failed", table, rows.size());
  }
  observe("inline", table, began);
}

// One transaction, and one round trip where the engine can.
void Shim::Body::write_together(TargetPool::Lease& lease, std::vector<InlineRow>& rows) {
  Session& session = lease.session();
  // The guards first and in one order, as the relay locks them.
  std::sort(rows.begin(), rows.end(), [](const InlineRow& a, const InlineRow& b) {
    const int names = a.way->route.name.compare(b.way->route.name);
    return names != 0 ? names < 0 : InlineGuard::label(a.row_key) < InlineGuard::label(b.row_key);
  });
  session.send_begin();
  for (const InlineRow& row : rows) {
    guard.send_raise(session, row.way->route.name, row.row_key, row.place);
  }
  // Deletes first: a row may need the unique value of one that goes.
  for (const bool deletes : {true, false}) {
    for (const InlineRow& row : rows) {
      if (row.row.empty() != deletes) continue;
      const TableRoute& route = row.way->route;
      lease->send_replace(route.write, row.key, row.way->key.form.layout, row.row,
                          row.way->row.layout);
    }
  }
  session.send_commit();
  for (std::size_t at = 0; at < 2 + 2 * rows.size(); ++at) session.receive();
}

// One of several was there already, newer. False: of which the counters know.
bool Shim::Body::write_one_by_one(TargetPool::Lease& lease, std::vector<InlineRow>& rows) {
  std::uint64_t superseded = 0;
  for (InlineRow& row : rows) {
    if (rows.size() == 1) {
      ++superseded;
      break;
    }
    std::vector<InlineRow> one;
    one.push_back(std::move(row));
    try {
      write_together(lease, one);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::fenced) throw;
      lease.session().rollback();
      ++superseded;
    }
    row = std::move(one.front());
  }
  const std::string& table = rows.front().way->route.name;
  count(counters.superseded, "inline_superseded", table, superseded);
  count(counters.written, "inline_written", table, rows.size() - superseded);
  return false;
}

bool Shim::Body::may_report() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (now - reports_since_ >= 1s) {
    reports_since_ = now;
    reports_ = 0;
  }
  return ++reports_ <= kReportsPerSecond;
}

void Shim::Body::report_mismatch(std::string_view table, const NamedValues& key) {
  if (!may_report()) return count(counters.unreported, "mismatches_unreported", table);
  SourcePool::Lease lease;
  try {
    const auto state = wait_open();
    const TableLane& lane = state->lane(table);
    const Key values = lane.key_of(key);
    lease = authority(state->row.side).take(options.connection_wait);
    reports.add(lease.session(), lane.relation(), lane.entries().text_of(lease.session(), values));
  } catch (const Error& error) {
    if (lease && error.scope() == ErrorScope::session) lease.lose();
    count(counters.unreported, "mismatches_unreported", table);
    throw;
  }
  count(counters.reported, "mismatches_reported", table);
}

// --- counters

void Shim::Body::count(std::atomic<std::uint64_t>& counter, std::string_view name,
                       std::string_view table, std::uint64_t by) noexcept {
  if (by == 0) return;
  counter += by;
  if (options.metrics) options.metrics->count(name, table, by);
}

void Shim::Body::observe(std::string_view name, std::string_view table,
                         Clock::time_point since) noexcept {
  if (options.metrics) options.metrics->observe(name, table, Clock::now() - since);
}

}  // namespace migrator
