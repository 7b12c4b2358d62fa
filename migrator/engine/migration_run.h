// A migration in hand: the plan, both databases, and its checkpoint store; and the commands on it.
//
// Threads: one; the interrupt may be requested from another.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoints/store.h"
#include "migrator/copy/backfill.h"
#include "migrator/copy/endpoints.h"
#include "migrator/engine/live_changes.h"
#include "migrator/engine/verification.h"
#include "migrator/verify/row_pair.h"
#include "plans/route.h"

namespace migrator {

// Connection settings from a plan. Throws Error(usage) for a bad URL.
Endpoints endpoints_of(const Plan& plan);

// What both databases hold now.
struct Surroundings {
  Catalog source, target;
};
Surroundings look_around(const Plan& plan, Session& source, Session& target);

// Throws Error(gate), with what is different, where the migration was begun with another plan.
void refuse_changed_plan(const Plan& plan, CheckpointStore& store);

struct StartOptions {
  bool allow_existing = false;
  bool forget_target = false;  // drop the fences of an earlier run whose checkpoint store is lost
  // Settings of steering.h that this run was given: they take the place of those that `migrate set`
  // has left in the store.
  std::vector<std::string> given_settings = {};
  bool recapture = false;  // make triggers anew that are gone, whatever was missed meanwhile
};

struct StartReport {
  std::vector<Finding> findings;            // notes and warnings
  std::vector<std::string> tables_created;  // the plan's names
  std::vector<std::string> captured;        // whose triggers were made now
  bool resumed = false;
  std::map<std::string, std::string> settings;  // that `migrate set` has left, and that hold
};

// How a backfill went, and what became of the changes meanwhile.
struct BackfillResult {
  BackfillProgress copy;
  std::optional<RelayProgress> relay;     // where changes are followed
  std::string relay_error, relay_remedy;  // why they no longer are; "" if they are
};

class MigrationRun {
 public:
  // Reads nothing yet. `command` is shown to whoever finds the store held.
  MigrationRun(Plan plan, Interrupt& interrupt, std::string command);
  ~MigrationRun();

  const Plan& plan() const { return plan_; }
  const Endpoints& endpoints() const { return endpoints_; }

  // Everything that start() would refuse or do, without doing it. `statements` is the DDL.
  struct CheckReport {
    std::vector<Finding> findings;
    std::vector<std::string> statements;
  };
  CheckReport check(const StartOptions& options);

  // Target schema, chunk fences, identity. Safe to run again. Throws Error(usage) where the plan
  // does not fit the source, Error(gate) where preflight refuses, where the plan has changed, where
  // another process holds the store or another migration the target.
  StartReport start(const StartOptions& options);

  // start(), then every row, then indexes, foreign keys and sequences. The progress returned has
  // the errors of tables that failed. Where changes are followed the relay works meanwhile, and
  // foreign keys wait for finish().
  BackfillResult backfill(
      const StartOptions& options,
      std::function<void(const BackfillProgress&, const std::optional<RelayProgress>&)> tick,
      std::function<void(const StartReport&)> started);

  // Makes equal on the target what has changed on the source. Ends when it has seen the end of the
  // journal; with `follow` only on a stop, by Error(cancelled).
  RelayProgress relay(bool follow, std::function<void(const RelayProgress&)> tick);

  // The end, when nobody writes to the source any more: drains the journal, makes foreign keys and
  // sequences, and takes away everything of migrate's own on both sides. Throws Error(gate) while
  // anything is left to be copied, relayed or decided.
  RelayProgress finish();

  // Compares every row of both sides, while the relay works where changes are followed.
  std::vector<TableComparison> verify(const VerifyOptions& options,
                                      std::function<void(const TableComparison&)> tick);

  // Copies the open rejects again: the one of that id, those of that table, or all ("").
  struct RetryReport {
    std::uint64_t resolved = 0, refused = 0;
    std::uint64_t skipped = 0;  // their table is not in the plan, or their chunk is not done
  };
  RetryReport retry_rejects(const std::optional<std::int64_t>& id, const std::string& table);

  // Counts a reject as settled, for a reason. A change that the relay could not bring over is tried
  // once more, and then no longer; false: it went in.
  bool resolve_reject(std::int64_t id, const std::string& reason);

  // The row of a mismatch as both sides have it now. Needs no hold on the plan: it may be asked
  // beside another command. Throws Error(usage) where the plan has no such table (any more).
  RowPair rows_of(const Mismatch& mismatch);

  // Counts a mismatch as settled, for a reason, until a verify finds it again.
  void resolve_mismatch(std::int64_t id, const std::string& reason);

  CheckpointStore& store();

 private:
  struct Sides;
  Sides& sides();
  std::optional<TableRoute> route_of(const std::string& table);
  std::vector<std::int64_t> entries_of(const Reject& reject);
  // Throws for findings of severity error. Returns the others.
  std::vector<Finding> resolve(const StartOptions& options, bool reads_only = false);
  void adopt_target(const StartOptions& options, StartReport& report);
  // Refuses to go on where the target has lost what its fences say is done.
  void refuse_lost_rows();
  // Of those that `migrate set` has left in the store.
  void take_back_settings(const std::vector<std::string>& given) const;
  void renew_sides();
  // What comes after the rows of all tables: foreign keys, sequences, and a look for orphans.
  void complete_target(BackfillProgress& result);
  void finish_tables(bool foreign_keys);
  // Throws Error(gate) unless start() has been there.
  void require_started();
  // Throws Error(gate) while the journal has entries.
  static void require_drained(const RelayProgress& progress);

  const Plan plan_;
  const Endpoints endpoints_;
  Interrupt& interrupt_;
  const std::string command_;
  const ChunkFence fence_;
  std::unique_ptr<CheckpointStore> store_;
  std::unique_ptr<Sides> sides_;
  std::optional<LiveChanges> live_;  // once the source is known, and only where they are followed
};

}  // namespace migrator
