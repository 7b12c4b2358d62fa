// The chunk fences on real servers: each guard of ChunkFence by itself, and whole migrations that
// would go wrong without it.
//
// What each guard is worth, tried out by taking it away. On every engine:
// - lock() that does not look at the epoch: ZombieFailsAtItsLock fails.
// - complete() that does not look at it: ZombieThatSkippedItsLockCannotComplete.
// - claim() that does not look at it: EpochsOnlyRise.
// - claim() that does not look at the bounds: OtherBoundsOfTheSameNumberAreRefused.
// - claim() that does not look at `done`: DoneIsFinal, BehindTheTargetCopiesNothingTwice,
//   BehindTheTargetLeavesItsRowsAlone.
// - The store trusted over F: AheadOfTheTargetIsRefused.
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "migrator/capture/chunk_fence.h"
#include "tests/faults/trial.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;

const ServerKind kKinds[] = {ServerKind::postgres, ServerKind::mariadb, ServerKind::sqlite};

// What an action threw; a test failure if it threw nothing.
template <typename Action>
ErrorKind kind_of_error(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::invariant;
}

// Two copiers of the same migration on one target.
class ChunkFenceOn : public testing::TestWithParam<ServerKind> {
 protected:
  ChunkFenceOn() : database_(TestDatabase::on(GetParam())) {
    options_.lock_timeout = 300ms;
    zombie_ = open();
    other_ = open();
    fence_.install(other_->session());
    database_.exec("CREATE TABLE t (id INTEGER NOT NULL);");
    chunk_.table = "t";
    chunk_.number = 4;
    chunk_.range = {Key{std::int64_t{10}}, Key{std::int64_t{20}}};
  }

  std::unique_ptr<Target> open() const {
    return adapter_for(database_.engine()).open_target(database_.url(), options_);
  }
  ChunkFence::Claim claim(Target& copier, std::uint64_t epoch) const {
    Session& session = copier.session();
    session.begin();
    try {
      const ChunkFence::Claim claim = fence_.claim(session, chunk_, epoch);
      session.commit();
      return claim;
    } catch (...) {
      session.rollback();
      throw;
    }
  }
  void copy(Target& copier, std::uint64_t epoch, bool locks = true) const {
    Session& session = copier.session();
    session.begin();
    try {
      if (locks) fence_.lock(session, chunk_, epoch);
      session.execute("INSERT INTO t VALUES (11), (12), (13)");
      fence_.complete(session, chunk_, epoch, 3);
      session.commit();
    } catch (...) {
      session.rollback();
      throw;
    }
  }
  std::string rows() const { return database_.value("SELECT COUNT(*) FROM t;"); }

  TestDatabase database_;
  SessionOptions options_;
  const ChunkFence fence_{"trial"};
  Chunk chunk_;
  std::unique_ptr<Target> zombie_, other_;
};

TEST_P(ChunkFenceOn, ZombieFailsAtItsLock) {
  claim(*zombie_, 5);
  claim(*other_, 6);
  Session& session = zombie_->session();
  session.begin();
  EXPECT_EQ(kind_of_error([&] { fence_.lock(session, chunk_, 5); }), ErrorKind::fenced);
  session.rollback();
  copy(*other_, 6);
  EXPECT_EQ(rows(), "3");
  // And after the other has finished.
  EXPECT_EQ(kind_of_error([&] { copy(*zombie_, 5); }), ErrorKind::fenced);
  EXPECT_EQ(rows(), "3");
}

TEST_P(ChunkFenceOn, ZombieThatSkippedItsLockCannotComplete) {
  claim(*zombie_, 5);
  claim(*other_, 6);
  EXPECT_EQ(kind_of_error([&] { copy(*zombie_, 5, /*locks=*/false); }), ErrorKind::fenced);
  EXPECT_EQ(rows(), "0");
  copy(*other_, 6);
  EXPECT_EQ(rows(), "3");
}

TEST_P(ChunkFenceOn, ClaimWaitsForWhoHoldsTheLock) {
  claim(*zombie_, 5);
  Session& session = zombie_->session();
  session.begin();
  fence_.lock(session, chunk_, 5);
  session.execute("INSERT INTO t VALUES (11), (12), (13)");
  EXPECT_EQ(kind_of_error([&] { claim(*other_, 6); }), ErrorKind::transient);
  fence_.complete(session, chunk_, 5, 3);
  session.commit();
  // Not a zombie at all, but somebody slow who was in time.
  const ChunkFence::Claim found = claim(*other_, 6);
  EXPECT_TRUE(found.done);
  EXPECT_EQ(found.rows, 3U);
  EXPECT_EQ(rows(), "3");
}

TEST_P(ChunkFenceOn, EpochsOnlyRise) {
  claim(*other_, 6);
  EXPECT_EQ(kind_of_error([&] { claim(*zombie_, 5); }), ErrorKind::fenced);
  // The same one may claim again: the answer to its claim was lost.
  EXPECT_FALSE(claim(*other_, 6).done);
  EXPECT_EQ(fence_.highest_epoch(other_->session()), 6U);
}

