// The command that copies: chunks beside the relay, then what the target's tables are made of.
#include <algorithm>

#include <fmt/format.h>

#include "migrator/copy/backoff.h"
#include "migrator/engine/migration_sides.h"
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

}  // namespace

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
  // But a table without a key is one statement, however long it takes.
  const bool all_cut = std::none_of(both.routes.begin(), both.routes.end(),
                                    [](const auto& route) { return route.read.key.empty(); });
  if (all_cut) {
    limited.source_options.statement_timeout = kWorkerStatementTimeout;
    limited.target_options.statement_timeout = kWorkerStatementTimeout;
  }
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

}  // namespace migrator
