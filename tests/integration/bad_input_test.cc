// What goes wrong before or beside the copying: each with its exit code, what to do about it, no
// password, and nothing half done.
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;

constexpr int kFailed = 1, kUsage = 2, kRefused = 4;

void make_items(const TestDatabase& database, int rows) {
  database.exec("CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, label VARCHAR(40) NOT NULL)");
  if (rows == 0) return;
  database.exec(
      fmt::format("INSERT INTO items SELECT n, 'item' FROM {}", numbers(database.kind(), rows)));
}

// --- Databases that cannot be used
// ------------------------------------------------------------------

TEST(Unreachable, ServersAreNamedWithoutTheirPassword) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 3);
  migration.plan("  - name: items\n");
  migration.add_secret("f0rb1dden");
  const int port = free_port();
  for (const std::string scheme : {"postgresql", "mysql"}) {
    migration.target_url = fmt::format("{}://reader:f0rb1dden@127.0.0.1:{}/shop", scheme, port);
    for (const std::string command : {"check", "backfill", "verify"}) {
      expect_refusal(migration.migrate({command, "plan.yaml"}), kFailed, {"127.0.0.1"});
    }
    expect_refusal(migration.migrate({"plan", "--source", "${SOURCE_URL}", "--target",
                                      migration.target_url, "-o", "other.yaml"}),
                   kFailed, {"127.0.0.1"});
    EXPECT_FALSE(migration.exists("other.yaml"));
  }
}

TEST(Unreachable, AWrongPasswordIsRefusedAndNotShown) {
  for (const ServerKind kind : {ServerKind::postgres, ServerKind::mariadb}) {
    MigrationCase migration(ServerKind::sqlite, kind);
    make_items(migration.source, 3);
    migration.plan("  - name: items\n");
    std::string& url = migration.target_url;
    const std::size_t colon = url.find(':', url.find("://") + 3);
    url = url.substr(0, colon) + ":wr0ngpassw0rd" + url.substr(url.find('@'));
    migration.add_secret("wr0ngpassw0rd");
    expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kFailed, {"password"});
    expect_refusal(migration.migrate({"plan", "--source", "${SOURCE_URL}", "--target", url}),
                   kFailed, {});
    migration.expect_target_untouched();
  }
}

TEST(Unreachable, AnSqliteFileThatIsNotThereIsNotMade) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.target, 0);
  migration.plan("  - name: items\n");
  migration.source_url = "sqlite:absent.db";
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kFailed, {"absent.db"});
  EXPECT_FALSE(migration.exists("absent.db"));
}

TEST(Secrets, ThePasswordOfAPlannedUrlGoesIntoNoFile) {
  for (const ServerKind kind : {ServerKind::postgres, ServerKind::mariadb}) {
    MigrationCase migration(kind, kind);
    make_items(migration.source, 20);
    // The URLs as they are, passwords and all; the fixture searches what is left.
    const CommandResult planned =
        migration.migrate({"plan", "--source", migration.source_url, "--target",
                           migration.target_url, "-o", "plan.yaml"});
    EXPECT_EQ(planned.status, 0) << shown(planned);
    EXPECT_THAT(migration.read("plan.yaml"), HasSubstr("${SOURCE_URL}"));
    EXPECT_THAT(planned.err, HasSubstr("SOURCE_URL"));
    const CommandResult filled = migration.migrate({"backfill", "plan.yaml"});
    EXPECT_EQ(filled.status, 0) << shown(filled);
    migration.migrate({"status", "plan.yaml"});
    migration.expect_equal();
  }
}

// A password that stands beside a variable is a password all the same.
TEST(Secrets, ThePasswordBesideAVariableGoesIntoNoFile) {
  MigrationCase migration(ServerKind::postgres, ServerKind::sqlite);
  make_items(migration.source, 3);
  const std::size_t slash = migration.source_url.rfind('/');
  const CommandResult planned = migration.migrate_under(
      "export DB=" + migration.source_url.substr(slash + 1),
      {"plan", "--source", migration.source_url.substr(0, slash + 1) + "${DB}", "--target",
       "${TARGET_URL}", "-o", "plan.yaml"});
  EXPECT_EQ(planned.status, 0) << shown(planned);
  EXPECT_THAT(migration.read("plan.yaml"), HasSubstr("${SOURCE_URL}"));
  EXPECT_THAT(migration.read("plan.yaml"), HasSubstr("${TARGET_URL}"));
}

