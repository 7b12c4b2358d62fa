// The circuit breaker: leaves the other side alone once it has failed several times in a row, and
// lets one write through now and then to try it.
//
// Nothing is queued while it is open (the journal has it all), so when it closes no older write is
// waiting that could come after a newer one; and one that was under way all the time is stopped by
// the guard. (Protocol: A21.)
//
// Threads: any.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>

#include "migrator/breaker.h"

namespace migrator {

class Breaker {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Breaker(const BreakerOptions& options,
                   std::function<Clock::time_point()> now = Clock::now)
      : options_(options), now_(std::move(now)), pause_(options.first) {}

  // Whether to try now. Whoever is told so says later how it went. While it is open one at a time
  // is told so, and only when the pause is over.
  bool allow();
  void succeeded();
  void failed();
  bool open() const { return open_; }
  // Whether allow() could say yes: what is to be written there need not be prepared otherwise.
  bool may_allow() const { return !open_ || now_() >= try_at_.load(); }

 private:
  const BreakerOptions options_;
  const std::function<Clock::time_point()> now_;
  std::atomic<bool> open_ = false;
  std::atomic<int> failures_ = 0;  // in a row
  std::mutex mutex_;               // of what follows, and of opening and closing
  bool trying_ = false;
  std::atomic<Clock::time_point> try_at_{};
  std::chrono::milliseconds pause_;
};

}  // namespace migrator
