// The parts of the shim that need no server.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "migrator/shim/breaker.h"
#include "migrator/shim/deadline_watch.h"

namespace migrator {
namespace {

using namespace std::chrono_literals;

class BreakerTest : public testing::Test {
 protected:
  Breaker::Clock::time_point now{};
  Breaker breaker{{.failures = 3, .first = 100ms, .longest = 300ms}, [this] { return now; }};

  void fail(int times) {
    for (int time = 0; time < times; ++time) breaker.failed();
  }
};

TEST_F(BreakerTest, OpensAfterSoManyFailuresInARow) {
  fail(2);
  breaker.succeeded();
  fail(2);
  EXPECT_FALSE(breaker.open());
  EXPECT_TRUE(breaker.allow());
  fail(1);
  EXPECT_TRUE(breaker.open());
  EXPECT_FALSE(breaker.allow());
}

TEST_F(BreakerTest, LetsOneAtATimeTryWhenThePauseIsOver) {
  fail(3);
  now += 99ms;
  EXPECT_FALSE(breaker.allow());
  now += 1ms;
  EXPECT_TRUE(breaker.allow());
  EXPECT_FALSE(breaker.allow());
  breaker.succeeded();
  EXPECT_FALSE(breaker.open());
  EXPECT_TRUE(breaker.allow());
  EXPECT_TRUE(breaker.allow());
}

TEST_F(BreakerTest, EachTryInVainDoublesThePauseUpToTheLongest) {
  fail(3);
  for (const auto pause : {100ms, 200ms, 300ms, 300ms}) {
    now += pause - 1ms;
    EXPECT_FALSE(breaker.allow());
    now += 1ms;
    EXPECT_TRUE(breaker.allow());
    breaker.failed();
  }
  // What had begun before it opened, and fails now, does not prolong it.
  now += 300ms;
  breaker.failed();
  EXPECT_TRUE(breaker.allow());
}

class CountingCanceller : public Canceller {
 public:
  void cancel() noexcept override {}
  void abandon() noexcept override { ++abandoned; }
  std::atomic<int> abandoned = 0;
};

TEST(DeadlineWatch, CutsWhatRunsPastItsDeadlineAndNothingElse) {
  DeadlineWatch watch;
  const auto late = std::make_shared<CountingCanceller>(),
             quick = std::make_shared<CountingCanceller>();
  {
    const DeadlineWatch::Watched first(watch, late, DeadlineWatch::Clock::now() + 30ms);
    { const DeadlineWatch::Watched second(watch, quick, DeadlineWatch::Clock::now() + 30ms); }
    const auto until = DeadlineWatch::Clock::now() + 10s;
    while (late->abandoned == 0 && DeadlineWatch::Clock::now() < until) {
      std::this_thread::sleep_for(1ms);
    }
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_GT(late->abandoned, 1);  // it is cut again, in case it was between two statements
  EXPECT_EQ(quick->abandoned, 0);
}

// It falls asleep where nothing is watched for a second, and has to wake up.
TEST(DeadlineWatch, WakesUpForTheFirstAfterALongTime) {
  DeadlineWatch watch;
  std::this_thread::sleep_for(1200ms);
  const auto late = std::make_shared<CountingCanceller>();
  const DeadlineWatch::Watched watched(watch, late, DeadlineWatch::Clock::now() + 10ms);
  const auto until = DeadlineWatch::Clock::now() + 10s;
  while (late->abandoned == 0 && DeadlineWatch::Clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_GE(late->abandoned, 1);
}

}  // namespace
}  // namespace migrator
