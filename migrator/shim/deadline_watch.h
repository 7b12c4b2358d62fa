// Cuts connections whose statements run past their deadline: how a commit waits for the other side
// within its budget, whatever that one or the network does.
//
// Threads: one of its own, asleep while nothing is watched. watch() may be called from any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "adapters/adapter.h"

namespace migrator {

class DeadlineWatch {
 public:
  using Clock = std::chrono::steady_clock;
  DeadlineWatch();
  ~DeadlineWatch();

  // From its construction to its destruction the session is watched.
  class Watched {
   public:
    Watched(DeadlineWatch& watch, const std::shared_ptr<Canceller>& canceller,
            Clock::time_point deadline);
    ~Watched();
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

   private:
    DeadlineWatch& watch_;
    const std::uint64_t number_;
  };

 private:
  struct Entry {
    Clock::time_point deadline;
    std::shared_ptr<Canceller> canceller;
  };
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Entry> entries_;
  std::uint64_t numbers_ = 0;
  bool asleep_ = false, over_ = false;
  std::thread thread_;
};

}  // namespace migrator
