// How long changes took to arrive: quantiles over all of them, in a few hundred bytes.
//
// Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>

namespace migrator {

class Lag {
 public:
  // A change that arrived so many seconds after it was made.
  void add(double seconds);
  std::uint64_t count() const { return count_; }
  // The lag that the share q (0 .. 1) of all changes did not exceed, in seconds, some 9 % too high
  // at most; 0 if there were none.
  double quantile(double q) const;

 private:
  // Bucket n holds lags of up to 2^(n/8) ms: the last one two days and more.
  static constexpr std::size_t kBuckets = 220;
  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace migrator
