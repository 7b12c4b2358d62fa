// `migrate verify` while the source is written to: what is only on its way is no mismatch, what is
// wrong is found and can be repaired.
//
// What each guard is worth, tried out by taking it away:
// - the second look (Recheck::settle): NothingIsReportedThatIsOnlyOnItsWay fails;
// - the kinds of keys it may look by (finds_its_row): NothingSettlesThatWasNotLookedAt fails.
#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "tests/faults/tcp_proxy.h"
#include "tests/integration/migration_case.h"
#include "tests/live/writers.h"

namespace migrator::test {
namespace {

struct Route {
  ServerKind from, to;
};
const Route kRoutes[] = {
    {ServerKind::postgres, ServerKind::postgres}, {ServerKind::mariadb, ServerKind::sqlite},
    {ServerKind::sqlite, ServerKind::mariadb},    {ServerKind::postgres, ServerKind::mariadb},
    {ServerKind::mariadb, ServerKind::postgres},
};

class LiveVerify : public testing::TestWithParam<Route> {
 protected:
  LiveVerify() : trial(GetParam().from, GetParam().to) {
    if (GetParam().from == ServerKind::sqlite) trial.source.exec("PRAGMA journal_mode = WAL;");
    trial.source.exec(writers_tables(trial.source.engine()));
    options.keys = 1500;
    options.pause = std::chrono::milliseconds(5);
    Writers::fill(trial.source.url(), options);
    trial.plan(MigrationCase::tables({"items", "docs"}),
               "capture: trigger\nverify: {recheck: [50ms, 200ms, 1s]}\n");
    const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
    EXPECT_EQ(copied.status, 0) << shown(copied);
  }

  json verify(int status, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{"verify", "plan.yaml", "--json"};
    command.insert(command.end(), more.begin(), more.end());
    const CommandResult result = trial.migrate(command);
    EXPECT_EQ(result.status, status) << shown(result);
    return document(result);
  }
  // Rows far beyond the writers', wrong on the target alone: one missing, one extra, one changed.
  void plant() {
    trial.source.exec(
        "INSERT INTO items VALUES (900001, 900001, 'a', 1);"
        "INSERT INTO items VALUES (900002, 900002, 'b', 2);");
    const CommandResult relayed = trial.migrate({"relay", "plan.yaml"});
    EXPECT_LE(relayed.status, 3) << shown(relayed);
    trial.target.exec(
        "DELETE FROM items WHERE id = 900001;"
        "UPDATE items SET v = 'c', n = 3 WHERE id = 900002;"
        "INSERT INTO items VALUES (900003, 900003, 'd', 4);");
  }
  json mismatches(int status) {
    const CommandResult listed = trial.migrate({"mismatches", "plan.yaml", "--json"});
    EXPECT_EQ(listed.status, status) << shown(listed);
    return document(listed);
  }

