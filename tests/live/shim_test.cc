// The shim as an application embeds it, on real servers, beside the real `migrate`.
//
// What each guard is worth, tried out by taking it away:
// - InlineGuard::send_raise: AWriteThatComesLateIsStopped fails;
// - the look for the entry in the journal (Relay::pass_guard): AnEntryWithoutALockLosesNoChange
// fails;
// - the check in SideTable::send_enter: AClosedSourceIsNotWrittenTo and
//   WhoMeetsAClosedSourceWaitsAndGoesOn fail.
#include <filesystem>
#include <future>
#include <thread>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migrator/mysql.h"
#include "migrator/postgres.h"
#include "migrator/sqlite.h"
#include "tests/faults/tcp_proxy.h"
#include "tests/live/shim_case.h"

namespace migrator::test {
namespace {

// Calls back when a commit has returned on the authority, before the other side is written.
class AtCommit : public Metrics {
 public:
  explicit AtCommit(std::function<void()> what) : what_(std::move(what)) {}
  void count(std::string_view, std::string_view, std::uint64_t) noexcept override {}
  void observe(std::string_view name, std::string_view,
               std::chrono::nanoseconds) noexcept override {
    if (name == "commit") what_();
  }

 private:
  std::function<void()> what_;
};

// Every kind of change, and the rows that the application changes by itself.
void change_everything(Shim& shim, const TestDatabase& source) {
  {
    Transaction transaction = shim.begin();
    for (int id = 1; id <= 6; ++id) {
      transaction.upsert("t", {{"id", std::int64_t{id}}, {"u", std::int64_t{id}}, {"v", "first"}});
    }
    transaction.upsert("pairs", {{"b", "it's, \\ it"}, {"a", std::int64_t{-1}}, {"n", {}}});
    transaction.commit();
  }
  {
    Transaction transaction = shim.begin();
    transaction.upsert("t", {{"id", std::int64_t{1}}, {"v", "second"}});
    transaction.update("t", {{"id", std::int64_t{2}}}, {{"v", "updated"}});
    transaction.update("t", {{"id", std::int64_t{3}}}, {{"id", std::int64_t{30}}});
    transaction.update("t", {{"id", std::int64_t{99}}}, {{"v", "is not there"}});
    transaction.erase("t", {{"id", std::int64_t{4}}});
    transaction.erase("t", {{"id", std::int64_t{98}}});
    transaction.update("pairs", {{"a", std::int64_t{-1}}, {"b", "it's, \\ it"}}, {{"b", "moved"}});
    transaction.commit();
  }
  {
    Transaction transaction = shim.begin();
    const std::string set = "UPDATE t SET v = 'by itself' WHERE id = ";
    EXPECT_EQ(transaction.execute(set + "5").affected, 1u);
    transaction.touch("t", {{"id", std::int64_t{5}}});
    EXPECT_EQ(transaction.execute("DELETE FROM t WHERE id = 6").affected, 1u);
    transaction.touch("t", {{"id", std::int64_t{6}}});
    transaction.touch("t", {{"id", std::int64_t{97}}});
    transaction.commit();
  }
  {
    Transaction transaction = shim.begin();
    transaction.upsert("t", {{"id", std::int64_t{50}}, {"v", "is rolled back"}});
    transaction.rollback();
    Transaction forgotten = shim.begin();
    forgotten.upsert("t", {{"id", std::int64_t{51}}, {"v", "is forgotten"}});
    forgotten.execute("SELECT 1");
  }
  EXPECT_EQ(source.value("SELECT COUNT(*) FROM t"), "4");
}

TEST_P(OnShim, WritesAreInTheJournalAndAreRelayed) {
  begin("shim", false);
  Shim shim(options(WriteMode::async));
  EXPECT_EQ(shim.state().authority, Side::source);
  EXPECT_EQ(shim.state().phase, Phase::dual_write);
  change_everything(shim, trial.source);
  EXPECT_NE(journal(), "0");
  EXPECT_EQ(trial.target.value("SELECT COUNT(*) FROM t"), "0");
  expect_relayed_and_equal();
  EXPECT_EQ(on_target("w", 5), "by itself");
  EXPECT_EQ(shim.counters().committed, 3u);
  EXPECT_EQ(shim.counters().inline_written, 0u);
}

TEST_P(OnShim, SyncWritesAreOnTheTargetWhenTheCommitReturns) {
  for (const std::string capture : {"shim", "trigger"}) {
    if (capture == "trigger") {
      run({"finish", "plan.yaml"});
      trial.source.exec("DELETE FROM t; DELETE FROM pairs;");
      trial.target.exec("DROP TABLE t; DROP TABLE pairs;");
      std::filesystem::remove(trial.path("state.db"));
    }
    begin(capture, true);
    Shim shim(options(WriteMode::sync));
    change_everything(shim, trial.source);
    // What was touched is left to the relay.
    EXPECT_EQ(on_target("w", 1), "second");
    EXPECT_EQ(on_target("w", 2), "updated");
    EXPECT_EQ(on_target("w", 30), "first");
    EXPECT_EQ(on_target("COUNT(*)", 3), "0");
    EXPECT_EQ(on_target("COUNT(*)", 4), "0");
    EXPECT_EQ(on_target("w", 5), "first");
    EXPECT_EQ(trial.target.value("SELECT b FROM pairs"), "moved");
    EXPECT_EQ(shim.counters().inline_failed, 0u);
    EXPECT_GT(shim.counters().inline_written, 10u);
    expect_relayed_and_equal();
    shim.close();
  }
}

// A1: an older change of the same key is written on the target after a newer one.
TEST_P(OnShim, AWriteThatComesLateIsStopped) {
  begin("shim", true);
  std::promise<void> committed, may_go_on;
  ShimOptions late = options(WriteMode::sync);
  late.metrics = std::make_shared<AtCommit>([&, gate = may_go_on.get_future().share()] {
    committed.set_value();
    gate.wait();
  });
  Shim slow(std::move(late)), other(options(WriteMode::async));
  std::thread writer([&] { upsert(slow, 1, "older"); });
  committed.get_future().wait();
  upsert(other, 1, "newer");
  run({"relay", "plan.yaml"});
  EXPECT_EQ(on_target("w", 1), "newer");
  may_go_on.set_value();
  writer.join();
  EXPECT_EQ(on_target("w", 1), "newer");
  EXPECT_EQ(slow.counters().inline_superseded, 1u);
  expect_relayed_and_equal();
}

// A2: the application is gone between its commit and its write of the target.
TEST_P(OnShim, AnApplicationThatDiesAfterItsCommitLosesNothing) {
  begin("shim", true);
  const pid_t child = fork();
  if (child == 0) {
    ShimOptions dying = options(WriteMode::sync);
    dying.metrics = std::make_shared<AtCommit>([] { _exit(7); });
    Shim shim(std::move(dying));
    upsert(shim, 1, "committed");
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(on_target("COUNT(*)", 1), "0");
  expect_relayed_and_equal();
  EXPECT_EQ(on_target("w", 1), "committed");
}

class ConcurrentWriters : public OnShim {};
// MySQL's locking reads wait for a row that is being inserted, so that there it does not come to
// this.
class PostgresAsSource : public OnShim {};

// A number that was drawn without the row's lock is no place among the key's changes.
TEST_P(PostgresAsSource, AnEntryWithoutALockLosesNoChange) {
  begin("shim", true);
  run({"backfill", "plan.yaml"});
  Shim shim(options(WriteMode::async));
  Transaction insert = shim.begin();
  insert.upsert("t", {{"id", std::int64_t{1}}, {"v", "inserted"}});
  insert.execute("SELECT 1");  // its entry has a number now, and the row a lock
  Transaction bogus = shim.begin();
  bogus.touch("t", {{"id", std::int64_t{1}}});
  bogus.commit();
  run({"relay", "plan.yaml"});
  EXPECT_EQ(journal(), "0");
  insert.commit();
  run({"relay", "plan.yaml"});
  EXPECT_EQ(on_target("w", 1), "inserted");
  expect_relayed_and_equal();
}

TEST_P(OnShim, AClosedSourceIsNotWrittenTo) {
  begin("shim", false);
  Shim shim(options(WriteMode::async));
  upsert(shim, 1, "before");
  ASSERT_TRUE(exchange(false));
  try {
    upsert(shim, 2, "while closed");
    ADD_FAILURE() << "it was written to";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::transient) << error.what();
  }
  EXPECT_FALSE(shim.state().authority.has_value());
  EXPECT_EQ(trial.source.value("SELECT COUNT(*) FROM t"), "1");
}

TEST_P(OnShim, WhoMeetsAClosedSourceWaitsAndGoesOn) {
  begin("shim", false);
  ShimOptions patient = options(WriteMode::async);
  patient.closed_wait = 20s;
  Shim shim(std::move(patient));
  Transaction transaction = shim.begin();
  transaction.upsert("t", {{"id", std::int64_t{1}}, {"v", "waits"}});
  ASSERT_TRUE(exchange(false));
  auto committed = std::async(std::launch::async, [&] { transaction.commit(); });
  EXPECT_EQ(committed.wait_for(300ms), std::future_status::timeout);
  EXPECT_EQ(trial.source.value("SELECT COUNT(*) FROM t"), "0");
  ASSERT_TRUE(exchange(true));
  committed.get();
  EXPECT_EQ(trial.source.value("SELECT COUNT(*) FROM t"), "1");
  EXPECT_EQ(shim.counters().fenced, 1u);
  EXPECT_EQ(journal(), "1");
}

// A9: whoever closes it has waited for those who had begun.
TEST_P(ConcurrentWriters, ClosingWaitsForOpenTransactions) {
  begin("shim", false);
  Shim shim(options(WriteMode::async));
  Transaction transaction = shim.begin();
  transaction.execute("SELECT 1");
  auto closed = std::async(std::launch::async, [&] { return exchange(false); });
  EXPECT_EQ(closed.wait_for(500ms), std::future_status::timeout);
  transaction.upsert("t", {{"id", std::int64_t{1}}, {"v", "in time"}});
  transaction.commit();
  EXPECT_TRUE(closed.get());
  EXPECT_EQ(journal(), "1");
}

TEST_P(OnShim, ManyThreadsShareAFewConnections) {
  begin("shim", true);
  ShimOptions few = options(WriteMode::sync);
  few.connections_max = 3;
  few.connection_wait = 30s;
  Shim shim(std::move(few));
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < 8; ++writer) {
    writers.emplace_back([&shim, writer] {
      for (int turn = 0; turn < 20; ++turn) {
        try {
          upsert(shim, turn % 7, fmt::format("{} of {}", turn, writer));
          Transaction transaction = shim.begin();
          transaction.erase("t", {{"id", std::int64_t{(turn + writer) % 7}}});
          transaction.commit();
        } catch (const Error& error) {
          // Two that insert the same key, or lock in a circle: an application would try again.
          EXPECT_TRUE(error.kind() == ErrorKind::transient || error.duplicate_key())
              << error.what();
        }
      }
    });
  }
  writers.clear();
  expect_relayed_and_equal();
}

class ServersAsTarget : public OnShim {};

// I11: the application's writes cost what they did, plus the budget, and after some even that not.
TEST_P(ServersAsTarget, AnUnreachableTargetHoldsUpNobody) {
  begin("shim", true);
  TcpProxy proxy(trial.target.url_text());
  ShimOptions patient = options(WriteMode::sync);
  patient.target = database_at(proxy.url());
  patient.defaults.budget = 200ms;
  patient.breaker = {.failures = 3, .first = 300ms, .longest = 300ms};
  Shim shim(std::move(patient));
  upsert(shim, 1, "before");
  EXPECT_EQ(on_target("w", 1), "before");
  proxy.stall(true);
  for (int id = 2; id <= 9; ++id) {
    const auto began = std::chrono::steady_clock::now();
    upsert(shim, id, "meanwhile");
    EXPECT_LT(std::chrono::steady_clock::now() - began, 1s) << id;
  }
  EXPECT_TRUE(shim.other_side_down());
  const ShimCounters down = shim.counters();
  EXPECT_EQ(down.committed, 9u);
  EXPECT_EQ(down.inline_failed + down.inline_skipped, 8u);
  proxy.stall(false);
  proxy.cut();
  EXPECT_TRUE(eventually([&] {
    upsert(shim, 10, "after");
    return shim.counters().inline_written > down.inline_written;
  }));
  EXPECT_FALSE(shim.other_side_down());
  expect_relayed_and_equal();
}

class ServersAsSource : public OnShim {};

TEST_P(ServersAsSource, ASourceThatWasRestartedIsWrittenToAgain) {
  begin("shim", false);
  TcpProxy proxy(trial.source.url_text());
  ShimOptions through = options(WriteMode::async);
  through.source = database_at(proxy.url());
  Shim shim(std::move(through));
  upsert(shim, 1, "before");
  proxy.cut();
  upsert(shim, 2, "after");  // over another connection, without a word
  EXPECT_EQ(shim.counters().rolled_back, 0u);
  // In the middle of a transaction it is over.
  Transaction cut = shim.begin();
  cut.execute("SELECT 1");
  proxy.cut();
  try {
    cut.execute("SELECT 1");
    ADD_FAILURE() << "the connection was there";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::transient) << error.what();
  }
  // A commit whose answer is lost is said to be in doubt, and is not tried again.
  Transaction doubt = shim.begin();
  doubt.upsert("t", {{"id", std::int64_t{3}}, {"v", "in doubt"}});
  doubt.execute("SELECT 1");
  proxy.lose_commits(TcpProxy::Fate::answer_lost, 1, 1);
  try {
    doubt.commit();
    ADD_FAILURE() << "its answer came";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::in_doubt) << error.what();
  }
  EXPECT_EQ(shim.counters().in_doubt, 1u);
  EXPECT_EQ(trial.source.value("SELECT COUNT(*) FROM t WHERE id = 3"), "1");
  expect_relayed_and_equal();
}

