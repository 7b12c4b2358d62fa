#include "migrator/relay/lag.h"

#include <algorithm>
#include <cmath>

namespace migrator {

void Lag::add(double seconds) {
  const double ms = seconds * 1000;
  const auto bucket =
      ms <= 1 ? 0u : static_cast<unsigned>(std::ceil(std::min(std::log2(ms) * 8, 1e6)));
  ++buckets_[std::min<std::size_t>(bucket, kBuckets - 1)];
  ++count_;
}

double Lag::quantile(double q) const {
  if (count_ == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  for (; bucket < kBuckets - 1; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= std::max<std::uint64_t>(rank, 1)) break;
  }
  return std::exp2(static_cast<double>(bucket) / 8) / 1000;
}

}  // namespace migrator
