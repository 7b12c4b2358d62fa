// Backfills that are stopped, steered, watched, and refused by the target: through the command
// line.
#include <algorithm>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAreArray;

using Pair = std::pair<ServerKind, ServerKind>;

// items(id, label) with so many rows.
void make_items(const TestDatabase& database, int rows) {
  database.exec("CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, label VARCHAR(40) NOT NULL)");
  if (rows == 0) return;
  database.exec(
      fmt::format("INSERT INTO items SELECT n, 'item' FROM {}", numbers(database.kind(), rows)));
}

const std::string kItems = "  - name: items\n";

// --- Stopped and steered -------------------------------------------------------------------------

class StoppedTest : public testing::TestWithParam<Pair> {};

TEST_P(StoppedTest, AnInterruptedRunIsGoneOnWithAndEachRowArrivesOnce) {
  MigrationCase migration(GetParam().first, GetParam().second);
  make_items(migration.source, 12'000);
  migration.plan(kItems, "backfill: {jobs: 2, chunk: {max_rows: 200}}\n");
  Child running = migration.start({"backfill", "plan.yaml", "--rows-per-second", "4000", "--json"});
  ASSERT_TRUE(eventually([&] { return migration.rows_recorded() > 0; })) << running.err();
  running.signal(SIGINT);
  ASSERT_TRUE(running.wait_for(10s)) << "it does not stop";
  migration.remember(running);
  EXPECT_EQ(running.status(), 130) << running.err();
  EXPECT_THAT(running.err(), HasSubstr("stopping"));
  const json stopped = document({running.status(), running.out(), running.err()});
  if (stopped.is_object()) {
    EXPECT_EQ(stopped["interrupted"], true);
    EXPECT_EQ(stopped["complete"], false);
  }

  const std::uint64_t recorded = migration.rows_recorded();
  EXPECT_GT(recorded, 0u);
  ASSERT_LT(recorded, 12'000u) << "it was through before it was stopped";
  const std::uint64_t on_target = std::stoull(migration.target.value("SELECT count(*) FROM items"));
  EXPECT_GE(on_target, recorded);

  const CommandResult again = migration.migrate({"backfill", "plan.yaml", "--json"});
  ASSERT_EQ(again.status, 0) << shown(again);
  EXPECT_THAT(again.err, HasSubstr("going on"));
  EXPECT_EQ(document(again)["rows"], 12'000 - recorded) << "rows that were in were counted again";
  EXPECT_EQ(migration.rows_recorded(), 12'000u);
  EXPECT_EQ(migration.target.value("SELECT count(*) FROM items"), "12000");
  migration.expect_equal({"items"});

  // And a third one has nothing to do.
  const CommandResult third = migration.migrate({"backfill", "plan.yaml", "--json"});
  EXPECT_EQ(third.status, 0) << shown(third);
  EXPECT_EQ(document(third)["rows"], 0);
}

INSTANTIATE_TEST_SUITE_P(Pairs, StoppedTest,
                         testing::Values(Pair{ServerKind::sqlite, ServerKind::sqlite},
                                         Pair{ServerKind::sqlite, ServerKind::postgres},
                                         Pair{ServerKind::postgres, ServerKind::mariadb},
                                         Pair{ServerKind::mariadb, ServerKind::postgres}),
                         pair_name);

TEST(Steering, PauseHoldsSetChangesAndResumeLetsGo) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::postgres);
  make_items(migration.source, 30'000);
  migration.plan(kItems, "backfill: {jobs: 1, chunk: {max_rows: 200}}\n");
  Child running = migration.start({"backfill", "plan.yaml", "--rows-per-second", "2000"});
  ASSERT_TRUE(eventually([&] { return migration.rows_recorded() > 0; })) << running.err();

  const CommandResult paused = migration.migrate({"pause", "plan.yaml", "--json"});
  EXPECT_EQ(paused.status, 0) << shown(paused);
  EXPECT_THAT(keys_of(document(paused)), ElementsAre("paused", "running", "settings"));
  EXPECT_EQ(document(paused)["running"], true);
  EXPECT_TRUE(eventually([&] {
    return running.err().find("paused (`migrate resume`") != std::string::npos;
  })) << "its progress does not say why nothing moves: "
      << running.err();
  const std::uint64_t held = migration.rows_recorded();
  std::this_thread::sleep_for(1s);  // at the rate it had, some 2000 rows
  EXPECT_EQ(migration.rows_recorded(), held);
  EXPECT_LT(held, 30'000u);

  const CommandResult set =
      migration.migrate({"set", "plan.yaml", "rows_per_second=0", "max_rows=5000", "--json"});
  EXPECT_EQ(set.status, 0) << shown(set);
  EXPECT_EQ(document(set)["settings"]["rows_per_second"], "0");
  EXPECT_EQ(migration.status()["paused"], true);
  const CommandResult resumed = migration.migrate({"resume", "plan.yaml"});
  EXPECT_EQ(resumed.status, 0) << shown(resumed);
  // At the old rate it would take 15 seconds.
  EXPECT_TRUE(running.wait_for(10s)) << running.err();
  migration.remember(running);
  EXPECT_EQ(running.status(), 0) << running.err();
  migration.expect_equal({"items"});
}

TEST(Steering, RefusesWhatIsNoSettingAndNamesTheNearest) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 10);
  migration.plan(kItems);
  expect_refusal(migration.migrate({"pause", "plan.yaml"}), 1, {"no checkpoint", "state.db"});
  ASSERT_EQ(migration.migrate({"start", "plan.yaml"}).status, 0);
  expect_refusal(migration.migrate({"set", "plan.yaml", "rows_per_secnd=5"}), 2,
                 {"rows_per_secnd", "did you mean `rows_per_second`?"});
  expect_refusal(migration.migrate({"set", "plan.yaml", "jobs=many"}), 2, {"jobs"});
  expect_refusal(migration.migrate({"set", "plan.yaml", "jobs"}), 2, {"name=value"});
  EXPECT_EQ(migration.status()["settings"].size(), 0u);
}

TEST(Steering, TheRateLimitHolds) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 6000);
  migration.plan(kItems, "backfill: {rows_per_second: 2000}\n");
  const CommandResult result = migration.migrate({"backfill", "plan.yaml", "--json"});
  ASSERT_EQ(result.status, 0) << shown(result);
  // Three seconds' worth of rows; the first chunk may go at once.
  EXPECT_GT(document(result)["seconds"].get<double>(), 1.5);
  EXPECT_LT(document(result)["seconds"].get<double>(), 12);
  migration.expect_equal({"items"});
}

