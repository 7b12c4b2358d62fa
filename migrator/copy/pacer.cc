#include "migrator/copy/pacer.h"

#include <algorithm>

namespace migrator {
namespace {

using namespace std::chrono_literals;

// What was not used is kept for this long, so that a hiccup does not lower the average.
constexpr auto kBurst = 200ms;

}  // namespace

void Pacer::set_limits(std::uint64_t rows_per_second, std::uint64_t bytes_per_second) {
  const std::lock_guard lock(mutex_);
  rows_per_second_ = rows_per_second;
  bytes_per_second_ = bytes_per_second;
  rows_paid_ = bytes_paid_ = Time::now();
  wake_.notify_all();
}

std::uint64_t Pacer::rows_per_second() const {
  const std::lock_guard lock(mutex_);
  return rows_per_second_;
}

void Pacer::hold(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  reason_ = reason;
  wake_.notify_all();
}

std::string Pacer::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

void Pacer::between_chunks() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, interrupt_.token(), [this] { return reason_.empty(); });
  lock.unlock();
  interrupt_.check();
}

void Pacer::admit(std::uint64_t rows, std::uint64_t bytes) {
  std::unique_lock lock(mutex_);
  const auto pay = [now = Time::now()](Time::time_point& paid, std::uint64_t amount,
                                       std::uint64_t rate) {
    if (rate == 0) return now;
    const auto cost = std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(
        static_cast<double>(amount) / static_cast<double>(rate)));
    paid = std::max<Time::time_point>(paid, now - kBurst) + cost;
    return paid;
  };
  const auto until = std::max(pay(rows_paid_, rows, rows_per_second_),
                              pay(bytes_paid_, bytes, bytes_per_second_));
  const std::uint64_t rows_rate = rows_per_second_, bytes_rate = bytes_per_second_;
  // A change of the limits frees whoever waits for the old ones.
  wake_.wait_until(lock, interrupt_.token(), until, [&] {
    return rows_rate != rows_per_second_ || bytes_rate != bytes_per_second_;
  });
  lock.unlock();
  interrupt_.check();
}

}  // namespace migrator
