// Tables of every shape: keys of all kinds, foreign keys, indexes, sequences, generated columns,
// and what the plan may change on the way.
#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/integration/migration_case.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;
using Pair = std::pair<ServerKind, ServerKind>;

// A hundred key kinds' worth of chunk edges: so small that every few keys is one.
const std::string kSmallChunks = "backfill: {jobs: 3, chunk: {max_rows: 7}}\n";

json filled(MigrationCase& migration) {
  const CommandResult result = migration.migrate({"backfill", "plan.yaml", "--json"});
  EXPECT_EQ(result.status, 0) << shown(result);
  return document(result);
}

class KeysTest : public testing::TestWithParam<Pair> {};

TEST_P(KeysTest, OfAllKindsAreWalkedWithoutLossOverManyChunks) {
  MigrationCase migration(GetParam().first, GetParam().second);
  const ServerKind kind = migration.source.kind();
  const bool postgres = is_postgres(kind), mysql = is_mysql(kind);
  const std::string bytes = postgres ? "BYTEA" : mysql ? "VARBINARY(16)" : "BLOB";
  const std::string binary = mysql ? " COLLATE utf8mb4_bin" : "";
  const auto hex = [&](const std::string& digits) {
    return postgres ? "'\\x" + digits + "'" : "X'" + digits + "'";
  };
  std::string sql =
      "CREATE TABLE k_int (id BIGINT NOT NULL PRIMARY KEY, v INT);"
      "INSERT INTO k_int VALUES (-9223372036854775808, 1), (-9223372036854775807, 2), (-1, 3), (0, "
      "4), "
      "(9223372036854775807, 5), (9223372036854775806, 6), (1000000000000, 7), (1000000000001, 8);"
      "INSERT INTO k_int SELECT n, n FROM " +
      numbers(kind, 60) +
      ";"
      "INSERT INTO k_int SELECT 5000000000000000000 - n * 1000003, n FROM " +
      numbers(kind, 60) +
      ";"
      "CREATE TABLE k_text (id VARCHAR(60)" +
      binary +
      " NOT NULL PRIMARY KEY, v INT);"
      "INSERT INTO k_text VALUES ('', 1), ('A', 3), ('a', 4), ('B', 5), ('b', 6), ('\xC3\xA4', 7), "
      "('\xC3\x84', 8), ('z', 9), ('zz', 10), ('\xF0\x9F\x98\x80', 11), ('it''s', 12), ('a b', "
      "13), "
      "('10', 14), ('9', 15);"
      "INSERT INTO k_text SELECT CONCAT_THEM, n FROM " +
      numbers(kind, 40) +
      ";"
      "CREATE TABLE k_pair (a INT NOT NULL, b VARCHAR(20)" +
      binary +
      " NOT NULL, v INT, PRIMARY KEY (a, b));"
      "INSERT INTO k_pair SELECT n % 5 - 2, CONCAT_THEM, n FROM " +
      numbers(kind, 100) +
      ";"
      "CREATE TABLE k_bytes (id " +
      bytes +
      " NOT NULL PRIMARY KEY, v INT);"
      "INSERT INTO k_bytes VALUES (" +
      hex("00") + ", 1), (" + hex("0000") + ", 2), (" + hex("7F") + ", 3), (" + hex("80") +
      ", 4), (" + hex("FF") + ", 5), (" + hex("FF00") + ", 6), (" + hex("0A") + ", 7), (" +
      hex("09") + ", 8), (" + hex("5C") + ", 9), (" + hex("27") +
      ", 10);"
      "CREATE TABLE k_uuid (id UUID NOT NULL PRIMARY KEY, v INT);"
      "INSERT INTO k_uuid VALUES ('00000000-0000-0000-0000-000000000000', 0), "
      "('ffffffff-ffff-ffff-ffff-ffffffffffff', 1), ('0f000000-0000-1000-8000-000000000001', 2);"
      "CREATE TABLE one_row (id INT NOT NULL PRIMARY KEY); INSERT INTO one_row VALUES (-7);"
      "CREATE TABLE no_row (id INT NOT NULL PRIMARY KEY, v INT);";
  const std::string concat = mysql ? "CONCAT('key-', n)" : "'key-' || n";
  // MySQL's padding collations hold this one to be the empty text again.
  if (!mysql) sql += "INSERT INTO k_text VALUES (' ', 2);";
  for (std::size_t at; (at = sql.find("CONCAT_THEM")) != std::string::npos;)
    sql.replace(at, 11, concat);
  migration.source.exec(sql);
  migration.plan(MigrationCase::tables(
                     {"k_int", "k_text", "k_pair", "k_bytes", "k_uuid", "one_row", "no_row"}),
                 kSmallChunks);
  const json report = filled(migration);
  EXPECT_EQ(report["rows"], 128 + (mysql ? 54 : 55) + 100 + 10 + 3 + 1);
  const json status = migration.status();
  EXPECT_GE(status["tables"][0]["chunks_done"].get<int>(), 18);
  migration.expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Pairs, KeysTest, testing::ValuesIn(all_pairs()), pair_name);

