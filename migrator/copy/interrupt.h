// One place to stop a running command: it wakes every waiter and cancels every statement in flight.
//
// Threads: everything may be called from any thread; request() also right after a signal handler
// set a flag (not from the handler itself: cancelling talks to servers).
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>

#include "adapters/adapter.h"

namespace migrator {

class Interrupt {
 public:
  // Keeps a session's canceller registered as long as it lives.
  class Registration {
   public:
    Registration() = default;
    Registration(Interrupt& owner, std::shared_ptr<Canceller> canceller);
    Registration(Registration&& other) noexcept { *this = std::move(other); }
    Registration& operator=(Registration&& other) noexcept;
    ~Registration();

   private:
    Interrupt* owner_ = nullptr;
    std::list<std::shared_ptr<Canceller>>::iterator place_;
  };

  Registration watch(Session& session) { return Registration(*this, session.canceller()); }

  // Stops everything. A cancellation that comes between two statements has no effect, so call it
  // again until the threads have ended.
  void request();
  bool requested() const { return stop_.stop_requested(); }
  std::stop_token token() const { return stop_.get_token(); }
  // Throws Error(cancelled) if a stop was requested.
  void check() const;
  // Sleeps; false if it was cut short by a stop.
  bool sleep(std::chrono::milliseconds time);

 private:
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::list<std::shared_ptr<Canceller>> cancellers_;
};

}  // namespace migrator
