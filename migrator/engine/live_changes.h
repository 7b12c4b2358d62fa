// Following a source that is being written to: capture on its tables, and the relay beside the
// copy.
//
// With `capture: trigger` by triggers, with `capture: shim` by what the application's shim writes
// down. Either way both sides get their state rows (capture/side_row.h), which the shim looks at.
// With `capture: none` nothing of this is done, and nobody may write to the source during the copy.
//
// Threads: one, but for BackgroundRelay::progress().
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "checkpoints/store.h"
#include "migrator/capture/chunk_fence.h"
#include "migrator/capture/inline_guard.h"
#include "migrator/capture/journal.h"
#include "migrator/capture/shadow_reports.h"
#include "migrator/capture/side_row.h"
#include "migrator/relay/relay.h"
#include "plans/plan.h"
#include "plans/route.h"

namespace migrator {

class LiveChanges {
 public:
  // schema: ServerInfo::schema of the source.
  LiveChanges(const Plan& plan, const Endpoints& endpoints, const ChunkFence& fence,
              const std::string& schema, Interrupt& interrupt);

  static bool wanted(const Plan& plan) { return plan.capture != "none"; }
  // The store's step that is marked once the table is captured.
  static std::string step_of(const TableRoute& route) { return "capture:" + route.name; }
  const Journal& journal() const { return journal_; }
  const RelayLease& lease() const { return lease_; }
  // Of the source, which is the authority.
  const ShadowReports& reports() const { return reports_; }

  struct Prospect {
    std::vector<Finding> findings;        // what capture would not see
    std::vector<std::string> statements;  // that install() would run
  };
  Prospect look(const std::vector<TableRoute>& routes, Session& source) const;

  // The journal, the lease, and the triggers of every table that this store does not know to have
  // them. Returns the names of those tables. Throws Error(gate) where changes may have been missed,
  // unless `again`: triggers or the journal are gone that were there before, or a table has been
  // altered since. With `again` the store remembers that a verify has to find out what was missed.
  std::vector<std::string> install(const std::vector<TableRoute>& routes, CheckpointStore& store,
                                   Session& target, bool again) const;

  // What both sides' rows say from now on, for the shim to follow.
  void set_phase(Phase phase, Session& target) const;
  // As the source's row has it.
  Phase phase() const;
  // Closes the source to writers through the shim, and waits for those that are under way. Throws
  // Error(gate) while a process of the application is there. install() opens it again.
  void close_source() const;

  // Takes the triggers away. Waits for the transactions that they have seen.
  void remove_triggers(const std::vector<TableRoute>& routes) const;
  // The rest of what install() has made, once the journal is empty.
  void remove_tables(const std::vector<TableRoute>& routes, Session& target) const;

  // The routes and the feed outlive it. feed: null for the journal itself.
  std::unique_ptr<Relay> relay(const std::vector<TableRoute>& routes, CheckpointStore& store,
                               const RetryPolicy& retry, bool watch_schema = true,
                               const ChangeFeed* feed = nullptr) const;

  // The store's step while changes may have been missed.
  static constexpr std::string_view kMissed = "changes_missed";

 private:
  bool by_triggers() const { return plan_.capture == "trigger"; }
  void open_sides(const std::vector<TableRoute>& routes, CheckpointStore& store, Session& source,
                  Session& target, bool new_journal) const;

  const Plan& plan_;
  const Endpoints& endpoints_;
  const ChunkFence& fence_;
  Interrupt& interrupt_;
  const Journal journal_;
  const RelayLease lease_;
  const SideTable source_side_, target_side_;
  const ShadowReports reports_;
  const InlineGuard guard_;  // on the target
};

// How far the changes of the source have been followed, asked of the source itself.
struct LiveStatus {
  std::string error;  // why it cannot be asked now; "" if it could
  Backlog backlog;
  std::optional<SideRow> source;        // absent: not begun, or finished
  std::vector<ShimInstance> instances;  // processes that write through the shim
};
// Waits for a few seconds at most.
LiveStatus live_status(const Plan& plan, Interrupt& interrupt);

// A relay that follows in a thread of its own until stop(). It waits out whatever outage there is;
// what it gives up at is thrown by stop().
class BackgroundRelay {
 public:
  // How long an outage is waited out.
  static RetryPolicy patience();

  explicit BackgroundRelay(Relay& relay);
  ~BackgroundRelay();
  BackgroundRelay(const BackgroundRelay&) = delete;
  BackgroundRelay& operator=(const BackgroundRelay&) = delete;

  void stop();
  // What it gave up at, if it did. It may be called while it runs.
  void rethrow() const;
  RelayProgress progress() const { return relay_.progress(); }

 private:
  Relay& relay_;
  mutable std::mutex mutex_;
  std::exception_ptr error_;
  std::jthread thread_;
};

}  // namespace migrator