// --- Indexes, foreign keys, sequences
// ----------------------------------------------------------------

class SchemaTest : public testing::TestWithParam<Pair> {
 protected:
  SchemaTest() : migration_(GetParam().first, GetParam().second) {}

  // The children come first by name and by size, so an order by either would break.
  void make_family(const TestDatabase& database) {
    database.exec(
        "CREATE TABLE z_parent (id BIGINT NOT NULL PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE);"
        "CREATE TABLE a_child (id BIGINT NOT NULL PRIMARY KEY, parent_id BIGINT NOT NULL, note "
        "VARCHAR(20), "
        "CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES z_parent (id));"
        "CREATE INDEX child_note ON a_child (note, parent_id);");
  }
  void fill_family() {
    const ServerKind kind = migration_.source.kind();
    const std::string code = is_mysql(kind) ? "CONCAT('c', n)" : "'c' || n";
    migration_.source.exec(
        "INSERT INTO z_parent SELECT n, " + code + " FROM " + numbers(kind, 300) +
        ";INSERT INTO a_child SELECT n, n % 300 + 1, 'x' FROM " + numbers(kind, 3000));
  }
  std::string index_count() const {
    const ServerKind kind = migration_.target.kind();
    return migration_.target.value(
        is_postgres(kind)
            ? "SELECT count(*) FROM pg_indexes WHERE tablename IN ('a_child', 'z_parent')"
        : is_mysql(kind)
            ? "SELECT count(DISTINCT table_name, index_name) FROM information_schema.statistics "
              "WHERE table_schema = DATABASE() AND table_name IN ('a_child', 'z_parent')"
            : "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name IN "
              "('a_child', 'z_parent')");
  }
  // The target refuses a child without a parent, a second code, and has the index by its columns.
  void expect_constraints() {
    const TestDatabase& target = migration_.target;
    const std::string on = target.kind() == ServerKind::sqlite ? "PRAGMA foreign_keys = ON; " : "";
    EXPECT_THROW(target.exec(on + "INSERT INTO a_child VALUES (900000, 900000, 'x')"),
                 std::runtime_error);
    EXPECT_THROW(target.exec("INSERT INTO z_parent VALUES (900000, 'c1')"), std::runtime_error);
    const std::string index =
        is_postgres(target.kind()) ? "SELECT count(*) FROM pg_indexes WHERE tablename = 'a_child' "
                                     "AND indexdef LIKE '%(note, parent_id)%'"
        : is_mysql(target.kind())
            ? "SELECT count(*) FROM information_schema.statistics WHERE table_schema = DATABASE() "
              "AND "
              "table_name = 'a_child' AND column_name = 'note' AND seq_in_index = 1"
            : "SELECT count(*) FROM pragma_index_list('a_child') l, pragma_index_info(l.name) i "
              "WHERE i.seqno = 0 AND i.name = 'note'";
    EXPECT_EQ(target.value(index), "1");
  }

  MigrationCase migration_;
};

TEST_P(SchemaTest, IndexesAndForeignKeysAreThereAfterwards) {
  make_family(migration_.source);
  fill_family();
  migration_.plan("  - name: a_child\n  - name: z_parent\n");
  filled(migration_);
  migration_.expect_equal();
  expect_constraints();
}

TEST_P(SchemaTest, ForeignKeysThatAreThereBeforeAreObeyed) {
  make_family(migration_.source);
  fill_family();
  make_family(migration_.target);
  // MySQL makes an index of its own for a foreign key; elsewhere it is one that the target lacks.
  const bool brings_one = is_mysql(migration_.source.kind()) && !is_mysql(migration_.target.kind());
  const std::string indexes = std::to_string(std::stoi(index_count()) + (brings_one ? 1 : 0));
  migration_.plan("  - name: a_child\n  - name: z_parent\n",
                  "backfill: {jobs: 4, chunk: {max_rows: 50}}\n");
  const json report = filled(migration_);
  for (const json& table : report["tables"]) {
    EXPECT_EQ(table["retries"], 0) << "children were tried before their parents: " << table.dump();
  }
  EXPECT_EQ(index_count(), indexes) << "an index that was there already was made a second time";
  migration_.expect_equal();
  expect_constraints();
}

