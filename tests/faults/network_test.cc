// Networks that cut and stall: between `migrate` and its source, and between it and its target.
//
// A lost connection heals by itself where another try can help, within the run; otherwise the run
// ends with status 1, and the next one goes on. Either way each row arrives once.
#include <filesystem>
#include <random>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/faults/tcp_proxy.h"
#include "tests/faults/trial.h"

namespace migrator::test {
namespace {

using Fate = TcpProxy::Fate;

// A3. The target's COMMIT and its answer.
class LostCommit : public testing::TestWithParam<std::tuple<ServerKind, Fate>> {};

TEST_P(LostCommit, IsNeitherRepeatedNorForgotten) {
  const auto [kind, fate] = GetParam();
  Trial trial(ServerKind::sqlite, kind);
  trial.prepare({.entries = 6000, .marks = 2000});
  TcpProxy proxy(trial.target_url);
  trial.target_url = proxy.url();
  // Every 4th: claims, chunks, and chunks that carry the claims of the next ones.
  proxy.lose_commits(fate, 4, 4);
  const CommandResult result = trial.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(result.status, 0) << shown(result);
  EXPECT_EQ(proxy.commits_lost(), 4);
  trial.expect_equal();
  trial.expect_finished();
  EXPECT_GT(trial.chunks_retried(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Engines, LostCommit,
    testing::Combine(testing::Values(ServerKind::postgres, ServerKind::mariadb),
                     testing::Values(Fate::answer_lost, Fate::request_lost)),
    [](const auto& tested) {
      return fmt::format("{}_{}", name(std::get<0>(tested.param)),
                         std::get<1>(tested.param) == Fate::answer_lost ? "answer" : "request");
    });

// Every kind of server as the source and as the target, with the proxy in front of it. MariaDB to
// MariaDB is one server that copies within itself.
struct Route {
  ServerKind from, to;
  bool at_source;
};

class Cut : public testing::TestWithParam<Route> {};

TEST_P(Cut, AtRandomMomentsHealsOrResumes) {
  const unsigned seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);

  Trial trial(GetParam().from, GetParam().to);
  trial.prepare({.entries = 8000, .marks = 4000});
  std::string& url = GetParam().at_source ? trial.source_url : trial.target_url;
  TcpProxy proxy(url);
  url = proxy.url();

  // Whole runs send some 10 KiB (co-located) to 2 MiB; a cut comes after so many bytes more. The
  // first two come early in any of them.
  int runs = 0, cuts = 0;
  const auto bytes_to_next = [&] {
    return std::uniform_int_distribution<std::uint64_t>(500, cuts < 2 ? 4000 : 300'000)(random);
  };
  bool done = false;
  while (!done) {
    ASSERT_LT(++runs, 12);
    Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "12000"});
    std::uint64_t next = proxy.bytes() + bytes_to_next();
    ASSERT_TRUE(eventually(
        [&] {
          if (cuts < 4 && proxy.bytes() >= next) {
            proxy.cut();
            ++cuts;
            next = proxy.bytes() + bytes_to_next();
          }
          return !child.running();
        },
        60s));
    done = child.status() == 0;
    if (done) break;
    ASSERT_EQ(child.status(), 1) << shown(child);
    EXPECT_NE(child.err().find("to do: "), std::string::npos) << shown(child);
    EXPECT_EQ(child.err().find("this is a bug"), std::string::npos) << shown(child);
    trial.expect_never_ahead();
  }
  EXPECT_GE(cuts, 2);
  trial.expect_equal();
  trial.expect_finished();
}

// Amid the rows the run itself goes on.
class CutOnce : public Cut {};

TEST_P(CutOnce, IsHealedWithinTheRun) {
  Trial trial(GetParam().from, GetParam().to);
  trial.prepare({.entries = 8000, .marks = 4000});
  std::string& url = GetParam().at_source ? trial.source_url : trial.target_url;
  TcpProxy proxy(url);
  url = proxy.url();
  Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "12000"});
  ASSERT_TRUE(eventually([&] { return trial.rows_recorded() > 1000; })) << shown(child);
  ASSERT_TRUE(child.running());
  proxy.cut();
  ASSERT_TRUE(child.wait_for(30s));
  EXPECT_EQ(child.status(), 0) << shown(child);
  trial.expect_equal();
  trial.expect_finished();
}

