// Tables without a key, over every ordered pair of engines: copied in one transaction, and compared
// by how often each row is there.
//
// What each guard is worth, tried out by taking it away:
// - the look at a target that holds rows already, whatever --allow-existing says
//   (Preflight::check_empty): RowsThatAreThereAreNotDoubled fails;
// - that of the chunk itself (refuse_rows_that_cannot_be_told): NorAreThoseThatCameMeanwhile fails;
// - the recovery that gives up (ChunkRecovery::run): ARowThatIsRefusedLeavesNothing fails.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

using Pair = std::pair<ServerKind, ServerKind>;

constexpr int kRows = 4000;

class Keyless : public testing::TestWithParam<Pair> {
 protected:
  Keyless() : trial(GetParam().first, GetParam().second) {
    const ServerKind kind = trial.source.kind();
    const bool mysql = is_mysql(kind), postgres = is_postgres(kind);
    // Every row of 1 to 2000 twice; NULLs; and 50 that are wholly alike.
    trial.source.exec(fmt::format(
        "CREATE TABLE hits (visitor INT, page VARCHAR(60){0}, paid DECIMAL(10,3), took {1}, at "
        "{2});"
        "INSERT INTO hits SELECT n % 2000, CASE WHEN n % 7 = 0 THEN NULL ELSE 'page' END, n % 2000 "
        "* 1.5, n % 2000 / 4.0, {3}'2024-02-29 12:00:00' FROM {4};"
        "INSERT INTO hits SELECT NULL, 'alike', NULL, NULL, NULL FROM {5};"
        // A unique index that lets NULLs through names no row.
        "CREATE TABLE maybe (email VARCHAR(40){0}, n INT, UNIQUE (email));"
        "INSERT INTO maybe VALUES (NULL, 1), (NULL, 1), ('a', 2);"
        "CREATE TABLE idle (n INT);",
        mysql ? " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin" : "",
        postgres ? "DOUBLE PRECISION" : "DOUBLE", mysql ? "DATETIME(6)" : "TIMESTAMP",
        postgres ? "TIMESTAMP " : "", numbers(kind, kRows), numbers(kind, 50)));
    plan();
  }

  void plan(const std::string& rest = "") {
    trial.plan(MigrationCase::tables({"hits", "maybe", "idle"}), rest);
  }
  json verify(int status, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{"verify", "plan.yaml", "--json"};
    command.insert(command.end(), more.begin(), more.end());
    const CommandResult result = trial.migrate(command);
    EXPECT_EQ(result.status, status) << shown(result);
    return document(result);
  }
  std::string rows_there() const { return trial.target.value("SELECT COUNT(*) FROM hits"); }

  MigrationCase trial;
};

TEST_P(Keyless, AreCopiedAndCompared) {
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  EXPECT_NE(copied.err.find("no usable key"), std::string::npos) << copied.err;
  trial.expect_equal();
  for (const char* mode : {"auto", "digest", "stream"}) {
    for (const json& table : verify(0, {"--mode", mode})["tables"]) {
      EXPECT_TRUE(table["equal"]) << mode << " " << table;
      const bool digest = std::string(mode) == "digest" && GetParam().first == GetParam().second;
      if (table["table"] == "hits") {
        EXPECT_EQ(table["rows_by_digest"], digest ? kRows + 50 : 0) << mode;
      }
    }
  }
  // Done is done.
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  trial.expect_equal();
}

