#include "migrator/copy/pacer.h"

#include <algorithm>

namespace migrator {
namespace {

using namespace std::chrono_literals;

// What was not used is kept for this long, so that a hiccup does not lower the average.
constexpr auto kBurst = 200ms;
// How soon a waiter notices its own stop; the interrupt wakes it at once.
constexpr auto kStopPeriod = 50ms;

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

void Pacer::between_chunks(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!reason_.empty() && !interrupt_.requested() && !stop.stop_requested()) {
    wake_.wait_for(lock, interrupt_.token(), kStopPeriod, [this] { return reason_.empty(); });
  }
  lock.unlock();
  interrupt_.check();
}

void Pacer::admit(std::uint64_t rows, std::uint64_t bytes, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto pay = [now = Time::now()](Time::time_point& paid, std::uint64_t amount,
                                       std::uint64_t rate) {
    if (rate == 0) return now;
    const auto cost = std::chrono::duration_cast<Time::duration>(
        std::chrono::duration<double>(static_cast<double>(amount) / static_cast<double>(rate)));
    paid = std::max<Time::time_point>(paid, now - kBurst) + cost;
    return paid;
  };
  const auto until =
      std::max(pay(rows_paid_, rows, rows_per_second_), pay(bytes_paid_, bytes, bytes_per_second_));
  const std::uint64_t rows_rate = rows_per_second_, bytes_rate = bytes_per_second_;
  // A change of the limits frees whoever waits for the old ones.
  const auto changed = [&] {
    return rows_rate != rows_per_second_ || bytes_rate != bytes_per_second_;
  };
  while (Time::now() < until && !changed() && !interrupt_.requested() && !stop.stop_requested()) {
    wake_.wait_until(lock, interrupt_.token(), std::min(until, Time::now() + kStopPeriod), changed);
  }
  lock.unlock();
  interrupt_.check();
}

}  // namespace migrator
