// Values that the target cannot hold: found one by one, written down, and everything else arrives.
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;

// The rejected keys, which must be single integers.
std::set<std::string> rejected_keys(MigrationCase& migration) {
  const CommandResult listed = migration.migrate({"rejects", "plan.yaml", "--json"});
  const json found = document(listed);
  std::set<std::string> keys;
  for (const json& reject : found["rejects"]) {
    const std::string text = reject["key"].dump();
    std::string digits;
    for (const char c : text) {
      if (c >= '0' && c <= '9') digits += c;
    }
    keys.insert(digits);
    EXPECT_NE(reject["error"], "");
  }
  return keys;
}

class RejectsTest : public testing::TestWithParam<ServerKind> {
 protected:
  RejectsTest() : migration_(ServerKind::sqlite, GetParam()) {}

  void expect_rejected(const std::set<std::string>& keys, int rows) {
    const CommandResult filled = migration_.migrate({"backfill", "plan.yaml", "--json"});
    EXPECT_EQ(filled.status, 3) << shown(filled);
    EXPECT_EQ(document(filled)["rejects"], keys.size()) << shown(filled);
    EXPECT_THAT(filled.err, HasSubstr("migrate rejects"));
    EXPECT_EQ(rejected_keys(migration_), keys);
    EXPECT_EQ(migration_.target.value("SELECT count(*) FROM t"),
              std::to_string(rows - static_cast<int>(keys.size())));
    const CommandResult verified = migration_.migrate({"verify", "plan.yaml", "--json"});
    // Some of the refused rows cannot even be read as the column's type: they are counted all the
    // same.
    EXPECT_EQ(verified.status, 3) << shown(verified);
    const json table = document(verified)["tables"][0];
    EXPECT_EQ(table["missing"], keys.size()) << shown(verified);
    EXPECT_EQ(table["extra"], 0) << shown(verified);
    EXPECT_EQ(table["differing"], 0) << shown(verified);
    EXPECT_EQ(table["rows_source"], rows) << shown(verified);
  }

  MigrationCase migration_;
};

TEST_P(RejectsTest, TextInAnIntegerColumn) {
  migration_.source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, amount INTEGER);"
      "INSERT INTO t SELECT n, n FROM " +
      numbers(ServerKind::sqlite, 1000) +
      ";"
      "UPDATE t SET amount = 'many' WHERE id IN (1, 500, 501, 1000)");
  const CommandResult planned = migration_.migrate(
      {"plan", "--source", "${SOURCE_URL}", "--target", "${TARGET_URL}", "-o", "drafted.yaml"});
  EXPECT_EQ(planned.status, 4) << shown(planned);
  EXPECT_THAT(planned.err, HasSubstr("amount"));
  EXPECT_THAT(planned.err, HasSubstr("to do: "));
  migration_.plan("  - name: t\n");
  expect_rejected({"1", "500", "501", "1000"}, 1000);

  // Mended, they go in.
  migration_.source.exec("UPDATE t SET amount = id WHERE amount = 'many'");
  const CommandResult retried = migration_.migrate({"rejects", "plan.yaml", "--retry"});
  EXPECT_EQ(retried.status, 0) << shown(retried);
  migration_.expect_equal({"t"});
  // And a backfill that is asked for again has nothing to say.
  EXPECT_EQ(migration_.migrate({"backfill", "plan.yaml"}).status, 0);
}

TEST_P(RejectsTest, TextThatIsTooLong) {
  migration_.source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT NOT NULL);"
      "INSERT INTO t SELECT n, 'short' FROM " +
      numbers(ServerKind::sqlite, 700) +
      ";"
      "UPDATE t SET note = 'much too long' WHERE id IN (44, 45, 699)");
  migration_.target.exec("CREATE TABLE t (id BIGINT PRIMARY KEY, note VARCHAR(10) NOT NULL)");
  migration_.plan("  - name: t\n");
  expect_rejected({"44", "45", "699"}, 700);
}

// A row that is gone from the source has nothing left to be refused for; the one before it in the
// order of keys, which is in, is not taken for it.
TEST_P(RejectsTest, ARowThatIsGoneIsSettled) {
  migration_.source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, amount INTEGER);"
      "INSERT INTO t VALUES (1, 1), (2, 'x'), (3, 'y')");
  migration_.plan("  - name: t\n");
  EXPECT_EQ(migration_.migrate({"backfill", "plan.yaml"}).status, 3);
  migration_.source.exec("DELETE FROM t WHERE id = 2");
  const CommandResult retried = migration_.migrate({"rejects", "plan.yaml", "--retry", "--json"});
  EXPECT_EQ(retried.status, 3) << shown(retried);
  EXPECT_EQ(document(retried)["resolved"], 1);
  EXPECT_EQ(document(retried)["refused"], 1);
  EXPECT_EQ(rejected_keys(migration_), std::set<std::string>{"3"});
  EXPECT_EQ(migration_.target.value("SELECT count(*) FROM t"), "1");
}