TEST_P(ChunkFenceOn, DoneIsFinal) {
  claim(*other_, 6);
  copy(*other_, 6);
  for (const std::uint64_t epoch : {5U, 6U, 7U}) {
    const ChunkFence::Claim found = claim(*zombie_, epoch);
    EXPECT_TRUE(found.done) << epoch;
    EXPECT_EQ(found.rows, 3U) << epoch;
    EXPECT_EQ(kind_of_error([&] { copy(*zombie_, epoch); }), ErrorKind::fenced) << epoch;
  }
  EXPECT_EQ(rows(), "3");
  const auto done = fence_.done(other_->session());
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done.at("t").chunks, 1U);
  EXPECT_EQ(done.at("t").rows, 3U);
}

TEST_P(ChunkFenceOn, RolledBackRowsLeaveTheChunkInFlight) {
  claim(*other_, 6);
  Session& session = other_->session();
  session.begin();
  fence_.lock(session, chunk_, 6);
  session.execute("INSERT INTO t VALUES (11)");
  fence_.complete(session, chunk_, 6, 1);
  session.rollback();
  EXPECT_EQ(rows(), "0");
  EXPECT_FALSE(claim(*other_, 7).done);
}

TEST_P(ChunkFenceOn, OtherBoundsOfTheSameNumberAreRefused) {
  claim(*other_, 6);
  chunk_.range.upper = Key{std::int64_t{25}};
  EXPECT_EQ(kind_of_error([&] { claim(*other_, 7); }), ErrorKind::invariant);
  chunk_.range.upper.reset();
  EXPECT_EQ(kind_of_error([&] { claim(*other_, 7); }), ErrorKind::invariant);
}

TEST_P(ChunkFenceOn, TargetBelongsToOneStore) {
  fence_.adopt(other_->session(), "one");
  fence_.adopt(other_->session(), "one");
  EXPECT_EQ(kind_of_error([&] { fence_.adopt(zombie_->session(), "another"); }), ErrorKind::gate);
  // Another migration by its name is no concern of this one.
  const ChunkFence neighbour("neighbour");
  neighbour.adopt(zombie_->session(), "another");
  claim(*other_, 6);
  EXPECT_EQ(neighbour.highest_epoch(zombie_->session()), 0U);
  neighbour.remove(zombie_->session());
  EXPECT_EQ(fence_.owner_id(other_->session()), "one");
  EXPECT_EQ(fence_.highest_epoch(other_->session()), 6U);
}

INSTANTIATE_TEST_SUITE_P(Engines, ChunkFenceOn, testing::ValuesIn(kKinds),
                         [](const auto& tested) { return std::string(name(tested.param)); });

