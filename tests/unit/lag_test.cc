#include "migrator/relay/lag.h"

#include <gtest/gtest.h>

namespace migrator {
namespace {

TEST(Lag, QuantilesAreWithinATenthAndNeverTooLow) {
  Lag lag;
  EXPECT_EQ(lag.quantile(0.5), 0);
  for (int ms = 1; ms <= 1000; ++ms) lag.add(ms / 1000.0);
  EXPECT_EQ(lag.count(), 1000u);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    EXPECT_GE(lag.quantile(q), q * 0.999);
    EXPECT_LE(lag.quantile(q), q * 1.1 + 0.002);
  }
}

TEST(Lag, TakesWhateverClocksSay) {
  Lag lag;
  lag.add(-5);
  EXPECT_LE(lag.quantile(1), 0.0011);
  lag.add(1e12);
  EXPECT_GT(lag.quantile(1), 86'400);
}

}  // namespace
}  // namespace migrator
