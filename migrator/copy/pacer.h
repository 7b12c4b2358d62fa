// How fast the copy may go: rate limits, pause, and the throttle's verdict, shared by all workers.
//
// Threads: everything may be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "migrator/copy/interrupt.h"

namespace migrator {

class Pacer {
 public:
  explicit Pacer(Interrupt& interrupt) : interrupt_(interrupt) {}

  void set_limits(std::uint64_t rows_per_second, std::uint64_t bytes_per_second);
  std::uint64_t rows_per_second() const;
  // A reason holds the copy at the next chunk boundary until it is taken away again with "".
  void hold(const std::string& reason);
  std::string reason() const;  // why nothing moves now, or ""

  // Both return early when the caller's own stop is requested, too.
  // Between chunks, where no transaction is open: waits out a hold. Throws Error(cancelled) on a
  // stop.
  void between_chunks(const std::stop_token& stop = {});
  // After rows were read: waits until the rate allows them. May be called inside a transaction,
  // since it waits no longer than the rows take at the rate. Throws Error(cancelled) on a stop.
  void admit(std::uint64_t rows, std::uint64_t bytes, const std::stop_token& stop = {});

 private:
  using Time = std::chrono::steady_clock;

  Interrupt& interrupt_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::uint64_t rows_per_second_ = 0, bytes_per_second_ = 0;
  // When everything admitted so far will have been paid for at the rate.
  Time::time_point rows_paid_{}, bytes_paid_{};
  std::string reason_;
};

}  // namespace migrator
