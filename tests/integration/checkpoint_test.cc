// The checkpoint store and the target, when they are damaged, lost, or no longer of one mind.
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kFailed = 1, kRefused = 4;
constexpr int kRows = 6000;

// items(id, label) from 1 to kRows, in chunks of 100.
class CheckpointTest : public testing::Test {
 protected:
  explicit CheckpointTest(ServerKind from = ServerKind::sqlite, ServerKind to = ServerKind::sqlite)
      : migration_(from, to) {
    migration_.source.exec(
        "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, label VARCHAR(40) NOT NULL)");
    migration_.source.exec(fmt::format("INSERT INTO items SELECT n, 'item' FROM {}",
                                       numbers(migration_.source.kind(), kRows)));
    migration_.plan("  - name: items\n", "backfill: {jobs: 1, chunk: {max_rows: 100}}\n");
  }

  // Copies until some chunks are in, and stops.
  void copy_some(std::uint64_t rows = 1) {
    Child running = migration_.start({"backfill", "plan.yaml", "--rows-per-second", "2000"});
    ASSERT_TRUE(eventually([&] { return migration_.rows_recorded() >= rows; })) << running.err();
    running.signal(SIGINT);
    ASSERT_TRUE(running.wait_for(10s));
    ASSERT_EQ(running.status(), 130) << running.err();
    ASSERT_LT(migration_.rows_recorded(), static_cast<std::uint64_t>(kRows));
  }

  std::string count() const { return migration_.target.value("SELECT count(*) FROM items"); }

  MigrationCase migration_;
};

TEST_F(CheckpointTest, DamageIsRecognisedAndNothingIsCopied) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  const std::string before = count(), good = migration_.read("state.db");
  migration_.write("state.db", "this was a checkpoint" + good.substr(21));
  for (const std::string file : {"state.db-wal", "state.db-shm"}) fs::remove(migration_.path(file));
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kFailed, {"state.db", "damaged"});
  expect_refusal(migration_.migrate({"status", "plan.yaml"}), kFailed, {"state.db"});
  migration_.write("state.db", good.substr(0, good.size() / 2));
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kFailed, {"state.db", "damaged"});
  EXPECT_EQ(count(), before);
  migration_.write("state.db", good);
  const CommandResult filled = migration_.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
  migration_.expect_equal();
}

TEST_F(CheckpointTest, ANewerFormatIsLeftAlone) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  run_sql("sqlite:" + migration_.path("state.db"), "PRAGMA user_version = 99;");
  const CommandResult refused = migration_.migrate({"backfill", "plan.yaml"});
  expect_refusal(refused, refused.status == kRefused ? kRefused : kFailed, {"state.db", "99"});
  EXPECT_EQ(run_sql("sqlite:" + migration_.path("state.db"), "PRAGMA user_version;"), "99\n");
}

TEST_F(CheckpointTest, AFileThatOthersMayWriteIsNotTrusted) {
  ASSERT_EQ(migration_.migrate({"start", "plan.yaml"}).status, 0);
  fs::permissions(migration_.path("state.db"), fs::perms(0666));
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kFailed, {"chmod 600"});
  EXPECT_EQ(count(), "0");
  fs::permissions(migration_.path("state.db"), fs::perms(0600));
  EXPECT_EQ(migration_.migrate({"backfill", "plan.yaml"}).status, 0);
}

TEST_F(CheckpointTest, IsReadableByItsOwnerAlone) {
  ASSERT_EQ(migration_.migrate_under("umask 000", {"backfill", "plan.yaml"}).status, 0);
  for (const auto& entry : fs::directory_iterator(migration_.folder())) {
    if (!entry.path().filename().string().starts_with("state.db")) continue;
    EXPECT_EQ(entry.status().permissions() & fs::perms(0077), fs::perms::none) << entry.path();
  }
}

TEST_F(CheckpointTest, AFolderThatIsNotThereIsSaid) {
  std::string plan = migration_.read("plan.yaml");
  plan.replace(plan.find("state.db"), 8, "absent/state.db");
  migration_.write("plan.yaml", plan);
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kFailed, {"absent"});
  migration_.expect_target_untouched();
}

class PostgresTargetTest : public CheckpointTest {
 protected:
  PostgresTargetTest() : CheckpointTest(ServerKind::sqlite, ServerKind::postgres) {}
};