// Its own connection, in the middle of its own transaction.
TEST_P(OnShim, ALentConnectionIsJournaled) {
  begin("shim", false);
  Shim shim(options(WriteMode::async));
  const Url url = trial.source.url();
  const std::string insert = "INSERT INTO t (id, v) VALUES (1, 'lent')";
  const auto touch = [](LentTransaction transaction) {
    transaction.touch("t", {{"id", std::int64_t{1}}});
    transaction.touch("t", {{"id", std::int64_t{2}}});
    EXPECT_THROW(transaction.touch("no_table", {{"id", std::int64_t{1}}}), Error);
  };
  const auto ends = {std::string("ROLLBACK"), std::string("COMMIT")};
  if (url.engine() == Engine::postgres) {
    const std::unique_ptr<PGconn, void (*)(PGconn*)> own(PQconnectdb(url.text().c_str()), PQfinish);
    const auto exec = [&](const std::string& sql) { PQclear(PQexec(own.get(), sql.c_str())); };
    EXPECT_THROW(lend(shim, own.get()), Error);  // in no transaction
    for (const std::string& end : ends) {
      exec("BEGIN ISOLATION LEVEL SERIALIZABLE");
      exec(insert);
      touch(lend(shim, own.get()));
      exec(end);
    }
  } else if (url.engine() == Engine::mysql) {
    const std::unique_ptr<MYSQL, void (*)(MYSQL*)> own(mysql_init(nullptr), mysql_close);
    ASSERT_TRUE(mysql_real_connect(own.get(), url.host().c_str(), url.user().c_str(),
                                   url.password().c_str(), url.database().c_str(),
                                   static_cast<unsigned>(url.port()), nullptr, 0));
    mysql_set_character_set(own.get(), "utf8mb4");
    EXPECT_THROW(lend(shim, own.get()), Error);
    for (const std::string& end : ends) {
      mysql_query(own.get(), "START TRANSACTION");
      mysql_query(own.get(), insert.c_str());
      touch(lend(shim, own.get()));
      mysql_query(own.get(), end.c_str());
    }
  } else {
    sqlite3* opened = nullptr;
    ASSERT_EQ(sqlite3_open(url.path().c_str(), &opened), SQLITE_OK);
    sqlite3_busy_timeout(opened, 10'000);
    const std::unique_ptr<sqlite3, int (*)(sqlite3*)> own(opened, sqlite3_close);
    const auto exec = [&](const std::string& sql) {
      EXPECT_EQ(sqlite3_exec(opened, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sql;
    };
    EXPECT_THROW(lend(shim, opened), Error);
    for (const std::string& end : ends) {
      exec("BEGIN IMMEDIATE");
      exec(insert);
      touch(lend(shim, opened));
      exec(end);
    }
  }
  EXPECT_EQ(journal(), "2");
  expect_relayed_and_equal();
  EXPECT_EQ(on_target("w", 1), "lent");
}

TEST_P(OnShim, InstancesAreKnownAndFinishWaitsForThem) {
  begin("shim", true);
  ShimOptions named = options(WriteMode::sync);
  named.instance = "web-1";
  named.lease = 3s;
  Shim shim(std::move(named));
  upsert(shim, 1, "first");
  expect_relayed_and_equal();
  EXPECT_TRUE(eventually([&] {
    const json changes = trial.status()["changes"];
    return changes["instances"].size() == 1 && changes["instances"][0]["phase"] == "backfill";
  })) << trial.status();
  const json changes = trial.status()["changes"];
  EXPECT_EQ(changes["instances"][0]["instance"], "web-1");
  EXPECT_EQ(changes["instances"][0]["gone"], false);
  EXPECT_EQ(changes["waiting"], 0);
  expect_refusal(trial.migrate({"finish", "plan.yaml"}), 4, {"web-1"});
  upsert(shim, 2, "goes on");
  shim.close();
  run({"finish", "plan.yaml"});
  EXPECT_EQ(on_target("w", 2), "goes on");
  for (const TestDatabase* side : {&trial.source, &trial.target}) {
    const auto session = adapter_for(side->engine()).open_source(side->url(), {});
    EXPECT_THROW(session->session().query("SELECT 1 FROM _migrator_side"), Error);
    EXPECT_THROW(session->session().query("SELECT 1 FROM _migrator_journal"), Error);
    EXPECT_THROW(session->session().query("SELECT 1 FROM _migrator_guard"), Error);
  }
  try {
    Shim again(options(WriteMode::async));
    ADD_FAILURE() << "it found a migration";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::gate);
  }
}

TEST_P(OnShim, WhatIsWrongIsSaidBeforeAnythingIsSent) {
  begin("shim", false);
  EXPECT_THROW(Shim(options(WriteMode::sync)), Error);  // no inline_writes
  ShimOptions wrong = options(WriteMode::async);
  wrong.tables["nothing"] = {};
  EXPECT_THROW(Shim{std::move(wrong)}, Error);
  Shim shim(options(WriteMode::async));
  Transaction transaction = shim.begin();
  const auto refused = [](const std::function<void()>& what) {
    try {
      what();
      ADD_FAILURE() << "it was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
    }
  };
  refused([&] { transaction.upsert("nothing", {{"id", std::int64_t{1}}}); });
  refused([&] { transaction.upsert("t", {{"v", "no key"}}); });
  refused([&] { transaction.upsert("t", {{"id", {}}, {"v", "NULL key"}}); });
  refused([&] { transaction.upsert("t", {{"id", std::int64_t{1}}, {"no_column", "x"}}); });
  refused([&] { transaction.update("pairs", {{"a", std::int64_t{1}}}, {{"n", std::int64_t{1}}}); });
  refused([&] { transaction.update("t", {{"id", std::int64_t{1}}}, {}); });
  refused([&] { transaction.erase("t", {{"v", "x"}}); });
  // None of that has spoiled the transaction.
  transaction.upsert("t", {{"id", std::int64_t{1}}, {"v", "good"}});
  transaction.commit();
  refused([&] { transaction.commit(); });
  refused([&] { transaction.execute("SELECT 1"); });
  EXPECT_EQ(trial.source.value("SELECT COUNT(*) FROM t"), "1");
  // A statement that fails ends it.
  Transaction fails = shim.begin();
  EXPECT_THROW(fails.execute("SELECT nonsense FROM nowhere"), Error);
  refused([&] { fails.commit(); });
  EXPECT_EQ(shim.counters().rolled_back, 1u);
}

INSTANTIATE_TEST_SUITE_P(Routes, OnShim, testing::ValuesIn(kRoutes), route_name);
// SQLite has one writer at a time.
INSTANTIATE_TEST_SUITE_P(Routes, ConcurrentWriters,
                         testing::ValuesIn(routes_where([](const ShimRoute& route) {
                           return route.from != ServerKind::sqlite;
                         })),
                         route_name);
INSTANTIATE_TEST_SUITE_P(Routes, PostgresAsSource,
                         testing::ValuesIn(routes_where([](const ShimRoute& route) {
                           return route.from == ServerKind::postgres;
                         })),
                         route_name);
INSTANTIATE_TEST_SUITE_P(Routes, ServersAsSource,
                         testing::ValuesIn(routes_where([](const ShimRoute& route) {
                           return route.from != ServerKind::sqlite;
                         })),
                         route_name);
INSTANTIATE_TEST_SUITE_P(Routes, ServersAsTarget,
                         testing::ValuesIn(routes_where([](const ShimRoute& route) {
                           return route.to != ServerKind::sqlite;
                         })),
                         route_name);

}  // namespace
}  // namespace migrator::test