TEST_P(SchemaTest, SequencesGoOnBehindTheHighestKey) {
  const ServerKind kind = migration_.source.kind();
  const std::string id = is_postgres(kind) ? "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
                         : is_mysql(kind)  ? "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"
                                           : "INTEGER PRIMARY KEY AUTOINCREMENT";
  migration_.source.exec("CREATE TABLE t (id " + id +
                         ", v VARCHAR(9)); INSERT INTO t (id, v) VALUES (1, 'a'), "
                         "(41, 'b'), (-3, 'c'); CREATE TABLE fresh (id " +
                         id + ", v VARCHAR(9));");
  migration_.plan("  - name: t\n  - name: fresh\n");
  filled(migration_);
  migration_.expect_equal();
  migration_.target.exec("INSERT INTO t (v) VALUES ('new'); INSERT INTO fresh (v) VALUES ('new')");
  EXPECT_EQ(migration_.target.value("SELECT id FROM t WHERE v = 'new'"), "42");
  EXPECT_EQ(migration_.target.value("SELECT id FROM fresh"), "1");
}

// The target's table is made by migrate: the index that its key rests on must be there before the
// rows.
TEST_P(SchemaTest, AnotherUniqueIndexMayBeTheKey) {
  migration_.source.exec(
      "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a INT NOT NULL, b INT NOT NULL, v "
      "VARCHAR(9));"
      "CREATE UNIQUE INDEX t_ab ON t (a, b);"
      "INSERT INTO t SELECT n, n % 10, 1000 - n, 'x' FROM " +
      numbers(migration_.source.kind(), 500));
  migration_.plan("  - {name: t, key: [a, b]}\n", kSmallChunks);
  filled(migration_);
  migration_.expect_equal();
  EXPECT_THROW(migration_.target.exec("INSERT INTO t VALUES (900, 1, 999, 'y')"),
               std::runtime_error);
  EXPECT_THROW(migration_.target.exec("INSERT INTO t VALUES (1, 99, 99, 'y')"), std::runtime_error);
  EXPECT_EQ(migration_.migrate({"verify", "plan.yaml"}).status, 0);
}

TEST_P(SchemaTest, ThePlanDropsRenamesRetypesAndChooses) {
  migration_.source.exec(
      "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, old_name VARCHAR(20), legacy VARCHAR(20), "
      "amount INT NOT NULL, live INT NOT NULL);"
      "INSERT INTO t SELECT n, 'x', 'gone', n, n % 2 FROM " +
      numbers(migration_.source.kind(), 400));
  const std::string type =
      is_postgres(migration_.target.kind()) ? "numeric(20,0)" : "decimal(20,0)";
  migration_.plan(
      "  - {name: t, to: u, where: live = 1, columns: {old_name: new_name, legacy: null, "
      "amount: {to: total, type: \"" +
          type + "\"}}}\n",
      kSmallChunks);
  filled(migration_);
  EXPECT_EQ(migration_.target.value("SELECT count(*) FROM u"), "200");
  EXPECT_EQ(migration_.target.value("SELECT new_name FROM u WHERE id = 7"), "x");
  EXPECT_EQ(migration_.target.value("SELECT total FROM u WHERE id = 399"), "399");
  EXPECT_THROW(migration_.target.exec("SELECT legacy FROM u"), std::runtime_error);
  const CommandResult verified = migration_.migrate({"verify", "plan.yaml"});
  EXPECT_EQ(verified.status, 0) << shown(verified);
  // A row that `where` leaves out is extra on the target.
  migration_.target.exec("INSERT INTO u (id, new_name, total, live) VALUES (8, 'x', 8, 0)");
  EXPECT_EQ(migration_.migrate({"verify", "plan.yaml"}).status, 3);
}

INSTANTIATE_TEST_SUITE_P(Pairs, SchemaTest,
                         testing::Values(Pair{ServerKind::sqlite, ServerKind::sqlite},
                                         Pair{ServerKind::sqlite, ServerKind::postgres},
                                         Pair{ServerKind::postgres, ServerKind::mariadb},
                                         Pair{ServerKind::mariadb, ServerKind::postgres}),
                         pair_name);

// What a column's neutral type cannot hold travels between two columns of one native type all the
// same, and verify says so: equal where it is equal, and different where it is not.
class MisfitTest : public testing::TestWithParam<ServerKind> {};