// The limit of a file's size stands for a full disk; only the checkpoint is a file of the process.
TEST_F(PostgresTargetTest, AFullDiskAtTheBeginningLeavesNothingBehind) {
  const CommandResult refused = migration_.migrate_under("ulimit -f 4", {"backfill", "plan.yaml"});
  expect_refusal(refused, kFailed, {"no space", "state.db"});
  migration_.expect_target_untouched();
  EXPECT_FALSE(migration_.exists("state.db"));
  EXPECT_FALSE(migration_.exists("state.db.new"));
  const CommandResult filled = migration_.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
  migration_.expect_equal();
}

TEST_F(PostgresTargetTest, AFullDiskInTheMiddleLosesNothing) {
  migration_.plan("  - name: items\n", "backfill: {jobs: 1, chunk: {max_rows: 5}}\n");
  ASSERT_EQ(migration_.migrate({"start", "plan.yaml"}).status, 0);
  const CommandResult full = migration_.migrate_under("ulimit -f 400", {"backfill", "plan.yaml"});
  expect_refusal(full, kFailed, {"no space", "state.db"});
  EXPECT_NE(count(), std::to_string(kRows));
  const CommandResult filled = migration_.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
  migration_.expect_equal();
}

// --- A target that is no longer what it was
// ---------------------------------------------------------

class TargetGoneTest : public CheckpointTest {};

TEST_F(TargetGoneTest, EmptiedOfEverything) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  migration_.target.exec(
      "DROP TABLE items; DROP TABLE _migrator_chunk; DROP TABLE _migrator_state");
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kRefused, {"target"});
}

// The fences of the chunks are there, and their rows are not.
TEST_F(TargetGoneTest, ATableDropped) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  migration_.target.exec("DROP TABLE items");
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kRefused, {"items"});
}

TEST_F(TargetGoneTest, ATableDroppedAfterTheEnd) {
  ASSERT_EQ(migration_.migrate({"backfill", "plan.yaml"}).status, 0);
  migration_.target.exec("DROP TABLE items");
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kRefused, {"items"});
}

TEST_F(TargetGoneTest, ATableEmptied) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  migration_.target.exec("DELETE FROM items");
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kRefused, {"items"});
}

TEST_F(TargetGoneTest, RestoredFromAnOlderCopy) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  const std::string older = migration_.path("older.db");
  run_sql(migration_.target.url_text(), "VACUUM INTO '" + older + "'");
  ASSERT_NO_FATAL_FAILURE(copy_some(3000));
  for (const std::string suffix : {"", "-wal", "-shm"})
    fs::remove(migration_.target.name() + suffix);
  fs::copy_file(older, migration_.target.name());
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kRefused, {"items", "restored"});
}

TEST_F(TargetGoneTest, AnotherMigrationOfTheSameNameIsRefused) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  const std::string before = count();
  std::string plan = migration_.read("plan.yaml");
  plan.replace(plan.find("state.db"), 8, "other.db");
  migration_.write("plan.yaml", plan);
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kRefused, {});
  EXPECT_EQ(count(), before);
}

// --- A checkpoint that is lost
// ------------------------------------------------------------------------

TEST_F(CheckpointTest, LostOneIsRefusedAndItsRemedyWorks) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  for (const std::string suffix : {"", "-wal", "-shm", ".lock"}) {
    fs::remove(migration_.path("state.db" + suffix));
  }
  expect_refusal(migration_.migrate({"backfill", "plan.yaml"}), kRefused, {"already holds rows"});
  expect_refusal(migration_.migrate({"backfill", "plan.yaml", "--allow-existing"}), kRefused,
                 {"another checkpoint store", "--forget-target"});
  // As it says.
  migration_.target.exec("DELETE FROM items");
  const CommandResult started = migration_.migrate({"start", "plan.yaml", "--forget-target"});
  EXPECT_EQ(started.status, 0) << shown(started);
  const CommandResult filled = migration_.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
  EXPECT_EQ(migration_.rows_recorded(), static_cast<std::uint64_t>(kRows));
  migration_.expect_equal({"items"});
}

// What --forget-target must not be: a way to begin anew under a checkpoint that is still there.
TEST_F(CheckpointTest, ForgettingTheTargetUnderALivingCheckpointIsRefused) {
  ASSERT_NO_FATAL_FAILURE(copy_some());
  expect_refusal(migration_.migrate({"start", "plan.yaml", "--forget-target"}), kRefused, {});
  const CommandResult filled = migration_.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
  migration_.expect_equal({"items"});
}

}  // namespace
}  // namespace migrator::test
