// Servers that go away and come back, files that others hold locked, and disks that are full.
#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>

#include "tests/faults/trial.h"
#include "tests/support/server.h"

namespace migrator::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A server of the test's own, for each test of one engine. Its settings are those of a test server,
// which may forget the last commits when it is killed: so it is told to keep them.
class Outage : public testing::TestWithParam<ServerKind> {
 protected:
  Outage() : folder_((fs::temp_directory_path() / "migrator-outage-XXXXXX").string()) {
    if (!::mkdtemp(folder_.data())) throw std::runtime_error("cannot make " + folder_);
    fs::permissions(folder_, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    server_.emplace(GetParam(), find_server(GetParam()).value(), folder_);
    server_->start();
    keep_commits();
    trial.emplace(ServerKind::sqlite, GetParam(), server_->url());
    trial->prepare({.entries = 8000, .marks = 4000});
  }
  ~Outage() override {
    server_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void keep_commits() const {
    run_sql(server_->url(), is_postgres(GetParam())
                                ? "ALTER ROLE migrator SET synchronous_commit = on;"
                                : "SET GLOBAL innodb_flush_log_at_trx_commit = 1;");
  }
  // While the rows are on their way.
  Child start_and_wait_for_rows() {
    Child child = trial->start({"backfill", "plan.yaml", "--rows-per-second", "6000"});
    EXPECT_TRUE(eventually([&] { return trial->rows_recorded() > 1000; })) << shown(child);
    EXPECT_TRUE(child.running()) << shown(child);
    return child;
  }
  void come_back() {
    server_->launch();
    server_->wait_until_ready();
    keep_commits();
  }
  // By itself, or by the next run.
  void expect_done_in_the_end(Child& child) {
    ASSERT_TRUE(child.wait_for(60s));
    if (child.status() != 0) {
      EXPECT_EQ(child.status(), 1) << shown(child);
      EXPECT_THAT(child.err(), HasSubstr("to do: "));
      trial->expect_never_ahead();
      const CommandResult next = trial->migrate({"backfill", "plan.yaml"});
      EXPECT_EQ(next.status, 0) << shown(next);
    }
    trial->expect_equal();
    trial->expect_finished();
  }

  std::string folder_;
  std::optional<Server> server_;
  std::optional<Trial> trial;
};

TEST_P(Outage, TargetThatIsRestartedLosesNothing) {
  Child child = start_and_wait_for_rows();
  server_->stop();
  come_back();
  expect_done_in_the_end(child);
}

TEST_P(Outage, TargetThatCrashesAndComesBackLosesNothing) {
  Child child = start_and_wait_for_rows();
  server_->kill();
  come_back();
  expect_done_in_the_end(child);
}

TEST_P(Outage, TargetThatStaysAwayEndsTheRunWithItsStateSaved) {
  Child child = start_and_wait_for_rows();
  server_->stop();
  ASSERT_TRUE(child.wait_for(60s));
  EXPECT_EQ(child.status(), 1) << shown(child);
  EXPECT_THAT(child.err(), HasSubstr("to do: "));
  EXPECT_EQ(child.err().find("this is a bug"), std::string::npos) << shown(child);
  const CommandResult away = trial->migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(away.status, 1) << shown(away);
  EXPECT_THAT(away.err, HasSubstr("to do: "));
  come_back();
  trial->expect_never_ahead();
  const CommandResult next = trial->migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(next.status, 0) << shown(next);
  trial->expect_equal();
  trial->expect_finished();
}

INSTANTIATE_TEST_SUITE_P(Engines, Outage,
                         testing::Values(ServerKind::postgres, ServerKind::mariadb),
                         [](const auto& tested) { return std::string(name(tested.param)); });

// A20 seen from the target: a server that does not wait for its disk (synchronous_commit = off, or
// innodb_flush_log_at_trx_commit = 0, as is often said to be good for loading) forgets commits when
// it crashes, and a run that goes on afterwards must not call its rows complete.
class ForgetfulTarget : public testing::TestWithParam<ServerKind> {};

TEST_P(ForgetfulTarget, IsNotCalledComplete) {
  Trial trial(ServerKind::sqlite, GetParam());
  trial.prepare({.entries = 8000, .marks = 4000}, "jobs: 1, chunk: {max_rows: 500}");
  Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "6000"});
  ASSERT_TRUE(eventually([&] { return trial.rows_recorded() > 1500; })) << shown(child);
  // What a crash takes away: a chunk that was committed, rows and fence together.
  const std::string table =
      trial.target_sql("SELECT COUNT(*) FROM entries;") != "0\n" ? "entries" : "marks";
  trial.target_sql(
      fmt::format("BEGIN; DELETE FROM _migrator_chunk WHERE source_table = '{0}' AND chunk_number "
                  "= 0; DELETE FROM {0} "
                  "WHERE {1}; COMMIT;",
                  table, table == "entries" ? "id <= 1500" : "seq <= 1000 AND region = 'AP'"));
  ASSERT_TRUE(child.wait_for(30s));
  EXPECT_NE(child.status(), 0) << "called complete although rows are missing: " << shown(child);
}

