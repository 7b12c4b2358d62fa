// What may happen between two steps of a copy and a relay, made to happen: the process is held or
// killed at a named point (copy/stop_point.h), and the application writes meanwhile. The letters
// are those of the interleavings that the protocol has to survive.
//
// What each guard is worth, tried out by taking it away:
// - the relay that looks for chunks in flight: ChangesOfAChunkInFlightWaitForIt fails;
// - the lease's check in each transaction: ARelayThatWasOvertakenWritesNothing fails;
// - the relay held off: TheRelayIsHeldOffWhileAChunkIsDoneAgain fails;
// - entries deleted up to a number, and not those read: AWriteAfterTheReadIsNotForgotten fails.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "adapters/adapter.h"
#include "tests/faults/tcp_proxy.h"
#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace fs = std::filesystem;

namespace {

struct Route {
  ServerKind from, to;
};
// Each engine on either side. None of them is co-located: rows pass through the process.
const Route kRoutes[] = {
    {ServerKind::postgres, ServerKind::postgres}, {ServerKind::mariadb, ServerKind::sqlite},
    {ServerKind::sqlite, ServerKind::mariadb},    {ServerKind::postgres, ServerKind::mariadb},
    {ServerKind::mariadb, ServerKind::postgres},
};

class Interleavings : public testing::TestWithParam<Route> {
 protected:
  Interleavings() : trial(GetParam().from, GetParam().to) {
    // In WAL a reader that is held holds up no writer.
    std::string script =
        GetParam().from == ServerKind::sqlite ? "PRAGMA journal_mode = WAL;\n" : "";
    script +=
        "CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, u int NOT NULL UNIQUE, v varchar(40));\n"
        "INSERT INTO t VALUES (1, 1, 'first')";
    for (int id = 2; id <= 100; ++id) script += fmt::format(", ({0}, {0}, 'first')", id);
    trial.source.exec(script + ";");
    trial.plan(MigrationCase::tables({"t"}),
               "capture: trigger\nbackfill: {jobs: 1, chunk: {max_rows: 10}}\n");
  }

  void run(const std::vector<std::string>& arguments, int status = 0) {
    const CommandResult result = trial.migrate(arguments);
    ASSERT_EQ(result.status, status) << shown(result);
  }
  void copy_all() { run({"backfill", "plan.yaml"}); }
  void write(const std::string& sql) const { trial.source.exec(sql); }

  // Started, and held at the nth coming by of that point.
  Child hold(const std::vector<std::string>& arguments, const std::string& point, int nth = 1) {
    trial.environment["MIGRATOR_HOLD_AT"] = fmt::format("{}:{}:{}", point, nth, mark());
    Child child = trial.start(arguments);
    trial.environment.clear();
    EXPECT_TRUE(eventually([&] { return fs::exists(mark()) || !child.running(); })) << child.err();
    EXPECT_TRUE(fs::exists(mark())) << child.err();
    return child;
  }
  void release(Child& child, int status = 0) {
    fs::remove(mark());
    ASSERT_TRUE(child.wait_for(30s)) << child.err();
    ASSERT_EQ(child.status(), status) << child.err();
  }
  std::string mark() const { return trial.path("held"); }

  void expect_drained_and_equal() {
    run({"relay", "plan.yaml"});
    EXPECT_EQ(trial.source.value("SELECT COUNT(*) FROM _migrator_journal"), "0");
    trial.expect_equal({"t"});
  }