TEST(Triggers, OfTheTargetThatWouldChangeRowsAreRefused) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::postgres);
  make_items(migration.source, 3);
  make_items(migration.target, 0);
  migration.target.exec(
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.label = 1; RETURN NEW; "
      "END'; CREATE TRIGGER stamp BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION f()");
  migration.plan("  - name: items\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kRefused, {"stamp", "items"});
  migration.target.exec("ALTER TABLE items DISABLE TRIGGER stamp");
  EXPECT_EQ(migration.migrate({"backfill", "plan.yaml"}).status, 0);
  migration.expect_equal();
}

TEST(Engines, ThatDoNotRollBackAreRefused) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::mariadb);
  make_items(migration.source, 3);
  migration.target.exec(
      "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, label VARCHAR(40) NOT NULL) "
      "ENGINE=MyISAM");
  migration.plan("  - name: items\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kRefused, {"MyISAM", "InnoDB"});
}

// What backfill would refuse, check refuses; and no verdict is given on another plan than the one
// that was begun.
TEST(ChangedPlan, IsSeenByCheckAndVerify) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 3);
  migration.plan("  - name: items\n");
  ASSERT_EQ(migration.migrate({"backfill", "plan.yaml"}).status, 0);
  ASSERT_EQ(migration.migrate({"verify", "plan.yaml"}).status, 0);
  migration.plan("  - {name: items, where: 1 = 0}\n");
  expect_refusal(migration.migrate({"verify", "plan.yaml"}), kRefused, {"the plan has changed"});
  const CommandResult checked = migration.migrate({"check", "plan.yaml"});
  EXPECT_EQ(checked.status, kRefused) << shown(checked);
  EXPECT_THAT(checked.out + checked.err, HasSubstr("the plan has changed"));
  migration.write("state.db", "no database at all");
  const CommandResult broken = migration.migrate({"check", "plan.yaml"});
  EXPECT_EQ(broken.status, kRefused) << shown(broken);
}

// Only where something writes to the source: the relay's reads would hold that up.
TEST(RollbackJournal, OfALiveSourceIsWarnedOf) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 3);
  const auto warned = [&](const std::string& mode, const std::string& capture) {
    migration.source.exec("PRAGMA journal_mode = " + mode);
    migration.plan("  - name: items\n", capture);
    const CommandResult checked = migration.migrate({"check", "plan.yaml"});
    EXPECT_EQ(checked.status, 0) << shown(checked);
    return (checked.out + checked.err).find("rollback-journal mode") != std::string::npos;
  };
  EXPECT_TRUE(warned("DELETE", "capture: trigger\n"));
  EXPECT_FALSE(warned("DELETE", "capture: none\n"));
  EXPECT_FALSE(warned("WAL", "capture: trigger\n"));
}