TEST(Steering, ASecondProcessIsToldWhoIsAtWork) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 20'000);
  migration.plan(kItems, "backfill: {chunk: {max_rows: 100}}\n");
  Child running = migration.start({"backfill", "plan.yaml", "--rows-per-second", "1000"});
  ASSERT_TRUE(eventually([&] { return migration.rows_recorded() > 0; })) << running.err();
  const std::string pid = fmt::format("pid {}", running.pid());
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), 4,
                 {pid, "migrate backfill plan.yaml"});
  expect_refusal(migration.migrate({"verify", "plan.yaml"}), 4, {pid});
  const json status = migration.status();
  EXPECT_EQ(status["running"], true);
  EXPECT_EQ(status["owner"]["pid"], running.pid());
  running.signal(SIGTERM);
  EXPECT_TRUE(running.wait_for(10s));
  EXPECT_EQ(running.status(), 130);
  EXPECT_EQ(migration.status()["running"], false);
}

TEST(Json, EveryCommandPrintsOneDocumentWithTheSameKeys) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 10);
  const auto keys = [&](const std::vector<std::string>& arguments) {
    const CommandResult result = migration.migrate(arguments);
    EXPECT_EQ(result.status, 0) << shown(result);
    return document(result);
  };
  const json planned = keys({"plan", "--source", "${SOURCE_URL}", "--target", "${TARGET_URL}", "-o",
                             "plan.yaml", "--json"});
  EXPECT_THAT(keys_of(planned), ElementsAre("bytes", "findings", "name", "plan", "ready", "rows",
                                            "source", "tables", "target", "yaml"));
  EXPECT_THAT(keys_of(planned["tables"][0]), ElementsAre("bytes", "rows", "rows_scanned", "table"));
  // With a warning for `check` to print.
  std::string quiet = migration.read("plan.yaml");
  quiet.replace(quiet.find("capture: trigger"), 16, "capture: none");
  migration.write("quiet.yaml", quiet);
  const json checked = keys({"check", "plan.yaml", "--json"});
  EXPECT_THAT(keys_of(checked), ElementsAre("findings", "ready", "statements"));
  EXPECT_THAT(keys_of(keys({"check", "quiet.yaml", "--json"})["findings"][0]),
              ElementsAre("remedy", "severity", "table", "text"));
  EXPECT_THAT(keys_of(keys({"start", "plan.yaml", "--json"})),
              ElementsAre("captured", "findings", "resumed", "tables_created"));
  const auto status_keys =
      ElementsAre("changes", "checkpoint", "events", "id", "name", "owner", "paused",
                  "plan_fingerprint", "running", "settings", "tables", "verify");
  const json filled = keys({"backfill", "plan.yaml", "--json"});
  EXPECT_THAT(keys_of(filled),
              ElementsAre("bytes", "complete", "copy_seconds", "finish_seconds", "interrupted",
                          "rejects", "relay", "rows", "seconds", "tables", "warnings"));
  const std::vector<std::string> of_a_relay{"backlog",
                                            "backlog_growth_per_second",
                                            "backlog_is_more",
                                            "deferred",
                                            "entries",
                                            "keys",
                                            "lag_seconds",
                                            "lag_seconds_p50",
                                            "lag_seconds_p99",
                                            "refusal",
                                            "refused",
                                            "rounds",
                                            "rows",
                                            "waits_for"};
  std::vector<std::string> with_its_error = of_a_relay;
  with_its_error.insert(with_its_error.end(), {"error", "remedy"});
  EXPECT_THAT(keys_of(filled["relay"]), UnorderedElementsAreArray(with_its_error));
  EXPECT_THAT(keys_of(keys({"relay", "plan.yaml", "--json"})),
              UnorderedElementsAreArray(of_a_relay));
  EXPECT_THAT(keys_of(filled["tables"][0]),
              ElementsAre("bytes", "code", "error", "rejects", "remedy", "retries", "rows", "state",
                          "table", "way"));
  const json verified = keys({"verify", "plan.yaml", "--json"});
  EXPECT_THAT(keys_of(verified), ElementsAre("equal", "tables"));
  EXPECT_THAT(
      keys_of(verified["tables"][0]),
      ElementsAre("bytes", "complete", "differences", "differing", "equal", "error", "extra",
                  "in_flux", "missing", "not_looked_at", "remedy", "repaired", "reported",
                  "rows_by_digest", "rows_source", "rows_target", "seconds", "table"));
  EXPECT_THAT(keys_of(keys({"mismatches", "plan.yaml", "--json"})),
              ElementsAre("mismatches", "open"));
  const json status = keys({"status", "plan.yaml", "--json"});
  EXPECT_THAT(keys_of(status), status_keys);
  EXPECT_THAT(keys_of(status["tables"][0]),
              ElementsAre("bytes", "chunks_cut", "chunks_done", "cut_to_end", "rejects", "rows",
                          "rows_estimate", "state", "table"));
  EXPECT_THAT(keys_of(keys({"rejects", "plan.yaml", "--json"})),
              ElementsAre("open", "refused", "rejects", "resolved", "skipped"));
  // Of a migration that was not begun, and of a command that fails.
  migration.write("other.yaml", migration.read("plan.yaml") + "\ncheckpoint: none.db\n");
  EXPECT_THAT(keys_of(keys({"status", "other.yaml", "--json"})), status_keys);
  const CommandResult failed = migration.migrate({"verify", "plan.yaml", "--table", "x", "--json"});
  EXPECT_EQ(failed.status, 2) << shown(failed);
  EXPECT_THAT(keys_of(document(failed)["error"]),
              ElementsAre("code", "exit", "remedy", "table", "text"));
  EXPECT_THAT(keys_of(keys({"finish", "plan.yaml", "--json"})), ElementsAre("finished", "relay"));
}

