// Reads that an application compares: their ramp, and what becomes of those that differ.
//
// What each guard is worth, tried out by taking it away:
// - what is known already in Verification::write_down_watched: ARowThatStaysWrongIsLoggedOnce
// fails;
// - the look for other migrations in LiveChanges::remove_tables:
//   AnotherMigrationThatEndsLeavesThemBe fails;
// - wait_until_heard in shadow: WaitsUntilAllHaveHeardOfThePhaseBefore fails.
#include <thread>

#include <fmt/format.h>

#include "checkpoints/store.h"
#include "migrator/capture/shadow_reports.h"
#include "migrator/dual_call.h"
#include "migrator/postgres.h"
#include "migrator/sqlite.h"
#include "tests/live/shim_case.h"

namespace migrator::test {
namespace {

// The ramp of reads is seen by a process that runs, while another command holds the plan; and
// nothing is read from a target that has not passed.
TEST(Shadow, IsRampedLive) {
  MigrationCase trial(ServerKind::sqlite, ServerKind::postgres);
  trial.source.exec(
      "PRAGMA journal_mode = WAL; CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, v text);"
      "INSERT INTO t VALUES (1, 'a'), (2, 'b');");
  trial.plan(MigrationCase::tables({"t"}), "capture: shim\n");
  const auto shadow = [&](const std::vector<std::string>& more) {
    std::vector<std::string> command{"shadow", "plan.yaml", "--json"};
    command.insert(command.end(), more.begin(), more.end());
    return trial.migrate(command);
  };
  expect_refusal(shadow({}), 4, {"has not begun"});
  ASSERT_EQ(trial.migrate({"start", "plan.yaml"}).status, 0);
  expect_refusal(shadow({"--percent", "10"}), 4, {"not all copied"});
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  Shim shim({.migration = "trial",
             .source = sqlite_at(trial.source.url_text()),
             .target = postgres_at(trial.target.url_text()),
             .lease = std::chrono::milliseconds(1000)});
  Child relay = trial.start({"relay", "plan.yaml", "--follow"});
  ASSERT_TRUE(eventually([&] { return relay.err().find("progress") != std::string::npos; }));
  expect_refusal(shadow({"--percent", "101"}), 2, {"0 to 100"});
  expect_refusal(shadow({"--read-percent", "5"}), 4, {"has not passed"});
  const CommandResult set = shadow({"--percent", "10"});
  EXPECT_EQ(set.status, 0) << shown(set);
  EXPECT_EQ(document(set)["percent"], 10);
  EXPECT_EQ(document(set)["phase"], "shadow_read");
  EXPECT_TRUE(eventually([&] { return shim.state().shadow_percent == 10; }));
  EXPECT_EQ(shim.state().phase, Phase::shadow_read);
  relay.signal(SIGINT);
  ASSERT_TRUE(relay.wait_for(20s));
  trial.remember(relay);
  ASSERT_EQ(trial.migrate({"verify", "plan.yaml"}).status, 0);
  // Another plan may mean another target.
  trial.plan(MigrationCase::tables({"t"}), "capture: trigger\n");
  expect_refusal(shadow({"--percent", "20"}), 4, {"the plan has changed"});
  trial.plan(MigrationCase::tables({"t"}), "capture: shim\n");
  // Reads come from there only as long as somebody keeps it as the source is.
  expect_refusal(shadow({"--read-percent", "5"}), 4, {"no relay is at work"});
  // Nor is a command that relays only as long as it takes.
  {
    const auto held = open_store(trial.path("state.db"), "migrate relay plan.yaml");
    expect_refusal(shadow({"--read-percent", "5"}), 4, {"no relay is at work"});
  }
  Child again = trial.start({"relay", "plan.yaml", "--follow"});
  ASSERT_TRUE(eventually([&] { return again.err().find("progress") != std::string::npos; }));
  EXPECT_EQ(document(shadow({"--read-percent", "5"}))["read_percent"], 5);
  EXPECT_EQ(document(shadow({"--percent", "20"}))["read_percent"], 5) << "left as it is";
  again.signal(SIGINT);
  ASSERT_TRUE(again.wait_for(20s));
  trial.remember(again);
  expect_refusal(shadow({"--percent", "30"}), 4, {"no relay is at work"});
  const json back = document(shadow({"--read-percent", "0"}));
  EXPECT_EQ(back["read_percent"], 0) << "back is always possible";
  EXPECT_EQ(back["percent"], 20);
  EXPECT_EQ(document(shadow({"--percent", "0"}))["percent"], 0);
  EXPECT_TRUE(eventually([&] { return shim.state().read_percent == 0; }));
}

// A process that has not heard of the backfill yet is waited for; one that goes on without hearing
// of it is named.
TEST(Shadow, WaitsUntilAllHaveHeardOfThePhaseBefore) {
  MigrationCase trial(ServerKind::sqlite, ServerKind::sqlite);
  trial.source.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (id int NOT NULL PRIMARY KEY);");
  trial.plan(MigrationCase::tables({"t"}), "capture: shim\n");
  ASSERT_EQ(trial.migrate({"start", "plan.yaml"}).status, 0);
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  const Url url = trial.source.url();
  const auto source = adapter_for(url.engine()).open_source(url, {});
  const SideTable side("trial", "");
  const ShimInstance deaf{"deaf", 1, Phase::dual_write, 0, 1000};
  const std::vector<std::string> ramp{"shadow", "plan.yaml", "--percent", "10"};
  {
    const std::jthread renewing([&](const std::stop_token& stop) {
      const auto own = adapter_for(url.engine()).open_source(url, {});
      for (; !stop.stop_requested(); std::this_thread::sleep_for(100ms)) {
        try {
          side.renew(own->session(), deaf);
        } catch (const Error&) {
          // The command writes, too.
        }
      }
    });
    ASSERT_TRUE(eventually(
        [&] { return trial.source.value("SELECT COUNT(*) FROM _migrator_instance") == "1"; }));
    expect_refusal(trial.migrate(ramp), 4, {"deaf was heard of", "dual_write"});
  }
  side.renew(source->session(), deaf);
  EXPECT_EQ(trial.migrate(ramp).status, 0) << "silent for its lease: gone";
  // Once the phase has begun, nobody is waited for: back is always possible, and at once.
  side.renew(source->session(), {"deaf", 1, Phase::dual_write, 0, 20'000});
  EXPECT_EQ(trial.migrate({"shadow", "plan.yaml", "--percent", "0"}).status, 0);
  EXPECT_FALSE(side.instances(source->session()).at(0).gone()) << "it was waited for";
}

// An application that reads a row's `v` from both sides, and reports what differs.
class ShadowReads : public OnShim {
 protected:
  // Five rows in t and one in pairs, equal on both sides, and all reads compared.
  void SetUp() override {
    begin("shim", false, "verify: {recheck: [50ms, 200ms]}\n");
    ShimOptions wanted = options(WriteMode::async);
    wanted.lease = 500ms;
    shim.emplace(wanted);
    for (int id = 1; id <= 5; ++id) upsert(*shim, id, fmt::format("row {}", id));
    Transaction transaction = shim->begin();
    transaction.upsert("pairs",
                       {{"a", std::int64_t{1}}, {"b", "it's, \\ it"}, {"n", std::int64_t{7}}});
    transaction.commit();
    run({"backfill", "plan.yaml"});
    run({"relay", "plan.yaml"});
    run({"shadow", "plan.yaml", "--percent", "100"});
    ASSERT_TRUE(eventually([&] { return shim->state().shadow_percent == 100; }));
  }
  void TearDown() override { shim.reset(); }

  void read_all() {
    DualCall rows({.name = "t",
                   .state = [&] { return shim->state(); },
                   .recheck = 0ms,
                   .mismatch =
                       [&](const std::string& key) {
                         shim->report_mismatch("t", {{"id", std::int64_t{std::stoll(key)}}});
                       }});
    for (int id = 1; id <= 5; ++id) {
      const std::string of = fmt::format(" FROM t WHERE id = {}", id);
      rows.read(
          id, [this, of] { return trial.source.value("SELECT MAX(v)" + of); },
          [this, of] { return trial.target.value("SELECT MAX(w)" + of); });
    }
    rows.drain();
    EXPECT_EQ(rows.counters().compared, 5u);
  }
  json shadow() { return document(trial.migrate({"shadow", "plan.yaml", "--json"})); }
  json listed() { return document(trial.migrate({"mismatches", "plan.yaml", "--json"})); }

  std::optional<Shim> shim;
};

TEST_P(ShadowReads, WhatTheyFindDifferentIsJudgedByVerify) {
  read_all();
  EXPECT_EQ(shadow()["reported"], 0);
  trial.target.exec("UPDATE t SET w = 'another' WHERE id = 2; DELETE FROM t WHERE id = 3;");
  trial.target.exec("UPDATE pairs SET n = 8;");
  read_all();
  read_all();
  shim->report_mismatch("t", {{"id", std::int64_t{1}}});   // is equal
  shim->report_mismatch("t", {{"id", std::int64_t{99}}});  // is nowhere
  shim->report_mismatch("pairs", {{"b", "it's, \\ it"}, {"a", std::int64_t{1}}});
  EXPECT_EQ(shim->counters().reported, 7u);
  EXPECT_EQ(shadow()["reported"], 5) << "each row once";
  // A verify of another table is none of these rows.
  run({"verify", "plan.yaml", "--table", "pairs"}, 3);
  EXPECT_EQ(shadow()["reported"], 4);
  const CommandResult verified = trial.migrate({"verify", "plan.yaml", "--json"});
  EXPECT_EQ(verified.status, 3) << shown(verified);
  EXPECT_EQ(document(verified)["tables"][0]["reported"], 4);
  EXPECT_EQ(document(verified)["tables"][1]["reported"], 0);
  EXPECT_EQ(shadow()["reported"], 0);
  EXPECT_EQ(listed()["open"], 3) << listed();
}

// Nothing has changed on the source, so nothing but the reports tells of it.
TEST_P(ShadowReads, WhatTheyFindLaterIsLookedAtAtOnce) {
  Child child = trial.start({"verify", "plan.yaml", "--continuous"});
  ASSERT_TRUE(eventually([&] { return child.err().find("\"progress\"") != std::string::npos; }))
      << child.err();
  trial.target.exec("UPDATE t SET w = 'another' WHERE id = 2; DELETE FROM pairs;");
  shim->report_mismatch("t", {{"id", std::int64_t{1}}});
  shim->report_mismatch("t", {{"id", std::int64_t{2}}});
  shim->report_mismatch("pairs", {{"a", std::int64_t{1}}, {"b", "it's, \\ it"}});
  EXPECT_TRUE(eventually([&] { return listed()["open"] == 2; }, 20s)) << child.err();
  EXPECT_TRUE(eventually([&] { return shadow()["reported"] == 0; })) << child.err();
  EXPECT_TRUE(eventually([&] { return child.err().find("\"reported\":3") != std::string::npos; }))
      << child.err();
  child.signal(SIGINT);
  ASSERT_TRUE(child.wait_for(20s));
  trial.remember(child);
  EXPECT_EQ(child.status(), 3);
}

// What was found is there once, however often it is reported.
TEST_P(ShadowReads, ARowThatStaysWrongIsLoggedOnce) {
  trial.target.exec("DELETE FROM t WHERE id = 3;");
  run({"verify", "plan.yaml", "--log", "log.jsonl"}, 3);
  Child child = trial.start({"verify", "plan.yaml", "--continuous", "--log", "later.jsonl"});
  ASSERT_TRUE(eventually([&] { return child.err().find("\"progress\"") != std::string::npos; }))
      << child.err();
  const std::string before = trial.read("later.jsonl");
  shim->report_mismatch("t", {{"id", std::int64_t{3}}});
  EXPECT_TRUE(eventually([&] { return shadow()["reported"] == 0; }, 20s)) << child.err();
  EXPECT_EQ(trial.read("later.jsonl"), before);
  EXPECT_EQ(trial.status()["verify"][1]["missing"], 1) << trial.status()["verify"];
  child.signal(SIGINT);
  ASSERT_TRUE(child.wait_for(20s));
  trial.remember(child);
  EXPECT_EQ(child.status(), 3);
}

// Its reports are few, and mostly there are none.
TEST_P(ShadowReads, AnotherMigrationThatEndsLeavesThemBe) {
  std::string plan = trial.read("plan.yaml");
  plan.replace(plan.find("name: " + name()), 6 + name().size(), "name: other");
  plan.replace(plan.find("state.db"), 8, "other.db");
  plan.erase(plan.find("  - {name: t,"), plan.find("  - name: pairs") - plan.find("  - {name: t,"));
  trial.write("other.yaml", plan);
  run({"backfill", "other.yaml", "--allow-existing"});
  run({"finish", "other.yaml"});
  shim->report_mismatch("t", {{"id", std::int64_t{1}}});
  EXPECT_EQ(shadow()["reported"], 1);
}

TEST_P(ShadowReads, AreBoundedAndNamedRight) {
  EXPECT_THROW(shim->report_mismatch("another", {{"id", std::int64_t{1}}}), Error);
  EXPECT_THROW(shim->report_mismatch("pairs", {{"a", std::int64_t{1}}}), Error);
  EXPECT_EQ(shim->counters().unreported, 2u);
  // Reads must not put more and more writes on the authority: 20 a second.
  const auto began = std::chrono::steady_clock::now();
  for (int times = 0; times < 100; ++times) shim->report_mismatch("t", {{"id", std::int64_t{1}}});
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began);
  EXPECT_GE(shim->counters().reported, 18u);  // two were refused
  EXPECT_LE(shim->counters().reported, 20u * (static_cast<unsigned>(seconds.count()) + 2));
  EXPECT_EQ(shim->counters().reported + shim->counters().unreported, 102u);
  run({"verify", "plan.yaml"});
  const Url url = trial.source.url();
  const auto source = adapter_for(url.engine()).open_source(url, {});
  const ShadowReports reports(name(), "");
  source->session().begin();
  for (std::int64_t row = 0; row < ShadowReports::kMostRows; ++row) {
    EXPECT_TRUE(reports.add(source->session(), "t", fmt::format("{}", row)));
  }
  source->session().commit();
  EXPECT_FALSE(reports.add(source->session(), "t", "one more"));
  EXPECT_FALSE(reports.add(source->session(), "t", "and another"));
  EXPECT_TRUE(reports.add(source->session(), "t", "7")) << "known already";
  EXPECT_TRUE(reports.add(source->session(), "pairs", "1"));
  EXPECT_EQ(shadow()["reported"], ShadowReports::kMostRows + 1);
  EXPECT_EQ(shadow()["reported_beyond"], 2);
  // What was reported again since it was read is left for the next verify.
  std::vector<ShadowReports::Report> read = reports.read(source->session());
  reports.add(source->session(), "t", "7");
  reports.retire(source->session(), read);
  const std::vector<ShadowReports::Report> left = reports.read(source->session());
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].row_key, "7");
}

INSTANTIATE_TEST_SUITE_P(Routes, ShadowReads, testing::ValuesIn(kRoutes), route_name);

}  // namespace
}  // namespace migrator::test