// SQLite does not look at its foreign keys while rows are loaded.
TEST(Orphans, AreCountedAndSaid) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  migration.source.exec(
      "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1), (2);"
      "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id));"
      "INSERT INTO c VALUES (1, 1), (2, 2), (3, NULL), (4, 99)");
  migration.plan("  - name: p\n  - name: c\n");
  const CommandResult filled = migration.migrate({"backfill", "plan.yaml", "--json"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
  EXPECT_THAT(filled.err, HasSubstr("1 rows refer by (p)"));
  EXPECT_EQ(document(filled)["warnings"].size(), 1u);
}

TEST(ReadOnly, TargetsAreRefusedBeforeAnythingIsDone) {
  MigrationCase postgres(ServerKind::sqlite, ServerKind::postgres);
  make_items(postgres.source, 3);
  postgres.plan("  - name: items\n");
  postgres.target_url += "?options=-c%20default_transaction_read_only%3Don";
  expect_refusal(postgres.migrate({"backfill", "plan.yaml"}), kRefused, {"read-only"});
  postgres.expect_target_untouched();

  MigrationCase sqlite(ServerKind::sqlite, ServerKind::sqlite);
  make_items(sqlite.source, 3);
  sqlite.plan("  - name: items\n");
  sqlite.target_url += "?mode=ro";
  expect_refusal(sqlite.migrate({"backfill", "plan.yaml"}), kRefused, {"read-only"});
  sqlite.expect_target_untouched();
}

TEST(ReadOnly, ASourceIsEnough) {
  MigrationCase migration(ServerKind::postgres, ServerKind::sqlite);
  make_items(migration.source, 30);
  migration.plan("  - name: items\n");
  migration.source_url += "?options=-c%20default_transaction_read_only%3Don";
  const CommandResult filled = migration.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
  migration.expect_equal();
}

// --- Plans that do not fit
// --------------------------------------------------------------------------

class PlanTest : public testing::TestWithParam<ServerKind> {};

TEST_P(PlanTest, AMissingTableOrColumnIsNamedWithTheNearestThereIs) {
  MigrationCase migration(GetParam(), ServerKind::sqlite);
  make_items(migration.source, 3);
  migration.plan("  - name: itens\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kUsage,
                 {"itens", "did you mean `items`?"});
  migration.plan("  - {name: items, columns: {lable: null}}\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kUsage,
                 {"lable", "did you mean `label`?"});
  migration.plan("  - {name: items, key: [label]}\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kUsage, {"label", "unique"});
  migration.plan("  - {name: items, where: nothing = 3}\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kRefused, {"items", "where"});
  migration.expect_target_untouched();
}

TEST_P(PlanTest, ATableWithoutAKeyIsRefusedWhereChangesAreFollowed) {
  MigrationCase migration(GetParam(), ServerKind::sqlite);
  migration.source.exec("CREATE TABLE loose (a INTEGER, b INTEGER)");
  const CommandResult planned =
      migration.migrate({"plan", "--source", "${SOURCE_URL}", "--target", "${TARGET_URL}", "-o",
                         "drafted.yaml", "--capture", "trigger"});
  expect_refusal(planned, kRefused, {"loose", "no usable key"});
  migration.plan("  - name: loose\n", "capture: trigger\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kUsage, {"loose", "no usable key"});
  migration.expect_target_untouched();
}

INSTANTIATE_TEST_SUITE_P(Sources, PlanTest,
                         testing::Values(ServerKind::sqlite, ServerKind::postgres,
                                         ServerKind::mariadb),
                         [](const auto& kind) { return std::string(name(kind.param)); });

TEST(Plans, AChangeOfMeaningSinceTheBeginningIsShownAndRefused) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 30);
  migration.plan("  - name: items\n");
  ASSERT_EQ(migration.migrate({"start", "plan.yaml"}).status, 0);
  migration.plan("  - {name: items, where: id > 10}\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kRefused,
                 {"the plan has changed", "+ tables.items.where = id > 10"});
  EXPECT_EQ(migration.target.value("SELECT count(*) FROM items"), "0");
  // What may change at any time does not count.
  migration.plan("  - name: items   # all of them\n",
                 "backfill: {jobs: 2, rows_per_second: 100000}\n");
  const CommandResult filled = migration.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 0) << shown(filled);
}

TEST(Plans, AnUnknownKeyIsNamedWithItsPlace) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  make_items(migration.source, 3);
  migration.plan("  - {name: items, colums: {}}\n");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kUsage,
                 {"plan.yaml:7:", "colums", "columns"});
  expect_refusal(migration.migrate({"backfill", "absent.yaml"}), kUsage, {"absent.yaml"});
  migration.write("plan.yaml", migration.read("plan.yaml") + "\tx: [");
  expect_refusal(migration.migrate({"backfill", "plan.yaml"}), kUsage, {"plan.yaml:"});
  EXPECT_FALSE(migration.exists("state.db"));
}

TEST(CommandLine, UnknownCommandsAndOptionsSuggestTheNearest) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::sqlite);
  expect_refusal(migration.migrate({"backfil", "plan.yaml"}), kUsage, {"did you mean `backfill`?"});
  expect_refusal(migration.migrate({"backfill", "plan.yaml", "--job", "3"}), kUsage,
                 {"did you mean --jobs?"});
  expect_refusal(migration.migrate({"backfill"}), kUsage, {"PLAN"});
  expect_refusal(migration.migrate({"plan", "--source", "sqlite:a.db"}), kUsage, {"--target"});
  migration.add_secret("0penly");
  expect_refusal(migration.migrate({"plan", "--source", "postgresql://u:0penly@/a", "--target",
                                    "oracle://u:0penly@h/b"}),
                 kUsage, {});
  EXPECT_EQ(migration.migrate({}).status, kUsage);
  EXPECT_EQ(migration.migrate({"--help"}).status, 0);
  EXPECT_EQ(migration.migrate({"backfill", "--help"}).status, 0);
}

}  // namespace
}  // namespace migrator::test
