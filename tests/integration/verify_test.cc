// `migrate verify` as a judge: it finds every way in which a row can be wrong, in every mode, and
// nothing on equal data.
//
// What each guard is worth, tried out by taking it away:
// - rows of the target behind the source's last (StreamComparison::equal's return): EverySingleWay
//   fails at the row too many;
// - a digest of the record itself instead of its bytes: NeighboursThatSwapAValue fails, and
//   TellApartWhatIsHashedAlike in digests_test.cc;
// - MySQL's range_order() canonical for every text: TextKeys reports rows that are equal.
// - PostgreSQL's canonical for every collation: InALanguagesOrderAreComparedToo fails.
#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "tests/faults/tcp_proxy.h"
#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

using Pair = std::pair<ServerKind, ServerKind>;

constexpr int kRows = 900;
// So small that there are several ranges; workers for more than one at a time.
const std::string kRanges = "backfill: {jobs: 3}\nverify: {range_rows: 100}\n";

// A way to be wrong: what is done to the target, and which rows must be named for it.
struct Mutation {
  std::string name;
  std::string sql;
  std::set<std::string> found;  // "differs [7] txt"
};

class VerifyCase {
 public:
  // before: what is done to the case before anything is run.
  VerifyCase(ServerKind from, ServerKind to, unsigned seed,
             const std::function<void(MigrationCase&)>& before = {})
      : trial(from, to), random_(seed) {
    if (before) before(trial);
    const ServerKind kind = trial.source.kind();
    const bool mysql = is_mysql(kind), postgres = is_postgres(kind);
    const std::string text = mysql ? " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin" : "";
    const std::string bytes = postgres ? "decode('00ff0a80', 'hex')" : "X'00ff0a80'";
    const std::string concat = mysql ? "CONCAT('text ', n)" : "'text ' || n";
    const std::string filled = mysql ? "CONCAT('x', n)" : "'x' || n";
    trial.source.exec(fmt::format(
        "CREATE TABLE wide (id BIGINT NOT NULL PRIMARY KEY, txt VARCHAR(60){0}, num DECIMAL(12,3),"
        " r {1}, b {2}, flag BOOLEAN, at {3}, n INT);"
        "INSERT INTO wide SELECT n * 3, CASE WHEN n % 7 = 0 THEN NULL ELSE {4} END, n * 1.5, n / "
        "4.0,"
        " CASE WHEN n % 5 = 0 THEN NULL ELSE {5} END, n % 2 = 0, {6}'2024-02-29 12:00:00.123456', n"
        " FROM {7};"
        "CREATE TABLE named (name VARCHAR(40){0} NOT NULL PRIMARY KEY, n INT NOT NULL);"
        "INSERT INTO named SELECT {8}, n FROM {7};",
        text, postgres ? "DOUBLE PRECISION" : "DOUBLE",
        postgres ? "BYTEA"
        : mysql  ? "VARBINARY(40)"
                 : "BLOB",
        mysql ? "DATETIME(6)" : "TIMESTAMP", concat, bytes, postgres ? "TIMESTAMP " : "",
        numbers(kind, kRows), filled));
    if (postgres || kind == ServerKind::sqlite) trial.source.exec("ANALYZE;");
    if (mysql) trial.source.exec("ANALYZE TABLE wide; ANALYZE TABLE named;");
    trial.plan(MigrationCase::tables({"wide", "named"}), kRanges);
    const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
    EXPECT_EQ(copied.status, 0) << shown(copied);
  }

  json verify(int status, const std::vector<std::string>& more) {
    std::vector<std::string> command{"verify", "plan.yaml", "--json", "--show", "1000"};
    command.insert(command.end(), more.begin(), more.end());
    const CommandResult result = trial.migrate(command);
    EXPECT_EQ(result.status, status) << shown(result);
    return document(result);
  }

  static std::set<std::string> named(const json& result) {
    std::set<std::string> all;
    for (const json& table : result["tables"]) {
      for (const json& one : table["differences"]) {
        std::string columns;
        for (const json& column : one["columns"]) columns += " " + column.get<std::string>();
        EXPECT_TRUE(
            all.insert(one["kind"].get<std::string>() + " " + one["key"].dump() + columns).second)
            << "named twice: " << one;
      }
      EXPECT_EQ(table["differences"].size(), table["missing"].get<std::size_t>() +
                                                 table["extra"].get<std::size_t>() +
                                                 table["differing"].get<std::size_t>());
    }
    return all;
  }

