// Digests of rows: no two rows share one, within one engine and across engines.
//
// What each guard is worth, tried out by taking it away:
// - lengths in front of bytes and of texts that are not UTF-8 in MySQL's digest (digest_form):
//   AreNotFooledByTheSeparatorInBytesAndOtherTexts fails; its byte for NULL:
//   AreNotFooledByWhatStandsBetweenValues; the casts of its separator and that byte: ConvertNoText;
// - a digest of the record itself instead of its bytes: TellApartWhatIsHashedAlike fails;
// - PostgreSQL's canonical form with ::text for every text, or in one call of concat_ws():
//   KeepWhatIsAValuesOwn fails;
// - the canonical forms without lengths: AreNotFooledByWhatStandsBetweenValues fails.
#include <set>

#include <fmt/format.h>

#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

using Pair = std::pair<ServerKind, ServerKind>;

// Each change of the target alone, as the others' hashes would hide it.
void expect_each_found(MigrationCase& trial, const std::vector<std::string>& changes) {
  trial.target.exec("CREATE TABLE kept AS SELECT * FROM t;");
  for (const std::string& change : changes) {
    SCOPED_TRACE(change);
    trial.target.exec("UPDATE t SET " + change + ";");
    const CommandResult result =
        trial.migrate({"verify", "plan.yaml", "--json", "--mode", "digest"});
    EXPECT_EQ(result.status, 3) << shown(result);
    trial.target.exec("DELETE FROM t; INSERT INTO t SELECT * FROM kept;");
  }
}

// Where two columns' values may be taken for those of others: what stands between them in a digest
// has to tell them apart.
TEST(Digests, AreNotFooledByWhatStandsBetweenValues) {
  for (const auto& [from, to] : {Pair{ServerKind::postgres, ServerKind::postgres},
                                 Pair{ServerKind::mariadb, ServerKind::mariadb},
                                 Pair{ServerKind::postgres, ServerKind::mariadb}}) {
    MigrationCase trial(from, to);
    trial.source.exec(
        "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a VARCHAR(20), b VARCHAR(20), c VARCHAR(20));"
        "INSERT INTO t VALUES (1, 'x#3', 'y', 'z'), (2, 'x', NULL, 'y'), (3, NULL, 'x', 'y'),"
        " (4, '-', 'x', 'y'), (5, '', NULL, 'x'), (6, 'x;y', 'z', 'w');");
    trial.plan("  - name: t\n");
    ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
    expect_each_found(trial,
                      {"a = 'x', b = '3#y', c = 'z' WHERE id = 1", "a = NULL, b = 'x' WHERE id = 2",
                       "a = 'x', b = NULL WHERE id = 3", "a = NULL, b = '-', c = 'x' WHERE id = 4",
                       "a = NULL, b = '' WHERE id = 5", "a = 'x', b = 'y;z' WHERE id = 6"});
  }
}

// MySQL's form has the byte 0xff between values: texts of UTF-8 have none, these do.
TEST(Digests, AreNotFooledByTheSeparatorInBytesAndOtherTexts) {
  MigrationCase trial(ServerKind::mariadb, ServerKind::mariadb);
  trial.source.exec(
      "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a VARBINARY(20), b VARBINARY(20),"
      " c VARCHAR(20) CHARACTER SET latin1, d VARCHAR(20) CHARACTER SET latin1);"
      "INSERT INTO t VALUES (1, X'61FF62', X'63', NULL, NULL), (2, X'61', X'62', 'x\u00ffy', 'z'),"
      " (3, X'FF', NULL, NULL, NULL);");
  trial.plan("  - name: t\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  EXPECT_EQ(document(trial.migrate({"verify", "plan.yaml", "--json", "--mode",
                                    "digest"}))["tables"][0]["rows_by_digest"],
            3);
  expect_each_found(
      trial, {"a = X'61', b = X'62FF63' WHERE id = 1", "c = 'x', d = 'y\u00ffz' WHERE id = 2",
              "a = X'', b = X'FF' WHERE id = 3"});
}

