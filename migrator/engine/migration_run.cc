#include "migrator/engine/migration_run.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <future>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>

#include "migrator/copy/chunk_recovery.h"
#include "migrator/engine/preflight.h"
#include "migrator/engine/steering.h"
#include "migrator/engine/target_schema.h"

namespace migrator {
namespace {

// A statement of a worker that runs for longer has been forgotten by its server: a chunk takes
// seconds, or some hours where a low rate limit came in its middle. It is tried again, like after a
// lost connection.
constexpr auto kWorkerStatementTimeout = std::chrono::hours(24);

// How long a backfill that is done goes on relaying, to leave both sides as near as can be.
constexpr std::chrono::seconds kLastRelay{10};

// Until the relay has caught up with the rows that are in the way of a unique index.
constexpr RetryPolicy kUniqueTries{
    .tries = 40, .first = std::chrono::milliseconds(250), .most = std::chrono::seconds(5)};

// The store's step after which nothing is left to do.
constexpr std::string_view kFinished = "finished";

std::string random_id() {
  std::random_device device;
  std::string id;
  for (int word = 0; word < 4; ++word) id += fmt::format("{:08x}", device());
  return id;
}

// The schemas that the plan's names mention, the session's own first.
std::set<std::string> schemas_of(const Plan& plan, bool target) {
  std::set<std::string> schemas{""};
  for (const TablePlan& table : plan.tables) {
    const std::string& name = target && !table.to.empty() ? table.to : table.name;
    if (target && table.to.empty()) continue;
    const std::size_t dot = name.find('.');
    if (dot != std::string::npos) schemas.insert(name.substr(0, dot));
  }
  return schemas;
}

Catalog read_catalogs(Session& session, const std::set<std::string>& schemas) {
  Catalog catalog = session.catalog();
  for (const std::string& schema : schemas) {
    if (schema.empty()) continue;
    // A dot may just as well be part of a table's name.
    const bool is_name = std::any_of(
        catalog.tables.begin(), catalog.tables.end(),
        [&](const TableSchema& table) { return table.name.name.starts_with(schema + "."); });
    if (is_name) continue;
    Catalog more = session.catalog(schema);
    for (TableSchema& table : more.tables) {
      if (table.name.schema.empty()) table.name.schema = schema;
      catalog.tables.push_back(std::move(table));
    }
  }
  return catalog;
}

void throw_on_errors(const std::vector<Finding>& findings, ErrorKind kind) {
  if (!has_errors(findings)) return;
  std::string text, remedy;
  int count = 0;
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::error) continue;
    if (++count > 10) continue;
    text += fmt::format("{}{}{}{}", text.empty() ? "" : "\n  ", finding.table,
                        finding.table.empty() ? "" : ": ", finding.text);
    if (!finding.remedy.empty()) text += fmt::format("\n    to do: {}", finding.remedy);
  }
  if (count > 10) text += fmt::format("\n  and {} more", count - 10);
  throw Error(kind, text).remedy("`migrate check PLAN` shows everything that was found");
}

}  // namespace

Endpoints endpoints_of(const Plan& plan) {
  return {Url::parse(plan.source_url), Url::parse(plan.target_url), {}, {}};
}

Surroundings look_around(const Plan& plan, Session& source, Session& target) {
  // Both at once: either takes a tenth of a second or, over a slow line, some.
  std::future<Catalog> there =
      std::async(std::launch::async, [&] { return read_catalogs(target, schemas_of(plan, true)); });
  Catalog here = read_catalogs(source, schemas_of(plan, false));
  return {std::move(here), there.get()};
}

void refuse_changed_plan(const Plan& plan, CheckpointStore& store) {
  const auto known = store.migration();
  if (!known || known->plan_fingerprint == fingerprint(plan)) return;
  std::string difference;
  for (const std::string& line : meaning_difference(known->plan_meaning, meaning(plan))) {
    difference += "\n  " + line;
  }
  throw Error(ErrorKind::gate, "the plan has changed since this migration was begun:" + difference)
      .remedy(
          "take the change back; or begin a new migration with another name, checkpoint and empty "
          "target tables");
}

struct MigrationRun::Sides {
  Opened<Source> source;
  Opened<Target> target;
  std::vector<TableRoute> routes;
};