  // The target as it is now, and back to that.
  void keep() const {
    trial.target.exec(
        "CREATE TABLE kept_wide AS SELECT * FROM wide; CREATE TABLE kept_named AS SELECT * FROM "
        "named;");
  }
  void restore() const {
    trial.target.exec(
        "DELETE FROM wide; INSERT INTO wide SELECT * FROM kept_wide;"
        "DELETE FROM named; INSERT INTO named SELECT * FROM kept_named;");
  }

  // A row of `wide` that none of the others is about, and whose n is not divisible by 7 or 5.
  int row() {
    while (true) {
      const int n = std::uniform_int_distribution<int>(1, kRows)(random_);
      if (n % 7 != 0 && n % 5 != 0 && used_.insert(n).second) return n * 3;
    }
  }

  std::vector<Mutation> mutations() {
    const ServerKind kind = trial.target.kind();
    const bool mysql = is_mysql(kind), postgres = is_postgres(kind);
    const int bit = row(), gone = row(), swapped = row(), with = row(), twin = row(), twins = row(),
              nulled = row(), empty = row(), space = row(), late = row(), sign = row();
    const auto differs = [](int id, const std::string& columns) {
      return fmt::format("differs [{}] {}", id, columns);
    };
    const std::string last = postgres ? "decode('00ff0a81', 'hex')" : "X'00ff0a81'";
    const std::string text_of = "(SELECT t FROM (SELECT txt AS t FROM wide WHERE id = {}) x)";
    std::vector<Mutation> all = {
        {"one bit",
         fmt::format("UPDATE wide SET b = {} WHERE id = {};", last, bit),
         {differs(bit, "b")}},
        {"one row missing",
         fmt::format("DELETE FROM wide WHERE id = {};", gone),
         {fmt::format("missing [{}]", gone)}},
        {"one row too many, in the end",
         fmt::format("INSERT INTO wide (id, n) VALUES ({}, 1);", kRows * 3 + 1),
         {fmt::format("extra [{}]", kRows * 3 + 1)}},
        {"one row too many, in the beginning",
         "INSERT INTO wide (id, n) VALUES (-5, 1);",
         {"extra [-5]"}},
        {"two rows' values swapped",
         fmt::format(
             "UPDATE wide SET n = CASE id WHEN {0} THEN {1} ELSE {2} END WHERE id IN ({0}, {3});",
             swapped, with / 3, swapped / 3, with),
         {differs(swapped, "n"), differs(with, "n")}},
        {"two rows alike",
         fmt::format("UPDATE wide SET n = 100000 WHERE id IN ({}, {});", twin, twins),
         {differs(twin, "n"), differs(twins, "n")}},
        {"a NULL",
         fmt::format("UPDATE wide SET txt = NULL WHERE id = {};", nulled),
         {differs(nulled, "txt")}},
        {"an empty text",
         fmt::format("UPDATE wide SET txt = '' WHERE id = {};", empty),
         {differs(empty, "txt")}},
        {"a trailing space",
         fmt::format("UPDATE wide SET txt = {} WHERE id = {};",
                     mysql ? "CONCAT(txt, ' ')" : "txt || ' '", space),
         {differs(space, "txt")}},
        {"a microsecond",
         fmt::format("UPDATE wide SET at = '2024-02-29 12:00:00.123457' WHERE id = {};", late),
         {differs(late, "at")}},
        {"a text key in another case",
         "UPDATE named SET name = 'X50' WHERE name = 'x50';",
         {"missing [\"x50\"]", "extra [\"X50\"]"}},
    };
    if (postgres) {
      // Equal to SQL, and not the same. 0.0 stands on the source.
      all.push_back({"a sign of zero",
                     fmt::format("UPDATE wide SET r = '-0' WHERE id = {};", sign),
                     {differs(sign, "r")}});
    }
    return all;
  }

  MigrationCase trial;

 private:
  std::mt19937 random_;
  std::set<int> used_;
};

class Judge : public testing::TestWithParam<Pair> {
 protected:
  static unsigned seed() {
    const unsigned seed = std::random_device{}();
    testing::Test::RecordProperty("seed", std::to_string(seed));
    std::fprintf(stderr, "seed %u\n", seed);
    return seed;
  }
};

