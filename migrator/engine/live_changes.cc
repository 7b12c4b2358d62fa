#include "migrator/engine/live_changes.h"

#include <algorithm>
#include <climits>
#include <set>

#include <fmt/format.h>

#include "migrator/relay/installation.h"
#include "migrator/relay/schema_watch.h"

namespace migrator {
LiveChanges::LiveChanges(const Plan& plan, const Endpoints& endpoints, const ChunkFence& fence,
                         const std::string& schema, Interrupt& interrupt)
    : plan_(plan),
      endpoints_(endpoints),
      fence_(fence),
      interrupt_(interrupt),
      journal_(plan.name, schema),
      lease_(plan.name),
      source_side_(plan.name, schema),
      target_side_(plan.name, ""),
      reports_(plan.name, schema),
      guard_(plan.name, "") {}

LiveChanges::Prospect LiveChanges::look(const std::vector<TableRoute>& routes,
                                        Session& source) const {
  Prospect prospect;
  if (source.server().read_only) {
    prospect.findings.push_back(
        {Severity::error, "", "the source is read-only, and capture makes triggers there",
         "give the plan the URL of the primary; or write `capture: none`, and stop the writers"});
    return prospect;
  }
  // They forget the highest number of an empty table when they are restarted (MySQL before 8.0,
  // MariaDB before 10.2.4), and the guard takes numbers that come again for old ones.
  const ServerInfo& server = source.server();
  if (plan_.inline_writes && ((server.product.starts_with("MySQL") && server.version < 80000) ||
                              (server.product.starts_with("MariaDB") && server.version < 100204))) {
    prospect.findings.push_back(
        {Severity::error, "", server.product + " may use numbers of the journal twice",
         "leave `inline_writes` out: the relay alone does not depend on them"});
  }
  if (!by_triggers()) {
    prospect.findings.push_back(
        {Severity::warning, "",
         "changes are captured by the shim alone (`capture: shim`): a writer that bypasses it is "
         "not "
         "seen",
         "begin the backfill once every writer uses the shim, and trust `migrate verify` alone"});
    return prospect;
  }
  const CaptureInstallation capture(plan_.name, journal_, source, interrupt_);
  for (const TableRoute& route : routes) {
    const std::vector<Finding> gaps = capture.gaps(route);
    prospect.findings.insert(prospect.findings.end(), gaps.begin(), gaps.end());
    if (has_errors(gaps) || capture.complete(route)) continue;
    const std::vector<std::string> statements = capture.statements(route);
    prospect.statements.insert(prospect.statements.end(), statements.begin(), statements.end());
  }
  return prospect;
}

std::vector<std::string> LiveChanges::install(const std::vector<TableRoute>& routes,
                                              CheckpointStore& store, Session& target,
                                              bool again) const {
  Endpoints endpoints = endpoints_;
  endpoints.source_options = CaptureInstallation::options(endpoints_.source_options);
  const Opened<Source> source = open_source(endpoints, interrupt_);
  const CaptureInstallation capture(plan_.name, journal_, source.session(), interrupt_);
  const auto refuse = [&](const TableRoute* route, const std::string& what) {
    if (again) {
      store.mark_step(kMissed);
      store.void_verify();
      return;
    }
    throw Error(ErrorKind::gate, (route ? route->name + ": " : std::string()) + what +
                                     ": changes may be missing in the journal")
        .table(route ? route->name : "")
        .remedy(
            "begin the migration anew; or `migrate start PLAN --recapture` goes on, and what was "
            "missed `migrate verify` shows once the journal is drained");
  };
  const bool known = !store.steps("capture:").empty();
  if (known && !capture.journal_exists()) refuse(nullptr, "the journal of the source is gone");
  std::vector<const TableRoute*> missing;
  for (const TableRoute& route : routes) {
    const bool done = store.step_done(step_of(route));
    const std::string prefix = "schema:" + route.name + ": ";
    for (const std::string& step : store.steps(prefix)) {
      const std::string what = difference(step.substr(prefix.size()), description(route.source));
      if (done && !what.empty()) {
        refuse(&route, "the source's table was altered (" + what + ")");
        store.clear_step(step_of(route));
      }
      if (!what.empty()) store.clear_step(step);
    }
    if (done && by_triggers() && !capture.complete(route)) {
      refuse(&route, "triggers of capture are gone from the source, or disabled");
      store.clear_step(step_of(route));
    }
    if (!store.step_done(step_of(route))) missing.push_back(&route);
  }
  lease_.install(target);
  if (plan_.inline_writes) guard_.install(target);
  const bool new_journal = !capture.journal_exists();
  capture.install_journal();
  open_sides(routes, store, source.session(), target, new_journal);
  std::vector<std::string> names;
  for (const TableRoute* route : missing) {
    interrupt_.check();
    if (by_triggers()) capture.install(*route);
    store.mark_step("schema:" + route->name + ": " + description(route->source));
    store.mark_step(step_of(*route));
    store.add_event({Clock::now(), "capture_installed", route->name, ""});
    names.push_back(route->name);
  }
  return names;
}

// The source is the authority until a cutover. Where neither side is open, a run was broken off
// that had closed it: the side that was opened last is opened again. (Protocol: recovery.)
void LiveChanges::open_sides(const std::vector<TableRoute>& routes, CheckpointStore& store,
                             Session& source, Session& target, bool new_journal) const {
  source_side_.install(source);
  reports_.install(source);
  target_side_.install(target);
  std::vector<ShimTable> tables;
  for (const TableRoute& route : routes) {
    ShimTable table{route.name, route.read.table, route.write.table, {}, {}, route.read.where};
    for (const Column& column : route.read.key) table.key.push_back(column.name);
    for (std::size_t at = 0; at < route.read.columns.size(); ++at) {
      table.columns.emplace_back(route.read.columns[at].name, route.write.columns[at].name);
    }
    tables.push_back(std::move(table));
  }
  std::sort(tables.begin(), tables.end(),
            [](const ShimTable& a, const ShimTable& b) { return a.relation < b.relation; });
  source_side_.put_tables(source, tables);
  target_side_.put_tables(target, tables);
  const std::optional<SideRow> there = source_side_.read(source), other = target_side_.read(target);
  // Numbers of a journal that was made anew begin again: only a higher epoch puts them behind those
  // that the guards have.
  const bool again = new_journal && there && there->open;
  if (there && other && (there->open || other->open) && !again) return;
  const std::uint64_t epoch =
      store.next_epoch(std::max(there ? there->epoch : 0, other ? other->epoch : 0));
  if (there && other && other->opened_epoch > there->opened_epoch) {
    throw Error(ErrorKind::gate, "neither side is open, and the target was opened last")
        .remedy("the application may have written to the target: do not go on from the source");
  }
  // First the side that stays closed: whoever would still open it finds another epoch.
  if (other) {
    SideRow closed = *other;
    closed.epoch = epoch;
    if (!target_side_.exchange(target, *other, closed)) return;  // another process is at it
  }
  SideRow row;
  row.phase = Phase::dual_write;
  row.capture = plan_.capture;
  row.inline_writes = plan_.inline_writes;
  row.epoch = epoch;
  row.side = Side::target;
  target_side_.put(target, row);
  row.side = Side::source;
  row.open = true;
  row.opened_epoch = epoch;
  if (!there) {
    source_side_.put(source, row);
  } else {
    row.phase = there->phase;
    if (source_side_.exchange(source, *there, row)) {
      store.add_event({Clock::now(), "source_opened", "", fmt::format("epoch {}", epoch)});
    }
  }
}

Phase LiveChanges::phase() const {
  const Opened<Source> source = open_source(endpoints_, interrupt_);
  const std::optional<SideRow> row = source_side_.read(source.session());
  return row ? row->phase : Phase::planned;
}

void LiveChanges::set_phase(Phase phase, Session& target) const {
  const Opened<Source> source = open_source(endpoints_, interrupt_);
  source_side_.set_phase(source.session(), phase);
  target_side_.set_phase(target, phase);
}

void LiveChanges::close_source() const {
  const Opened<Source> source = open_source(endpoints_, interrupt_);
  std::string names;
  for (const ShimInstance& instance : source_side_.instances(source.session())) {
    if (!instance.gone()) names += (names.empty() ? "" : ", ") + instance.instance;
  }
  if (!names.empty()) {
    throw Error(ErrorKind::gate, "the application still writes through the shim: " + names)
        .remedy(
            "stop these processes; one that has ended without a word counts as gone when its "
            "lease is over");
  }
  const std::optional<SideRow> row = source_side_.read(source.session());
  if (!row || !row->open) return;
  SideRow closed = *row;
  closed.open = false;
  if (!source_side_.exchange(source.session(), *row, closed)) {
    throw Error(ErrorKind::transient, "the source's state has changed meanwhile")
        .remedy("run the command again");
  }
}

void LiveChanges::remove_triggers(const std::vector<TableRoute>& routes) const {
  Endpoints endpoints = endpoints_;
  endpoints.source_options = CaptureInstallation::options(endpoints_.source_options);
  const Opened<Source> source = open_source(endpoints, interrupt_);
  const CaptureInstallation capture(plan_.name, journal_, source.session(), interrupt_);
  if (!by_triggers()) return;
  for (const TableRoute& route : routes) capture.remove(route);
}

void LiveChanges::remove_tables(const std::vector<TableRoute>& routes, Session& target) const {
  const Opened<Source> source = open_source(endpoints_, interrupt_);
  bool others = false;
  std::set<std::string> schemas{""};
  for (const TableRoute& route : routes) schemas.insert(route.source.name.schema);
  for (const std::string& schema : schemas) {
    for (const TableSchema& table : source.session().catalog(schema).tables) {
      others = others || std::any_of(table.triggers.begin(), table.triggers.end(),
                                     [](const Trigger& trigger) {
                                       return trigger.name.starts_with(kOwnPrefix);
                                     });
    }
  }
  source_side_.remove(source.session());
  // Empty as it is, another migration may be reporting there.
  reports_.remove(source.session(), !source_side_.exists(source.session()));
  // Other migrations whose journal is written by the shim have rows there.
  journal_.remove(source.session(), !others && !source_side_.exists(source.session()));
  lease_.remove(target);
  guard_.remove(target);
  target_side_.remove(target);
}

std::unique_ptr<Relay> LiveChanges::relay(const std::vector<TableRoute>& routes,
                                          CheckpointStore& store, const RetryPolicy& retry,
                                          bool watch_schema, const ChangeFeed* feed) const {
  return std::make_unique<Relay>(
      routes,
      RelayContext{endpoints_, store, fence_, lease_, feed ? *feed : journal_, interrupt_, retry,
                   watch_schema, plan_.inline_writes ? &guard_ : nullptr, &source_side_});
}

LiveStatus live_status(const Plan& plan, Interrupt& interrupt) {
  LiveStatus status;
  try {
    Endpoints endpoints{Url::parse(plan.source_url), Url::parse(plan.target_url), {}, {}};
    endpoints.source_options.connect_timeout = std::chrono::seconds(3);
    endpoints.source_options.statement_timeout = std::chrono::seconds(5);
    const Opened<Source> source = open_source(endpoints, interrupt);
    Session& session = source.session();
    const Journal journal(plan.name, session.server().schema);
    const SideTable side(plan.name, session.server().schema);
    if (journal.exists(session)) status.backlog = journal.backlog(session);
    status.source = side.read(session);
    status.instances = side.instances(session);
  } catch (const Error& error) {
    interrupt.check();
    status.error = error.what();
  }
  return status;
}

RetryPolicy BackgroundRelay::patience() {
  return {
      .tries = INT_MAX, .first = std::chrono::milliseconds(500), .most = std::chrono::seconds(5)};
}

BackgroundRelay::BackgroundRelay(Relay& relay)
    : relay_(relay), thread_([this](const std::stop_token& stop) {
        try {
          relay_.follow(stop);
        } catch (...) {
          const std::lock_guard lock(mutex_);
          error_ = std::current_exception();
        }
      }) {}

BackgroundRelay::~BackgroundRelay() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void BackgroundRelay::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  rethrow();
}

void BackgroundRelay::rethrow() const {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

}  // namespace migrator
