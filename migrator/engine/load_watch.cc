#include "migrator/engine/load_watch.h"

#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

namespace migrator {
namespace {

constexpr std::chrono::milliseconds kPeriod{1000};

}  // namespace

LoadWatch::LoadWatch(const ThrottlePlan& limits, const Endpoints& endpoints, Interrupt& interrupt,
                     Told told)
    : limits_(limits), endpoints_(endpoints), interrupt_(interrupt), told_(std::move(told)) {
  if (limits.max_lag.count() == 0 && limits.max_active_sessions == 0 &&
      limits.max_lock_waits == 0) {
    return;
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

std::string LoadWatch::judge(const LoadSample& sample, std::string_view side) const {
  const double max_lag = std::chrono::duration<double>(limits_.max_lag).count();
  if (max_lag > 0 && sample.replica_lag_seconds && *sample.replica_lag_seconds > max_lag) {
    return fmt::format("{}: replica lag {:.1f} s > {:.1f} s", side, *sample.replica_lag_seconds,
                       max_lag);
  }
  if (limits_.max_lock_waits > 0 && sample.lock_waits &&
      *sample.lock_waits > limits_.max_lock_waits) {
    return fmt::format("{}: {} sessions wait for locks (max {})", side, *sample.lock_waits,
                       limits_.max_lock_waits);
  }
  if (limits_.max_active_sessions > 0 && sample.active_sessions &&
      *sample.active_sessions > limits_.max_active_sessions) {
    return fmt::format("{}: {} active sessions (max {})", side, *sample.active_sessions,
                       limits_.max_active_sessions);
  }
  return "";
}

// A server that does not answer is no reason to hold: the work itself will say so.
void LoadWatch::watch(const std::stop_token& stop) {
  Opened<Source> source;
  Opened<Target> target;
  std::mutex sleep_mutex;
  std::condition_variable_any sleep;
  while (!stop.stop_requested() && !interrupt_.requested()) {
    std::string reason;
    try {
      if (!source) source = open_source(endpoints_, interrupt_);
      if (!target) target = open_target(endpoints_, interrupt_);
      reason = judge(source.session().load(), "source");
      if (reason.empty()) reason = judge(target.session().load(), "target");
    } catch (const Error&) {
      source.close();
      target.close();
    }
    told_(reason);
    std::unique_lock lock(sleep_mutex);
    sleep.wait_for(lock, stop, kPeriod, [] { return false; });
  }
}

}  // namespace migrator