// Texts that no character set has in common: two of them would be the same '?' in one.
TEST(Digests, ConvertNoText) {
  MigrationCase trial(ServerKind::mariadb, ServerKind::mariadb);
  // None may be NULL: the byte for that would make bytes of the whole.
  trial.source.exec(
      "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, u VARCHAR(20) NOT NULL,"
      " g VARCHAR(20) CHARACTER SET greek NOT NULL, s VARCHAR(20) CHARACTER SET sjis NOT NULL,"
      " w VARCHAR(20) CHARACTER SET utf16 NOT NULL);"
      "INSERT INTO t VALUES (1, 'a', _greek X'AE', _sjis X'8754', 'w');");
  trial.plan("  - name: t\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  const auto by_digest = [&](int status) {
    const CommandResult result =
        trial.migrate({"verify", "plan.yaml", "--json", "--mode", "digest"});
    EXPECT_EQ(result.status, status) << shown(result);
    return document(result)["tables"][0]["rows_by_digest"];
  };
  EXPECT_EQ(by_digest(0), 1);
  trial.target.exec("UPDATE t SET g = _greek X'D2';");
  by_digest(3);
  trial.target.exec("UPDATE t SET g = _greek X'AE', s = _sjis X'8755';");
  by_digest(3);
}

// A target made by hand: which columns may be NULL.
TEST(Digests, AreTheSameOverColumnsThatDifferInWhatTheyAllow) {
  MigrationCase trial(ServerKind::mariadb, ServerKind::mariadb);
  trial.source.exec(
      "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b INT NOT NULL);"
      "INSERT INTO t VALUES (1, 4, 5), (2, 4, 6);");
  trial.target.exec("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT NOT NULL, b INT);");
  trial.plan("  - name: t\n");
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  const std::vector<std::string> verify{"verify", "plan.yaml", "--json", "--mode", "digest"};
  EXPECT_EQ(document(trial.migrate(verify))["tables"][0]["rows_by_digest"], 2);
  trial.source.exec("UPDATE t SET a = NULL WHERE id = 1;");
  trial.target.exec("UPDATE t SET a = 5, b = NULL WHERE id = 1;");
  EXPECT_EQ(trial.migrate(verify).status, 3);
}

// Values that an engine's own hash, or its functions, take for one another.
struct Alike {
  std::string type, before, after;
};

void expect_told_apart(ServerKind kind, const std::vector<Alike>& pairs) {
  MigrationCase trial(kind, kind);
  std::string columns = "id INT NOT NULL PRIMARY KEY", before = "1", expected;
  for (std::size_t at = 0; at < pairs.size(); ++at) {
    columns += fmt::format(", c{} {}", at, pairs[at].type);
    before += ", " + pairs[at].before;
  }
  trial.source.exec(
      fmt::format("CREATE TABLE t ({}); INSERT INTO t VALUES ({});", columns, before));
  trial.plan("  - name: t\n");
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  const auto verified = [&] {
    return document(
        trial.migrate({"verify", "plan.yaml", "--json", "--mode", "digest"}))["tables"][0];
  };
  EXPECT_EQ(verified()["rows_by_digest"], 1);
  for (std::size_t at = 0; at < pairs.size(); ++at) {
    SCOPED_TRACE(pairs[at].type + " " + pairs[at].before + " " + pairs[at].after);
    trial.target.exec(fmt::format("UPDATE t SET c{} = {};", at, pairs[at].after));
    const json table = verified();
    EXPECT_EQ(table["rows_by_digest"], 0) << table;
    EXPECT_EQ(table["differing"], 1) << table;
    trial.target.exec(fmt::format("UPDATE t SET c{} = {};", at, pairs[at].before));
  }
}