// Killed between the commit on the target and the store's note of it: the next retry finds the row
// there, and knows it for its own.
TEST_P(RejectsTest, ARetryThatDiedAfterItsCommitIsKnownAgain) {
  migration_.source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, amount INTEGER);"
      "INSERT INTO t VALUES (1, 1), (2, 'x')");
  migration_.plan("  - name: t\n");
  EXPECT_EQ(migration_.migrate({"backfill", "plan.yaml"}).status, 3);
  migration_.source.exec("UPDATE t SET amount = 2 WHERE id = 2");
  migration_.migrate_under("export MIGRATOR_STOP_AT=reject_retried",
                           {"rejects", "plan.yaml", "--retry"});
  EXPECT_EQ(migration_.target.value("SELECT count(*) FROM t"), "2");
  EXPECT_EQ(rejected_keys(migration_), std::set<std::string>{"2"});
  const CommandResult retried = migration_.migrate({"rejects", "plan.yaml", "--retry"});
  EXPECT_EQ(retried.status, 0) << shown(retried);
  migration_.expect_equal({"t"});
}

TEST_P(RejectsTest, ARowResolvedWithAReasonIsNoLongerOpen) {
  migration_.source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, amount INTEGER);"
      "INSERT INTO t VALUES (1, 1), (2, 'x')");
  migration_.plan("  - name: t\n");
  EXPECT_EQ(migration_.migrate({"backfill", "plan.yaml"}).status, 3);
  const json reject =
      document(migration_.migrate({"rejects", "plan.yaml", "--json"}))["rejects"][0];
  const std::string id = std::to_string(reject["id"].get<int>());
  expect_refusal(migration_.migrate({"rejects", "plan.yaml", "--resolve", "--id", id}), 2,
                 {"--reason"});
  const CommandResult resolved = migration_.migrate(
      {"rejects", "plan.yaml", "--resolve", "--id", id, "--reason", "a test row"});
  EXPECT_EQ(resolved.status, 0) << shown(resolved);
  const CommandResult all = migration_.migrate({"rejects", "plan.yaml", "--all"});
  EXPECT_THAT(all.out, HasSubstr("a test row"));
  EXPECT_THAT(all.out, HasSubstr("0 open"));
}

TEST_P(RejectsTest, TooManyStopTheirTableAndNoOther) {
  migration_.source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, amount INTEGER);"
      "INSERT INTO t SELECT n, 'x' FROM " +
      numbers(ServerKind::sqlite, 50) +
      ";"
      "CREATE TABLE good (id INTEGER PRIMARY KEY, amount INTEGER);"
      "INSERT INTO good SELECT n, n FROM " +
      numbers(ServerKind::sqlite, 3000));
  migration_.plan("  - name: t\n  - name: good\n", "backfill: {max_rejects: 10}\n");
  const CommandResult filled = migration_.migrate({"backfill", "plan.yaml", "--json"});
  EXPECT_EQ(filled.status, 1) << shown(filled);
  EXPECT_THAT(filled.err, HasSubstr("more than 10 rows"));
  EXPECT_THAT(filled.err, HasSubstr("to do: "));
  const json tables = document(filled)["tables"];
  EXPECT_NE(tables[0]["error"], "");
  EXPECT_NE(tables[0]["state"], "finished");
  EXPECT_EQ(tables[1]["state"], "finished");
  EXPECT_EQ(migration_.target.value("SELECT count(*) FROM good"), "3000");

  migration_.source.exec("UPDATE t SET amount = id");
  // Their chunk comes again, and a row that went in alone would stand in its way.
  const CommandResult retried = migration_.migrate({"rejects", "plan.yaml", "--retry", "--json"});
  EXPECT_EQ(document(retried)["resolved"], 0) << shown(retried);
  EXPECT_GT(document(retried)["skipped"], 0) << shown(retried);
  const CommandResult again = migration_.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(again.status, 0) << shown(again);
  migration_.expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Targets, RejectsTest,
                         testing::Values(ServerKind::postgres, ServerKind::mariadb),
                         [](const auto& kind) { return std::string(name(kind.param)); });

// The server prints question marks for characters of older sets that Unicode does not have. Real
// ones arrive, and so do characters that have two codes there.
class OldCharactersTest : public testing::TestWithParam<ServerKind> {};

