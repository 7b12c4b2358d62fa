// Every persisted step of a copy, with the process killed right there, twice, and resumed: one
// migration a route is killed at all of them, one after the other.
//
// The points are the calls of stop_point() in the engine; KnowsEveryPoint keeps this table
// complete.
//
// What each guard is worth, tried out by taking it away. On every route:
// - complete() in a transaction after the rows' own: chunk_committed fails.
// - claim() that does not look at `done`: chunk_committed fails.
// - The store told of a chunk before its commit: chunk_loaded fails.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "tests/faults/trial.h"

namespace migrator::test {
namespace fs = std::filesystem;

namespace {

struct Point {
  const char* name;
  const char* invariant;  // what a kill there must not break
  bool recovery = false;  // reached only when a chunk's rows are refused and it is copied again
  bool streamed = false;  // reached only when rows pass through the process
};

const Point kPoints[] = {
    {"chunk_claimed",
     "the store knows of a claim that the target's rollback has taken back: it is claimed anew "
     "(I6, A23)"},
    {"chunk_locked",
     "a lock on a chunk's fence dies with its session, and the next run gets it (A12)"},
    {"chunk_read", "rows that were read and not written are read again (A2)", false, true},
    {"chunk_loaded", "rows without their fence's mark are never committed: both or neither (A23)"},
    {"chunk_committed",
     "the target is ahead of the store: done in F means done, nothing is copied twice (I6, A3, "
     "A23)"},
    {"chunk_recorded",
     "the store and the target agree, and what was claimed ahead is taken up again (I6)"},
    {"rejects_recorded",
     "rejects are written down before their chunk is done, and once each: none is forgotten (I4, "
     "A23)",
     true},
    {"chunk_recovered",
     "a chunk that was copied again is done by F's word although the store has it open (I6, A23)",
     true},
};

struct Route {
  ServerKind from, to;
  bool streamed;  // else co-located: copied within the target
};
const Route kRoutes[] = {
    {ServerKind::sqlite, ServerKind::sqlite, false},
    {ServerKind::mariadb, ServerKind::mariadb, false},
    {ServerKind::postgres, ServerKind::postgres, true},
    {ServerKind::sqlite, ServerKind::mariadb, true},
    {ServerKind::mariadb, ServerKind::postgres, true},
    {ServerKind::postgres, ServerKind::sqlite, true},
};

TEST(StopPoints, KnowsEveryPoint) {
  std::set<std::string> in_source, in_table;
  const std::regex call("stop_point\\(\"([a-z_]+)\"\\)");
  for (const auto& entry : fs::recursive_directory_iterator(MIGRATOR_SOURCES)) {
    if (entry.path().extension() != ".cc" && entry.path().extension() != ".h") continue;
    std::ifstream file(entry.path());
    std::ostringstream text;
    text << file.rdbuf();
    const std::string source = text.str();
    for (std::sregex_iterator found(source.begin(), source.end(), call), end; found != end;
         ++found) {
      // Those of a relay's round: tests/live/interleavings_test.cc.
      const std::string name = (*found)[1];
      if (!name.starts_with("relay_")) in_source.insert(name);
    }
  }
  for (const Point& point : kPoints) {
    in_table.insert(point.name);
    EXPECT_GT(std::string(point.invariant).size(), 20U) << point.name;
  }
  in_table.insert("reject_retried");  // no step of a backfill: tests/integration/rejects_test.cc
  in_table.insert("verify_progress_recorded");  // nor this: tests/integration/verify_test.cc
  EXPECT_EQ(in_source, in_table);
}

class StopPoints : public testing::TestWithParam<Route> {
 protected:
  StopPoints() : trial(GetParam().from, GetParam().to) {}

  // The next runs, each of which must end there: it comes by for the second time, so that there is
  // something behind it, too.
  void kill_twice_at(const Point& point) {
    SCOPED_TRACE(fmt::format("{}: {}", point.name, point.invariant));
    for (int kill = 1; kill <= 2; ++kill) {
      const CommandResult killed = trial.migrate(
          {"backfill", "plan.yaml"}, {{"MIGRATOR_STOP_AT", fmt::format("{}:2", point.name)}});
      // Anything else: it never came by twice, so the test would prove nothing.
      ASSERT_EQ(killed.status, 128 + SIGKILL) << "kill " << kill << ": " << shown(killed);
      trial.expect_never_ahead();
      // Nobody has met rows of an earlier run: what was done was known to be done.
      if (!point.recovery) {
        EXPECT_EQ(trial.chunks_retried(), 0) << "kill " << kill;
      }
    }
  }

  Trial trial;
};

// The target's table is there already and has a CHECK that some of the source's rows break, in
// several chunks: those chunks are bisected, and the rows become rejects.
void make_target_that_refuses(const Trial& trial) {
  const bool mysql = is_mysql(trial.to);
  trial.target_sql(fmt::format(
      "CREATE TABLE entries (id {} NOT NULL PRIMARY KEY, account INTEGER NOT NULL CHECK (account "
      "<> 17), "
      "note {});",
      trial.to == ServerKind::sqlite ? "INTEGER" : "BIGINT", mysql ? "VARCHAR(300)" : "TEXT"));
}

// Each kill takes a few chunks: there are more of them than all kills together take.
TEST_P(StopPoints, KilledAtEachTwiceAndResumed) {
  trial.prepare({.entries = 9000, .marks = 3000}, "jobs: 2, chunk: {max_rows: 200}");
  for (const Point& point : kPoints) {
    if (point.recovery || (point.streamed && !GetParam().streamed)) continue;
    ASSERT_NO_FATAL_FAILURE(kill_twice_at(point));
  }
  const CommandResult last = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(last.status, 0) << shown(last);
  trial.expect_finished();
  trial.expect_equal();
  EXPECT_EQ(trial.chunks_retried(), 0);
}

TEST_P(StopPoints, KilledAtEachOfARecoveryTwiceAndResumed) {
  trial.prepare({.entries = 5000, .marks = 800}, "jobs: 2, chunk: {max_rows: 250}");
  make_target_that_refuses(trial);
  for (const Point& point : kPoints) {
    if (!point.recovery) continue;
    ASSERT_NO_FATAL_FAILURE(kill_twice_at(point));
  }
  const CommandResult last = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(last.status, 3) << shown(last);
  trial.expect_finished();
  trial.expect_equal_without("account = 17");
  // account is n % 500: one of each five hundred is refused, and each is on the list once.
  std::string refused;
  for (int number = 17; number <= 5000; number += 500) {
    refused += fmt::format("[{}]\n", number * 3 - number % 2);
  }
  EXPECT_EQ(run_sql("sqlite:" + trial.path("state.db"),
                    "SELECT key FROM rejects WHERE open ORDER BY CAST(substr(key, 2) AS INTEGER);"),
            refused);
}

INSTANTIATE_TEST_SUITE_P(Routes, StopPoints, testing::ValuesIn(kRoutes), [](const auto& tested) {
  return fmt::format("{}_to_{}", name(tested.param.from), name(tested.param.to));
});

}  // namespace
}  // namespace migrator::test