TEST_P(Keyless, WhatIsThereTooOftenOrTooSeldomIsFound) {
  plan("verify: {show_values: true}\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  // One copy less, one more, and a row that was changed; as many rows as before.
  trial.target.exec(
      "CREATE TABLE kept AS SELECT * FROM hits WHERE visitor = 17; DELETE FROM hits "
      "WHERE visitor = 17;");
  EXPECT_EQ(verify(3)["tables"][0]["missing"], 2);
  trial.target.exec(
      "INSERT INTO hits SELECT * FROM kept; INSERT INTO hits SELECT * FROM kept WHERE page IS NOT "
      "NULL; DROP TABLE kept;"
      "UPDATE hits SET page = 'other' WHERE page = 'alike';");
  for (const char* mode : {"auto", "digest", "stream"}) {
    const json hits = verify(3, {"--mode", mode})["tables"][0];
    EXPECT_EQ(hits["missing"], 50) << mode;
    EXPECT_EQ(hits["extra"], 52) << mode;
    EXPECT_EQ(hits["differing"], 0) << mode;
    EXPECT_EQ(hits["rows_source"], kRows + 50);
    EXPECT_EQ(hits["rows_target"], kRows + 52);
    std::map<std::string, int> named;
    for (const json& one : hits["differences"]) {
      named[one["kind"].get<std::string>() + " " + one["key"][0].get<std::string>()] +=
          one["copies"].get<int>();
    }
    EXPECT_EQ(named["missing [null,\"alike\",null,null,null]"], 50) << mode;
    EXPECT_EQ(named["extra [null,\"other\",null,null,null]"], 50) << mode;
    EXPECT_EQ(hits["differences"].size(), named.size()) << "one for all of its kind";
  }
  // Kept once each, under ids that stay; and not to be looked for by a key that they have not.
  const json list = document(trial.migrate({"mismatches", "plan.yaml", "--json"}))["mismatches"];
  ASSERT_GE(list.size(), 3u);
  expect_refusal(trial.migrate({"mismatches", "plan.yaml", "--id", list[0]["id"].dump()}), 1,
                 {"hits", "no key to look for"});
  // Without the plan's leave no value is anywhere.
  plan();
  const json hidden = verify(3, {"--log", "log.jsonl"})["tables"][0]["differences"];
  EXPECT_TRUE(hidden[0]["key"][0].get<std::string>().starts_with("hmac:")) << hidden[0];
  const std::string log = trial.read("log.jsonl");
  EXPECT_GE(std::count(log.begin(), log.end(), '\n'), 3);
  EXPECT_EQ(log.find("alike"), std::string::npos);
  // Beyond what is named, no more is counted than is sure.
  plan("verify: {sample_log: 1}\n");
  const json some = verify(3)["tables"][0];
  EXPECT_EQ(some["differences"].size(), 1u);
  EXPECT_GE(some["missing"].get<int>() + some["extra"].get<int>(), 3);
  EXPECT_LE(some["missing"].get<int>(), 50);
  EXPECT_LE(some["extra"].get<int>(), 52);
}

TEST_P(Keyless, AreCopiedOnceWhateverHappens) {
  for (const char* point : {"chunk_locked:1", "chunk_loaded:1", "chunk_committed:1"}) {
    trial.environment["MIGRATOR_STOP_AT"] = point;
    EXPECT_NE(trial.migrate({"backfill", "plan.yaml", "--jobs", "1"}).status, 0) << point;
    trial.environment.clear();
  }
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  trial.expect_equal();
}

TEST_P(Keyless, RowsThatAreThereAreNotDoubled) {
  ASSERT_EQ(trial.migrate({"start", "plan.yaml"}).status, 0);
  trial.target.exec("INSERT INTO hits (visitor) VALUES (1);");
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{}, std::vector<std::string>{"--allow-existing"}}) {
    std::vector<std::string> command{"backfill", "plan.yaml"};
    command.insert(command.end(), options.begin(), options.end());
    expect_refusal(trial.migrate(command), 4, {"hits", "already holds rows"});
  }
  EXPECT_EQ(rows_there(), "1");
}

// Nor those that came when its copy had begun, and had brought nothing yet.
TEST_P(Keyless, NorAreThoseThatCameMeanwhile) {
  trial.environment["MIGRATOR_STOP_AT"] = "chunk_locked:1";
  EXPECT_NE(trial.migrate({"backfill", "plan.yaml", "--jobs", "1"}).status, 0);
  trial.environment.clear();
  // Of a table that has not begun the first look would tell.
  for (const json& table : trial.status()["tables"]) {
    if (table["table"] == "hits") {
      ASSERT_EQ(table["state"], "copying") << table;
    }
  }
  trial.target.exec("INSERT INTO hits (visitor) VALUES (1);");
  EXPECT_NE(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  EXPECT_EQ(rows_there(), "1");
}

TEST_P(Keyless, ARowThatIsRefusedLeavesNothing) {
  trial.target.exec("CREATE TABLE maybe (email VARCHAR(40) NOT NULL, n INT);");
  const CommandResult refused = trial.migrate({"backfill", "plan.yaml"});
  expect_refusal(refused, 1, {"maybe", "no key"});
  EXPECT_EQ(trial.target.value("SELECT COUNT(*) FROM maybe"), "0");
  trial.target.exec("DROP TABLE maybe;");
  trial.target.exec("CREATE TABLE maybe (email VARCHAR(40), n INT);");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  trial.expect_equal();
}

// A change of a row without a name cannot be followed.
TEST_P(Keyless, AreRefusedWhereChangesAreFollowed) {
  plan("capture: trigger\n");
  expect_refusal(trial.migrate({"backfill", "plan.yaml"}), 2, {"hits", "cannot be followed"});
  trial.expect_target_untouched();
}

INSTANTIATE_TEST_SUITE_P(Pairs, Keyless, testing::ValuesIn(all_pairs()), pair_name);

}  // namespace
}  // namespace migrator::test