TEST_P(OldCharactersTest, ThatUnicodeDoesNotHaveAreRefused) {
  MigrationCase migration(ServerKind::mariadb, GetParam());
  migration.source.exec(
      "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, g VARCHAR(20) CHARACTER SET greek,"
      " c VARCHAR(20) CHARACTER SET cp932, a VARCHAR(20) CHARACTER SET ascii,"
      " w VARCHAR(20) CHARACTER SET utf16 COLLATE utf16_bin);"
      "INSERT INTO t VALUES (1, _greek X'61AE', 'x', 'a', 'w'),"
      " (2, 'what?', _cp932 X'8790', 'a?', _utf16 X'01003F00'), (3, _greek X'E1E2', '?', '', '?'),"
      " (4, '?', _cp932 X'81E0', NULL, NULL), (5, _greek X'D2', NULL, 'a', 'w'),"
      " (6, 'g', 'c', _ascii X'4180', 'w');");
  migration.plan(
      "  - {name: t, columns: {g: {type: text}, c: {type: text}, a: {type: text}, w: {type: "
      "text}}}\n");
  const CommandResult filled = migration.migrate({"backfill", "plan.yaml", "--json"});
  EXPECT_EQ(filled.status, 3) << shown(filled);
  EXPECT_EQ(rejected_keys(migration), (std::set<std::string>{"1", "5", "6"}));
  EXPECT_EQ(migration.target.value("SELECT COUNT(*) FROM t"), "3");
  EXPECT_EQ(migration.target.value("SELECT g FROM t WHERE id = 2"), "what?");
  EXPECT_EQ(migration.target.value("SELECT w FROM t WHERE id = 2"), "Ā㼀");
  EXPECT_EQ(migration.target.value("SELECT g FROM t WHERE id = 3"), "αβ");
  EXPECT_EQ(migration.target.value("SELECT c FROM t WHERE id = 2"), "≒");
  EXPECT_EQ(migration.target.value("SELECT c FROM t WHERE id = 4"), "≒");
  // Nor is a row with question marks taken for them.
  migration.target.exec("INSERT INTO t VALUES (1, 'a?', 'x', 'a', 'w'), (6, 'g', 'c', 'A?', 'w');");
  for (const std::string mode : {"digest", "stream"}) {
    const CommandResult verified =
        migration.migrate({"verify", "plan.yaml", "--json", "--mode", mode});
    EXPECT_EQ(verified.status, 3) << shown(verified);
    const json table = document(verified)["tables"][0];
    EXPECT_EQ(table["missing"], 1) << table;
    EXPECT_EQ(table["differing"], 2) << table;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, OldCharactersTest,
                         testing::Values(ServerKind::postgres, ServerKind::mariadb,
                                         ServerKind::sqlite),
                         [](const auto& kind) { return std::string(name(kind.param)); });

// Such a key would lead a walk, and a merge, to another row.
TEST(Rejects, AKeyThatUnicodeDoesNotHaveIsNotOneWithAQuestionMark) {
  MigrationCase migration(ServerKind::mariadb, ServerKind::mariadb);
  migration.source.exec(
      "CREATE TABLE t (k VARCHAR(20) CHARACTER SET greek COLLATE greek_bin NOT NULL PRIMARY KEY, v "
      "INT);"
      "INSERT INTO t VALUES ('a', 0), (_greek X'61AE', 1), ('b', 2), ('z', 3);");
  migration.target.exec(
      "CREATE TABLE t (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY "
      "KEY, v INT); INSERT INTO t VALUES ('a?', 1), ('b', 2);");
  migration.plan("  - name: t\n");
  const CommandResult filled =
      migration.migrate({"backfill", "plan.yaml", "--allow-existing", "--json"});
  EXPECT_EQ(filled.status, 1) << shown(filled);
  EXPECT_THAT(filled.err, HasSubstr("Unicode does not have"));
  EXPECT_THAT(filled.err, HasSubstr("name another unique key"));
}

TEST(Rejects, AZeroByteThatPostgresCannotHold) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::postgres);
  migration.source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT);"
      "INSERT INTO t SELECT n, 'fine' FROM " +
      numbers(ServerKind::sqlite, 300) +
      ";"
      "UPDATE t SET note = 'a' || char(0) || 'b' WHERE id = 77");
  migration.plan("  - name: t\n");
  const CommandResult filled = migration.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 3) << shown(filled);
  EXPECT_EQ(rejected_keys(migration), std::set<std::string>{"77"});
  EXPECT_EQ(migration.target.value("SELECT count(*) FROM t"), "299");
}

TEST(Rejects, AreFoundAmongRowsThatWhereLeavesOut) {
  MigrationCase migration(ServerKind::sqlite, ServerKind::postgres);
  migration.source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, live INTEGER, amount INTEGER);"
      "INSERT INTO t SELECT n, n % 3 = 0, n FROM " +
      numbers(ServerKind::sqlite, 900) +
      ";"
      "UPDATE t SET amount = 'x' WHERE id IN (6, 7, 8, 300, 301)");
  migration.plan("  - {name: t, where: live = 1}\n");
  const CommandResult filled = migration.migrate({"backfill", "plan.yaml"});
  EXPECT_EQ(filled.status, 3) << shown(filled);
  EXPECT_EQ(rejected_keys(migration), (std::set<std::string>{"6", "300"}));
  EXPECT_EQ(migration.target.value("SELECT count(*) FROM t"), "298");
}

}  // namespace
}  // namespace migrator::test