TEST(Settings, OfTheCommandLineTakeThePlaceOfThoseThatWereSet) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 10);
  migration.plan(kItems);
  ASSERT_EQ(migration.migrate({"start", "plan.yaml"}).status, 0);
  ASSERT_EQ(migration.migrate({"set", "plan.yaml", "rows_per_second=1", "max_rows=7"}).status, 0);
  expect_refusal(migration.migrate({"set", "plan.yaml", "max_bytes=0"}), 2, {"max_bytes"});
  const CommandResult filled =
      migration.migrate({"backfill", "plan.yaml", "--rows-per-second", "0"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
  EXPECT_THAT(filled.err, HasSubstr("set: max_rows=7"));
  EXPECT_EQ(migration.status()["settings"], (json{{"max_rows", "7"}}));
  ASSERT_EQ(migration.migrate({"set", "plan.yaml", "max_rows="}).status, 0);
  EXPECT_EQ(migration.status()["settings"], json::object());
}

// --- Rows that are there already
// -------------------------------------------------------------------

class ExistingTest : public testing::TestWithParam<Pair> {};

TEST_P(ExistingTest, IsRefusedUnlessAllowedAndThenLeftAlone) {
  MigrationCase migration(GetParam().first, GetParam().second);
  make_items(migration.source, 500);
  make_items(migration.target, 0);
  migration.target.exec("INSERT INTO items VALUES (7, 'mine'), (9, 'item')");
  migration.plan(kItems, "backfill: {chunk: {max_rows: 100}}\n");

  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), 4,
                 {"items", "already holds rows", "--allow-existing"});
  EXPECT_EQ(migration.target.value("SELECT count(*) FROM items"), "2");

  const CommandResult allowed = migration.migrate({"backfill", "plan.yaml", "--allow-existing"});
  EXPECT_EQ(allowed.status, 0) << shown(allowed);
  EXPECT_EQ(migration.target.value("SELECT count(*) FROM items"), "500");
  EXPECT_EQ(migration.target.value("SELECT label FROM items WHERE id = 7"), "mine");
  const CommandResult verified = migration.migrate({"verify", "plan.yaml", "--json"});
  EXPECT_EQ(verified.status, 3) << shown(verified);
  const json table = document(verified)["tables"][0];
  EXPECT_EQ(table["differing"], 1);
  EXPECT_EQ(table["missing"], 0);
  EXPECT_THAT(table["differences"][0]["key"].dump(), HasSubstr("7"));
  EXPECT_EQ(table["differences"][0]["columns"], json({"label"}));
}

