// The commands that follow changes: relay, verify beside it, and finish, which ends it.
#include <algorithm>

#include <fmt/format.h>

#include "migrator/engine/load_watch.h"
#include "migrator/engine/migration_sides.h"

namespace migrator {

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
  const LoadWatch load(plan_.backfill.throttle, endpoints_, interrupt_,
                       [&](const std::string& reason) { relay->hold(reason); });
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

std::vector<TableComparison> MigrationRun::verify(
    const VerifyOptions& options, std::function<void(const TableComparison&)> tick) {
  refuse_changed_plan(plan_, store());
  take_back_settings(options.given_settings);
  const bool over = store().step_done(kFinished) || store().step_done("capture_removed");
  const bool followed = LiveChanges::wanted(plan_) && store().migration() && !over;
  std::int64_t drained = 0;  // up to this number
  std::optional<ChangedKeys> changed;
  std::unique_ptr<Relay> relay;
  std::optional<BackgroundRelay> background;
  if (followed) {
    drained = this->relay(false, {}).seq;
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
      changed ? &*changed : nullptr, followed ? &live_->reports() : nullptr,
      [&]() -> Verification::Relayed {
        if (!background) return {};
        background->rethrow();
        const RelayProgress progress = background->progress();
        return {progress.entries, std::max(drained, progress.seq)};
      },
      followed ? std::string(name(live_->phase())) : "");
  auto results = verification.run(sides().routes, options, tick);
  if (background) background->stop();
  const bool clean = std::all_of(results.begin(), results.end(),
                                 [](const auto& result) { return result.equal(); });
  if (clean && options.only.empty()) store().clear_step(LiveChanges::kMissed);
  return results;
}

}  // namespace migrator