  MigrationCase trial;
};

// SQLite has one writer at a time.
class SeveralWriters : public Interleavings {};
// MySQL refuses it where a table is captured, SQLite has none.
class Truncates : public Interleavings {};
class ServersAsTarget : public Interleavings {};

// A4, A5: the chunk has read the rows and not written them.
TEST_P(Interleavings, ChangesOfAChunkInFlightWaitForIt) {
  Child copy = hold({"backfill", "plan.yaml"}, "chunk_loaded", 3);
  write(
      "DELETE FROM t WHERE id = 25; UPDATE t SET v = 'second' WHERE id = 26; "
      "INSERT INTO t VALUES (1025, 1025, 'new');");
  // The relay beside it has seen the changes, and leaves those of the chunk alone.
  // (SQLite has one writer at a time: there the relay waits for the chunk as a whole.)
  EXPECT_TRUE(GetParam().to == ServerKind::sqlite || eventually([&] {
                return std::regex_search(copy.err(), std::regex("\"deferred\":[2-9]"));
              }))
      << copy.err();
  release(copy);
  expect_drained_and_equal();
  EXPECT_EQ(trial.target.value("SELECT COUNT(*) FROM t WHERE id = 25"), "0");
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 26"), "second");
}

// A14: rows move over the copy's frontier, both ways.
TEST_P(Interleavings, KeysMoveAcrossTheFrontier) {
  Child copy = hold({"backfill", "plan.yaml"}, "chunk_committed", 4);
  write(
      "UPDATE t SET id = 1005 WHERE id = 5; UPDATE t SET id = 1006 WHERE id = 95; "
      "UPDATE t SET id = 5 WHERE id = 90; UPDATE t SET id = 90 WHERE id = 15;");
  release(copy);
  expect_drained_and_equal();
}

// A6: delete and insert again, while the relay has the entry of the change before.
TEST_P(Interleavings, ARowIsDeletedAndInsertedAgain) {
  copy_all();
  write("UPDATE t SET v = 'second' WHERE id = 7;");
  Child relay = hold({"relay", "plan.yaml"}, "relay_looked");
  write("DELETE FROM t WHERE id = 7; INSERT INTO t VALUES (7, 7, 'third');");
  release(relay);
  expect_drained_and_equal();
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 7"), "third");
}

// A8: the relay has written what it read, and deletes its entries, when there is a newer one.
TEST_P(Interleavings, AWriteAfterTheReadIsNotForgotten) {
  copy_all();
  write("UPDATE t SET v = 'second' WHERE id = 7;");
  Child relay = hold({"relay", "plan.yaml"}, "relay_committed");
  write("UPDATE t SET v = 'third' WHERE id = 7;");
  release(relay);
  expect_drained_and_equal();
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 7"), "third");
}

// A7: the numbers of entries are drawn before the commits, and these come in another order.
TEST_P(SeveralWriters, ALowerNumberCommitsLater) {
  copy_all();
  const auto early = adapter_for(trial.source.engine()).open_target(trial.source.url(), {});
  early->session().begin();
  early->session().execute("UPDATE t SET v = 'second' WHERE id = 7");
  write("UPDATE t SET v = 'second' WHERE id = 8;");
  run({"relay", "plan.yaml"});
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 8"), "second");
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 7"), "first");
  early->session().commit();
  expect_drained_and_equal();
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 7"), "second");
}

// A1, A12: a relay that slept while another one took over wakes up with an old row.
TEST_P(Interleavings, ARelayThatWasOvertakenWritesNothing) {
  copy_all();
  write("UPDATE t SET v = 'second' WHERE id = 7;");
  Child zombie = hold({"relay", "plan.yaml"}, "relay_looked");
  // Of the same migration, from a copy of its checkpoint store.
  write("UPDATE t SET v = 'third' WHERE id = 7;");
  for (const char* suffix : {"", "-wal"}) {
    if (trial.exists(std::string("state.db") + suffix)) {
      fs::copy(trial.path(std::string("state.db") + suffix),
               trial.path(std::string("other.db") + suffix));
    }
  }
  std::string plan = trial.read("plan.yaml");
  plan.replace(plan.find("state.db"), 8, "other.db");
  trial.write("other.yaml", plan);
  run({"relay", "other.yaml"});
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 7"), "third");
  release(zombie, 1);
  EXPECT_NE(zombie.err().find("another relay"), std::string::npos) << zombie.err();
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 7"), "third");
  expect_drained_and_equal();
}

// A19, and a chain of three.
TEST_P(Interleavings, TwoRowsSwapAUniqueValue) {
  copy_all();
  write(
      "UPDATE t SET u = -1 WHERE id = 7; UPDATE t SET u = 7 WHERE id = 8; "
      "UPDATE t SET u = 8 WHERE id = 7;"
      "UPDATE t SET u = -1 WHERE id = 1; UPDATE t SET u = 1 WHERE id = 2; "
      "UPDATE t SET u = 2 WHERE id = 3; UPDATE t SET u = 3 WHERE id = 1;");
  expect_drained_and_equal();
  // The row that has the value on the target is not in the same round: its key joins it.
  write(
      "UPDATE t SET u = -1 WHERE id = 7; UPDATE t SET u = 8 WHERE id = 8; "
      "UPDATE t SET u = 7 WHERE id = 7; DELETE FROM _migrator_journal WHERE row_key IN ('7', "
      "'i7');");
  expect_drained_and_equal();
}

// A chunk that lost to a unique value is done again while no relay writes: the two would wait for
// each other's values, row by row. The rows that lose are the relay's, once it may go on.
TEST_P(Interleavings, TheRelayIsHeldOffWhileAChunkIsDoneAgain) {
  trial.target.exec(
      "CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, u int NOT NULL UNIQUE, v varchar(40));");
  run({"start", "plan.yaml"});
  write("UPDATE t SET u = -1 WHERE id = 25; INSERT INTO t VALUES (1025, 25, 'moved');");
  run({"relay", "plan.yaml"});
  write("UPDATE t SET u = 1025 WHERE id = 1025; UPDATE t SET u = 25 WHERE id = 25;");
  // The change back is not relayed yet: the value is in the way of the third chunk.
  write("DELETE FROM _migrator_journal WHERE row_key IN ('1025', 'i1025');");
  Child copy = hold({"backfill", "plan.yaml"}, "rejects_recorded");
  write("UPDATE t SET v = 'second' WHERE id = 1;");
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 1"), "first");
  release(copy);
  // Ten rows: they were left to the relay together, and none to a person.
  expect_drained_and_equal();
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 1"), "second");
}

// A22: a transaction that wrote before there were triggers.
TEST_P(Interleavings, AWriterBeganBeforeCapture) {
  const auto early = adapter_for(trial.source.engine()).open_target(trial.source.url(), {});
  early->session().begin();
  early->session().execute("UPDATE t SET v = 'uncaptured' WHERE id = 7");
  Child start = trial.start({"backfill", "plan.yaml"});
  EXPECT_FALSE(start.wait_for(1500ms)) << start.err();
  EXPECT_EQ(trial.target.value("SELECT COUNT(*) FROM t"), "0");
  early->session().commit();
  ASSERT_TRUE(start.wait_for(30s)) << start.err();
  ASSERT_EQ(start.status(), 0) << start.err();
  expect_drained_and_equal();
  EXPECT_EQ(trial.target.value("SELECT v FROM t WHERE id = 7"), "uncaptured");
}

TEST_P(Truncates, AreFollowed) {
  copy_all();
  write("TRUNCATE t; INSERT INTO t VALUES (3, 3, 'after'), (500, 500, 'after');");
  expect_drained_and_equal();
  EXPECT_EQ(trial.target.value("SELECT COUNT(*) FROM t"), "2");
}

TEST_P(Interleavings, AlteredTablesAreNotFollowed) {
  copy_all();
  write("UPDATE t SET v = 'second' WHERE id = 7;");
  Child relay = hold({"relay", "plan.yaml", "--follow"}, "relay_retired");
  write("ALTER TABLE t ADD COLUMN extra int; UPDATE t SET v = 'third' WHERE id = 7;");
  fs::remove(mark());
  ASSERT_TRUE(relay.wait_for(30s)) << relay.err();
  EXPECT_EQ(relay.status(), 4) << relay.err();
  EXPECT_NE(relay.err().find("column extra"), std::string::npos) << relay.err();
}

TEST_P(Interleavings, TriggersThatAreGoneAreNoticed) {
  copy_all();
  const auto source = adapter_for(trial.source.engine()).open_source(trial.source.url(), {});
  const Catalog catalog = source->session().catalog();
  const TableSchema* table = catalog.find_table({"", "t"});
  if (table == nullptr) table = &catalog.tables.front();
  ASSERT_FALSE(table->triggers.empty());
  for (const Trigger& trigger : table->triggers) {
    const std::string name = source->session().dialect().quote(trigger.name);
    write("DROP TRIGGER " + name + (GetParam().from == ServerKind::postgres ? " ON t;" : ";"));
  }
  write("UPDATE t SET v = 'unseen' WHERE id = 7;");
  const CommandResult refused = trial.migrate({"relay", "plan.yaml"});
  expect_refusal(refused, 4, {"triggers of capture are gone", "--recapture"});
  run({"start", "plan.yaml", "--recapture"});
  write("UPDATE t SET v = 'seen' WHERE id = 7;");
  expect_drained_and_equal();
}

TEST_P(Interleavings, AJournalThatIsGoneIsNoticed) {
  copy_all();
  Child relay = hold({"relay", "plan.yaml", "--follow"}, "relay_leased");
  write("DROP TABLE _migrator_journal;");
  fs::remove(mark());
  ASSERT_TRUE(relay.wait_for(30s)) << relay.err();
  EXPECT_EQ(relay.status(), 4) << relay.err();
  EXPECT_NE(relay.err().find("begin the migration anew"), std::string::npos) << relay.err();
}

TEST_P(Interleavings, ASecondRelayIsToldOfTheFirst) {
  copy_all();
  Child relay = hold({"relay", "plan.yaml", "--follow"}, "relay_leased");
  expect_refusal(trial.migrate({"relay", "plan.yaml"}), 4, {"relay plan.yaml"});
  fs::remove(mark());
  relay.signal(SIGTERM);
  ASSERT_TRUE(relay.wait_for(10s));
  EXPECT_EQ(relay.status(), 130) << relay.err();
}

TEST_P(ServersAsTarget, ThatAreAwayAreWaitedFor) {
  TcpProxy proxy(trial.target_url);
  trial.target_url = proxy.url();
  copy_all();
  Child relay = hold({"relay", "plan.yaml", "--follow"}, "relay_leased");
  fs::remove(mark());
  proxy.stall(true);
  proxy.cut();
  write("UPDATE t SET v = 'second' WHERE id < 50; DELETE FROM t WHERE id = 60;");
  std::this_thread::sleep_for(1s);  // some tries come to nothing
  EXPECT_TRUE(relay.running()) << relay.err();
  proxy.cut();
  proxy.stall(false);
  EXPECT_TRUE(eventually([&] {
    return trial.target.value("SELECT COUNT(*) FROM t WHERE v = 'second'") == "49";
  })) << relay.err();
  relay.signal(SIGTERM);
  ASSERT_TRUE(relay.wait_for(10s));
  expect_drained_and_equal();
}

// A2, A3, A23: killed at each step of a round, twice.
constexpr const char* kPoints[] = {"relay_leased",  "relay_read",      "relay_looked",
                                   "relay_written", "relay_committed", "relay_retired"};

TEST_P(Interleavings, KilledAtEachStepOfARound) {
  copy_all();
  int id = 0;
  for (const char* point : kPoints) {
    SCOPED_TRACE(point);
    for (int kill = 0; kill < 2; ++kill) {
      ++id;
      write(fmt::format("UPDATE t SET v = '{}' WHERE id = {}; DELETE FROM t WHERE id = {};", point,
                        id, id + 50));
      trial.environment["MIGRATOR_STOP_AT"] = point;
      EXPECT_EQ(trial.migrate({"relay", "plan.yaml"}).status, 128 + SIGKILL);
      trial.environment.clear();
    }
    expect_drained_and_equal();
  }
}

std::string route_name(const testing::TestParamInfo<Route>& info) {
  return std::string(name(info.param.from)) + "_to_" + std::string(name(info.param.to));
}

std::vector<Route> routes(const std::function<bool(const Route&)>& condition) {
  std::vector<Route> found;
  std::copy_if(std::begin(kRoutes), std::end(kRoutes), std::back_inserter(found), condition);
  return found;
}

INSTANTIATE_TEST_SUITE_P(Routes, Interleavings, testing::ValuesIn(kRoutes), route_name);
INSTANTIATE_TEST_SUITE_P(Routes, SeveralWriters, testing::ValuesIn(routes([](const Route& route) {
                           return route.from != ServerKind::sqlite;
                         })),
                         route_name);
INSTANTIATE_TEST_SUITE_P(Routes, Truncates, testing::ValuesIn(routes([](const Route& route) {
                           return route.from == ServerKind::postgres;
                         })),
                         route_name);
INSTANTIATE_TEST_SUITE_P(Routes, ServersAsTarget, testing::ValuesIn(routes([](const Route& route) {
                           return route.to != ServerKind::sqlite;
                         })),
                         route_name);

// As the copy, a relay gives way where a server has too much to do; the journal keeps what comes.
TEST(Throttle, HoldsARelayThatFollows) {
  MigrationCase trial(ServerKind::postgres, ServerKind::postgres);
  trial.source.exec("CREATE TABLE t (id bigint NOT NULL PRIMARY KEY);");
  trial.plan(MigrationCase::tables({"t"}),
             "capture: trigger\nbackfill: {throttle: {max_lock_waits: 1}}\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  trial.target.exec("CREATE TABLE busy (id int);");
  const Url url = Url::parse(trial.target.url_text());
  SessionOptions patient;
  patient.lock_timeout = std::chrono::minutes(2);
  const auto open = [&] { return adapter_for(url.engine()).open_source(url, patient); };
  // Before it is busy, as catalogs are read at the start.
  Child relay = trial.start({"relay", "plan.yaml", "--follow"});
  ASSERT_TRUE(eventually([&] { return relay.err().find("progress") != std::string::npos; }));
  const auto holder = open();
  holder->session().begin();
  holder->session().query("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE");
  std::vector<std::jthread> waiting;
  for (int at = 0; at < 2; ++at) {
    waiting.emplace_back([&] { open()->session().query("SELECT count(*) FROM busy"); });
  }
  const auto held = [&] {
    const std::string said = relay.err();
    std::size_t count = 0;
    for (std::size_t at = said.find("wait for locks"); at != std::string::npos;
         at = said.find("wait for locks", at + 1)) {
      ++count;
    }
    return count;
  };
  EXPECT_TRUE(eventually([&] { return held() > 0; })) << relay.err();
  trial.source.exec("INSERT INTO t VALUES (1);");
  // Two lines are two seconds: a relay that is not held looks twenty times a second.
  const std::size_t before = held();
  EXPECT_TRUE(eventually([&] { return held() >= before + 2; })) << relay.err();
  EXPECT_EQ(trial.target.value("SELECT count(*) FROM t"), "0");
  holder->session().rollback();
  waiting.clear();
  EXPECT_TRUE(eventually([&] { return trial.target.value("SELECT count(*) FROM t") == "1"; }))
      << relay.err();
  relay.signal(SIGINT);
  ASSERT_TRUE(relay.wait_for(20s));
  EXPECT_EQ(relay.status(), 130) << relay.err();
  trial.remember(relay);
}

TEST(RelayPoints, AreAllKnown) {
  std::set<std::string> in_source;
  const std::regex call("stop_point\\(\"(relay_[a-z_]+)\"\\)");
  for (const auto& entry : fs::recursive_directory_iterator(MIGRATOR_SOURCES)) {
    if (entry.path().extension() != ".cc") continue;
    std::ifstream file(entry.path());
    std::ostringstream text;
    text << file.rdbuf();
    const std::string source = text.str();
    for (std::sregex_iterator found(source.begin(), source.end(), call), end; found != end;
         ++found) {
      in_source.insert((*found)[1]);
    }
  }
  EXPECT_EQ(in_source, std::set<std::string>(std::begin(kPoints), std::end(kPoints)));
}

}  // namespace
}  // namespace migrator::test