MigrationRun::MigrationRun(Plan plan, Interrupt& interrupt, std::string command)
    : plan_(std::move(plan)),
      endpoints_(endpoints_of(plan_)),
      interrupt_(interrupt),
      command_(std::move(command)),
      fence_(plan_.name) {}

MigrationRun::~MigrationRun() = default;

CheckpointStore& MigrationRun::store() {
  if (!store_) store_ = open_store(plan_.checkpoint, command_);
  return *store_;
}

MigrationRun::Sides& MigrationRun::sides() {
  if (!sides_) {
    auto opened = std::make_unique<Sides>();
    opened->source = open_source(endpoints_, interrupt_);
    opened->target = open_target(endpoints_, interrupt_);
    sides_ = std::move(opened);
    if (LiveChanges::wanted(plan_)) {
      live_.emplace(plan_, endpoints_, fence_, sides_->source.session().server().schema,
                    interrupt_);
    }
  }
  return *sides_;
}

void MigrationRun::renew_sides() {
  const auto alive = [](Session& session) {
    try {
      session.query("SELECT 1");
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  Backoff backoff({}, interrupt_);
  while (true) {
    try {
      if (!sides_->source || !alive(sides_->source.session())) {
        sides_->source.close();
        sides_->source = open_source(endpoints_, interrupt_);
      }
      if (!sides_->target || !alive(sides_->target.session())) {
        sides_->target.close();
        sides_->target = open_target(endpoints_, interrupt_);
      }
      return;
    } catch (const Error& error) {
      if (!backoff.again(error)) throw;
    }
  }
}

MigrationRun::CheckReport MigrationRun::check(const StartOptions& options) {
  CheckReport report;
  Sides& both = sides();
  const Surroundings around = look_around(plan_, both.source.session(), both.target.session());
  Routes routes = resolve_routes(plan_, around.source, around.target,
                                 both.source.session().dialect(), both.target.session().dialect());
  report.findings = routes.findings;
  std::unique_ptr<CheckpointStore> existing;
  const auto refused = [&](const Error& error) {
    report.findings.push_back({Severity::error, "", error.what(), error.remedy()});
  };
  if (std::filesystem::exists(plan_.checkpoint)) {
    try {
      existing = open_store_for_reading(plan_.checkpoint);
      refuse_changed_plan(plan_, *existing);
    } catch (const Error& error) {
      refused(error);
    }
    if (const auto owner = store_owner(plan_.checkpoint)) {
      report.findings.push_back({Severity::warning, "",
                                 fmt::format("pid {} on {} runs this plan now: `{}`", owner->pid,
                                             owner->host, owner->command),
                                 "wait for it to end, or stop it"});
    }
  }
  const std::vector<Finding> more =
      preflight(plan_, routes.tables, *both.source, *both.target, existing.get(),
                {.allow_existing = options.allow_existing});
  report.findings.insert(report.findings.end(), more.begin(), more.end());
  for (const std::string& left : around.source.not_carried) {
    report.findings.push_back({Severity::note, "", left + " is not carried to the target", ""});
  }
  report.statements = TargetSchema(both.target.session()).missing_tables(routes.tables);
  if (live_) {
    LiveChanges::Prospect prospect = live_->look(routes.tables, both.source.session());
    std::move(prospect.findings.begin(), prospect.findings.end(),
              std::back_inserter(report.findings));
    std::move(prospect.statements.begin(), prospect.statements.end(),
              std::back_inserter(report.statements));
  } else {
    report.findings.push_back(
        {Severity::warning, "", "writes to the source are not followed (`capture: none`)",
         "stop the writers from the beginning of the backfill until the target has taken over; or "
         "write `capture: trigger`"});
  }
  return report;
}

std::vector<Finding> MigrationRun::resolve(const StartOptions& options, bool reads_only) {
  Sides& both = sides();
  const Surroundings around = look_around(plan_, both.source.session(), both.target.session());
  Routes routes = resolve_routes(plan_, around.source, around.target,
                                 both.source.session().dialect(), both.target.session().dialect());
  throw_on_errors(routes.findings, ErrorKind::usage);
  both.routes = std::move(routes.tables);
  const std::vector<Finding> more =
      preflight(plan_, both.routes, *both.source, *both.target, store_.get(),
                {.allow_existing = options.allow_existing, .reads_only = reads_only});
  throw_on_errors(more, ErrorKind::gate);
  routes.findings.insert(routes.findings.end(), more.begin(), more.end());
  if (live_ && !reads_only) {
    const std::vector<Finding> gaps = live_->look(both.routes, both.source.session()).findings;
    throw_on_errors(gaps, ErrorKind::gate);
    routes.findings.insert(routes.findings.end(), gaps.begin(), gaps.end());
  }
  return routes.findings;
}

void MigrationRun::adopt_target(const StartOptions& options, StartReport& report) {
  Session& target = sides().target.session();
  const auto known = store().migration();
  if (options.forget_target) {
    if (known) {
      throw Error(ErrorKind::gate,
                  "the checkpoint store of this migration is there: the target is not "
                  "forgotten")
          .remedy(
              "run `migrate backfill PLAN`: it goes on; or, to begin anew, empty the target "
              "tables, "
              "move " +
              plan_.checkpoint + " away and say --forget-target again");
    }
    fence_.install(target);
    fence_.remove(target);
  }
  fence_.install(target);
  if (!known) {
    const std::string id = random_id();
    if (fence_.owner_id(target)) fence_.adopt(target, id);  // throws: it is another's
    store().begin_migration({id, plan_.name, fingerprint(plan_), meaning(plan_)});
    fence_.adopt(target, id);
    return;
  }
  report.resumed = true;
  std::uint64_t chunks_done = 0;
  for (const TableProgress& table : store().tables()) chunks_done += table.chunks_done;
  if (!fence_.owner_id(target) && chunks_done > 0) {
    throw Error(
        ErrorKind::gate,
        fmt::format("the checkpoint store has {} chunks done, but the target knows nothing of "
                    "this migration: it was emptied, restored, or is another database",
                    chunks_done))
        .remedy("give the plan its target back; or empty the target tables, move " +
                plan_.checkpoint + " away and begin anew");
  }
  fence_.adopt(target, known->id);
  refuse_lost_rows();
}

void MigrationRun::refuse_lost_rows() {
  Session& target = sides().target.session();
  const std::string remedy = "give the target its rows back; or empty the target tables, move " +
                             plan_.checkpoint +
                             " away, run `migrate start PLAN --forget-target`, and begin anew";
  std::map<std::string, ChunkFence::Done> done = fence_.done(target);
  for (const TableProgress& table : store().tables()) {
    if (table.chunks_done <= done[table.table].chunks) continue;
    throw Error(
        ErrorKind::gate,
        fmt::format("{}: the checkpoint store has {} chunks done, the target only {}: was the "
                    "target restored from an older copy?",
                    table.table, table.chunks_done, done[table.table].chunks))
        .table(table.table)
        .remedy(remedy);
  }
  for (const TableRoute& route : sides().routes) {
    const std::uint64_t rows = done[route.name].rows;
    if (rows == 0) continue;
    const std::string table = target.dialect().quote(route.write.table);
    // Where changes are followed the application may have deleted every row.
    if (route.target_exists &&
        (live_ || !target.query(fmt::format("SELECT 1 FROM {} LIMIT 1", table)).empty())) {
      continue;
    }
    throw Error(ErrorKind::gate,
                fmt::format("{}: {} rows were copied, but the target table {}", route.name, rows,
                            route.target_exists ? "is empty" : "is gone"))
        .table(route.name)
        .remedy(remedy);
  }
}

StartReport MigrationRun::start(const StartOptions& options) {
  StartReport report;
  CheckpointStore& checkpoint = store();
  refuse_changed_plan(plan_, checkpoint);
  if (checkpoint.step_done(kFinished) || checkpoint.step_done("capture_removed")) {
    throw Error(ErrorKind::gate, "this migration is finished: changes are no longer captured")
        .remedy("`migrate finish PLAN` ends what is left of it; for another copy write a new plan");
  }
  report.findings = resolve(options);
  Sides& both = sides();
  adopt_target(options, report);
  TargetSchema schema(both.target.session());
  report.tables_created = schema.create_tables(both.routes);
  if (live_) {
    report.captured =
        live_->install(both.routes, checkpoint, both.target.session(), options.recapture);
  }
  if (!report.tables_created.empty() || !report.captured.empty()) {
    // The target's own spelling of the new tables' types decides how rows are written, and what the
    // source's tables are like now is what they have to stay like.
    const Surroundings around = look_around(plan_, both.source.session(), both.target.session());
    Routes routes =
        resolve_routes(plan_, around.source, around.target, both.source.session().dialect(),
                       both.target.session().dialect());
    throw_on_errors(routes.findings, ErrorKind::invariant);
    both.routes = std::move(routes.tables);
  }
  for (const TableRoute& route : both.routes) {
    checkpoint.put_table(route.name, route.source.rows_estimate, route.source.bytes_estimate);
  }
  checkpoint.add_event({Clock::now(), "started", "", command_});
  return report;
}

void MigrationRun::take_back_settings(const std::vector<std::string>& given) const {
  std::map<std::string, std::string> taken_back;
  for (const std::string& name : given) taken_back[name] = "";
  if (!taken_back.empty()) change_control(plan_.checkpoint, std::nullopt, taken_back);
}

BackfillResult MigrationRun::backfill(
    const StartOptions& options,
    std::function<void(const BackfillProgress&, const std::optional<RelayProgress>&)> tick,
    std::function<void(const StartReport&)> started) {
  StartReport report = start(options);
  take_back_settings(options.given_settings);
  report.settings = store().control().settings;
  if (started) started(report);
  Sides& both = sides();
  if (live_) live_->set_phase(Phase::backfill, both.target.session());
  store().void_verify();
  const BackfillPlan& settings = plan_.backfill;
  const Dialect& dialect = both.target.session().dialect();
  const int jobs = usable_jobs(settings, dialect);
  Pacer pacer(interrupt_);
  Endpoints limited = endpoints_;
  limited.source_options.statement_timeout = kWorkerStatementTimeout;
  limited.target_options.statement_timeout = kWorkerStatementTimeout;
  CopyContext context{
      .endpoints = limited,
      .store = store(),
      .fence = fence_,
      .interrupt = interrupt_,
      .pacer = pacer,
      .retry = {},
      .epoch = store().next_epoch(fence_.highest_epoch(both.target.session())),
      .rejects_max = settings.rejects_max,
      .read_ahead_bytes = read_ahead_bytes(jobs),
      .colocate = true,
      // Beside the relay, which brings in rows ahead of the chunks, they are no surprise.
      .allow_present = live_ || options.allow_existing || store().step_done("allow_existing"),
      .feed = live_ ? &live_->journal() : nullptr,
      .lease = live_ ? &live_->lease() : nullptr};
  if (options.allow_existing) store().mark_step("allow_existing");
  BackfillHooks hooks;
  BackfillResult result;
  std::unique_ptr<Relay> relay;
  std::optional<BackgroundRelay> background;
  if (live_) {
    relay = live_->relay(both.routes, store(), BackgroundRelay::patience());
    background.emplace(*relay);
  }
  hooks.tick = [&](const BackfillProgress& progress) {
    if (relay) {
      result.relay = relay->progress();
      background->rethrow();  // no copy goes on whose changes are not followed
    }
    if (tick) tick(progress, result.relay);
  };
  // An index may take as long as it takes: over a session without the workers' limit.
  hooks.finish_table = [this](const TableRoute& route) {
    const Opened<Target> target = open_target(endpoints_, interrupt_);
    Backoff backoff(kUniqueTries, interrupt_);
    while (true) {
      try {
        TargetSchema(target.session()).build_indexes(route);
        return;
      } catch (const Error& error) {
        // While the relay is behind, two rows may have a value that has moved between them.
        if (!live_ || !error.duplicate_key()) throw;
        if (!backoff.again(Error(ErrorKind::transient, error.what()))) throw;
      }
    }
  };
  store().add_event({Clock::now(), "backfill_started", "", fmt::format("epoch {}", context.epoch)});
  Backfill backfill(both.routes, context, chunk_limits(settings, dialect), jobs, std::move(hooks));
  {
    const Steering steering(settings, store(), endpoints_, interrupt_, pacer,
                            [&](const BackfillPlan& now) {
                              backfill.set_chunk_limits(chunk_limits(now, dialect));
                              backfill.set_jobs(usable_jobs(now, dialect));
                            });
    result.copy = backfill.run();
  }
  const bool all_in = std::all_of(result.copy.tables.begin(), result.copy.tables.end(),
                                  [](const TableReport& table) { return table.error.empty(); });
  if (relay) {
    try {
      background->stop();
      result.relay = relay->drain({}, kLastRelay);
    } catch (const Error& error) {
      interrupt_.check();
      result.relay = relay->progress();
      result.relay_error = error.what();
      result.relay_remedy = error.remedy();
      store().add_event({Clock::now(), "relay_failed", error.table(), error.what()});
    }
  }
  // The sessions of before the copy may have been cut in the meantime: by a restart, or for
  // idleness.
  renew_sides();
  refuse_lost_rows();
  if (all_in) complete_target(result.copy);
  store().add_event({Clock::now(), all_in ? "backfill_finished" : "backfill_failed", "",
                     fmt::format("{} rows in this run", result.copy.rows_now)});
  return result;
}

void MigrationRun::require_started() {
  if (store().migration()) return;
  throw Error(ErrorKind::gate, "this migration was not begun yet")
      .remedy("run `migrate start PLAN` first");
}

RelayProgress MigrationRun::relay(bool follow, std::function<void(const RelayProgress&)> tick) {
  if (!LiveChanges::wanted(plan_)) {
    throw Error(ErrorKind::usage, "the plan says `capture: none`: no changes are captured")
        .remedy("write `capture: trigger` before the migration is begun");
  }
  refuse_changed_plan(plan_, store());
  require_started();
  start({.allow_existing = true});
  const auto relay =
      live_->relay(sides().routes, store(), follow ? BackgroundRelay::patience() : RetryPolicy{});
  if (!follow) return relay->drain(tick);
  relay->follow({}, tick);
  return relay->progress();
}

// Each step may be repeated: what a kill left undone the same command does.
RelayProgress MigrationRun::finish() {
  refuse_changed_plan(plan_, store());
  require_started();
  RelayProgress progress;
  if (store().step_done(kFinished)) return progress;
  const bool live = LiveChanges::wanted(plan_);
  if (live && !store().step_done("capture_removed")) {
    progress = relay(false, {});
    require_drained(progress);
  } else {
    resolve({.allow_existing = true}, true);
    // Once they are being taken away, the target's tables no longer say whose it is.
    StartReport unused;
    if (!store().step_done("removing")) adopt_target({}, unused);
  }
  for (const TableRoute& route : sides().routes) {
    if (store().table(route.name).state == TableState::finished) continue;
    throw Error(ErrorKind::gate, fmt::format("{}: the backfill is not done", route.name))
        .table(route.name)
        .remedy("run `migrate backfill PLAN` to its end");
  }
  if (const std::uint64_t rejects = store().open_rejects()) {
    throw Error(ErrorKind::gate, fmt::format("{} rows were refused by the target", rejects))
        .remedy("see `migrate rejects PLAN`: copy them, or settle them with a reason");
  }
  if (store().step_done(LiveChanges::kMissed)) {
    throw Error(ErrorKind::gate, "changes may have been missed, and no verify was clean since")
        .remedy("run `migrate verify PLAN`, and mend what it finds");
  }
  if (live && !store().step_done("capture_removed")) {
    // Either waits for the last writers, and what they wrote is relayed before the journal goes.
    live_->close_source();
    live_->remove_triggers(sides().routes);
    progress = live_->relay(sides().routes, store(), {}, false)->drain();
    require_drained(progress);
    store().mark_step("capture_removed");
  }
  if (!store().step_done("removing")) {
    store().clear_step("target_finished");
    finish_tables(true);
    store().mark_step("removing");
  }
  if (live) live_->remove_tables(sides().routes, sides().target.session());
  fence_.remove(sides().target.session());
  store().mark_step(kFinished);
  store().add_event({Clock::now(), "finished", "", command_});
  return progress;
}

void MigrationRun::require_drained(const RelayProgress& progress) {
  if (progress.backlog.entries == 0) return;
  throw Error(
      ErrorKind::gate,
      fmt::format("{} changes of the source are not on the target yet{}", progress.backlog.entries,
                  progress.refusal.empty() ? "" : "; the last one: " + progress.refusal))
      .remedy("stop the writers of the source and run the same command again");
}

void MigrationRun::complete_target(BackfillProgress& result) {
  const auto before = std::chrono::steady_clock::now();
  const bool first = !store().step_done("target_finished");
  Backoff backoff({}, interrupt_);
  while (true) {
    try {
      // While rows come and go one by one, a row may for a moment refer to none.
      finish_tables(!live_);
      break;
    } catch (const Error& error) {
      interrupt_.check();
      if (!backoff.again(error)) throw;
      renew_sides();
    }
  }
  TargetSchema schema(sides().target.session());
  for (const TableRoute& route : sides().routes) {
    if (!first || live_) break;
    for (std::string& warning : schema.orphans(route)) {
      store().add_event({Clock::now(), "orphans", route.name, warning});
      result.warnings.push_back(std::move(warning));
    }
  }
  result.finish_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

void MigrationRun::finish_tables(bool foreign_keys) {
  Sides& both = sides();
  for (const TableRoute& route : both.routes) {
    const bool nullable = std::any_of(route.read.key.begin(), route.read.key.end(),
                                      [](const Column& column) { return column.nullable; });
    if (!nullable) continue;
    if (const std::uint64_t rows = both.source->null_keys(route.read)) {
      throw Error(ErrorKind::gate,
                  fmt::format("{}: {} rows with NULL in their key came in during the "
                              "copy, and were not copied",
                              route.name, rows))
          .table(route.name)
          .remedy("give these rows a key and run the same command again");
    }
  }
  if (store().step_done("target_finished")) return;
  TargetSchema schema(both.target.session());
  for (const TableRoute& route : both.routes) {
    interrupt_.check();
    if (foreign_keys) schema.add_foreign_keys(route);
  }
  for (const TableRoute& route : both.routes) {
    interrupt_.check();
    schema.after_load(route);
  }
  store().mark_step("target_finished");
}

std::vector<TableComparison> MigrationRun::verify(
    const VerifyOptions& options, std::function<void(const TableComparison&)> tick) {
  refuse_changed_plan(plan_, store());
  take_back_settings(options.given_settings);
  const bool over = store().step_done(kFinished) || store().step_done("capture_removed");
  const bool followed = LiveChanges::wanted(plan_) && store().migration() && !over;
  std::optional<ChangedKeys> changed;
  std::unique_ptr<Relay> relay;
  std::optional<BackgroundRelay> background;
  if (followed) {
    this->relay(false, {});
    // It works meanwhile: what a row that differs was waiting for is on its way.
    if (options.continuous) changed.emplace(live_->journal());
    relay = live_->relay(sides().routes, store(), BackgroundRelay::patience(), true,
                         changed ? &*changed : nullptr);
    background.emplace(*relay);
  } else {
    resolve({.allow_existing = true}, true);
  }
  Verification verification(
      plan_, endpoints_, interrupt_, store(), followed ? &live_->journal() : nullptr,
      changed ? &*changed : nullptr,
      [&]() -> std::uint64_t {
        if (!background) return 0;
        background->rethrow();
        return background->progress().entries;
      },
      followed ? std::string(name(live_->phase())) : "");
  auto results = verification.run(sides().routes, options, tick);
  if (background) background->stop();
  const bool clean = std::all_of(results.begin(), results.end(),
                                 [](const auto& result) { return result.equal(); });
  if (clean && options.only.empty()) store().clear_step(LiveChanges::kMissed);
  return results;
}

MigrationRun::RetryReport MigrationRun::retry_rejects(const std::optional<std::int64_t>& id,
                                                      const std::string& only) {
  RetryReport report;
  refuse_changed_plan(plan_, store());
  std::vector<Reject> rejects;
  if (id) {
    const std::optional<Reject> one = store().reject(*id);
    if (!one) {
      throw Error(ErrorKind::usage, fmt::format("there is no reject {}", *id))
          .remedy("`migrate rejects PLAN` lists them");
    }
    if (one->open) rejects.push_back(*one);
  } else {
    rejects = store().rejects(only, true, 1'000'000);
  }
  if (rejects.empty()) return report;
  if (LiveChanges::wanted(plan_)) {
    // Those of the relay are in the journal still, and it tries them now.
    const std::uint64_t before = store().open_rejects();
    relay(false, {});
    report.resolved = before - std::min(before, store().open_rejects());
    std::erase_if(rejects, [&](const Reject& reject) {
      const bool of_relay = reject.chunk == kRejectOfRelay;
      const std::optional<Reject> now = store().reject(reject.id);
      const bool open = now && now->open;
      if (of_relay && open) ++report.refused;
      return of_relay || !open;
    });
    if (rejects.empty()) return report;
  } else {
    resolve({.allow_existing = true});
    StartReport unused;
    adopt_target({}, unused);
  }
  const std::uint64_t tried_before = report.resolved + report.refused;
  Pacer pacer(interrupt_);
  CopyContext context{endpoints_,
                      store(),
                      fence_,
                      interrupt_,
                      pacer,
                      {},
                      0,
                      0,
                      0,
                      false,
                      live_ || store().step_done("allow_existing"),
                      live_ ? &live_->journal() : nullptr,
                      live_ ? &live_->lease() : nullptr};
  WorkerSessions sessions;
  for (const TableRoute& route : sides().routes) {
    TableCopy table(route, store(), {});
    bool went_in = false;
    for (const Reject& reject : rejects) {
      if (reject.table != route.name) continue;
      interrupt_.check();
      const std::optional<Chunk> chunk = store().chunk(route.name, reject.chunk);
      // A chunk that is not done is copied again as a whole, and this row with it.
      if (!chunk || chunk->state != ChunkState::done) continue;
      if (const auto refused = ChunkRecovery(table, context, sessions, *chunk).retry(reject)) {
        Reject again = reject;
        again.error = refused->what();
        again.code = refused->code();
        again.at = Clock::now();
        store().put_reject(again);
        ++report.refused;
      } else {
        store().resolve_reject(reject.id, "retried");
        ++report.resolved;
        went_in = true;
      }
    }
    // Its key may be higher than all that the table's sequence was set for.
    if (went_in) store().void_verify();
    if (went_in && store().step_done("target_finished")) {
      TargetSchema(sides().target.session()).after_load(route);
    }
  }
  report.skipped = rejects.size() - (report.resolved + report.refused - tried_before);
  return report;
}

bool MigrationRun::resolve_reject(std::int64_t id, const std::string& reason) {
  const std::optional<Reject> reject = store().reject(id);
  if (!reject) {
    throw Error(ErrorKind::usage, fmt::format("there is no reject {}", id))
        .remedy("`migrate rejects PLAN` lists them");
  }
  if (!reject->open || reject->chunk != kRejectOfRelay || !LiveChanges::wanted(plan_)) {
    store().resolve_reject(id, reason);
    return true;
  }
  refuse_changed_plan(plan_, store());
  // Its entries would bring it back. But of those that have come since it was refused, one may be
  // the correction: so all are tried once more, and exactly those given up that were tried.
  const std::vector<std::int64_t> seqs = entries_of(*reject);
  relay(false, {});
  const std::optional<Reject> now = store().reject(id);
  if (!now || !now->open) return false;
  live_->journal().retire(sides().source.session(), seqs);
  store().resolve_reject(id, reason);
  store().void_verify();  // the target's row is out of date, for good
  return true;
}

std::vector<std::int64_t> MigrationRun::entries_of(const Reject& reject) {
  Sides& both = sides();
  const Surroundings around = look_around(plan_, both.source.session(), both.target.session());
  const Routes routes =
      resolve_routes(plan_, around.source, around.target, both.source.session().dialect(),
                     both.target.session().dialect());
  for (const TableRoute& route : routes.tables) {
    if (route.name != reject.table) continue;
    const CaptureDialect& capture = both.source.session().dialect().capture();
    return live_->journal().entries_of(both.source.session(), route.name,
                                       capture.encode(route.read.key, reject.key));
  }
  return {};
}

void MigrationRun::resolve_mismatch(std::int64_t id, const std::string& reason) {
  store().resolve_mismatch(id, reason);
  const std::optional<Mismatch> mismatch = store().mismatch(id);
  store().add_event({Clock::now(), "mismatch_resolved", mismatch->table,
                     fmt::format("{} {}: {}", mismatch->kind, describe(mismatch->key), reason)});
}

}  // namespace migrator
