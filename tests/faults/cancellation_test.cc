// SIGINT in the middle of things: the run ends soon, with status 130, and the next one goes on.
#include <csignal>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/faults/tcp_proxy.h"
#include "tests/faults/trial.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;

// What is promised: about two seconds. A machine that runs other tests as well gets half a one
// more.
constexpr auto kSoon = 2500ms;

struct Route {
  ServerKind from, to;
};
const Route kRoutes[] = {
    {ServerKind::sqlite, ServerKind::sqlite},    {ServerKind::postgres, ServerKind::postgres},
    {ServerKind::mariadb, ServerKind::mariadb},  {ServerKind::sqlite, ServerKind::postgres},
    {ServerKind::postgres, ServerKind::mariadb}, {ServerKind::mariadb, ServerKind::sqlite},
};

class Cancel : public testing::TestWithParam<Route> {
 protected:
  Cancel() : trial(GetParam().from, GetParam().to) {
    trial.prepare({.entries = 8000, .marks = 4000});
  }

  void expect_ends_soon(Child& child) const {
    const auto asked = std::chrono::steady_clock::now();
    child.signal(SIGINT);
    const bool ended = child.wait_for(10s);
    const auto took = std::chrono::steady_clock::now() - asked;
    ASSERT_TRUE(ended) << "it goes on after 10 s";
    EXPECT_LT(took, kSoon);
    EXPECT_EQ(child.status(), 130) << shown(child);
    EXPECT_THAT(child.err(), HasSubstr("to do: "));
  }
  void expect_resumes() const {
    trial.expect_never_ahead();
    const CommandResult next = trial.migrate({"backfill", "plan.yaml"});
    ASSERT_EQ(next.status, 0) << shown(next);
    trial.expect_equal();
    trial.expect_finished();
  }

  Trial trial;
};

TEST_P(Cancel, AmidTheRowsEndsSoonAndResumes) {
  Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "4000"});
  ASSERT_TRUE(eventually([&] { return trial.rows_recorded() > 500; })) << shown(child);
  expect_ends_soon(child);
  EXPECT_EQ(trial.chunks_retried(), 0);
  expect_resumes();
}

TEST_P(Cancel, WhilePausedEndsSoonAndResumes) {
  Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "4000"});
  ASSERT_TRUE(eventually([&] { return trial.rows_recorded() > 500; })) << shown(child);
  ASSERT_EQ(trial.migrate({"pause", "plan.yaml"}).status, 0);
  ASSERT_TRUE(eventually([&] { return child.err().find("paused") != std::string::npos; }))
      << shown(child);
  expect_ends_soon(child);
  ASSERT_EQ(trial.migrate({"resume", "plan.yaml"}).status, 0);
  expect_resumes();
}

// A statement that waits for another transaction's lock is stopped, and not only what comes after
// it.
TEST_P(Cancel, WhileTheTargetIsLockedEndsSoonAndResumes) {
  Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "4000"});
  ASSERT_TRUE(eventually([&] { return trial.rows_recorded() > 500; })) << shown(child);
  // A client that holds the fences of every chunk for as long as it lives.
  const std::string held = trial.path("held");
  const char* const script =
      trial.to == ServerKind::sqlite ? "BEGIN IMMEDIATE;\n.shell touch '{}'\n.shell sleep 60\n"
      : is_postgres(trial.to)
          ? "SET client_connection_check_interval = '100ms'; BEGIN; LOCK TABLE _migrator_chunk IN "
            "EXCLUSIVE MODE;\n\\! touch '{}'\n"
            "SELECT pg_sleep(60);\n"
          : "LOCK TABLES _migrator_chunk WRITE;\n\\! touch '{}'\nSELECT SLEEP(60);\n";
  {
    Child holding = trial.target_client(fmt::format(fmt::runtime(script), held));
    ASSERT_TRUE(eventually([&] { return ::access(held.c_str(), F_OK) == 0; })) << shown(holding);
    // Nothing can be committed now: once the count stands still for that long, somebody waits.
    long long before = -1;
    auto since = std::chrono::steady_clock::now();
    ASSERT_TRUE(eventually([&] {
      const long long rows = trial.rows_recorded();
      if (rows != before) since = std::chrono::steady_clock::now();
      before = rows;
      return std::chrono::steady_clock::now() - since > 600ms;
    }));
    ASSERT_TRUE(child.running()) << shown(child);
    expect_ends_soon(child);
  }
  expect_resumes();
}

INSTANTIATE_TEST_SUITE_P(Routes, Cancel, testing::ValuesIn(kRoutes), [](const auto& tested) {
  return fmt::format("{}_to_{}", name(tested.param.from), name(tested.param.to));
});

// A network that has gone dead takes the way of a cancellation with it. Whoever asks twice gets out
// at once.
TEST(CancelTwice, EndsAtOnceThoughTheNetworkIsDead) {
  for (const ServerKind to : {ServerKind::postgres, ServerKind::mariadb}) {
    SCOPED_TRACE(name(to));
    Trial trial(ServerKind::sqlite, to);
    trial.prepare({.entries = 6000, .marks = 1000});
    TcpProxy proxy(trial.target_url);
    trial.target_url = proxy.url();
    Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "3000"});
    ASSERT_TRUE(eventually([&] { return trial.rows_recorded() > 500; })) << shown(child);
    proxy.stall(true);
    child.signal(SIGINT);
    ASSERT_TRUE(eventually(
        [&] { return child.err().find("stopping") != std::string::npos || !child.running(); }));
    if (child.running()) {
      child.signal(SIGINT);
      EXPECT_TRUE(child.wait_for(1s));
    }
    EXPECT_EQ(child.status(), 130) << shown(child);
    proxy.stall(false);
    trial.expect_never_ahead();
    const CommandResult next = trial.migrate({"backfill", "plan.yaml"});
    EXPECT_EQ(next.status, 0) << shown(next);
    trial.expect_equal();
  }
}

}  // namespace
}  // namespace migrator::test
