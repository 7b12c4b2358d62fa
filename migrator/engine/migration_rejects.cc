// What becomes of rows that the target refused, and of those that were found to differ.
#include <algorithm>

#include <fmt/format.h>

#include "migrator/copy/chunk_recovery.h"
#include "migrator/engine/migration_sides.h"
#include "migrator/engine/target_schema.h"

namespace migrator {

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
  const RelayProgress tried = relay(false, {});
  const std::optional<Reject> now = store().reject(id);
  if (!now || !now->open) return false;
  if (tried.deferred > 0) {
    throw Error(ErrorKind::gate, "its changes may not have been tried: chunks are in flight")
        .table(reject->table)
        .remedy("run `migrate backfill PLAN` to its end, and then this command again");
  }
  live_->journal().retire(sides().source.session(), seqs);
  store().resolve_reject(id, reason);
  store().void_verify();  // the target's row is out of date, for good
  return true;
}

// As both databases have the table now.
std::optional<TableRoute> MigrationRun::route_of(const std::string& table) {
  Sides& both = sides();
  const Surroundings around = look_around(plan_, both.source.session(), both.target.session());
  Routes routes = resolve_routes(plan_, around.source, around.target,
                                 both.source.session().dialect(), both.target.session().dialect());
  for (TableRoute& route : routes.tables) {
    if (route.name == table) return std::move(route);
  }
  return std::nullopt;
}

std::vector<std::int64_t> MigrationRun::entries_of(const Reject& reject) {
  const std::optional<TableRoute> route = route_of(reject.table);
  if (!route) return {};
  Session& source = sides().source.session();
  const std::string key = source.dialect().capture().encode(route->read.key, reject.key);
  return live_->journal().entries_of(source, route->name, key);
}

RowPair MigrationRun::rows_of(const Mismatch& mismatch) {
  const std::optional<TableRoute> route = route_of(mismatch.table);
  if (route && route->target_exists) {
    return read_pair(*route, endpoints_, interrupt_, mismatch.key);
  }
  throw Error(
      ErrorKind::usage,
      fmt::format("the table `{}` is no longer in the plan, or on both sides", mismatch.table))
      .table(mismatch.table)
      .remedy("run the command with the plan by which the mismatch was found");
}

void MigrationRun::resolve_mismatch(std::int64_t id, const std::string& reason) {
  store().resolve_mismatch(id, reason);
  const std::optional<Mismatch> mismatch = store().mismatch(id);
  store().add_event({Clock::now(), "mismatch_resolved", mismatch->table,
                     fmt::format("{} {}: {}", mismatch->kind, describe(mismatch->key), reason)});
}

}  // namespace migrator