TEST_P(Cut, StallIsWaitedOut) {
  Trial trial(GetParam().from, GetParam().to);
  trial.prepare({.entries = 6000, .marks = 2000});
  std::string& url = GetParam().at_source ? trial.source_url : trial.target_url;
  TcpProxy proxy(url);
  url = proxy.url();
  Child child = trial.start({"backfill", "plan.yaml", "--rows-per-second", "4000"});
  ASSERT_TRUE(eventually([&] { return trial.rows_recorded() > 500; })) << shown(child);
  proxy.stall(true);
  EXPECT_FALSE(child.wait_for(800ms)) << shown(child);
  proxy.stall(false);
  ASSERT_TRUE(child.wait_for(30s));
  EXPECT_EQ(child.status(), 0) << shown(child);
  EXPECT_EQ(trial.chunks_retried(), 0);
  trial.expect_equal();
  trial.expect_finished();
}

const Route kStreams[] = {
    {ServerKind::sqlite, ServerKind::postgres, false},
    {ServerKind::sqlite, ServerKind::mariadb, false},
    {ServerKind::postgres, ServerKind::sqlite, true},
    {ServerKind::mariadb, ServerKind::sqlite, true},
    {ServerKind::postgres, ServerKind::mariadb, true},
    {ServerKind::postgres, ServerKind::postgres, false},
};
const Route kWithinTheServer[] = {{ServerKind::mariadb, ServerKind::mariadb, false}};

std::string route_name(const testing::TestParamInfo<Route>& tested) {
  const Route& route = tested.param;
  return fmt::format("{}{}_to_{}{}", name(route.from), route.at_source ? "_cut" : "",
                     name(route.to), route.at_source ? "" : "_cut");
}
INSTANTIATE_TEST_SUITE_P(Streams, Cut, testing::ValuesIn(kStreams), route_name);
INSTANTIATE_TEST_SUITE_P(WithinTheServer, Cut, testing::ValuesIn(kWithinTheServer), route_name);
INSTANTIATE_TEST_SUITE_P(Streams, CutOnce, testing::ValuesIn(kStreams), route_name);
INSTANTIATE_TEST_SUITE_P(WithinTheServer, CutOnce, testing::ValuesIn(kWithinTheServer), route_name);

// A session that is lost while a chunk is copied again, in a copy within one server: the worker
// goes on with a new session, and with nothing of the old one.
TEST(Recovery, SessionLostInItIsReplacedForTheChunksAfterIt) {
  Trial trial(ServerKind::mariadb, ServerKind::mariadb);
  trial.prepare({.entries = 6000, .marks = 1000});
  trial.target_sql(
      "CREATE TABLE entries (id BIGINT NOT NULL PRIMARY KEY, account INTEGER NOT NULL, note "
      "VARCHAR(300));"
      // A row of the first chunk is there, so that this is merged; and one further on in it is in
      // the hands of a transaction that does not end, so that the merge waits.
      "INSERT INTO entries VALUES (5, 2, 'mine');");
  Child holding = trial.target_client(
      "BEGIN; INSERT INTO entries VALUES (1200, 0, 'held'); SELECT SLEEP(60);\n");
  const std::string sleeper =
      "SELECT COALESCE(MAX(id), 0) FROM information_schema.processlist WHERE db = DATABASE() AND "
      "info LIKE 'SELECT SLEEP(60)%'";
  ASSERT_TRUE(eventually([&] { return trial.target_number(sleeper) > 0; })) << shown(holding);

  Child child = trial.start({"backfill", "plan.yaml", "--allow-existing", "--json"});
  // Its statement that waits: that of the merge, as the direct one has met row 5 and is recorded as
  // retried.
  const std::string waiting =
      "SELECT COALESCE(MAX(id), 0) FROM information_schema.processlist WHERE db = DATABASE() AND "
      "info LIKE 'INSERT INTO%' AND time_ms > 300";
  const auto retried = [&] { return trial.chunks_retried() > 0; };
  ASSERT_TRUE(eventually([&] {
    return std::filesystem::exists(trial.path("state.db")) && retried();
  })) << shown(child);
  ASSERT_TRUE(eventually([&] { return trial.target_number(waiting) > 0; })) << shown(child);
  trial.target_sql(fmt::format("KILL {};", trial.target_number(waiting)));
  trial.target_sql(fmt::format("KILL {};", trial.target_number(sleeper)));
  ASSERT_TRUE(child.wait_for(40s));
  EXPECT_EQ(child.status(), 0) << shown(child);
  // Once for the row that was there, and once more for the session.
  long long retries = 0;
  const auto outcome = nlohmann::json::parse(child.out());
  for (const auto& table : outcome["tables"]) retries += table["retries"].get<long long>();
  EXPECT_GE(retries, 2) << shown(child);
  EXPECT_EQ(trial.target_sql("SELECT note FROM entries WHERE id = 5;"), "mine\n");
  trial.target_sql("DELETE FROM entries WHERE id = 5;");
  trial.expect_equal_without("id = 5");
}

}  // namespace
}  // namespace migrator::test
