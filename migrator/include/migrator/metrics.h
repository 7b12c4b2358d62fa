// Where the shim's counters and latencies go: an application gives it an object of this kind.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace migrator {

// Threads: called from the threads that write and from the shim's own, at the same time. It must
// return soon, as the application's writes wait for it.
class Metrics {
 public:
  virtual ~Metrics() = default;
  // `table`: the plan's name of one, or the name of a DualCall; "" where it is about the shim.
  virtual void count(std::string_view name, std::string_view table, std::uint64_t by) noexcept = 0;
  virtual void observe(std::string_view name, std::string_view table,
                       std::chrono::nanoseconds took) noexcept = 0;
};

}  // namespace migrator
