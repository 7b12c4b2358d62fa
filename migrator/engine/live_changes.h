// Following a source that is being written to: capture on its tables, and the relay beside the
// copy.
//
// Only for plans with `capture: trigger`; with `capture: none` nothing of this is done, and nobody
// may write to the source during the copy.
//
// Threads: one, but for BackgroundRelay::progress().
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "checkpoints/store.h"
#include "migrator/capture/chunk_fence.h"
#include "migrator/relay/relay.h"
#include "plans/plan.h"
#include "plans/route.h"

namespace migrator {

class LiveChanges {
 public:
  // schema: ServerInfo::schema of the source.
  LiveChanges(const Plan& plan, const Endpoints& endpoints, const ChunkFence& fence,
              const std::string& schema, Interrupt& interrupt);

  static bool wanted(const Plan& plan) { return plan.capture == "trigger"; }
  // The store's step that is marked once the table is captured.
  static std::string step_of(const TableRoute& route) { return "capture:" + route.name; }
  const Journal& journal() const { return journal_; }

  struct Prospect {
    std::vector<Finding> findings;        // what capture would not see
    std::vector<std::string> statements;  // that install() would run
  };
  Prospect look(const std::vector<TableRoute>& routes, Session& source) const;

  // The journal, the lease, and the triggers of every table that has them not. Returns the names of
  // those tables. Throws Error(gate) where triggers are gone that were there before, as changes may
  // have been missed, unless `again`.
  std::vector<std::string> install(const std::vector<TableRoute>& routes, CheckpointStore& store,
                                   Session& target, bool again) const;

  // What install() has made of the source and the target.
  void remove(const std::vector<TableRoute>& routes, Session& target) const;

  // The routes outlive it.
  std::unique_ptr<Relay> relay(const std::vector<TableRoute>& routes, CheckpointStore& store,
                               const RetryPolicy& retry) const;

 private:
  const Plan& plan_;
  const Endpoints& endpoints_;
  const ChunkFence& fence_;
  Interrupt& interrupt_;
  const Journal journal_;
  const RelayLease lease_;
};

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
  RelayProgress progress() const { return relay_.progress(); }

 private:
  Relay& relay_;
  std::exception_ptr error_;
  std::jthread thread_;
};

}  // namespace migrator