INSTANTIATE_TEST_SUITE_P(Engines, ForgetfulTarget,
                         testing::Values(ServerKind::postgres, ServerKind::mariadb,
                                         ServerKind::sqlite),
                         [](const auto& tested) { return std::string(name(tested.param)); });

// Another program in the middle of a write to the target's file.
class LockedFile : public testing::TestWithParam<ServerKind> {};

TEST_P(LockedFile, IsWaitedFor) {
  Trial trial(GetParam(), ServerKind::sqlite);
  trial.prepare({.entries = 8000, .marks = 4000});
  Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "8000"});
  ASSERT_TRUE(eventually([&] { return trial.rows_recorded() > 1000; })) << shown(child);
  Child holding = trial.target_client("BEGIN IMMEDIATE;\n.shell touch '" + trial.path("held") +
                                      "'\n.shell sleep 3\nCOMMIT;\n");
  ASSERT_TRUE(eventually([&] { return fs::exists(trial.path("held")); })) << shown(holding);
  ASSERT_TRUE(child.running()) << shown(child);
  // What was recorded while the lock was held; two chunks may have been on their way as it was
  // taken.
  const long long before = trial.rows_recorded();
  long long during = before;
  ASSERT_TRUE(eventually([&] {
    const long long now = trial.rows_recorded();
    if (!holding.running()) return true;
    during = now;
    return false;
  })) << shown(holding);
  ASSERT_EQ(holding.status(), 0) << shown(holding);
  EXPECT_LE(during, before + 1000);
  ASSERT_TRUE(child.wait_for(30s));
  EXPECT_EQ(child.status(), 0) << shown(child);
  trial.expect_equal();
  trial.expect_finished();
}

INSTANTIATE_TEST_SUITE_P(Sources, LockedFile,
                         testing::Values(ServerKind::sqlite, ServerKind::postgres),
                         [](const auto& tested) { return std::string(name(tested.param)); });

// A file that may not grow any more, as on a full disk, is an error that names the file's trouble,
// and no reason to lose anything.
class FullDisk : public testing::TestWithParam<std::tuple<ServerKind, bool>> {};

TEST_P(FullDisk, IsSaidAndResumedFrom) {
  const auto [from, ignores_signal] = GetParam();
  Trial trial(from, ServerKind::sqlite);
  trial.prepare({.entries = 20'000, .marks = 10'000});
  Command limited = trial.command({"backfill", "plan.yaml"});
  // In blocks of 512 bytes: 1 MiB, of the 3 that it takes. The system's signal for it would kill a
  // program that has not said what to do with it.
  const std::string limit =
      std::string(ignores_signal ? "trap '' XFSZ; " : "") + "ulimit -f 2048; exec \"$@\"";
  std::vector<std::string> argv{"sh", "-c", limit, "sh"};
  argv.insert(argv.end(), limited.argv.begin(), limited.argv.end());
  limited.argv = argv;
  const CommandResult full = run(limited);
  EXPECT_EQ(full.status, 1) << shown(full);
  EXPECT_THAT(full.err, HasSubstr("to do: "));
  EXPECT_THAT(full.err, HasSubstr("disk"));
  trial.expect_never_ahead();
  EXPECT_GT(trial.rows_recorded(), 0);
  const CommandResult next = trial.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(next.status, 0) << shown(next);
  trial.expect_equal();
  trial.expect_finished();
}

INSTANTIATE_TEST_SUITE_P(Sources, FullDisk,
                         testing::Combine(testing::Values(ServerKind::sqlite, ServerKind::postgres),
                                          testing::Bool()),
                         [](const auto& tested) {
                           return fmt::format(
                               "{}_{}", name(std::get<0>(tested.param)),
                               std::get<1>(tested.param) ? "signal_ignored" : "signal_sent");
                         });

}  // namespace
}  // namespace migrator::test