// Whole migrations, one for each engine as the target.
class Checkpoint : public testing::TestWithParam<ServerKind> {
 protected:
  Checkpoint() : trial(ServerKind::sqlite, GetParam()) {
    trial.prepare({.entries = 6000, .marks = 2000}, "jobs: 1, chunk: {max_rows: 500}");
  }
  void back_up_store(const std::string& file) const {
    run_sql("sqlite:" + trial.path("state.db"), ".backup '" + trial.path(file) + "'\n");
    std::filesystem::permissions(
        trial.path(file), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  void restore_store(const std::string& file) const {
    for (const char* suffix : {"-wal", "-shm"})
      std::filesystem::remove(trial.path("state.db") + suffix);
    std::filesystem::copy_file(trial.path(file), trial.path("state.db"),
                               std::filesystem::copy_options::overwrite_existing);
  }
  CommandResult killed_at(const std::string& point) const {
    return trial.migrate({"backfill", "plan.yaml"}, {{"MIGRATOR_STOP_AT", point}});
  }

  Trial trial;
};

// A23. The store says that chunks are open which the target has: they are not copied again.
TEST_P(Checkpoint, BehindTheTargetCopiesNothingTwice) {
  ASSERT_EQ(killed_at("chunk_committed:6").status, 137);
  run_sql("sqlite:" + trial.path("state.db"),
          "UPDATE tables SET chunks_done = 0, rows = 0, bytes = 0;"
          "UPDATE chunks SET state = 'claimed', lease_until = 0, rows = NULL, bytes = NULL, "
          "took_ms = NULL, "
          "finished_at = NULL WHERE state = 'done';");
  const CommandResult resumed = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(resumed.status, 0) << shown(resumed);
  EXPECT_EQ(trial.chunks_retried(), 0);
  trial.expect_equal();
  trial.expect_finished();
}

// A row that has changed on the target since is not written over by a chunk that is done.
TEST_P(Checkpoint, BehindTheTargetLeavesItsRowsAlone) {
  ASSERT_EQ(killed_at("chunk_committed:3").status, 137);
  trial.target_sql("DELETE FROM marks;");
  trial.target_sql("UPDATE entries SET account = -1 WHERE id < 100;");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  EXPECT_GT(trial.target_number("SELECT COUNT(*) FROM entries WHERE account = -1"), 0);
}

TEST_P(Checkpoint, AheadOfTheTargetIsRefused) {
  ASSERT_EQ(killed_at("chunk_recorded:4").status, 137);
  // As a target that was restored from a backup: one chunk, rows and fence, is not there any more.
  const std::string chunk = trial.target_sql(
      "SELECT source_table, chunk_number FROM _migrator_chunk WHERE chunk_state = 'done' "
      "ORDER BY chunk_number DESC, source_table LIMIT 1;");
  const std::size_t tab = chunk.find('\t');
  trial.target_sql(
      fmt::format("DELETE FROM _migrator_chunk WHERE source_table = '{}' AND chunk_number = {};",
                  chunk.substr(0, tab), std::stoi(chunk.substr(tab + 1))));
  const CommandResult refused = trial.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(refused.status, 4) << shown(refused);
  EXPECT_THAT(refused.err, HasSubstr("to do: "));
  EXPECT_THAT(refused.err, HasSubstr("chunks done, the target only"));
}

TEST_P(Checkpoint, OfAnEmptiedTargetIsRefused) {
  ASSERT_EQ(killed_at("chunk_recorded:4").status, 137);
  for (const char* table : {"entries", "marks", "_migrator_chunk", "_migrator_state"}) {
    trial.target_sql(fmt::format("DROP TABLE {};", table));
  }
  const CommandResult refused = trial.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(refused.status, 4) << shown(refused);
  EXPECT_THAT(refused.err, HasSubstr("the target knows nothing of this migration"));
}

TEST_P(Checkpoint, LostAltogetherIsRefusedAndNothingIsDoubled) {
  ASSERT_EQ(killed_at("chunk_recorded:4").status, 137);
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(trial.path("state.db") + suffix);
  const std::string before = trial.target_sql("SELECT COUNT(*) FROM entries;");
  const CommandResult refused = trial.migrate({"backfill", "plan.yaml", "--allow-existing"});
  EXPECT_EQ(refused.status, 4) << shown(refused);
  EXPECT_THAT(refused.err, HasSubstr("--forget-target"));
  EXPECT_EQ(trial.target_sql("SELECT COUNT(*) FROM entries;"), before);
}

// A copy of the store that is older than some cuts: its numbers name other ranges. Those may be the
// same by luck, and the run is then as good as any; if not, it stops. What it never does is skip or
// double.
TEST_P(Checkpoint, OlderCopyNeverSkipsOrDoubles) {
  ASSERT_EQ(killed_at("chunk_recorded:3").status, 137);
  back_up_store("older.db");
  ASSERT_EQ(killed_at("chunk_recorded:3").status, 137);
  restore_store("older.db");
  const CommandResult resumed = trial.migrate({"backfill", "plan.yaml"});
  if (resumed.status == 0) {
    EXPECT_EQ(trial.chunks_retried(), 0);
    trial.expect_equal();
    trial.expect_finished();
  } else {
    EXPECT_EQ(resumed.status, 1) << shown(resumed);
    EXPECT_THAT(resumed.err, HasSubstr("another range in the target's fence"));
    trial.expect_never_ahead();
  }
}

// A12. One run is held with chunks claimed and not yet read; another, with a copy of its store,
// takes over and finishes; then the first one goes on.
TEST_P(Checkpoint, ZombieRunIsFencedOff) {
  Child zombie = trial.start({"backfill", "plan.yaml", "--rows-per-second", "4000"});
  ASSERT_TRUE(eventually([&] { return trial.rows_recorded() >= 500; })) << shown(zombie);
  ASSERT_EQ(trial.migrate({"pause", "plan.yaml"}).status, 0);
  // Its reader holds behind the claim of the next chunk, and in front of that chunk's rows.
  ASSERT_TRUE(eventually([&] { return zombie.err().find("paused") != std::string::npos; }))
      << shown(zombie);
  ASSERT_TRUE(zombie.running()) << shown(zombie);

  back_up_store("state2.db");
  trial.write_plan("plan2.yaml", "state2.db");
  run_sql("sqlite:" + trial.path("state2.db"), "UPDATE control SET paused = 0;");
  const CommandResult heir = trial.migrate({"backfill", "plan2.yaml"});
  ASSERT_EQ(heir.status, 0) << shown(heir);
  ASSERT_TRUE(zombie.running()) << shown(zombie);
  trial.expect_equal();

  ASSERT_EQ(trial.migrate({"resume", "plan.yaml"}).status, 0);
  ASSERT_TRUE(zombie.wait_for(20s));
  EXPECT_EQ(zombie.status(), 1) << shown(zombie);
  EXPECT_THAT(zombie.err(), HasSubstr("another run of this plan has taken over"));
  trial.expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Engines, Checkpoint, testing::ValuesIn(kKinds),
                         [](const auto& tested) { return std::string(name(tested.param)); });

}  // namespace
}  // namespace migrator::test
