#include "migrator/engine/shadow.h"

#include <algorithm>

#include <fmt/format.h>

#include "checkpoints/store.h"
#include "migrator/engine/live_changes.h"
#include "migrator/engine/migration_run.h"

namespace migrator {
namespace {

void check_percent(const std::optional<int>& percent, std::string_view option) {
  if (!percent || (*percent >= 0 && *percent <= 100)) return;
  throw Error(ErrorKind::usage, fmt::format("{} takes 0 to 100, not {}", option, *percent))
      .remedy("migrate shadow PLAN --percent 10");
}

void require_copied(const Plan& plan, CheckpointStore& store) {
  for (const TablePlan& table : plan.tables) {
    const std::vector<TableProgress> known = store.tables();
    const bool copied = std::any_of(known.begin(), known.end(), [&](const TableProgress& one) {
      return one.table == table.name &&
             (one.state == TableState::copied || one.state == TableState::finished);
    });
    if (copied) continue;
    throw Error(ErrorKind::gate, fmt::format("{}: its rows are not all copied yet", table.name))
        .table(table.name)
        .remedy("run `migrate backfill PLAN` to its end");
  }
}

// Reads that are compared do no harm; those that are served from there must be right.
void require_verified(const Plan& plan, CheckpointStore& store) {
  const std::vector<VerifyOutcome> outcomes = store.verify_outcomes();
  for (const TablePlan& table : plan.tables) {
    const bool passed = std::any_of(
        outcomes.begin(), outcomes.end(),
        [&](const VerifyOutcome& one) { return one.table == table.name && one.passed(); });
    if (passed) continue;
    throw Error(ErrorKind::gate,
                fmt::format("{}: its last verify has not passed, and reads would come from there",
                            table.name))
        .table(table.name)
        .remedy("run `migrate verify PLAN`, and mend what it finds");
  }
  if (store.step_done(LiveChanges::kMissed)) {
    throw Error(ErrorKind::gate, "changes may have been missed, and no verify was clean since")
        .remedy("run `migrate verify PLAN`, and mend what it finds");
  }
}

void require_heard(const std::vector<ShimInstance>& instances) {
  for (const ShimInstance& instance : instances) {
    if (instance.gone() || instance.phase >= Phase::backfill) continue;
    throw Error(ErrorKind::gate, fmt::format("{} has not heard of the phase before: it is in {}",
                                             instance.instance, name(instance.phase)))
        .remedy("wait until its lease is over, and run the command again");
  }
}

}  // namespace

ShadowState shadow(const Plan& plan, const ShadowOptions& options, Interrupt& interrupt) {
  check_percent(options.shadow_percent, "--percent");
  check_percent(options.read_percent, "--read-percent");
  const Endpoints endpoints = endpoints_of(plan);
  const Opened<Source> source = open_source(endpoints, interrupt);
  const SideTable source_side(plan.name, source.session().server().schema);
  const auto look = [&] {
    const std::optional<SideRow> row = source_side.read(source.session());
    if (!row) {
      throw Error(ErrorKind::gate, "the migration has not begun, or its changes are not followed")
          .remedy("begin it with `migrate start PLAN`, with `capture: trigger` or `shim`");
    }
    return ShadowState{*row, source_side.instances(source.session())};
  };
  ShadowState state = look();
  if (!options.shadow_percent && !options.read_percent) return state;
  if (state.row.phase > Phase::shadow_read) {
    throw Error(ErrorKind::gate,
                fmt::format("the migration is in phase {} already", name(state.row.phase)))
        .remedy("reads are the target's now");
  }
  const auto store = open_store_for_reading(plan.checkpoint);
  refuse_changed_plan(plan, *store);
  require_copied(plan, *store);
  const int compared = options.shadow_percent.value_or(state.row.shadow_percent);
  const int served = options.read_percent.value_or(state.row.read_percent);
  if (served > state.row.read_percent) require_verified(plan, *store);
  require_heard(state.instances);
  const Opened<Target> target = open_target(endpoints, interrupt);
  const SideTable target_side(plan.name, "");
  target_side.set_shadow(target.session(), compared, served);
  source_side.set_shadow(source.session(), compared, served);  // what the shim goes by, last
  return look();
}

}  // namespace migrator
