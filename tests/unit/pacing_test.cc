// Rates, windows and settings.
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "migrator/copy/backoff.h"
#include "migrator/copy/pacer.h"
#include "migrator/engine/steering.h"

namespace migrator {
namespace {

using namespace std::chrono_literals;

Clock::time_point at(int hour, int minute) {
  return Clock::time_point{} + std::chrono::days(20'000) + std::chrono::hours(hour) +
         std::chrono::minutes(minute);
}

TEST(Window, MayGoOverMidnight) {
  EXPECT_TRUE(in_window("22:00-06:00", at(23, 0)));
  EXPECT_TRUE(in_window("22:00-06:00", at(5, 59)));
  EXPECT_FALSE(in_window("22:00-06:00", at(6, 0)));
  EXPECT_FALSE(in_window("22:00-06:00", at(21, 59)));
  EXPECT_TRUE(in_window("01:30-02:00", at(1, 30)));
  EXPECT_FALSE(in_window("01:30-02:00", at(2, 0)));
  EXPECT_TRUE(in_window("", at(12, 0)));
}

TEST(Window, RefusesWhatIsNotAWindow) {
  for (const char* text : {"22:00", "22-06", "25:00-06:00", "22:60-06:00", "ab:cd-ef:gh", "-"}) {
    EXPECT_THROW(in_window(text, at(0, 0)), Error) << text;
  }
}

TEST(Settings, AreCheckedBeforeTheyAreTaken) {
  BackfillPlan plan;
  apply_setting(plan, "jobs", "7");
  EXPECT_EQ(plan.jobs, 7);
  for (const auto& [name, value] : {std::pair{"jobs", "0"},
                                    {"jobs", "65"},
                                    {"jobs", "two"},
                                    {"jobs", "-1"},
                                    {"max_rows", "0"},
                                    {"rows_per_second", "1e3"},
                                    {"job", "2"}}) {
    EXPECT_THROW(apply_setting(plan, name, value), Error) << name << "=" << value;
  }
  EXPECT_EQ(plan.jobs, 7);
}

TEST(Pacer, AdmitsNoMoreThanTheRate) {
  Interrupt interrupt;
  Pacer pacer(interrupt);
  pacer.set_limits(10'000, 0);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 8; ++i) pacer.admit(1000, 1 << 20);
  // 8000 rows at 10'000 a second, less the burst of 200 ms. Never faster; how much slower is the
  // machine's.
  EXPECT_GE(std::chrono::steady_clock::now() - start, 550ms);
}

TEST(Pacer, HoldsBetweenChunksUntilTheReasonIsGone) {
  Interrupt interrupt;
  Pacer pacer(interrupt);
  pacer.hold("paused");
  std::atomic<bool> passed{false};
  std::jthread worker([&] {
    pacer.between_chunks();
    passed = true;
  });
  std::this_thread::sleep_for(30ms);
  EXPECT_FALSE(passed);
  pacer.hold("");
  worker.join();
  EXPECT_TRUE(passed);
}

TEST(Pacer, AStopEndsEveryWait) {
  Interrupt interrupt;
  Pacer pacer(interrupt);
  pacer.hold("paused");
  pacer.set_limits(1, 0);
  std::jthread holder([&] { EXPECT_THROW(pacer.between_chunks(), Error); });
  std::jthread payer([&] { EXPECT_THROW(pacer.admit(1'000'000, 0), Error); });
  interrupt.request();
}

TEST(Backoff, TriesTransientErrorsAgainAndNoOthers) {
  Interrupt interrupt;
  Backoff backoff({.tries = 5, .first = 1ms}, interrupt);
  const Error transient(ErrorKind::transient, "deadlock");
  int tries = 1;
  while (backoff.again(transient)) ++tries;
  EXPECT_EQ(tries, 5);
  for (const ErrorKind kind : {ErrorKind::data, ErrorKind::permanent, ErrorKind::fenced,
                               ErrorKind::invariant, ErrorKind::gate, ErrorKind::usage}) {
    EXPECT_FALSE(Backoff({.tries = 5, .first = 1ms}, interrupt).again(Error(kind, "x")));
  }
  // By someone else: nobody has asked this run to stop.
  for (const ErrorKind kind : {ErrorKind::in_doubt, ErrorKind::cancelled}) {
    EXPECT_TRUE(Backoff({.tries = 5, .first = 1ms}, interrupt).again(Error(kind, "x")));
  }
  interrupt.request();
  EXPECT_FALSE(
      Backoff({.tries = 5, .first = 1ms}, interrupt).again(Error(ErrorKind::cancelled, "x")));
}

}  // namespace
}  // namespace migrator
