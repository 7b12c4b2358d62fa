#include "migrator/engine/shadow.h"

#include <algorithm>

#include <fmt/format.h>

#include "checkpoints/store.h"
#include "migrator/capture/journal.h"
#include "migrator/capture/shadow_reports.h"
#include "migrator/copy/backoff.h"
#include "migrator/engine/live_changes.h"
#include "migrator/engine/migration_run.h"

namespace migrator {
namespace {

// Shim transactions hold the row until they end. Behind a wait for it new ones would queue up, so
// each wait is short.
constexpr std::chrono::milliseconds kLockTimeout{1000};
constexpr RetryPolicy kTries{
    .tries = 20, .first = std::chrono::milliseconds(500), .most = std::chrono::seconds(5)};
constexpr std::chrono::milliseconds kHeardPoll{50}, kHeardMargin{1000};

// How old the oldest change that is still to come may be for reads to be served by the target.
constexpr double kFreshSeconds = 10;

void check_percent(const std::optional<int>& percent, std::string_view option) {
  if (!percent || (*percent >= 0 && *percent <= 100)) return;
  throw Error(ErrorKind::usage, fmt::format("{} takes 0 to 100, not {}", option, *percent))
      .remedy(fmt::format("migrate shadow PLAN {} 10", option));
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

// Reads that are compared do no harm; those that are served from there must be right, and stay so.
void require_right(const Plan& plan, CheckpointStore& store, Session& source) {
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
        .remedy(
            "run `migrate verify PLAN`, and mend what it finds; --read-percent 0 has all reads "
            "served by the source");
  }
  if (store.step_done(LiveChanges::kMissed)) {
    throw Error(ErrorKind::gate, "changes may have been missed, and no verify was clean since")
        .remedy("run `migrate verify PLAN`, and mend what it finds");
  }
  if (const std::uint64_t rejects = store.open_rejects()) {
    throw Error(ErrorKind::gate,
                fmt::format("the target refuses {} rows, and reads would come from there", rejects))
        .remedy("see `migrate rejects PLAN`, and mend or resolve them");
  }
  const Backlog backlog = Journal(plan.name, source.server().schema).backlog(source);
  if (backlog.oldest_seconds > kFreshSeconds) {
    throw Error(ErrorKind::gate,
                fmt::format("the target is {:.0f} s behind, and reads would come from there",
                            backlog.oldest_seconds))
        .remedy("let `migrate relay PLAN --follow` catch up, and run the command again");
  }
  // Others relay, too, but only until they have done what they are for.
  const std::optional<StoreOwner> owner = store_owner(plan.checkpoint);
  const auto follows = [&](std::string_view option) { return owner->command.ends_with(option); };
  if (!owner || !(follows(" --follow") || follows(" --continuous"))) {
    throw Error(ErrorKind::gate,
                "no relay is at work: what is read from the target would soon be out of date")
        .remedy("start `migrate relay PLAN --follow`, and leave it running");
  }
}

// A process hears of a phase at its next renewal, three times a lease: a command that comes right
// behind the one before waits for that. Whoever is silent so long counts as gone.
void wait_until_heard(const SideTable& side, Session& session, Interrupt& interrupt) {
  const auto began = std::chrono::steady_clock::now();
  while (true) {
    const std::vector<ShimInstance> instances = side.instances(session);
    const auto deaf = std::find_if(instances.begin(), instances.end(), [](const auto& instance) {
      return !instance.gone() && instance.phase < Phase::backfill;
    });
    if (deaf == instances.end()) return;
    const auto waited = std::chrono::steady_clock::now() - began;
    if (waited > std::chrono::milliseconds(deaf->lease_ms) + kHeardMargin) {
      throw Error(
          ErrorKind::gate,
          fmt::format("{} was heard of {} ms ago, and has not heard of the phase before: it "
                      "is in {}",
                      deaf->instance, deaf->age_ms, name(deaf->phase)))
          .remedy("see what holds that process up, or end it, and run the command again");
    }
    if (!interrupt.sleep(kHeardPoll)) interrupt.check();
  }
}

// Throws Error(gate) where something else came of it.
void set(const SideTable& side, Session& session, const ShadowOptions& options,
         Interrupt& interrupt) {
  Backoff backoff(kTries, interrupt);
  while (true) {
    try {
      const std::optional<SideRow> row =
          side.set_shadow(session, options.shadow_percent, options.read_percent);
      if (row && row->phase == Phase::shadow_read &&
          options.shadow_percent.value_or(row->shadow_percent) == row->shadow_percent &&
          options.read_percent.value_or(row->read_percent) == row->read_percent) {
        return;
      }
      throw Error(ErrorKind::gate, "the percentages or the phase were changed at the same time")
          .remedy("see with `migrate shadow PLAN` what they are, and run the command again");
    } catch (const Error& error) {
      if (error.scope() == ErrorScope::session || !backoff.again(error)) throw;
    }
  }
}

}  // namespace

ShadowState shadow(const Plan& plan, const ShadowOptions& options, Interrupt& interrupt) {
  check_percent(options.shadow_percent, "--percent");
  check_percent(options.read_percent, "--read-percent");
  Endpoints endpoints = endpoints_of(plan);
  endpoints.source_options.lock_timeout = kLockTimeout;
  endpoints.target_options.lock_timeout = kLockTimeout;
  const Opened<Source> source = open_source(endpoints, interrupt);
  const SideTable source_side(plan.name, source.session().server().schema);
  const auto look = [&] {
    const std::optional<SideRow> row = source_side.read(source.session());
    if (!row) {
      throw Error(ErrorKind::gate, "the migration has not begun, or its changes are not followed")
          .remedy("begin it with `migrate start PLAN`, with `capture: trigger` or `shim`");
    }
    ShadowState state{*row, source_side.instances(source.session()), 0, 0};
    const ShadowReports reports(plan.name, source.session().server().schema);
    for (const ShadowReports::Report& one : reports.read(source.session())) {
      one.label.empty() ? state.reported_beyond += static_cast<std::uint64_t>(one.times)
                        : state.reported += 1;
    }
    return state;
  };
  ShadowState state = look();
  if (!options.shadow_percent && !options.read_percent) return state;
  if (state.row.phase > Phase::shadow_read) {
    throw Error(ErrorKind::gate,
                fmt::format("the migration is in phase {} already", name(state.row.phase)))
        .remedy("reads are served by the target now: there is nothing left to ramp");
  }
  const auto store = open_store_for_reading(plan.checkpoint);
  refuse_changed_plan(plan, *store);
  require_copied(plan, *store);
  if (state.row.phase < Phase::shadow_read) {
    wait_until_heard(source_side, source.session(), interrupt);
    state = look();
  }
  const int served = options.read_percent.value_or(state.row.read_percent);
  // Back is always possible.
  const bool more = options.shadow_percent.value_or(0) > state.row.shadow_percent ||
                    (options.read_percent && served >= state.row.read_percent);
  if (served > 0 && more) {
    require_right(plan, *store, source.session());
  }
  const Opened<Target> target = open_target(endpoints, interrupt);
  // The source's last: it is what the shim goes by.
  set(SideTable(plan.name, ""), target.session(), options, interrupt);
  set(source_side, source.session(), options, interrupt);
  return look();
}

}  // namespace migrator