TEST(Digests, TellApartWhatIsHashedAlike) {
  expect_told_apart(ServerKind::postgres,
                    {{"numeric", "12.50", "-12.50"},
                     {"numeric", "'NaN'", "'Infinity'"},
                     {"bigint", "-1", "4294967295"},
                     {"bigint", "1", "4294967296"},
                     {"timestamp", "'2000-01-01 00:00:00.000001'", "'2000-01-01 01:11:34.967296'"},
                     {"jsonb", "'[]'", "'{}'"},
                     {"jsonb", "'[[1], 2]'", "'[[1, 2]]'"},
                     {"double precision", "'0'", "'-0'"},
                     {"real", "'0'", "'-0'"},
                     {"varchar(9)", "'a'", "'a '"},
                     {"interval", "'1 day'", "'24 hours'"},
                     {"text[]", "'{a,b}'", "'{\"a,b\"}'"}});
  expect_told_apart(ServerKind::mariadb,
                    {{"varchar(9)", "'a'", "'a '"},
                     {"varchar(9) CHARACTER SET latin1", "'\xC3\xA4'", "'a'"},
                     {"double", "1.5", "1.5000000000000002"},
                     {"float", "1.5", "1.5000001"},
                     {"varbinary(4)", "X'00'", "X'0000'"},
                     {"datetime(6)", "'2000-01-01 00:00:00.000001'", "'2000-01-01 00:00:00'"},
                     {"bit(8)", "b'1'", "b'10'"},
                     {"decimal(9,3)", "1.5", "-1.5"},
                     {"enum('a','b')", "'a'", "'b'"},
                     {"uuid", "NULL", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"},
                     {"date", "NULL", "'2000-01-01'"}});
  expect_told_apart(ServerKind::sqlite,
                    {{"text", "'1'", "'1 '"}, {"blob", "X'31'", "'1'"}, {"text", "NULL", "''"}});
}

// MariaDB makes a UUID of the text beside it.
TEST(Digests, ANullIsInItsColumn) {
  MigrationCase trial(ServerKind::mariadb, ServerKind::mariadb);
  trial.source.exec(
      "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a UUID, b UUID);"
      "INSERT INTO t VALUES (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', NULL);");
  trial.plan("  - name: t\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  trial.target.exec("UPDATE t SET b = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', a = NULL;");
  EXPECT_EQ(trial.migrate({"verify", "plan.yaml", "--mode", "digest"}).status, 3);
}

// Two engines have a digest in common where SQL spells every type alike on both.
class AcrossEngines : public testing::TestWithParam<Pair> {
 protected:
  static constexpr int kRows = 700;

  AcrossEngines() : trial(GetParam().first, GetParam().second) {
    const ServerKind kind = trial.source.kind();
    const bool mysql = is_mysql(kind), postgres = is_postgres(kind);
    const std::string hex = postgres ? "decode('00ff0a80', 'hex')" : "X'00ff0a80'";
    trial.source.exec(fmt::format(
        "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, n INT, d DECIMAL(12,3), b {0}, txt "
        "VARCHAR(40), x {1}, day DATE, at {2}, s DECIMAL(20,0));"
        "INSERT INTO t SELECT n, n - 300, (n - 300) * 1.25, {3}, {4}, {5}, {6}'2024-02-29', "
        "{8}'2024-02-29 12:00:00.25', {9} FROM {7};"
        "UPDATE t SET n = NULL, d = NULL, b = NULL, txt = NULL, x = NULL, day = NULL, at = NULL "
        "WHERE id % 7 = 0;"
        "UPDATE t SET txt = '' WHERE id % 11 = 0;"
        "UPDATE t SET txt = 'Ünï;3:'' 🎉 ' WHERE id % 13 = 0;",
        "BOOLEAN",
        postgres ? "BYTEA"
        : mysql  ? "VARBINARY(20)"
                 : "BLOB",
        mysql ? "DATETIME(6)" : "TIMESTAMP", postgres ? "n % 2 = 0" : "n % 2",
        mysql ? "CONCAT('text ', n)" : "'text ' || n", hex, postgres ? "DATE " : "",
        numbers(kind, kRows), postgres ? "TIMESTAMP " : "",
        // SQLite has no larger whole numbers.
        mysql || postgres ? "12345678901234567890" : "9007199254740993"));
    trial.plan("  - name: t\n", "verify: {range_rows: 100}\n");
  }
  json verify(int status, const std::string& mode) {
    const CommandResult result = trial.migrate({"verify", "plan.yaml", "--json", "--mode", mode});
    EXPECT_EQ(result.status, status) << shown(result);
    return document(result)["tables"][0];
  }

  MigrationCase trial;
};

TEST_P(AcrossEngines, AllIsEqualAndEveryDifferenceIsFound) {
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  trial.expect_equal();
  const json clean = verify(0, "digest"), streamed = verify(0, "stream");
  EXPECT_EQ(clean["rows_by_digest"], kRows) << clean;
  EXPECT_EQ(streamed["rows_by_digest"], 0);
  verify(0, "auto");
  const bool servers =
      GetParam().first != ServerKind::sqlite && GetParam().second != ServerKind::sqlite;
  EXPECT_LT(clean["bytes"].get<int>(), streamed["bytes"].get<int>() * (servers ? 0.1 : 0.7));
  trial.target.exec("CREATE TABLE kept AS SELECT * FROM t;");
  const bool postgres = is_postgres(trial.target.kind());
  const std::string byte = postgres ? "decode('00ff0a81', 'hex')" : "X'00ff0a81'";
  for (const std::string& change :
       {std::string("n = n + 1 WHERE id = 1"), std::string("n = -n WHERE id = 2"),
        std::string("n = 0 WHERE id = 7"), std::string("d = 1.001 WHERE id = 3"),
        std::string("d = NULL WHERE id = 4"), std::string("txt = 'text 5 ' WHERE id = 5"),
        std::string("txt = '' WHERE id = 7"), std::string("txt = 'N' WHERE id = 14"),
        std::string("txt = NULL WHERE id = 11"), "x = " + byte + " WHERE id = 6",
        std::string("day = '2024-03-01' WHERE id = 8"),
        std::string("at = '2024-02-29 12:00:00.250001' WHERE id = 9"),
        std::string("s = 12345678901234567891 WHERE id = 10"),
        std::string(postgres ? "b = NOT b WHERE id = 12" : "b = 1 - b WHERE id = 12"),
        // In a sum by column these would be one another's.
        std::string("n = CASE id WHEN 15 THEN -284 ELSE -285 END WHERE id IN (15, 16)")}) {
    SCOPED_TRACE(change);
    trial.target.exec("UPDATE t SET " + change + ";");
    const json wrong = verify(3, "digest");
    EXPECT_EQ(wrong["differing"], change.find("CASE") == std::string::npos ? 1 : 2) << wrong;
    // The other ranges' rows: else it was no digest that found it.
    EXPECT_GT(wrong["rows_by_digest"].get<int>(), kRows / 2) << wrong;
    EXPECT_LT(wrong["rows_by_digest"].get<int>(), kRows) << wrong;
    trial.target.exec("DELETE FROM t; INSERT INTO t SELECT * FROM kept;");
  }
}

// Spaces that a cast takes off; and a function has no more than 100 arguments.
TEST(CanonicalDigests, KeepWhatIsAValuesOwn) {
  MigrationCase trial(ServerKind::postgres, ServerKind::mariadb);
  std::string columns, values;
  for (int at = 0; at < 120; ++at) {
    columns += fmt::format(", c{} int", at);
    values += fmt::format(", {}", at);
  }
  trial.source.exec(
      fmt::format("CREATE TABLE t (id int PRIMARY KEY, b "
                  "varchar(20), padded bpchar{0});"
                  "INSERT INTO t VALUES (1, 'abc', 'a  '{1}), (2, 'x', 'b'{1});",
                  columns, values));
  trial.plan("  - name: t\n");
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  const auto table = [&](int status) {
    const CommandResult result =
        trial.migrate({"verify", "plan.yaml", "--json", "--mode", "digest"});
    EXPECT_EQ(result.status, status) << shown(result);
    return document(result)["tables"][0];
  };
  EXPECT_EQ(table(0)["rows_by_digest"], 2);
  trial.target.exec("UPDATE t SET padded = 'a' WHERE id = 1;");
  EXPECT_EQ(table(3)["differing"], 1);
  trial.target.exec("UPDATE t SET padded = 'a  ' WHERE id = 1;");
  EXPECT_EQ(table(0)["rows_by_digest"], 2);
  trial.target.exec("UPDATE t SET c119 = 9 WHERE id = 2;");
  EXPECT_EQ(table(3)["differing"], 1);
}

INSTANTIATE_TEST_SUITE_P(Pairs, AcrossEngines,
                         testing::Values(Pair{ServerKind::postgres, ServerKind::mariadb},
                                         Pair{ServerKind::mariadb, ServerKind::postgres},
                                         Pair{ServerKind::sqlite, ServerKind::postgres},
                                         Pair{ServerKind::sqlite, ServerKind::mariadb},
                                         Pair{ServerKind::postgres, ServerKind::sqlite},
                                         Pair{ServerKind::mariadb, ServerKind::sqlite}),
                         pair_name);

}  // namespace
}  // namespace migrator::test
