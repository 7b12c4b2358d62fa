#include "migrator/shim/deadline_watch.h"

#include <vector>

namespace migrator {
namespace {

// How often it looks while something is watched, or has been lately: waking it for each of a
// thousand writes a second would cost them more than these looks.
constexpr std::chrono::milliseconds kTick{5};
constexpr int kIdleTicks = 200;

}  // namespace

DeadlineWatch::DeadlineWatch() : thread_([this] { run(); }) {}

DeadlineWatch::~DeadlineWatch() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

DeadlineWatch::Watched::Watched(DeadlineWatch& watch, const std::shared_ptr<Canceller>& canceller,
                                Clock::time_point deadline)
    : watch_(watch), number_([&] {
        const std::lock_guard lock(watch.mutex_);
        watch.entries_[++watch.numbers_] = {deadline, canceller};
        if (watch.asleep_) watch.changed_.notify_one();
        return watch.numbers_;
      }()) {}

DeadlineWatch::Watched::~Watched() {
  const std::lock_guard lock(watch_.mutex_);
  watch_.entries_.erase(number_);
}

void DeadlineWatch::run() {
  std::unique_lock lock(mutex_);
  int idle = 0;
  while (!over_) {
    if (entries_.empty() && ++idle > kIdleTicks) {
      asleep_ = true;
      changed_.wait(lock, [this] { return over_ || !entries_.empty(); });
      asleep_ = false;
    } else {
      changed_.wait_for(lock, kTick, [this] { return over_; });
    }
    if (!entries_.empty()) idle = 0;
    const auto now = Clock::now();
    // Under the mutex: so that none is cut that has been given back in the meantime. abandon() does
    // not wait for anything.
    for (auto& [number, entry] : entries_) {
      // Again at each look: between two statements there is nothing to be cut.
      if (entry.deadline <= now) entry.canceller->abandon();
    }
  }
}

}  // namespace migrator