TEST_P(Judge, FindsAllThatIsWrongAtOnceAndNothingElse) {
  VerifyCase judge(GetParam().first, GetParam().second, seed());
  for (const std::string mode : {"stream", "digest", "auto"}) {
    SCOPED_TRACE(mode);
    const json clean = judge.verify(0, {"--mode", mode});
    EXPECT_EQ(clean["tables"][0]["rows_source"], kRows);
    EXPECT_EQ(clean["tables"][0]["rows_target"], kRows);
    EXPECT_EQ(clean["tables"][1]["rows_source"], kRows);
  }
  std::set<std::string> expected;
  for (const Mutation& mutation : judge.mutations()) {
    judge.trial.target.exec(mutation.sql);
    expected.insert(mutation.found.begin(), mutation.found.end());
  }
  for (const std::string mode : {"stream", "digest", "auto"}) {
    SCOPED_TRACE(mode);
    EXPECT_EQ(VerifyCase::named(judge.verify(3, {"--mode", mode})), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Pairs, Judge, testing::ValuesIn(all_pairs()), pair_name);

// One by one, as several may hide one another: in a sum, say.
class EverySingleWay : public testing::TestWithParam<ServerKind> {};

TEST_P(EverySingleWay, ToBeWrongIsFoundInEveryMode) {
  VerifyCase judge(GetParam(), GetParam(), 20261126);
  judge.keep();
  const json clean = judge.verify(0, {"--mode", "digest"});
  EXPECT_EQ(clean["tables"][0]["rows_by_digest"], kRows);
  for (const Mutation& mutation : judge.mutations()) {
    SCOPED_TRACE(mutation.name);
    judge.trial.target.exec(mutation.sql);
    for (const std::string mode : {"stream", "digest"}) {
      SCOPED_TRACE(mode);
      const json result = judge.verify(3, {"--mode", mode});
      EXPECT_EQ(VerifyCase::named(result), mutation.found);
      // Else it was no digest that found it.
      const int by_digest = result["tables"][0]["rows_by_digest"];
      EXPECT_GT(by_digest, mode == "digest" ? kRows / 2 : -1);
    }
    judge.restore();
  }
}

// A value that trades its place with that of the next row: in a sum of hashes that add up by column
// the two would cancel.
TEST_P(EverySingleWay, NeighboursThatSwapAValueAreFoundByDigests) {
  VerifyCase judge(GetParam(), GetParam(), 1);
  judge.keep();
  for (int n = 31; n < kRows; n += 90) {
    judge.trial.target.exec(
        fmt::format("UPDATE wide SET n = CASE id WHEN {0} THEN {2} ELSE {3} END WHERE id IN ({0}, "
                    "{1});",
                    n * 3, n * 3 + 3, n + 1, n));
    EXPECT_EQ(VerifyCase::named(judge.verify(3, {"--mode", "digest", "--table", "wide"})),
              (std::set<std::string>{fmt::format("differs [{}] n", n * 3),
                                     fmt::format("differs [{}] n", n * 3 + 3)}));
    judge.restore();
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, EverySingleWay,
                         testing::Values(ServerKind::postgres, ServerKind::mariadb,
                                         ServerKind::sqlite),
                         [](const auto& one) { return std::string(name(one.param)); });

// Accents, case and padding: the two sides sort the same keys in different orders.
// `there`: the target's table is there before, with this column; "": migrate makes it.
void compare_text_keys(ServerKind from, ServerKind to, const std::string& column,
                       const std::string& there) {
  SCOPED_TRACE(fmt::format("{} to {}: {}, {}", name(from), name(to), column, there));
  MigrationCase trial(from, to);
  const std::string create = "CREATE TABLE t (name {} NOT NULL PRIMARY KEY, n INT NOT NULL);";
  std::string sql = fmt::format(fmt::runtime(create), column);
  sql += fmt::format("INSERT INTO t SELECT {}, n FROM {};",
                     is_mysql(from)      ? "CONCAT(CHAR(97 + n % 26), n)"
                     : is_postgres(from) ? "chr(97 + n % 26) || n"
                                         : "char(97 + n % 26) || n",
                     numbers(from, 300));
  sql += "INSERT INTO t VALUES ('Zebra', 1), ('\xC3\xA4pfel', 2), ('_x', 3), ('~', 4), ('B-1', 5);";
  trial.source.exec(sql);
  if (!there.empty()) trial.target.exec(fmt::format(fmt::runtime(create), there));
  trial.plan("  - name: t\n", "verify: {range_rows: 20}\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  for (const std::string mode : {"stream", "digest"}) {
    const CommandResult equal = trial.migrate({"verify", "plan.yaml", "--mode", mode});
    EXPECT_EQ(equal.status, 0) << shown(equal);
  }
  trial.target.exec("UPDATE t SET n = -1 WHERE name = 'Zebra'; DELETE FROM t WHERE name = '~';");
  const CommandResult found = trial.migrate({"verify", "plan.yaml", "--json"});
  EXPECT_EQ(found.status, 3) << shown(found);
  EXPECT_EQ(VerifyCase::named(document(found)),
            (std::set<std::string>{"differs [\"Zebra\"] n", "missing [\"~\"]"}));
}

TEST(TextKeys, OfTwoOrdersAreComparedInOneThatBothShare) {
  for (const auto& [from, to] : all_pairs()) {
    const std::string collated = is_mysql(from) ? " COLLATE utf8mb4_general_ci" : "";
    compare_text_keys(from, to, "VARCHAR(40)" + collated, "");
  }
}

// PostgreSQL has the orders of ICU, whichever locales the machine has.
TEST(TextKeys, InALanguagesOrderAreComparedToo) {
  const std::string plain = "VARCHAR(40)", english = "VARCHAR(40) COLLATE \"en-US-x-icu\"";
  for (const ServerKind to : {ServerKind::postgres, ServerKind::mariadb, ServerKind::sqlite}) {
    compare_text_keys(ServerKind::postgres, to, english, "");
  }
  compare_text_keys(ServerKind::postgres, ServerKind::postgres, english, plain + " COLLATE \"C\"");
  compare_text_keys(ServerKind::postgres, ServerKind::postgres, plain, english);
  compare_text_keys(ServerKind::sqlite, ServerKind::postgres, plain, english);
}

// As many columns as an engine lets a table have, and a value of 100 MiB.
class Large : public testing::TestWithParam<ServerKind> {};

TEST_P(Large, RowsOfVeryManyColumnsAreCompared) {
  const ServerKind kind = GetParam();
  const int columns = kind == ServerKind::sqlite ? 2000 : is_postgres(kind) ? 1600 : 1017;
  MigrationCase trial(kind, kind);
  std::string create = "CREATE TABLE t (c1 INTEGER NOT NULL PRIMARY KEY", values = "1";
  for (int at = 2; at <= columns; ++at) {
    create += fmt::format(", c{} SMALLINT", at);
    values += fmt::format(", {}", at % 100);
  }
  trial.source.exec(create + ");");
  trial.source.exec("INSERT INTO t VALUES (" + values + ");");
  trial.source.exec("INSERT INTO t (c1) VALUES (2), (3);");
  trial.plan("  - name: t\n", "verify: {show_values: true}\n");
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  for (const std::string mode : {"stream", "digest"}) {
    const CommandResult equal = trial.migrate({"verify", "plan.yaml", "--mode", mode});
    EXPECT_EQ(equal.status, 0) << shown(equal);
  }
  trial.target.exec(fmt::format("UPDATE t SET c{} = 7 WHERE c1 = 2;", columns));
  for (const std::string mode : {"stream", "digest"}) {
    const CommandResult found = trial.migrate({"verify", "plan.yaml", "--json", "--mode", mode});
    EXPECT_EQ(found.status, 3) << shown(found);
    EXPECT_EQ(VerifyCase::named(document(found)),
              (std::set<std::string>{fmt::format("differs [2] c{}", columns)}));
  }
}

TEST_P(Large, ValuesOfAHundredMebibytesAreCompared) {
  const ServerKind kind = GetParam();
  MigrationCase trial(kind, kind);
  const std::string blob = is_postgres(kind) ? "BYTEA" : is_mysql(kind) ? "LONGBLOB" : "BLOB";
  const std::string large =
      is_postgres(kind) ? "convert_to(repeat('0123456789abcdef', 6553600), 'UTF8')"
      : is_mysql(kind)  ? "REPEAT('0123456789abcdef', 6553600)"
                        : "CAST(replace(hex(zeroblob(3276800)), '00', '0123456789abcdef'"
                          " || '0123456789abcdef') AS BLOB)";
  trial.source.exec(fmt::format("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, b {});", blob));
  trial.source.exec(fmt::format("INSERT INTO t VALUES (1, NULL), (2, {}), (3, NULL);", large));
  ASSERT_EQ(trial.source.value("SELECT LENGTH(b) FROM t WHERE id = 2"), "104857600");
  trial.plan("  - name: t\n");
  const CommandResult copied = trial.migrate({"backfill", "plan.yaml"});
  ASSERT_EQ(copied.status, 0) << shown(copied);
  const CommandResult equal = trial.migrate({"verify", "plan.yaml", "--mode", "digest"});
  EXPECT_EQ(equal.status, 0) << shown(equal);
  // The last byte.
  trial.target.exec(fmt::format("UPDATE t SET b = {} WHERE id = 2;",
                                is_postgres(kind) ? "set_byte(b, 104857599, 0)"
                                : is_mysql(kind)
                                    ? "CONCAT(LEFT(b, 104857599), X'00')"
                                    : "CAST(substr(b, 1, 104857599) || X'00' AS BLOB)"));
  const CommandResult found = trial.migrate({"verify", "plan.yaml", "--json", "--mode", "stream"});
  EXPECT_EQ(found.status, 3) << shown(found);
  EXPECT_EQ(VerifyCase::named(document(found)), (std::set<std::string>{"differs [2] b"}));
}

INSTANTIATE_TEST_SUITE_P(Engines, Large,
                         testing::Values(ServerKind::postgres, ServerKind::mariadb,
                                         ServerKind::sqlite),
                         [](const auto& one) { return std::string(name(one.param)); });

// What was found equal before a kill is not looked at again, and what comes behind it is.
TEST(Interrupted, AVerifyGoesOnAndNeverCounts) {
  for (const ServerKind kind : {ServerKind::postgres, ServerKind::mariadb, ServerKind::sqlite}) {
    SCOPED_TRACE(name(kind));
    VerifyCase judge(kind, kind, 1);
    MigrationCase& trial = judge.trial;
    trial.environment["MIGRATOR_STOP_AT"] = "verify_progress_recorded:1";
    EXPECT_NE(trial.migrate({"verify", "plan.yaml", "--jobs", "1"}).status, 0);
    trial.environment.clear();
    EXPECT_FALSE(trial.status()["verify"][1]["complete"]);
    // Equal then, so it is not seen now: in front of what is left.
    trial.target.exec("UPDATE wide SET n = 0 WHERE id = 3; UPDATE wide SET n = 0 WHERE id = 2700;");
    const json resumed = judge.verify(3, {"--resume"});
    EXPECT_EQ(VerifyCase::named(resumed), (std::set<std::string>{"differs [2700] n"}));
    EXPECT_EQ(resumed["tables"][0]["rows_source"], kRows);
    // It has ended: there is nothing to go on with for this table, and so it begins anew.
    EXPECT_EQ(VerifyCase::named(judge.verify(3, {"--resume"})),
              (std::set<std::string>{"differs [2700] n", "differs [3] n"}));
    trial.target.exec(
        "UPDATE wide SET n = 1 WHERE id = 3; UPDATE wide SET n = 900 WHERE id = 2700;");
    judge.verify(0, {});
    const CommandResult none = trial.migrate({"verify", "plan.yaml", "--resume"});
    expect_refusal(none, 2, {"no verify was interrupted"});
    // Rows that are copied in between void what was found.
    trial.environment["MIGRATOR_STOP_AT"] = "verify_progress_recorded:1";
    EXPECT_NE(trial.migrate({"verify", "plan.yaml", "--jobs", "1"}).status, 0);
    trial.environment.clear();
    trial.target.exec("UPDATE wide SET n = 0 WHERE id = 3;");
    EXPECT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
    EXPECT_EQ(VerifyCase::named(judge.verify(3, {"--resume"})),
              (std::set<std::string>{"differs [3] n"}));
  }
}

// What an earlier verify has found equal stands for nothing in one that is gone on with.
TEST(Interrupted, AnOlderPassIsNoPartOfIt) {
  MigrationCase trial(ServerKind::sqlite, ServerKind::sqlite);
  trial.source.exec(
      "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);"
      "CREATE TABLE c (id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1);"
      "INSERT INTO a SELECT n FROM " +
      numbers(ServerKind::sqlite, 1000) + "; INSERT INTO b VALUES (1), (2);");
  trial.plan(MigrationCase::tables({"a", "b", "c"}), "verify: {range_rows: 100}\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  // One that failed before stands for nothing, either.
  trial.target.exec("DELETE FROM c;");
  ASSERT_EQ(trial.migrate({"verify", "plan.yaml"}).status, 3);
  trial.target.exec("INSERT INTO c VALUES (1);");
  ASSERT_EQ(trial.migrate({"verify", "plan.yaml", "--table", "b"}).status, 0);
  trial.target.exec("DELETE FROM b WHERE id = 2;");
  trial.environment["MIGRATOR_STOP_AT"] = "verify_progress_recorded:1";
  EXPECT_NE(trial.migrate({"verify", "plan.yaml", "--table", "a", "--jobs", "1"}).status, 0);
  trial.environment.clear();
  const CommandResult resumed = trial.migrate({"verify", "plan.yaml", "--resume", "--json"});
  EXPECT_EQ(resumed.status, 3) << shown(resumed);
  EXPECT_EQ(VerifyCase::named(document(resumed)), (std::set<std::string>{"missing [2]"}));
}

// A type that was changed on one side since: rows that still say the same are equal, in every mode.
class ChangedTypes : public testing::TestWithParam<ServerKind> {};

TEST_P(ChangedTypes, AreNoDifferenceByThemselves) {
  const bool mysql = is_mysql(GetParam());
  MigrationCase trial(GetParam(), GetParam());
  trial.source.exec(
      "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, n INT, d DECIMAL(10,2), v VARCHAR(20));"
      "INSERT INTO t VALUES (1, 7, 1.50, 'a '), (2, NULL, -2.00, NULL), (3, 0, 0.05, '');");
  trial.plan("  - name: t\n");
  ASSERT_EQ(trial.migrate({"backfill", "plan.yaml"}).status, 0);
  const auto alter = [&](const std::string& column, const std::string& type) {
    trial.target.exec(mysql ? fmt::format("ALTER TABLE t MODIFY {} {};", column, type)
                            : fmt::format("ALTER TABLE t ALTER {} TYPE {};", column, type));
  };
  const auto judge = [&](const std::string& column, const std::string& to) {
    SCOPED_TRACE(column + " " + to);
    alter(column, to);
    for (const std::string mode : {"stream", "digest", "auto"}) {
      const CommandResult result = trial.migrate({"verify", "plan.yaml", "--mode", mode});
      EXPECT_EQ(result.status, 0) << mode << "\n" << shown(result);
    }
  };
  judge("n", "BIGINT");
  judge("d", "DECIMAL(14,4)");
  judge("v", "VARCHAR(60)");
  judge("v", "TEXT");
  trial.target.exec("UPDATE t SET d = 1.5001 WHERE id = 1;");
  for (const std::string mode : {"stream", "digest", "auto"}) {
    EXPECT_EQ(trial.migrate({"verify", "plan.yaml", "--mode", mode}).status, 3) << mode;
  }
  trial.target.exec("UPDATE t SET d = 1.5 WHERE id = 1;");
  judge("n", "VARCHAR(20)");
  trial.target.exec("UPDATE t SET n = '7 ' WHERE id = 1;");
  for (const std::string mode : {"stream", "digest", "auto"}) {
    EXPECT_EQ(trial.migrate({"verify", "plan.yaml", "--mode", mode}).status, 3) << mode;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, ChangedTypes,
                         testing::Values(ServerKind::postgres, ServerKind::mariadb),
                         [](const auto& one) { return std::string(name(one.param)); });

// Connections that break in the middle are made anew, and a range that was lost is compared again:
// no row is left out, or counted twice.
class BrokenConnections : public testing::TestWithParam<ServerKind> {};

TEST_P(BrokenConnections, AreMadeAnew) {
  std::optional<TcpProxy> proxy;
  VerifyCase judge(GetParam(), GetParam(), 1, [&](MigrationCase& trial) {
    proxy.emplace(trial.target_url);
    trial.target_url = proxy->url();
  });
  Child verify = judge.trial.start(
      {"verify", "plan.yaml", "--json", "--mode", "stream", "--rows-per-second", "200"});
  // How far it has come, which is written down every second.
  const auto progress = [&] {
    return run_sql("sqlite:" + judge.trial.path("state.db"),
                   "SELECT table_name, upto FROM verify_progress;");
  };
  std::string before;
  for (int cuts = 0; cuts < 2; ++cuts) {
    ASSERT_TRUE(eventually([&] {
      const std::string now = progress();
      return (!now.empty() && now != before) || !verify.running();
    }));
    EXPECT_TRUE(verify.running()) << "it was over before it could be cut " << cuts + 1 << " times";
    before = progress();
    proxy->cut();
  }
  ASSERT_TRUE(verify.wait_for(60s));
  EXPECT_EQ(verify.status(), 0) << verify.err();
  const json result = json::parse(verify.out());
  for (const json& table : result["tables"]) {
    EXPECT_EQ(table["rows_source"], kRows) << table;
    EXPECT_EQ(table["rows_target"], kRows) << table;
    EXPECT_TRUE(table["equal"]) << table;
  }
  judge.trial.remember(verify);
}

INSTANTIATE_TEST_SUITE_P(Engines, BrokenConnections,
                         testing::Values(ServerKind::postgres, ServerKind::mariadb),
                         [](const auto& one) { return std::string(name(one.param)); });

// Held in the middle, it goes on where it was.
TEST(Paused, GoesOnWhenItIsResumed) {
  VerifyCase judge(ServerKind::sqlite, ServerKind::sqlite, 1);
  MigrationCase& trial = judge.trial;
  Child verify = trial.start({"verify", "plan.yaml", "--json", "--rows-per-second", "400"});
  const auto rows = [&] {
    return run_sql("sqlite:" + trial.path("state.db"),
                   "SELECT rows_source FROM verify_progress WHERE table_name = 'wide';");
  };
  ASSERT_TRUE(eventually([&] { return !rows().empty(); })) << verify.err();
  ASSERT_EQ(trial.migrate({"pause", "plan.yaml"}).status, 0);
  std::this_thread::sleep_for(2s);  // it looks twice a second
  const std::string before = rows();
  EXPECT_FALSE(verify.wait_for(4s)) << "1800 rows at 400 a second would have been compared";
  EXPECT_EQ(rows(), before);
  ASSERT_EQ(trial.migrate({"resume", "plan.yaml"}).status, 0);
  ASSERT_TRUE(verify.wait_for(20s));
  EXPECT_EQ(verify.status(), 0) << verify.err();
  for (const json& table : json::parse(verify.out())["tables"]) {
    EXPECT_EQ(table["rows_source"], kRows);
    EXPECT_TRUE(table["equal"]);
  }
  trial.remember(verify);
}

// Values are digests unless the plan says otherwise, and equal ones have equal digests.
TEST(Values, AreShownOnlyWhereThePlanSaysSo) {
  VerifyCase judge(ServerKind::sqlite, ServerKind::sqlite, 1);
  judge.trial.target.exec("UPDATE wide SET txt = 'secret words' WHERE id IN (3, 6, 21);");
  judge.verify(3, {"--log", "log.jsonl"});
  const auto values = [&] {
    std::vector<std::pair<std::string, std::string>> all;
    const CommandResult listed = judge.trial.migrate({"mismatches", "plan.yaml", "--json"});
    const json list = document(listed);
    for (const json& one : list["mismatches"]) {
      all.emplace_back(one["values"][0]["source"], one["values"][0]["target"]);
    }
    return all;
  };
  const auto hidden = values();
  ASSERT_EQ(hidden.size(), 3u);
  EXPECT_EQ(hidden[0].second, hidden[1].second);
  EXPECT_TRUE(hidden[0].second.starts_with("hmac:")) << hidden[0].second;
  EXPECT_NE(hidden[0].first, hidden[1].first);
  EXPECT_EQ(hidden[2].first, "null");
  EXPECT_EQ(judge.trial.read("log.jsonl").find("secret"), std::string::npos);
  EXPECT_EQ(judge.trial.read("state.db").find("secret"), std::string::npos);
  judge.trial.plan(MigrationCase::tables({"wide", "named"}), "verify: {show_values: true}\n");
  judge.verify(3, {});
  EXPECT_EQ(values()[0], (std::pair<std::string, std::string>{"\"text 1\"", "\"secret words\""}));
}

}  // namespace
}  // namespace migrator::test
