// Steers a running backfill or verify from outside: `migrate pause|resume|set` through the
// checkpoint store, the plan's rates and time window, and the load of both servers.
//
// Threads: start() runs two threads until the object is destroyed: one for the store, which must
// answer within a second, and one for the servers, which may be slow to answer. Only the
// constructor and destructor are the caller's.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "migrator/copy/backfill.h"
#include "migrator/engine/load_watch.h"
#include "plans/plan.h"

namespace migrator {

// The settings that `migrate set` takes: jobs, rows_per_second, bytes_per_second, target_ms,
// max_rows, max_bytes. Applies one to the plan, an empty value leaves the plan's own; throws
// Error(usage) for an unknown name or a bad value.
void apply_setting(BackfillPlan& plan, const std::string& name, const std::string& value);

// The plan's jobs, as far as that target can have several writers.
int usable_jobs(const BackfillPlan& plan, const Dialect& target);

// How large the plan's chunks may be on that target.
ChunkLimits chunk_limits(const BackfillPlan& plan, const Dialect& target);

class Steering {
 public:
  // adjust: takes over the plan's settings as they are now; called by the constructor and by the
  // thread for the store.
  using Adjust = std::function<void(const BackfillPlan&)>;
  Steering(const BackfillPlan& plan, CheckpointStore& store, const Endpoints& endpoints,
           Interrupt& interrupt, Pacer& pacer, Adjust adjust);

 private:
  void follow_store(const std::stop_token& stop);
  void apply(const Control& control);
  void update_hold();

  const BackfillPlan plan_;
  CheckpointStore& store_;
  Pacer& pacer_;
  const Adjust adjust_;
  std::mutex mutex_;
  std::string paused_, window_, load_;  // reasons to hold; "" for none
  std::jthread store_thread_;
  std::optional<LoadWatch> load_watch_;
};

// Whether the time of day (UTC) lies in "22:00-06:00". Throws Error(usage) on another form.
bool in_window(std::string_view window, std::chrono::system_clock::time_point now);

}  // namespace migrator
