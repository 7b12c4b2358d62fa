// When the other side is left alone, because it has failed several times in a row.
#pragma once

#include <chrono>

namespace migrator {

// After so many failures in a row the other side is left alone, for a time that doubles up to the
// longest; then one call is let through to try it.
struct BreakerOptions {
  int failures = 5;
  std::chrono::milliseconds first{1'000}, longest{30'000};
};

}  // namespace migrator
