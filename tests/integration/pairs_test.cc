// Whole migrations over every ordered pair of engines: planned by `migrate plan`, copied, verified,
// and judged by an oracle of its own; and what was then done to the target is found by both.
#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

using Pair = std::pair<ServerKind, ServerKind>;
using testing::HasSubstr;

// A set of tests/integration/schemas, and how to damage a copy of it.
struct Sample {
  std::string name;
  std::size_t tables;
  // A table that can be changed without harm to others, and what is done there to one row each.
  std::string damaged, prepare, change, remove, add;
  // Digits of the keys of those three rows.
  std::string changed_key, removed_key, added_key;
};

class PairsTest : public testing::TestWithParam<Pair> {
 protected:
  PairsTest() : migration_(GetParam().first, GetParam().second) {}

  void load(const std::string& set) {
    Command loader;
    loader.argv = {MIGRATOR_PYTHON, MIGRATOR_SCHEMAS "/load.py", set, migration_.source.url_text()};
    run_checked(loader);
  }

  void copy(const Sample& sample) {
    load(sample.name);
    migration_.source.exec(sample.prepare);
    // The schemas have cascades, which run no triggers on MySQL: it is planned without capture.
    const bool captured = GetParam().first != ServerKind::mariadb;
    const CommandResult planned = migration_.migrate(
        {"plan", "--source", "${SOURCE_URL}", "--target", "${TARGET_URL}", "-o", "plan.yaml",
         "--scan", "full", "--capture", captured ? "trigger" : "none", "--json"});
    ASSERT_EQ(planned.status, 0) << shown(planned);
    EXPECT_EQ(document(planned)["tables"].size(), sample.tables);
    EXPECT_THAT(migration_.read("plan.report.md"), HasSubstr("# Migration plan"));
    migration_.expect_target_untouched();

    const CommandResult filled = migration_.migrate({"backfill", "plan.yaml", "--json"});
    ASSERT_EQ(filled.status, 0) << shown(filled);
    const json report = document(filled);
    EXPECT_EQ(report["complete"], true);
    EXPECT_EQ(report["rejects"], 0);
    for (const json& table : report["tables"])
      EXPECT_EQ(table["state"], "finished") << table.dump();
    migration_.expect_equal();
  }

  void damage(const Sample& sample) {
    migration_.target.exec(sample.change + ";" + sample.remove + ";" + sample.add);
    const CommandResult verified =
        migration_.migrate({"verify", "plan.yaml", "--table", sample.damaged, "--json"});
    EXPECT_EQ(verified.status, 3) << shown(verified);
    const json found = document(verified)["tables"][0];
    EXPECT_EQ(found["differing"], 1) << shown(verified);
    EXPECT_EQ(found["missing"], 1) << shown(verified);
    EXPECT_EQ(found["extra"], 1) << shown(verified);
    for (const auto& [kind, key] : {std::pair{"differs", sample.changed_key},
                                    {"missing", sample.removed_key},
                                    {"extra", sample.added_key}}) {
      const auto named = [&](const json& difference) {
        return difference["kind"] == kind &&
               difference["key"].dump().find(key) != std::string::npos;
      };
      EXPECT_TRUE(std::any_of(found["differences"].begin(), found["differences"].end(), named))
          << kind << ' ' << key << " is not named: " << found.dump(2);
    }
    const CommandResult text = migration_.migrate({"verify", "plan.yaml"});
    EXPECT_EQ(text.status, 3);
    for (const std::string& key : {sample.changed_key, sample.removed_key, sample.added_key}) {
      EXPECT_THAT(text.out, HasSubstr(key));
    }
    const CommandResult judged = migration_.oracle({sample.damaged});
    EXPECT_EQ(judged.status, 3) << shown(judged);
    EXPECT_THAT(judged.out, HasSubstr("3 differences"));
  }

  MigrationCase migration_;
};

TEST_P(PairsTest, ChinookArrivesEqualAndEveryDamageIsFound) {
  const Sample sample{
      .name = "chinook",
      .tables = 18,
      .damaged = "play_counts",
      .prepare =
          "INSERT INTO play_counts (played_on, station, plays) VALUES "
          "('2019-03-04', 31337, 5), ('2019-03-04', 31338, 5)",
      .change = "UPDATE play_counts SET plays = plays + 1 WHERE station = 31337",
      .remove = "DELETE FROM play_counts WHERE station = 31338",
      .add = "INSERT INTO play_counts (played_on, station, plays) VALUES ('2019-03-04', 31339, 5)",
      .changed_key = "31337",
      .removed_key = "31338",
      .added_key = "31339"};
  ASSERT_NO_FATAL_FAILURE(copy(sample));
  damage(sample);
}

TEST_P(PairsTest, SakilaArrivesEqualAndEveryDamageIsFound) {
  const Sample sample{.name = "sakila",
                      .tables = 20,
                      .damaged = "audit_entries",
                      .prepare =
                          "INSERT INTO audit_entries (entry_id, at, who, body) VALUES "
                          "(777001, '2019-03-04 05:06:07', 'a', 'b'), "
                          "(777002, '2019-03-04 05:06:07', 'a', 'b')",
                      .change = "UPDATE audit_entries SET who = 'A' WHERE entry_id = 777001",
                      .remove = "DELETE FROM audit_entries WHERE entry_id = 777002",
                      .add =
                          "INSERT INTO audit_entries (entry_id, at, who, body) VALUES "
                          "(777003, '2019-03-04 05:06:07', 'a', 'b')",
                      .changed_key = "777001",
                      .removed_key = "777002",
                      .added_key = "777003"};
  ASSERT_NO_FATAL_FAILURE(copy(sample));
  damage(sample);
}

INSTANTIATE_TEST_SUITE_P(Pairs, PairsTest, testing::ValuesIn(all_pairs()), pair_name);

}  // namespace
}  // namespace migrator::test