TEST_P(MisfitTest, ArrivesAndIsComparedBetweenColumnsOfOneType) {
  const ServerKind kind = GetParam();
  MigrationCase migration(kind, kind);
  const bool postgres = is_postgres(kind), mysql = is_mysql(kind);
  const std::string type = postgres ? "timestamp" : mysql ? "tinyint(1)" : "INTEGER";
  const std::string odd = postgres ? "'infinity'" : mysql ? "2" : "'many'";
  // For SQLite: the very bytes, as a blob.
  const std::string other = postgres ? "'-infinity'" : mysql ? "3" : "X'6D616E79'";
  migration.source.exec("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v " + type +
                        "); INSERT INTO t VALUES (1, NULL), (2, " + odd + "), (3, " + odd + ")");
  migration.plan("  - name: t\n");
  filled(migration);
  migration.expect_equal();
  const CommandResult same = migration.migrate({"verify", "plan.yaml"});
  EXPECT_EQ(same.status, 0) << shown(same);

  migration.target.exec("UPDATE t SET v = " + other + " WHERE id = 3");
  const CommandResult changed = migration.migrate({"verify", "plan.yaml", "--json"});
  EXPECT_EQ(changed.status, 3) << shown(changed);
  const json table = document(changed)["tables"][0];
  EXPECT_EQ(table["differing"], 1) << shown(changed);
  EXPECT_EQ(table["missing"], 0) << shown(changed);
  EXPECT_EQ(table["extra"], 0) << shown(changed);
}

INSTANTIATE_TEST_SUITE_P(Engines, MisfitTest,
                         testing::Values(ServerKind::sqlite, ServerKind::postgres,
                                         ServerKind::mariadb),
                         [](const auto& kind) { return std::string(name(kind.param)); });

class GeneratedTest : public testing::TestWithParam<ServerKind> {};

TEST_P(GeneratedTest, ColumnsAreMadeAgainByTheTargetAndCompared) {
  MigrationCase migration(GetParam(), GetParam());
  migration.source.exec(
      "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a INT NOT NULL, "
      "twice INT GENERATED ALWAYS AS (a * 2) STORED);"
      "INSERT INTO t (id, a) SELECT n, n FROM " +
      numbers(GetParam(), 100));
  const CommandResult planned = migration.migrate(
      {"plan", "--source", "${SOURCE_URL}", "--target", "${TARGET_URL}", "-o", "plan.yaml"});
  ASSERT_EQ(planned.status, 0) << shown(planned);
  filled(migration);
  EXPECT_EQ(migration.target.value("SELECT twice FROM t WHERE id = 21"), "42");
  migration.target.exec("UPDATE t SET a = 1000 WHERE id = 21");
  EXPECT_EQ(migration.target.value("SELECT twice FROM t WHERE id = 21"), "2000")
      << "it is a plain column";
  const CommandResult verified = migration.migrate({"verify", "plan.yaml", "--json"});
  EXPECT_EQ(verified.status, 3) << shown(verified);
  const json columns = document(verified)["tables"][0]["differences"][0]["columns"];
  EXPECT_EQ(columns, json({"a", "twice"}));
}

INSTANTIATE_TEST_SUITE_P(Engines, GeneratedTest,
                         testing::Values(ServerKind::sqlite, ServerKind::postgres,
                                         ServerKind::mariadb),
                         [](const auto& kind) { return std::string(name(kind.param)); });

// --- One session that reaches both sides
// -----------------------------------------------------------------

TEST(Colocated, TwoSqliteFilesAreCopiedByAttachAndTwoDatabasesOfOneServerInside) {
  for (const auto& [kind, way] :
       {std::pair{ServerKind::sqlite, "ATTACH"}, {ServerKind::mariadb, "one server"}}) {
    MigrationCase migration(kind, kind);
    migration.source.exec(
        "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR(20));"
        "INSERT INTO t SELECT n, 'x' FROM " +
        numbers(kind, 5000));
    migration.plan("  - name: t\n");
    const json report = filled(migration);
    EXPECT_EQ(report["tables"][0]["way"], way);
    EXPECT_EQ(report["tables"][0]["rows"], 5000);
    migration.expect_equal();
  }
}

// A case-insensitive key, whose order is not that of the bytes, on the side that is read.
TEST(Keys, ThatIgnoreCaseAreWalkedInTheSourcesOwnOrder) {
  for (const ServerKind to : {ServerKind::sqlite, ServerKind::postgres, ServerKind::mariadb}) {
    MigrationCase migration(ServerKind::mariadb, to);
    migration.source.exec(
        "CREATE TABLE t (id VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, v INT);"
        "INSERT INTO t SELECT CONCAT(IF(seq % 2, 'key-', 'KEY-'), seq), seq FROM seq_1_to_200;"
        "INSERT INTO t VALUES ('\xC3\xA4pfel', 1), ('Zebra', 2), ('_x', 3), ('[x', 4), ('{x', 5), "
        "('b', 6), ('C', 7)");
    migration.plan("  - name: t\n", kSmallChunks);
    EXPECT_EQ(filled(migration)["rows"], 207);
    migration.expect_equal();
  }
}

}  // namespace
}  // namespace migrator::test
