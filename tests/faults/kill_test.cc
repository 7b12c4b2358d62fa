// SIGKILL at random moments of a backfill: at least 50 for each engine as the target.
//
// Proves, for every moment that comes up: what a target's fences call done is there and nothing
// else (a chunk's rows and its mark are one transaction), the checkpoint is never ahead of the
// target (I6), and in the end every row is there exactly once (A2, A23).
#include <csignal>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "tests/faults/trial.h"

namespace migrator::test {
namespace {

struct Route {
  ServerKind from, to;
  int kills;
};

// For each target the kills add up to 50 or more. SQLite to SQLite and MariaDB to MariaDB are
// co-located copies within the target, the others stream the rows through the process.
const Route kRoutes[] = {
    {ServerKind::sqlite, ServerKind::sqlite, 26},
    {ServerKind::postgres, ServerKind::sqlite, 26},
    {ServerKind::postgres, ServerKind::postgres, 18},
    {ServerKind::sqlite, ServerKind::postgres, 18},
    {ServerKind::mariadb, ServerKind::postgres, 18},
    {ServerKind::mariadb, ServerKind::mariadb, 18},
    {ServerKind::postgres, ServerKind::mariadb, 18},
    {ServerKind::sqlite, ServerKind::mariadb, 18},
};

TEST(KillRoutes, AddUpToFiftyForEachTarget) {
  for (const ServerKind to : {ServerKind::sqlite, ServerKind::postgres, ServerKind::mariadb}) {
    int kills = 0;
    for (const Route& route : kRoutes) kills += route.to == to ? route.kills : 0;
    EXPECT_GE(kills, 50) << name(to);
  }
}

// Of a run that is then killed and forgotten.
std::chrono::milliseconds time_to_first_rows(Trial& trial,
                                             const std::vector<std::string>& backfill) {
  const auto start = std::chrono::steady_clock::now();
  Child child = trial.start(backfill);
  EXPECT_TRUE(eventually([&] { return trial.rows_recorded() > 0; })) << shown(child);
  const auto took = std::chrono::steady_clock::now() - start;
  child.signal(SIGKILL);
  EXPECT_TRUE(child.wait_for(10s));
  trial.begin_anew();
  return std::chrono::duration_cast<std::chrono::milliseconds>(took);
}

class Kill : public testing::TestWithParam<Route> {};

TEST_P(Kill, AtAnyMomentLosesAndDoublesNothing) {
  const char* given = std::getenv("MIGRATOR_TEST_SEED");
  const auto seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
  std::printf("MIGRATOR_TEST_SEED=%u\n", seed);
  SCOPED_TRACE(fmt::format("MIGRATOR_TEST_SEED={}", seed));
  std::mt19937 random(seed);

  Trial trial(GetParam().from, GetParam().to);
  trial.prepare({.entries = 16'000, .marks = 8'000});
  const std::vector<std::string> backfill{"backfill", "plan.yaml", "--rows-per-second", "16000"};
  int kills = 0, kills_amid_rows = 0;
  // From before it has read its plan to well into its copy, which a busy machine comes to late.
  int latest = 300 + 2 * static_cast<int>(time_to_first_rows(trial, backfill).count());
  // Kills that all came before the first row would prove little: a machine whose load comes and
  // goes may need more of them for as many amid the rows.
  const int wanted = GetParam().kills, wanted_amid_rows = wanted / 3;
  while (kills < wanted || (kills_amid_rows < wanted_amid_rows && kills < 4 * wanted)) {
    std::uniform_int_distribution<int> delay(1, latest);
    Child child = trial.start(backfill);
    bool ended = child.wait_for(std::chrono::milliseconds(delay(random)));
    if (!ended) {
      child.signal(SIGKILL);
      ASSERT_TRUE(child.wait_for(10s));
      // It may have ended between the wait and the signal.
      ended = child.status() != 128 + SIGKILL;
    }
    if (ended) {
      // It was quicker. The rest of the kills are of another migration of the same rows.
      ASSERT_EQ(child.status(), 0) << shown(child);
      trial.expect_equal();
      trial.expect_finished();
      trial.begin_anew();
      continue;
    }
    ++kills;
    const long long recorded = trial.expect_never_ahead();
    if (HasFailure()) return;
    if (recorded > 0 && recorded < 24'000) ++kills_amid_rows;
    // It has become busier since the first rows were timed.
    if (recorded == 0) latest += latest / 20;
  }
  const CommandResult last = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(last.status, 0) << shown(last);
  trial.expect_equal();
  trial.expect_finished();
  EXPECT_GE(kills_amid_rows, wanted_amid_rows);
}

INSTANTIATE_TEST_SUITE_P(Routes, Kill, testing::ValuesIn(kRoutes), [](const auto& tested) {
  return fmt::format("{}_to_{}", name(tested.param.from), name(tested.param.to));
});

}  // namespace
}  // namespace migrator::test