  MigrationCase trial;
  WriterOptions options;
};

TEST_P(LiveVerify, NothingIsReportedThatIsOnlyOnItsWay) {
  Writers writers(sql_writer(trial.source.url(), options), options);
  std::uint64_t in_flux = 0;
  for (int turn = 0; turn < 3; ++turn) {
    const json result = verify(0);
    for (const json& table : result["tables"]) {
      EXPECT_TRUE(table["equal"]) << table;
      in_flux += table["in_flux"].get<std::uint64_t>();
    }
  }
  writers.stop();
  // Else there was nothing to be wrong about.
  EXPECT_GT(in_flux, 0u);
}

TEST_P(LiveVerify, WhatIsWrongIsFoundAndRepaired) {
  plant();
  Writers writers(sql_writer(trial.source.url(), options), options);
  const json found = verify(3, {"--log", "mismatches.jsonl"});
  EXPECT_EQ(found["tables"][0]["missing"], 1);
  EXPECT_EQ(found["tables"][0]["extra"], 1);
  EXPECT_EQ(found["tables"][0]["differing"], 1);
  const json list = mismatches(3);
  EXPECT_EQ(list["open"], 3);
  std::set<std::string> named;
  for (const json& mismatch : list["mismatches"]) {
    named.insert(fmt::format("{} {} {}", mismatch["kind"].get<std::string>(),
                             mismatch["key"].dump(), mismatch["columns"].dump()));
  }
  EXPECT_EQ(named, (std::set<std::string>{"missing [900001] []", "differs [900002] [\"v\",\"n\"]",
                                          "extra [900003] []"}));
  const std::string log = trial.read("mismatches.jsonl");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 3);
  const json line = json::parse(log.substr(0, log.find('\n')));
  EXPECT_EQ(keys_of(line),
            (std::vector<std::string>{"columns", "copies", "key", "kind", "migration", "phase",
                                      "seq", "table", "time", "values", "version"}));
  EXPECT_GT(line["seq"], 0);
  // Without being told, it deletes nothing.
  const json some = verify(3, {"--repair"});
  EXPECT_EQ(some["tables"][0]["repaired"], 2);
  EXPECT_EQ(some["tables"][0]["extra"], 1);
  EXPECT_EQ(mismatches(3)["mismatches"][0]["key"], json::array({900003}));
  const json all = verify(3, {"--repair=extra"});
  EXPECT_EQ(all["tables"][0]["repaired"], 1);
  EXPECT_EQ(mismatches(0)["open"], 0);
  // A repair is no pass.
  EXPECT_FALSE(trial.status()["verify"][1]["complete"]) << trial.status()["verify"];
  verify(0);
  EXPECT_TRUE(trial.status()["verify"][1]["complete"]) << trial.status()["verify"];
  writers.stop();
  EXPECT_EQ(trial.migrate({"relay", "plan.yaml"}).status, 0);
  trial.expect_equal({"items", "docs"});
  // Nor is one of before rows are copied.
  EXPECT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  EXPECT_FALSE(trial.status()["verify"][1]["complete"]);
}

// Rows that change are looked at when the relay has brought them over: one that is not on the
// target as it should be is found, and what is mended is settled.
TEST_P(LiveVerify, GoesOnLookingAtRowsThatChange) {
  Child child = trial.start({"verify", "plan.yaml", "--continuous"});
  int id = 910000;
  const auto open = [&] {
    const CommandResult listed = trial.migrate({"mismatches", "plan.yaml", "--json"});
    return document(listed)["open"].get<int>();
  };
  const auto value_on = [&](const TestDatabase& side) {
    return side.value(fmt::format("SELECT COUNT(*) FROM items WHERE id = {}", id));
  };
  ASSERT_TRUE(eventually([&] { return child.err().find("\"progress\"") != std::string::npos; }))
      << child.err();
  // It looks once a second: what is taken away in between is seen, mostly at the first try.
  const bool seen = eventually(
      [&] {
        ++id;
        trial.source.exec(fmt::format("INSERT INTO items VALUES ({0}, {0}, 'w', 1);", id));
        if (!eventually([&] { return value_on(trial.target) == "1"; })) return false;
        trial.target.exec(fmt::format("DELETE FROM items WHERE id = {};", id));
        return eventually([&] { return open() > 0; }, 4s);
      },
      40s);
  EXPECT_TRUE(seen) << child.err();
  EXPECT_NE(child.err().find(fmt::format("items: missing ({})", id)), std::string::npos)
      << child.err();
  EXPECT_EQ(trial.status()["verify"][1]["missing"], 1) << trial.status()["verify"];
  trial.source.exec(fmt::format("UPDATE items SET n = 2 WHERE id = {};", id));
  EXPECT_TRUE(eventually([&] { return open() == 0; })) << child.err();
  child.signal(SIGINT);
  ASSERT_TRUE(child.wait_for(20s));
  EXPECT_EQ(child.status(), 130) << child.err();
  trial.remember(child);
  // Those of the first tries, if there were more than one.
  trial.migrate({"verify", "plan.yaml", "--repair"});
  verify(0);
}

// Nor does it end as if all were well for rows that were not listed; and it speaks of those tables
// alone that it was told to look at.
TEST_P(LiveVerify, WhatIsNotListedCountsInTheEnd) {
  plant();
  trial.plan(MigrationCase::tables({"items", "docs"}),
             "capture: trigger\nverify: {recheck: [50ms, 200ms], sample_log: 1}\n");
  const auto status_of = [&](const std::string& table) {
    Child child = trial.start({"verify", "plan.yaml", "--continuous", "--table", table});
    EXPECT_TRUE(eventually([&] { return child.err().find("\"progress\"") != std::string::npos; }))
        << child.err();
    // What is listed is settled; the others are still wrong.
    if (table == "items") {
      const std::string key = mismatches(3)["mismatches"][0]["key"].dump();
      const CommandResult ids = trial.migrate({"mismatches", "plan.yaml", "--json"});
      EXPECT_EQ(document(ids)["open"], 1) << key;
      trial.target.exec("DELETE FROM items WHERE id > 900000;");
      trial.source.exec("UPDATE items SET n = n + 1 WHERE id IN (900001, 900002);");
      EXPECT_TRUE(eventually([&] {
        return document(trial.migrate({"mismatches", "plan.yaml", "--json"}))["open"] == 0;
      }));
    }
    child.signal(SIGINT);
    EXPECT_TRUE(child.wait_for(20s));
    trial.remember(child);
    return child.status();
  };
  EXPECT_EQ(status_of("items"), 3);
  EXPECT_EQ(status_of("docs"), 130);
}

TEST_P(LiveVerify, BothRowsAreShownSideBySide) {
  plant();
  verify(3);
  // Beside the relay, which holds the plan.
  Child relay = trial.start({"relay", "plan.yaml", "--follow"});
  ASSERT_TRUE(eventually([&] { return relay.err().find("progress") != std::string::npos; }));
  const auto show = [&](const std::string& kind, int status) {
    const json list = mismatches(3)["mismatches"];
    for (const json& one : list) {
      if (one["kind"] != kind) continue;
      const CommandResult shown_pair =
          trial.migrate({"mismatches", "plan.yaml", "--id", one["id"].dump(), "--json"});
      EXPECT_EQ(shown_pair.status, status) << shown(shown_pair);
      return document(shown_pair);
    }
    ADD_FAILURE() << "no mismatch is " << kind;
    return json();
  };
  const json differs = show("differs", 3);
  std::vector<std::string> columns;
  for (const json& one : differs["columns"]) {
    columns.push_back(fmt::format("{} {} {} {}", one["name"].get<std::string>(),
                                  one["source"].get<std::string>(),
                                  one["target"].get<std::string>(), one["differs"].get<bool>()));
  }
  EXPECT_EQ(columns, (std::vector<std::string>{"id 900002 900002 false", "u 900002 900002 false",
                                               "v \"b\" \"c\" true", "n 2 3 true"}));
  const json missing = show("missing", 3), extra = show("extra", 3);
  EXPECT_EQ(missing["columns"][2]["source"], "\"a\"");
  EXPECT_TRUE(missing["columns"][2]["target"].is_null());
  EXPECT_TRUE(extra["columns"][2]["source"].is_null());
  EXPECT_EQ(extra["columns"][2]["target"], "\"d\"");
  // As they are now, not as they were found.
  trial.target.exec("UPDATE items SET v = 'b', n = 2 WHERE id = 900002;");
  EXPECT_TRUE(show("differs", 0)["equal"]);
  EXPECT_EQ(trial.migrate({"mismatches", "plan.yaml", "--id", "4711"}).status, 2);
  relay.signal(SIGINT);
  ASSERT_TRUE(relay.wait_for(20s));
  trial.remember(relay);
}

TEST_P(LiveVerify, AMismatchIsSettledByHandAndItsIdStays) {
  plant();
  verify(3);
  const json list = mismatches(3);
  const auto id = std::to_string(list["mismatches"][0]["id"].get<int>());
  EXPECT_EQ(trial.migrate({"mismatches", "plan.yaml", "--resolve", "--id", id}).status, 2);
  const CommandResult resolved =
      trial.migrate({"mismatches", "plan.yaml", "--resolve", "--id", id, "--reason", "not needed"});
  EXPECT_EQ(resolved.status, 3) << shown(resolved);
  EXPECT_EQ(mismatches(3)["open"], 2);
  verify(3);
  const json again = mismatches(3);
  EXPECT_EQ(again["open"], 3);
  EXPECT_EQ(again["mismatches"][0]["id"], list["mismatches"][0]["id"]);
}

std::string route_name(const testing::TestParamInfo<Route>& info) {
  return std::string(name(info.param.from)) + "_to_" + std::string(name(info.param.to));
}
INSTANTIATE_TEST_SUITE_P(Routes, LiveVerify, testing::ValuesIn(kRoutes), route_name);

// Ten verifies in a row beside writers: each of a hundred planted differences is found every time,
// and nothing else ever.
TEST(VerifySoak, FindsEveryPlantedDifferenceAndNothingElse) {
  MigrationCase trial(ServerKind::postgres, ServerKind::mariadb);
  trial.source.exec(writers_tables(trial.source.engine()));
  WriterOptions options;
  options.keys = 1500;
  options.pause = std::chrono::milliseconds(5);
  Writers::fill(trial.source.url(), options);
  trial.source.exec(
      "INSERT INTO items SELECT 920000 + n, 920000 + n, 'w', 1 FROM generate_series(0, 66) AS n;");
  trial.plan(MigrationCase::tables({"items", "docs"}),
             "capture: trigger\nverify: {recheck: [50ms, 200ms]}\n");
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  trial.target.exec(
      "DELETE FROM items WHERE id BETWEEN 920000 AND 920033;"
      "UPDATE items SET v = 'x' WHERE id BETWEEN 920034 AND 920066;"
      "INSERT INTO items SELECT 930000 + seq, 930000 + seq, 'y', 1 FROM seq_1_to_33;");
  Writers writers(sql_writer(trial.source.url(), options), options);
  std::uint64_t in_flux = 0;
  for (int turn = 0; turn < 10; ++turn) {
    const CommandResult result = trial.migrate({"verify", "plan.yaml", "--json", "--show", "200"});
    EXPECT_EQ(result.status, 3) << shown(result);
    const json found = document(result);
    ASSERT_EQ(found["tables"].size(), 2u);
    for (const json& table : found["tables"]) {
      in_flux += table["in_flux"].get<std::uint64_t>();
      const bool items = table["table"] == "items";
      EXPECT_EQ(table["missing"], items ? 34 : 0) << table;
      EXPECT_EQ(table["differing"], items ? 33 : 0) << table;
      EXPECT_EQ(table["extra"], items ? 33 : 0) << table;
      for (const json& one : table["differences"]) EXPECT_GE(one["key"][0], 920000) << one;
    }
  }
  writers.stop();
  // Else there was nothing to be wrong about.
  EXPECT_GT(in_flux, 0u) << writers.commits() << " commits";
}

// Connections that break between two looks: what is looked at again is counted once.
TEST(BrokenRecheck, CountsEachRowOnce) {
  MigrationCase trial(ServerKind::postgres, ServerKind::mariadb);
  TcpProxy source(trial.source_url), target(trial.target_url);
  trial.source_url = source.url();
  trial.target_url = target.url();
  trial.source.exec(
      "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int NOT NULL);"
      "INSERT INTO t SELECT n, n FROM generate_series(1, 3000) AS n;");
  // Several hundred of them: a look takes more than one read.
  trial.plan(MigrationCase::tables({"t"}),
             "capture: trigger\nverify: {recheck: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s]}\n");
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  trial.target.exec(
      "DELETE FROM t WHERE id % 3 = 0; UPDATE t SET v = -1 WHERE id % 3 = 1;"
      "INSERT INTO t SELECT seq, seq FROM seq_3001_to_3500;");
  Child verify = trial.start({"verify", "plan.yaml", "--json"});
  // Not before it has read the catalogs: a cut there ends the command.
  ASSERT_TRUE(eventually([&] { return !trial.status()["verify"].empty(); })) << verify.err();
  // In the middle of it some are mended: those settle, and are not counted.
  for (int cut = 0; cut < 12 && verify.running(); ++cut) {
    std::this_thread::sleep_for(250ms);
    (cut % 2 == 0 ? source : target).cut();
    if (cut == 6) trial.target.exec("UPDATE t SET v = id WHERE id % 3 = 1 AND id <= 1500;");
  }
  ASSERT_TRUE(verify.wait_for(60s));
  trial.remember(verify);
  ASSERT_EQ(verify.status(), 3) << verify.err();
  const json table = json::parse(verify.out())["tables"][0];
  EXPECT_EQ(table["missing"], 1000);
  EXPECT_EQ(table["extra"], 500);
  EXPECT_EQ(table["differing"].get<int>() + table["in_flux"].get<int>(), 1000);
  EXPECT_EQ(table["differing"], 500);
  EXPECT_TRUE(table["complete"]);
}

// A key that SQLite keeps as it was written is not found by what the comparison makes of it: no
// row may count as settled, or be deleted, for that.
TEST(VerifyByAnOddKey, NothingSettlesThatWasNotLookedAt) {
  MigrationCase trial(ServerKind::sqlite, ServerKind::postgres);
  trial.source.exec(
      "PRAGMA journal_mode = WAL; CREATE TABLE t (id uuid NOT NULL PRIMARY KEY, v text);"
      "INSERT INTO t VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a'),"
      "('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12', 'b'), ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A13', "
      "'c');");
  trial.plan(MigrationCase::tables({"t"}), "capture: trigger\nverify: {recheck: [10ms]}\n");
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  EXPECT_EQ(trial.migrate({"verify", "plan.yaml"}).status, 0);
  trial.target.exec(
      "DELETE FROM t WHERE id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';"
      "UPDATE t SET v = 'x' WHERE id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12';");
  for (const char* repair : {"", "--repair=extra"}) {
    std::vector<std::string> command{"verify", "plan.yaml", "--json"};
    if (*repair) command.emplace_back(repair);
    const CommandResult result = trial.migrate(command);
    EXPECT_EQ(result.status, 3) << shown(result);
    const json table = document(result)["tables"][0];
    EXPECT_EQ(table["missing"], 1) << table;
    EXPECT_EQ(table["differing"], 1) << table;
    EXPECT_EQ(table["not_looked_at"], 2) << table;
    EXPECT_EQ(table["in_flux"], 0) << table;
  }
  EXPECT_EQ(trial.target.value("SELECT COUNT(*) FROM t"), "2");
}

// What the target does not take stays in the journal, and so never comes to rest: that is said, and
// hides no other row.
TEST(VerifyBesideRejects, OtherMismatchesAreFoundAllTheSame) {
  MigrationCase trial(ServerKind::postgres, ServerKind::mariadb);
  trial.source.exec(
      "CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, d double precision);"
      "INSERT INTO t VALUES (1, 1.5), (2, 2.5), (3, 3.5);");
  trial.plan(MigrationCase::tables({"t"}), "capture: trigger\nverify: {recheck: [10ms]}\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  trial.source.exec("UPDATE t SET d = 'NaN' WHERE id = 1;");
  trial.target.exec("DELETE FROM t WHERE id = 3;");
  const CommandResult result = trial.migrate({"verify", "plan.yaml", "--json"});
  EXPECT_EQ(result.status, 1) << shown(result);
  const json table = document(result)["tables"][0];
  EXPECT_EQ(table["complete"], false) << table;
  EXPECT_EQ(table["missing"], 1) << table;
  EXPECT_EQ(table["differing"], 0) << table;
  EXPECT_NE(table["remedy"].get<std::string>().find("migrate rejects"), std::string::npos);
  const json listed = document(trial.migrate({"mismatches", "plan.yaml", "--json"}));
  EXPECT_EQ(listed["open"], 1);
  EXPECT_EQ(listed["mismatches"][0]["key"], json::array({3}));
}

// A key that the other server cannot even be asked for hides no other difference.
TEST(VerifyBesideRejects, AKeyWithoutAFormThereHidesNoOtherRow) {
  MigrationCase trial(ServerKind::mariadb, ServerKind::postgres);
  trial.source.exec(
      "CREATE TABLE t (k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY "
      "KEY, n int);"
      "INSERT INTO t VALUES ('a', 1), (CONCAT('b', CHAR(0), 'c'), 2), ('d', 3), ('e', 4);");
  trial.plan(MigrationCase::tables({"t"}), "capture: trigger\nverify: {recheck: [10ms]}\n");
  EXPECT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 3);
  trial.target.exec("DELETE FROM t WHERE k = 'd'; UPDATE t SET n = 5 WHERE k = 'e';");
  const CommandResult result = trial.migrate({"verify", "plan.yaml", "--json"});
  EXPECT_EQ(result.status, 3) << shown(result);
  const json table = document(result)["tables"][0];
  EXPECT_EQ(table["complete"], true) << table;
  EXPECT_EQ(table["missing"], 2) << table;
  EXPECT_EQ(table["differing"], 1) << table;
  EXPECT_EQ(table["not_looked_at"], 1) << table;
}

// Who settles a reject gives up the change that was refused, and not one that came after it; and
// the row that stays as it was is no equal one.
TEST(VerifyBesideRejects, SettlingOneGivesUpNoLaterChange) {
  MigrationCase trial(ServerKind::postgres, ServerKind::mariadb);
  trial.source.exec(
      "CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, d double precision);"
      "INSERT INTO t VALUES (1, 1.5);");
  trial.plan(MigrationCase::tables({"t"}), "capture: trigger\nverify: {recheck: [10ms]}\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  const auto refused = [&] {
    trial.source.exec("UPDATE t SET d = 'NaN' WHERE id = 1;");
    trial.migrate({"relay", "plan.yaml"});
    const json listed = document(trial.migrate({"rejects", "plan.yaml", "--json"}));
    EXPECT_EQ(listed["rejects"].size(), 1u) << listed;
    return std::to_string(listed["rejects"].at(0)["id"].get<int>());
  };
  const auto resolve = [&](const std::string& id) {
    const CommandResult result =
        trial.migrate({"rejects", "plan.yaml", "--resolve", "--id", id, "--reason", "corrected"});
    EXPECT_EQ(result.status, 0) << shown(result);
  };
  const std::string first = refused();
  trial.source.exec("UPDATE t SET d = 2.5 WHERE id = 1;");
  resolve(first);
  EXPECT_EQ(trial.target.value("SELECT d FROM t"), "2.5");
  ASSERT_EQ(trial.migrate({"verify", "plan.yaml"}).status, 0);

  const std::string second = refused();
  resolve(second);
  EXPECT_EQ(trial.source.value("SELECT count(*) FROM _migrator_journal"), "0");
  EXPECT_FALSE(trial.status()["verify"][0]["complete"]);
  const CommandResult verified = trial.migrate({"verify", "plan.yaml"});
  EXPECT_EQ(verified.status, 3) << shown(verified);
}

TEST(VerifyWithoutCapture, ARepairNeedsAJournal) {
  MigrationCase trial(ServerKind::sqlite, ServerKind::sqlite);
  trial.source.exec(
      "CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, v text);"
      "INSERT INTO t VALUES (1, 'a');");
  trial.plan(MigrationCase::tables({"t"}));
  EXPECT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  trial.target.exec("DELETE FROM t;");
  expect_refusal(trial.migrate({"verify", "plan.yaml", "--repair"}), 2, {"capture"});
  expect_refusal(trial.migrate({"verify", "plan.yaml", "--repair=all"}), 2, {"rows or extra"});
  expect_refusal(trial.migrate({"verify", "plan.yaml", "--continuous"}), 2, {"capture"});
  expect_refusal(trial.migrate({"verify", "plan.yaml", "--mode", "fast"}), 2, {"auto, stream"});
  EXPECT_EQ(trial.migrate({"verify", "plan.yaml"}).status, 3);
  EXPECT_EQ(trial.migrate({"mismatches", "plan.yaml"}).status, 3);
}

}  // namespace
}  // namespace migrator::test
