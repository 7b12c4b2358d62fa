// What the checkpoint store remembers, and what its calls mean.
#include <cstdlib>
#include <sstream>

#include "tests/unit/store_fixture.h"

namespace migrator {
namespace {

TEST(Store, RemembersOneOfEverythingAcrossReopening) {
  Folder folder;
  const std::string path = folder / "shop.migrate.db";
  {
    auto store = open_store(path, kCommand);
    EXPECT_EQ(store->migration().has_value(), false);
    EXPECT_EQ(store->control().version, 0u);
    put_one_of_everything(*store);
    steer(path);
    expect_one_of_everything(*store);
    expect_steered(store->control());
    expect_one_of_everything(*open_store_for_reading(path));
  }
  {
    auto store = open_store(path, kCommand);
    expect_one_of_everything(*store);
    expect_steered(store->control());
    EXPECT_GT(store->next_epoch(), 42u);
  }
  expect_one_of_everything(*open_store_for_reading(path));
  expect_steered(open_store_for_reading(path)->control());
  expect_consistent(path);
}

// ---------------------------------------------------------------- the golden file

const fs::path kGolden = fs::path(__FILE__).parent_path().parent_path() / "golden";

// Every table's schema and every cell, for a person to read.
std::string dump(const std::string& path) {
  Sqlite raw(path);
  std::string text =
      fmt::format("application_id {}\nuser_version {}\n", raw.cell("PRAGMA application_id"),
                  raw.cell("PRAGMA user_version"));
  for (const auto& schema :
       raw.rows("SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")) {
    text += fmt::format("\n{};\n", schema[2]);
    if (schema[1] != "table") continue;
    for (const auto& cells : raw.rows(
             fmt::format("SELECT group_concat(quote(name) || ', ' || 'quote(' || name || ')', ', ')"
                         " FROM pragma_table_info({})",
                         "'" + schema[0] + "'"))) {
      for (const auto& row :
           raw.rows(fmt::format("SELECT {} FROM {} ORDER BY 2, 4", cells[0], schema[0]))) {
        text += "  row";
        for (std::size_t i = 0; i + 1 < row.size(); i += 2)
          text += fmt::format(" {}={}", row[i], row[i + 1]);
        text += "\n";
      }
    }
  }
  return text;
}

// Without the rows, whose times are those of the day they were written.
std::string schema_of(const std::string& dump) {
  std::istringstream lines(dump);
  std::string schema;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  row")) schema += line + "\n";
  }
  return schema;
}

// With MIGRATOR_WRITE_GOLDEN in the environment it makes the files of a new version; those of old
// ones stay.
TEST(GoldenCheckpoint, TheNewestVersionIsThatOfItsFile) {
  const auto version = checkpoint::schema_migrations().back().to;
  const fs::path golden = kGolden / fmt::format("checkpoint-v{}.db", version);
  const bool make = std::getenv("MIGRATOR_WRITE_GOLDEN") != nullptr;
  if (make) {
    ASSERT_FALSE(fs::exists(golden)) << "golden files are never written over";
  }
  Folder folder;
  const std::string path = make ? golden.string() : folder / "new.db";
  put_one_of_everything(*open_store(path, kCommand));
  steer(path);
  Sqlite(path).rows(
      "UPDATE owner SET pid = 4711, host = 'db1.example', since = 1767323045678901,"
      " released_at = NULL");  // a host that is nobody's
  fs::remove(path + ".lock");
  const fs::path text = fs::path(golden).replace_extension(".txt");
  if (make) put_contents(text, dump(path));
  EXPECT_EQ(schema_of(dump(path)), schema_of(contents(text)));
}

TEST(GoldenCheckpoint, Version1IsReadInEveryField) {
  Folder folder;
  const std::string path = folder / "copy.db";
  fs::copy_file(kGolden / "checkpoint-v1.db", path);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(dump(path), contents(kGolden / "checkpoint-v1.txt"));
  expect_error(ErrorKind::permanent, "format version 1", [&] { open_store_for_reading(path); });
  EXPECT_FALSE(store_owner(path).has_value()) << "its owner row is stale";
  auto store = open_store(path, kCommand);
  expect_one_of_everything(*store);
  expect_steered(store->control());
  EXPECT_GT(store->next_epoch(), 42u);
  Sqlite raw(path);
  EXPECT_EQ(
      raw.rows("SELECT rows, bytes, took_ms, lease_until, finished_at >= claimed_at FROM chunks"
               " WHERE table_id = 1 AND number = 0"),
      (Sqlite::Rows{{"50000", "20000000", "487", "NULL", "1"}}));
  EXPECT_EQ(
      raw.cell("SELECT lease_until - claimed_at FROM chunks WHERE table_id = 1 AND number = 1"),
      "30000000");
}

TEST(GoldenCheckpoint, Version2IsReadInEveryField) {
  Folder folder;
  const std::string path = folder / "copy.db";
  fs::copy_file(kGolden / "checkpoint-v2.db", path);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(dump(path), contents(kGolden / "checkpoint-v2.txt"));
  auto store = open_store(path, kCommand);
  expect_one_of_everything(*store);
  expect_mismatches(*store);
}

TEST(GoldenCheckpoint, Version3IsReadInEveryField) {
  Folder folder;
  const std::string path = folder / "copy.db";
  fs::copy_file(kGolden / "checkpoint-v3.db", path);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(dump(path), contents(kGolden / "checkpoint-v3.txt"));
  auto store = open_store(path, kCommand);
  expect_one_of_everything(*store);
  expect_mismatches(*store);
  expect_verify_progress(*store);
  const std::string key = store->digest_key();
  // What is copied now makes nothing of what was found before.
  store->void_verify();
  EXPECT_TRUE(store->verify_progress().empty());
  EXPECT_EQ(store->digest_key(), key);
}

// ---------------------------------------------------------------- meaning of the calls

class StoreCalls : public testing::Test {
 protected:
  StoreCalls() { store->put_table("t", 100, 1000); }
  Folder folder;
  const std::string path = folder / "t.db";
  std::unique_ptr<CheckpointStore> store = open_store(path, kCommand);
};

TEST_F(StoreCalls, EpochsOnlyRiseAndAreNeverGivenTwice) {
  std::uint64_t last = 0;
  for (int opening = 0; opening < 3; ++opening) {
    for (std::uint64_t i = 0; i < checkpoint::kEpochBlock + 5; ++i) {
      const std::uint64_t epoch = store->next_epoch();
      ASSERT_GT(epoch, last);
      last = epoch;
    }
    EXPECT_EQ(store->next_epoch(last + 10), last + 11);
    EXPECT_EQ(store->next_epoch(3), last + 12);
    last += 12;
    store.reset();
    store = open_store(path, kCommand);
  }
  constexpr std::uint64_t kLast = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(store->next_epoch(kLast - 1), kLast);
  expect_error(ErrorKind::invariant, "no epoch after", [&] { store->next_epoch(); });
  expect_error(ErrorKind::invariant, "no epoch after", [&] { store->next_epoch(~0ull); });
}

TEST_F(StoreCalls, CutsChunksFromTheFrontierWithoutGaps) {
  const Chunk first = store->cut_chunk("t", key(10));
  EXPECT_EQ(first.number, 0u);
  EXPECT_EQ(first.range, (KeyRange{std::nullopt, key(10)}));
  EXPECT_EQ(first.state, ChunkState::pending);
  EXPECT_EQ(store->table("t").frontier, key(10));
  EXPECT_EQ(store->cut_chunk("t", key(25)).range, (KeyRange{key(10), key(25)}));
  const Chunk last = store->cut_chunk("t", std::nullopt);
  EXPECT_EQ(last.number, 2u);
  EXPECT_EQ(last.range, (KeyRange{key(25), std::nullopt}));
  EXPECT_TRUE(store->table("t").cut_to_end);
  expect_error(ErrorKind::invariant, "cut to its end", [&] { store->cut_chunk("t", key(30)); });
  expect_error(ErrorKind::invariant, "cut to its end",
               [&] { store->cut_chunk("t", std::nullopt); });
  EXPECT_EQ(store->table("t").chunks_cut, 3u);
  expect_consistent(path);
}

TEST_F(StoreCalls, RefusesAChunkThatCanHoldNoRow) {
  store->cut_chunk("t", key(10));
  expect_error(ErrorKind::invariant, "end where it begins",
               [&] { store->cut_chunk("t", key(10)); });
  EXPECT_EQ(store->table("t").chunks_cut, 1u);
}

TEST_F(StoreCalls, ATableMayBeCutAsOneChunkWithoutBounds) {
  EXPECT_EQ(store->cut_chunk("t", std::nullopt).range, KeyRange{});
  EXPECT_TRUE(store->table("t").cut_to_end);
}

TEST_F(StoreCalls, ClaimsCountAttemptsAndRefuseOlderEpochs) {
  store->cut_chunk("t", key(10));
  store->claim_chunk("t", 0, 5, std::chrono::seconds(1));
  store->claim_chunk("t", 0, 6, std::chrono::seconds(1));
  expect_error(ErrorKind::fenced, "epoch 6", [&] { store->claim_chunk("t", 0, 5, {}); });
  EXPECT_EQ(store->chunk("t", 0)->epoch, 6u);
  EXPECT_EQ(store->chunk("t", 0)->attempts, 2);
  store->finish_chunk("t", 0, {1, 1, {}});
  expect_error(ErrorKind::invariant, "is done", [&] { store->claim_chunk("t", 0, 7, {}); });
  expect_error(ErrorKind::invariant, "no chunk 1", [&] { store->claim_chunk("t", 1, 7, {}); });
}

TEST_F(StoreCalls, FinishingTwiceCountsOnce) {
  store->cut_chunk("t", key(10));
  store->finish_chunk("t", 0,
                      {10, 100, std::chrono::milliseconds(3)});  // unclaimed: the fence said so
  store->finish_chunk("t", 0, {99, 999, std::chrono::milliseconds(9)});
  EXPECT_EQ(store->table("t").rows, 10u);
  EXPECT_EQ(store->table("t").bytes, 100u);
  EXPECT_EQ(store->table("t").chunks_done, 1u);
  expect_error(ErrorKind::invariant, "no chunk 1", [&] { store->finish_chunk("t", 1, {}); });
  expect_consistent(path);
}

TEST_F(StoreCalls, UnknownTablesAreErrors) {
  expect_error(ErrorKind::invariant, "no table u", [&] { store->table("u"); });
  expect_error(ErrorKind::invariant, "no table u", [&] { store->cut_chunk("u", key(1)); });
  expect_error(ErrorKind::invariant, "no table u", [&] { store->open_chunks("u"); });
  expect_error(ErrorKind::invariant, "no table u",
               [&] { store->set_table_state("u", TableState::copied); });
  expect_error(ErrorKind::invariant, "no table u", [&] {
    store->put_reject({0, "u", key(1), 0, "", "", at(0), true, ""});
  });
  EXPECT_FALSE(store->chunk("t", 0).has_value());
  EXPECT_THAT(store->rejects("u"), SizeIs(0));
  EXPECT_EQ(store->open_rejects("u"), 0u);
}

TEST_F(StoreCalls, PuttingATableAgainKeepsWhatIsThere) {
  store->cut_chunk("t", key(10));
  store->set_table_state("t", TableState::copying);
  store->put_table("t", 7, 7);
  EXPECT_EQ(store->table("t").chunks_cut, 1u);
  EXPECT_EQ(store->table("t").state, TableState::copying);
  EXPECT_EQ(store->table("t").rows_estimate, 100u);
}

TEST_F(StoreCalls, StepsAreDoneOnceUntilCleared) {
  EXPECT_FALSE(store->step_done("schema"));
  store->mark_step("schema");
  store->mark_step("schema");
  EXPECT_TRUE(store->step_done("schema"));
  store->clear_step("schema");
  EXPECT_FALSE(store->step_done("schema"));
}

TEST_F(StoreCalls, BelongsToOneMigration) {
  Migration migration = shop_migration();
  store->begin_migration(migration);
  migration.plan_meaning = {"changed"};
  migration.plan_fingerprint = "other";
  store->begin_migration(migration);
  EXPECT_EQ(store->migration()->plan_meaning, migration.plan_meaning);
  EXPECT_EQ(store->migration()->plan_fingerprint, "other");
  migration.id = "another";
  expect_error(ErrorKind::invariant, "belongs to migration",
               [&] { store->begin_migration(migration); });
  EXPECT_EQ(store->migration()->id, shop_migration().id);
}

TEST_F(StoreCalls, RejectsAreIdentifiedByTableAndKey) {
  store->put_table("u", 0, 0);
  const auto put = [&](const std::string& table, std::int64_t k, std::uint64_t chunk) {
    return store->put_reject({0, table, key(k), chunk, "22001", "too long", at(0), true, ""});
  };
  const auto first = put("t", 1, 0);
  const auto second = put("t", 2, 1);
  const auto other = put("u", 1, 0);
  EXPECT_NE(first, other);
  EXPECT_EQ(put("t", 1, 0), first);
  EXPECT_EQ(store->open_rejects("t"), 2u);
  EXPECT_EQ(store->open_rejects(), 3u);
  EXPECT_THAT(store->rejects("t"), SizeIs(2));
  EXPECT_THAT(store->rejects("", true, 1), SizeIs(1));

  store->resolve_reject(first, "retried");
  store->resolve_reject(first, "retried again");
  EXPECT_EQ(store->open_rejects("t"), 1u);
  EXPECT_EQ(store->reject(first)->resolution, "retried again");
  EXPECT_THAT(store->rejects("t"), SizeIs(1));
  EXPECT_THAT(store->rejects("t", false), SizeIs(2));
  put("t", 1, 0);  // it was refused again
  EXPECT_EQ(store->open_rejects("t"), 2u);

  store->resolve_reject(first, "dropped");
  store->clear_rejects("t", 0);
  EXPECT_TRUE(store->reject(first).has_value()) << "what a person decided is kept";
  store->clear_rejects("t", 1);
  EXPECT_FALSE(store->reject(second).has_value());
  EXPECT_EQ(store->open_rejects("t"), 0u);
  EXPECT_EQ(store->open_rejects("u"), 1u);
  EXPECT_GT(put("t", 3, 1), other) << "an id that a person may have noted is never another row's";
  expect_error(ErrorKind::usage, "no reject 999", [&] { store->resolve_reject(999, "x"); });
  expect_consistent(path);
}

TEST_F(StoreCalls, KeepsTheNewestTenThousandEvents) {
  for (int i = 0; i < checkpoint::kEventsMax + 5; ++i)
    store->add_event({at(i), "k", "t", std::to_string(i)});
  const auto events = store->events(1'000'000);
  ASSERT_THAT(events, SizeIs(checkpoint::kEventsMax));
  EXPECT_EQ(events.front().text, "5");
  EXPECT_EQ(events.back().text, "10004");
  EXPECT_THAT(store->events(2), ElementsAre(events[9'998], events[9'999]));
}

TEST_F(StoreCalls, KeepsTheLatestVerifyOutcomeOfATable) {
  store->put_verify({"v", at(0), 10, 1, 1, 1, true});
  store->put_verify({"v", at(1), 20, 0, 0, 0, false});
  const auto outcomes = store->verify_outcomes();
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(outcomes[0].rows, 20u);
  EXPECT_EQ(outcomes[0].missing, 0u);
  EXPECT_FALSE(outcomes[0].complete);
}

TEST_F(StoreCalls, NoVerifyCountsOnceRowsAreCopiedAgain) {
  store->put_verify({"v", at(0), 10, 0, 0, 0, true});
  EXPECT_TRUE(store->verify_outcomes()[0].passed());
  store->void_verify();
  EXPECT_FALSE(store->verify_outcomes()[0].passed());
}

TEST_F(StoreCalls, AMismatchKeepsItsIdUntilItIsGone) {
  store->put_mismatches("v", {mismatch(key(1), "missing", {}), mismatch(key(2), "extra", {})},
                        true);
  const std::int64_t id = store->mismatches("v")[1].id;
  // One that was cut short says nothing of those it did not find.
  store->put_mismatches("v", {mismatch(key(2), "differs", {"a"})}, false);
  EXPECT_EQ(store->open_mismatches("v"), 2u);
  EXPECT_EQ(store->mismatch(id)->kind, "differs");
  store->put_mismatches("v", {mismatch(key(2), "differs", {"a"})}, true);
  EXPECT_EQ(store->open_mismatches("v"), 1u);
  store->resolve_mismatch(id, "by hand");
  EXPECT_EQ(store->open_mismatches("v"), 0u);
  store->put_mismatches("v", {mismatch(key(2), "missing", {})}, true);
  EXPECT_EQ(store->mismatches("v")[0].id, id);
  EXPECT_EQ(store->mismatches("v")[0].resolution, "");
  EXPECT_THAT(store->mismatches("v", false), SizeIs(2));
  expect_error(ErrorKind::usage, "no mismatch 99", [&] { store->resolve_mismatch(99, "x"); });
}

TEST_F(StoreCalls, ARunningCommandSeesWhatIsChangedBesideIt) {
  EXPECT_EQ(change_control(path, true, {{"jobs", "8"}}).version, 1u);
  EXPECT_TRUE(store->control().paused);
  EXPECT_EQ(change_control(path, true, {{"jobs", "8"}}).version, 1u) << "nothing is different";
  const Control control = change_control(path, false, {{"jobs", ""}, {"rows_per_second", "5"}});
  EXPECT_FALSE(control.paused);
  EXPECT_EQ(store->control().version, 2u);
  EXPECT_EQ(store->control().settings,
            (std::map<std::string, std::string>{{"rows_per_second", "5"}}));
}

TEST_F(StoreCalls, AReaderSeesChangesAndCanMakeNone) {
  const auto reader = open_store_for_reading(path);
  store->cut_chunk("t", key(10));
  EXPECT_EQ(reader->table("t").chunks_cut, 1u);
  expect_error(ErrorKind::invariant, "for reading", [&] { reader->cut_chunk("t", key(20)); });
  expect_error(ErrorKind::invariant, "for reading", [&] { reader->next_epoch(); });
}

TEST_F(StoreCalls, NumbersThatSqliteCannotHoldAreRefused) {
  store->cut_chunk("t", key(10));
  expect_error(ErrorKind::invariant, "9223372036854775807", [&] {
    store->finish_chunk("t", 0, {~0ull, 0, {}});
  });
  EXPECT_EQ(store->chunk("t", 0)->state, ChunkState::pending);
  store->put_table("big", ~0ull, ~0ull);  // an estimate is only that
  EXPECT_EQ(store->table("big").rows_estimate, 9'223'372'036'854'775'807u);
}

}  // namespace
}  // namespace migrator