TEST_P(ExistingTest, ARowInConflictOnAnotherUniqueKeyIsRejectedAndCanBeRetried) {
  MigrationCase migration(GetParam().first, GetParam().second);
  make_items(migration.source, 500);
  make_items(migration.target, 0);
  migration.source.exec("UPDATE items SET label = 'same' WHERE id = 123");
  migration.target.exec("ALTER TABLE items RENAME TO old_items");
  migration.target.exec(
      "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, label VARCHAR(40) NOT NULL, "
      "tag VARCHAR(40) UNIQUE); DROP TABLE old_items; INSERT INTO items VALUES (9000, 'x', "
      "'same')");
  migration.plan("  - {name: items, columns: {label: tag}}\n");
  // `label` would have no value: so the target gives it one.
  const char* const optional =
      is_postgres(migration.target.kind())
          ? "ALTER TABLE items ALTER label SET DEFAULT 'none'"
          : "ALTER TABLE items MODIFY label VARCHAR(40) NOT NULL DEFAULT 'none'";
  if (migration.target.kind() == ServerKind::sqlite) {
    migration.target.exec(
        "DROP TABLE items; CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, "
        "label VARCHAR(40) NOT NULL DEFAULT 'none', tag VARCHAR(40) UNIQUE); "
        "INSERT INTO items VALUES (9000, 'x', 'same')");
  } else {
    migration.target.exec(optional);
  }
  migration.source.exec(migration.source.kind() == ServerKind::mariadb
                            ? "UPDATE items SET label = CONCAT('t', id) WHERE id <> 123"
                            : "UPDATE items SET label = 't' || id WHERE id <> 123");

  const CommandResult filled =
      migration.migrate({"backfill", "plan.yaml", "--allow-existing", "--json"});
  EXPECT_EQ(filled.status, 3) << shown(filled);
  EXPECT_EQ(document(filled)["rejects"], 1);
  EXPECT_EQ(migration.target.value("SELECT count(*) FROM items"), "500");  // 499 and the one there

  const CommandResult listed = migration.migrate({"rejects", "plan.yaml", "--json"});
  EXPECT_EQ(listed.status, 3);
  const json rejects = document(listed);
  EXPECT_EQ(rejects["open"], 1);
  ASSERT_EQ(rejects["rejects"].size(), 1u) << shown(listed);
  EXPECT_THAT(keys_of(rejects["rejects"][0]),
              ElementsAre("at", "code", "error", "id", "key", "open", "resolution", "table"));
  EXPECT_THAT(rejects["rejects"][0]["key"].dump(), HasSubstr("123"));
  EXPECT_NE(rejects["rejects"][0]["error"], "");
  EXPECT_NE(rejects["rejects"][0]["code"], "");
  EXPECT_THAT(rejects["rejects"][0]["error"].get<std::string>(), Not(HasSubstr("same")))
      << "a value of the row is in the error";

  const CommandResult in_vain = migration.migrate({"rejects", "plan.yaml", "--retry"});
  EXPECT_EQ(in_vain.status, 3) << shown(in_vain);
  migration.target.exec("DELETE FROM items WHERE id = 9000");
  const CommandResult retried = migration.migrate({"rejects", "plan.yaml", "--retry", "--json"});
  EXPECT_EQ(retried.status, 0) << shown(retried);
  EXPECT_EQ(document(retried)["open"], 0);
  EXPECT_EQ(migration.target.value("SELECT tag FROM items WHERE id = 123"), "same");
  const CommandResult verified = migration.migrate({"verify", "plan.yaml"});
  EXPECT_EQ(verified.status, 0) << shown(verified);
}

INSTANTIATE_TEST_SUITE_P(Pairs, ExistingTest,
                         testing::Values(Pair{ServerKind::sqlite, ServerKind::sqlite},
                                         Pair{ServerKind::sqlite, ServerKind::postgres},
                                         Pair{ServerKind::postgres, ServerKind::mariadb},
                                         Pair{ServerKind::mariadb, ServerKind::postgres}),
                         pair_name);

}  // namespace
}  // namespace migrator::test
