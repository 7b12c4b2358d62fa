// Writers at full speed while a migration runs, is killed every moment, and resumed: in the end the
// journal is empty and both sides are equal, by an oracle of its own. (A1-A8, A14, A19, A23, as
// chance has them.) The writers use SQL of their own beside triggers, or the shim.
#include <csignal>
#include <memory>
#include <random>

#include <fmt/format.h>

#include "tests/integration/migration_case.h"
#include "tests/live/writers.h"

namespace migrator::test {
namespace {

struct Pair {
  ServerKind from, to;
};

constexpr ServerKind kEngines[] = {ServerKind::postgres, ServerKind::mariadb, ServerKind::sqlite};

std::vector<Pair> pairs() {
  std::vector<Pair> all;
  for (const ServerKind from : kEngines) {
    for (const ServerKind to : kEngines) all.push_back({from, to});
  }
  return all;
}

std::chrono::seconds duration() {
  const char* given = std::getenv("MIGRATOR_SOAK_SECONDS");
  return std::chrono::seconds(given ? std::stoi(given) : 5);
}

enum class Way { sql, shim };

// Of a writer between two transactions: few, slow writers leave other gaps than busy ones. Those of
// the shim write both sides, and leave the relay too little of the machine without.
std::chrono::microseconds pause(Way way) {
  const char* given = std::getenv("MIGRATOR_SOAK_PAUSE_US");
  if (given) return std::chrono::microseconds(std::stoi(given));
  return way == Way::sql ? WriterOptions{}.pause : std::chrono::microseconds(4000);
}

class Soak : public testing::TestWithParam<Pair> {
 protected:
  void end_equal(Way way);
};

std::string name_in(const std::string& plan) {
  const std::size_t at = plan.find("name: ") + 6;
  return plan.substr(at, plan.find('\n', at) - at);
}

std::unique_ptr<Shim> open_shim(const MigrationCase& trial) {
  ShimOptions options;
  options.migration = name_in(trial.read("plan.yaml"));
  options.source = database_at(trial.source.url_text());
  options.target = database_at(trial.target.url_text());
  options.defaults.mode = WriteMode::sync;
  options.tables["docs"].mode = WriteMode::sync;
  options.tables["docs"].sync_percent = 50;
  return std::make_unique<Shim>(std::move(options));
}

void Soak::end_equal(Way way) {
  const char* given = std::getenv("MIGRATOR_TEST_SEED");
  const auto seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
  std::printf("MIGRATOR_TEST_SEED=%u\n", seed);
  SCOPED_TRACE(fmt::format("MIGRATOR_TEST_SEED={}", seed));
  std::mt19937 random(seed);

  MigrationCase trial(GetParam().from, GetParam().to);
  trial.source.exec(writers_tables(trial.source.engine()));
  // Every other time the target's unique index is there from the beginning.
  if (random() % 2 == 0) trial.target.exec(writers_tables(trial.target.engine()));
  WriterOptions options;
  options.seed = seed;
  options.pause = pause(way);
  Writers::fill(trial.source.url(), options);
  trial.plan(MigrationCase::tables({"items", "docs"}),
             std::string(way == Way::shim ? "capture: shim\ninline_writes: true\n"
                                          : "capture: trigger\n") +
                 "backfill: {jobs: 2, chunk: {max_rows: 100}}\n");
  const CommandResult started = trial.migrate({"start", "plan.yaml"});
  ASSERT_EQ(started.status, 0) << shown(started);

  std::unique_ptr<Shim> shim;
  if (way == Way::shim) shim = open_shim(trial);
  Writers writers(shim ? shim_writer(*shim, trial.source.url(), options)
                       : sql_writer(trial.source.url(), options),
                  options);
  const auto until = std::chrono::steady_clock::now() + duration();
  // So slow that the copy lasts about as long as the test.
  const std::string rate =
      std::to_string(std::max<long>(options.keys * 2 / 3 / duration().count(), 1));
  std::uniform_int_distribution<int> moment(50, 1500);
  int kills = 0;
  bool copied = false;
  while (!copied || std::chrono::steady_clock::now() < until) {
    const std::vector<std::string> command =
        copied ? std::vector<std::string>{"relay", "plan.yaml", "--follow"}
               : std::vector<std::string>{"backfill", "plan.yaml", "--rows-per-second",
                                          std::chrono::steady_clock::now() < until ? rate : "0"};
    Child child = trial.start(command);
    if (child.wait_for(std::chrono::milliseconds(moment(random)))) {
      // Only a copy comes to an end by itself.
      ASSERT_FALSE(copied) << child.err();
      ASSERT_EQ(child.status(), 0) << child.err();
      copied = true;
      continue;
    }
    // In the end it is left alone until it is done.
    if (!copied && command.back() == "0") {
      ASSERT_TRUE(child.wait_for(60s)) << child.err();
      ASSERT_EQ(child.status(), 0) << child.err();
      copied = true;
      continue;
    }
    child.signal(SIGKILL);
    ASSERT_TRUE(child.wait_for(10s));
    ++kills;
  }
  writers.stop();
  std::printf("%llu transactions, %d kills\n", static_cast<unsigned long long>(writers.commits()),
              kills);
  if (shim) {
    const ShimCounters counted = shim->counters();
    std::printf("inline: %llu written, %llu superseded, %llu failed, %llu skipped\n",
                static_cast<unsigned long long>(counted.inline_written),
                static_cast<unsigned long long>(counted.inline_superseded),
                static_cast<unsigned long long>(counted.inline_failed),
                static_cast<unsigned long long>(counted.inline_skipped));
    EXPECT_GT(counted.inline_written, 0u);
    shim.reset();
  }
  const CommandResult relayed = trial.migrate({"relay", "plan.yaml", "--json"});
  EXPECT_EQ(relayed.status, 0) << shown(relayed);
  const json relay = document(relayed);
  EXPECT_EQ(relay["backlog"], 0) << shown(relayed);
  EXPECT_EQ(trial.source.value("SELECT COUNT(*) FROM _migrator_journal"), "0");
  trial.expect_equal({"items", "docs"});

  const CommandResult finished = trial.migrate({"finish", "plan.yaml"});
  EXPECT_EQ(finished.status, 0) << shown(finished);
  trial.source.exec("DELETE FROM docs;");  // no trigger is left that would miss its journal
}

TEST_P(Soak, EndsEqual) { end_equal(Way::sql); }

// Through the shim, which writes the target as well: every way into it is taken at once.
class ShimSoak : public Soak {};

TEST_P(ShimSoak, EndsEqual) { end_equal(Way::shim); }

std::string pair_name(const testing::TestParamInfo<Pair>& info) {
  return std::string(name(info.param.from)) + "_to_" + std::string(name(info.param.to));
}

INSTANTIATE_TEST_SUITE_P(Pairs, Soak, testing::ValuesIn(pairs()), pair_name);
// Each engine on either side.
INSTANTIATE_TEST_SUITE_P(Pairs, ShimSoak,
                         testing::Values(Pair{ServerKind::postgres, ServerKind::postgres},
                                         Pair{ServerKind::postgres, ServerKind::mariadb},
                                         Pair{ServerKind::mariadb, ServerKind::postgres},
                                         Pair{ServerKind::mariadb, ServerKind::sqlite},
                                         Pair{ServerKind::sqlite, ServerKind::mariadb}),
                         pair_name);

}  // namespace
}  // namespace migrator::test
