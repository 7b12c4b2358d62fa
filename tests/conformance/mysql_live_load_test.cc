// Loads into a real server, and copies within it.
#include "tests/conformance/mysql_live.h"

namespace migrator::mysql {
namespace {

// A table whose rows the target takes only in part.
TEST_F(MysqlLive, ValuesThatTheTargetWouldAlterAreRefusedOnEveryPath) {
  struct Case {
    const char* source_type;
    const char* value;
    const char* target_type;
    const char* number;
  };
  const std::vector<Case> cases = {
      {"varchar(10)", "'too long'", "varchar(3)", ""},
      {"varchar(10)", "'abc  '", "varchar(3)", "1265"},
      {"varchar(10)", "'x1'", "int", "1366"},
      {"varchar(40)", "'99999999999'", "int", "1264"},
      {"varchar(10)", "'1.255'", "decimal(5,2)", "1265"},
      {"varchar(20)", "'2024-02-30x'", "datetime", ""},
      {"varchar(10)", "'nope'", "enum('a','b')", "1265"},
      {"varchar(10)", "NULL", "varchar(10) NOT NULL", "1048"},
  };
  for (const Case& c : cases) {
    run("DROP TABLE IF EXISTS t_from");
    run("DROP TABLE IF EXISTS t_to");
    run(
        fmt::format("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, v {} CHARACTER SET utf8mb4) "
                    "ENGINE=InnoDB",
                    c.source_type));
    run(
        fmt::format("CREATE TABLE t_to (id int NOT NULL PRIMARY KEY, v {}) ENGINE=InnoDB DEFAULT "
                    "CHARSET=utf8mb4",
                    c.target_type));
    run(fmt::format("INSERT INTO t_from VALUES (1, {})", c.value));
    for (const std::string& path : load_paths()) {
      SCOPED_TRACE(fmt::format("{} into {} by {}", c.value, c.target_type, path));
      const auto target = open_target(path);
      target->session().begin();
      WriteSpec spec = writing("t_to");
      spec.columns[1].type = {
          .kind = TypeKind::text};  // as text, so that it is the server that refuses
      try {
        const auto sink = target->load(spec, cells_layout(), LoadMode::direct);
        const auto rows = source_->read(reading("t_from"), {}, cells_layout());
        RowBatch batch;
        while (rows->next(batch)) sink->write(batch);
        sink->finish();
        ADD_FAILURE() << "was taken";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
        EXPECT_NE(error.code().find(c.number), std::string::npos)
            << error.code() << " " << error.what();
        for (const char* word : {"too long'", "x1'", "nope", "02-30x", "9999"}) {
          EXPECT_EQ(std::string(error.what()).find(word), std::string::npos) << error.what();
        }
      }
      target->session().rollback();
      EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to")), 0);
    }
  }
}

TEST_F(MysqlLive, NullInATimestampOrIdentityNeverBecomesAValue) {
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, ts timestamp NULL, n int) ENGINE=InnoDB");
  run("CREATE TABLE t_to (id int NOT NULL PRIMARY KEY, ts timestamp NOT NULL DEFAULT "
      "CURRENT_TIMESTAMP, n int NOT NULL AUTO_INCREMENT, KEY (n)) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (1, NULL, 1), (2, '2024-01-01', NULL)");
  for (const std::string& path : load_paths()) {
    for (const int id : {1, 2}) {
      const auto target = open_target(path);
      target->session().begin();
      const auto sink = target->load(writing("t_to"), source_->layouts(reading("t_from")).front(),
                                     LoadMode::direct);
      ReadSpec spec = reading("t_from");
      spec.where = fmt::format("id = {}", id);
      const auto rows = source_->read(spec, {}, source_->layouts(spec).front());
      RowBatch batch;
      ASSERT_TRUE(rows->next(batch));
      try {
        sink->write(batch);
        sink->finish();
        ADD_FAILURE() << path << id;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::data);
      }
    }
  }
}

TEST_F(MysqlLive, ZeroIsAValueOfAutoIncrementAndTheCounterGoesPastTheRows) {
  run("CREATE TABLE t_from (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, v int) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (0, 1), (-5, 2), (41, 3)");
  for (const std::string& path : load_paths()) {
    run("DROP TABLE IF EXISTS t_to");
    run("CREATE TABLE t_to LIKE t_from");
    copy("t_from", "t_to", cells_layout(), path);
    expect_equal("t_from", "t_to");
    run("INSERT INTO t_to (v) VALUES (9)");
    EXPECT_EQ(as_integer(one("SELECT MAX(id) FROM t_to")), 42) << path;
  }
}

TEST_F(MysqlLive, ADuplicateKeyFailsADirectLoadAndIsSaidToBeOne) {
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, u varchar(20) NOT NULL) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (1, 'secret'), (2, 'b')");
  for (const std::string& path : load_paths()) {
    SCOPED_TRACE(path);
    run("DROP TABLE IF EXISTS t_to");
    run("CREATE TABLE t_to (id int NOT NULL PRIMARY KEY, u varchar(20) NOT NULL, UNIQUE KEY u (u)) "
        "ENGINE=InnoDB");
    run("INSERT INTO t_to VALUES (7, 'secret')");
    try {
      copy("t_from", "t_to", cells_layout(), path);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      EXPECT_TRUE(error.duplicate_key());
      EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
      // Which key it is, LOAD DATA does not tell before MySQL 5.7.
      const bool tells = path != "load-data" || session().server().version >= 50700;
      EXPECT_EQ(std::string(error.what()).find("'u'") != std::string::npos, tells) << error.what();
    }
    EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to")), 1);
    // A conflict with another key is an error for a merge too, and nothing is swallowed.
    EXPECT_THROW(copy("t_from", "t_to", cells_layout(), path, LoadMode::merge), Error);
    EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to")), 1);
  }
}

TEST_F(MysqlLive, MergeLeavesPresentRowsAloneByTheDatabasesOwnEquality) {
  struct Case {
    const char* columns;
    const char* key;
    const char* rows;
    const char* present;  // a row of the target whose key equals one of the source's
  };
  const std::vector<Case> cases = {
      {"a int NOT NULL", "a", "(-1, 'n'), (0, 'n'), (5, 'n')", "(5, 'old')"},
      {"a bigint unsigned NOT NULL", "a",
       "(18446744073709551615, 'n'), (9223372036854775808, 'n'), (5, 'n')",
       "(18446744073709551615, 'old')"},
      {"a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL", "a",
       "('abc', 'n'), ('x', 'n'), ('', 'n')", "('ABC  ', 'old')"},
      {"a varchar(20) CHARACTER SET latin1 NOT NULL", "a",
       "(_latin1 0xE9, 'n'), ('x', 'n'), ('y', 'n')", "(_latin1 0xC9, 'old')"},
      {"a varbinary(20) NOT NULL", "a", "(0x00, 'n'), (0x0000, 'n'), (0xff, 'n')", "(0x00, 'old')"},
      {"a decimal(30,5) NOT NULL", "a", "(99999999999999999999.12345, 'n'), (1, 'n'), (2, 'n')",
       "(99999999999999999999.12345, 'old')"},
      {"a datetime(6) NOT NULL", "a",
       "('2024-01-01 00:00:00.000001', 'n'), ('2024-01-01', 'n'), ('2024-01-02', 'n')",
       "('2024-01-01 00:00:00.000001', 'old')"},
      {"a enum('z','a','b') CHARACTER SET latin1 NOT NULL", "a",
       "('z', 'n'), ('a', 'n'), ('b', 'n')", "('a', 'old')"},
      {"a bit(12) NOT NULL", "a", "(b'1', 'n'), (b'100000001', 'n'), (b'0', 'n')",
       "(b'100000001', 'old')"},
      {"a double NOT NULL", "a", "(0.1, 'n'), (0.3, 'n'), (1e300, 'n')", "(0.1, 'old')"},
  };
  for (const Case& c : cases) {
    run("DROP TABLE IF EXISTS t_from");
    run(fmt::format("CREATE TABLE t_from ({}, v varchar(9), PRIMARY KEY ({})) ENGINE=InnoDB",
                    c.columns, c.key));
    run(fmt::format("INSERT INTO t_from VALUES {}", c.rows));
    for (const RowLayout& layout : source_->layouts(reading("t_from"))) {
      if (layout.format == "cells" && std::string(c.columns).starts_with("a bit"))
        continue;  // opaque has no order
      for (const std::string& path : load_paths()) {
        SCOPED_TRACE(fmt::format("{} {} {}", c.columns, layout.format, path));
        run("DROP TABLE IF EXISTS t_to");
        run("CREATE TABLE t_to LIKE t_from");
        run(fmt::format("INSERT INTO t_to VALUES {}", c.present));
        const LoadCount count = copy("t_from", "t_to", layout, path, LoadMode::merge);
        EXPECT_EQ(count.inserted, 2u);
        EXPECT_EQ(count.present, 1u);
        EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to WHERE v = 'old'")), 1);
        EXPECT_EQ(copy("t_from", "t_to", layout, path, LoadMode::merge).present, 3u);
      }
    }
  }
}

TEST_F(MysqlLive, AFailedLoadIsRolledBackToItsSavepointAndTheTransactionGoesOn) {
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (1), (2), (3), (4)");
  for (const std::string& path : load_paths()) {
    SCOPED_TRACE(path);
    run("DROP TABLE IF EXISTS t_to");
    run("CREATE TABLE t_to LIKE t_from");
    run("INSERT INTO t_to VALUES (3)");
    const auto target = open_target(path);
    Session& there = target->session();
    there.begin();
    int failed = 0;
    for (std::int64_t id = 1; id <= 4; ++id) {
      there.execute("SAVEPOINT one");
      try {
        const auto sink = target->load(writing("t_to"), cells_layout(), LoadMode::direct);
        const KeyRange range{Key{id - 1}, Key{id}};
        const auto rows = source_->read(reading("t_from"), range, cells_layout());
        RowBatch batch;
        while (rows->next(batch)) sink->write(batch);
        sink->finish();
        EXPECT_THROW(there.query("SELECT 1"), Error);  // the sink has the session to itself
      } catch (const Error& error) {
        EXPECT_TRUE(error.duplicate_key()) << error.what();
        ++failed;
        there.execute("ROLLBACK TO SAVEPOINT one");
      }
    }
    there.commit();
    EXPECT_EQ(failed, 1);
    EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to")), 4);
  }
}

TEST_F(MysqlLive, MergeWantsAUniqueIndexOnExactlyTheKey) {
  run("CREATE TABLE t_from (a int NOT NULL, b int NOT NULL, PRIMARY KEY (a, b)) ENGINE=InnoDB");
  const auto target = open_target();
  target->session().begin();
  WriteSpec spec = writing("t_from");
  spec.key.pop_back();
  EXPECT_THROW(target->load(spec, cells_layout(), LoadMode::merge), Error);
}

TEST_F(MysqlLive, ManyRowsOfManySizesArriveOnEveryPath) {
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, v longblob, w varchar(50)) ENGINE=InnoDB");
  const auto target = open_target("insert");
  for (int i = 0; i < 5000; ++i) {
    if (i % 500 == 0) run("START TRANSACTION");
    session().query("INSERT INTO t_from VALUES (?, REPEAT(?, ?), ?)",
                    std::vector<Value>{std::int64_t{i}, Bytes{std::string(1, static_cast<char>(i))},
                                       std::int64_t{i % 1000 == 7 ? 700'000 : i % 97},
                                       std::string(static_cast<std::size_t>(i % 50), 'x')});
    if (i % 500 == 499) run("COMMIT");
  }
  for (const RowLayout& layout : source_->layouts(reading("t_from"))) {
    for (const std::string& path : load_paths()) {
      run("DROP TABLE IF EXISTS t_to");
      run("CREATE TABLE t_to LIKE t_from");
      EXPECT_EQ(copy("t_from", "t_to", layout, path).inserted, 5000u);
      EXPECT_EQ(
          one("SELECT COUNT(*) FROM t_from a JOIN t_to b USING (id) WHERE a.v = b.v AND a.w = b.w"),
          Value(std::int64_t{5000}));
    }
  }
}

TEST_F(MysqlLive, ARowBeyondThePacketIsAnErrorOfThatRowAndNotOfTheSession) {
  run("CREATE TABLE t_to (id int NOT NULL PRIMARY KEY, v longblob) ENGINE=InnoDB");
  const auto target = open_target("insert");
  target->session().begin();
  RowBatch batch;
  batch.set_columns(2);
  batch.push_integer(1);
  batch.push_bytes(std::string(
      static_cast<std::size_t>(as_integer(one("SELECT @@max_allowed_packet"))) + 1, 'x'));
  batch.end_cell_row();
  {
    const auto sink = target->load(writing("t_to"), cells_layout(), LoadMode::direct);
    try {
      sink->write(batch);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      EXPECT_EQ(error.scope(), ErrorScope::statement);
    }
  }
  EXPECT_EQ(target->session().query("SELECT 1").rows.size(), 1u);
}

TEST_F(MysqlLive, ForeignKeysDoNotStopALoadAndAreCheckedWhenTheyAreAdded) {
  run("CREATE TABLE t_parent (id int NOT NULL PRIMARY KEY) ENGINE=InnoDB");
  run("CREATE TABLE t_child (id int NOT NULL PRIMARY KEY, p int, CONSTRAINT t_fk FOREIGN KEY (p) "
      "REFERENCES t_parent (id)) ENGINE=InnoDB");
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, p int) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (1, 99)");
  copy("t_from", "t_child", cells_layout(), "auto");
  run("DROP TABLE t_child");
  run("CREATE TABLE t_child LIKE t_from");
  run("INSERT INTO t_child VALUES (1, 99)");
  const auto target = open_target();
  const ForeignKey key{.name = "t_fk",
                       .columns = {"p"},
                       .referenced_table = {"", "t_parent"},
                       .referenced_columns = {"id"}};
  TableSchema child;
  child.name = {"", "t_child"};
  const std::string ddl = target->session().dialect().add_foreign_key(child, key);
  EXPECT_THROW(target->session().execute(ddl), Error);
  run("INSERT INTO t_parent VALUES (99)");
  target->session().execute(ddl);
  EXPECT_EQ(table("t_child").foreign_keys.size(), 1u);
}

TEST_F(MysqlLive, ColocationCopiesBetweenTwoDatabasesOfOneServer) {
  const std::string other = session().server().database + "_co";
  run("DROP DATABASE IF EXISTS " + other);
  run("CREATE DATABASE " + other + " DEFAULT CHARACTER SET utf8mb4");
  run("CREATE TABLE t_from (a varchar(20) CHARACTER SET latin1 NOT NULL, b int NOT NULL, v double, "
      "PRIMARY KEY (a, b)) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES ('a', 1, 0.1), ('A', 2, NULL), ('b', 1, -0e0), ('c', 1, 1e300)");
  run("CREATE TABLE " + other + ".t_from LIKE t_from");
  run("INSERT INTO " + other + ".t_from VALUES ('B', 1, 42)");
  const auto target = open_target();
  const auto colocation = target->colocate(*source_);
  ASSERT_NE(colocation, nullptr);
  ReadSpec from = reading("t_from");
  WriteSpec to{{other, "t_from"}, from.columns, from.key};
  target->session().begin();
  const KeyRange first{std::nullopt, Key{std::string("A"), std::int64_t{2}}};
  EXPECT_EQ(colocation->copy(from, to, first, LoadMode::direct).inserted, 2u);
  const KeyRange rest{first.upper, std::nullopt};
  EXPECT_THROW(colocation->copy(from, to, rest, LoadMode::direct), Error);
  target->session().rollback();
  target->session().begin();
  from.where = "t_from.b > 0";
  EXPECT_EQ(colocation->copy(from, to, first, LoadMode::merge).inserted, 2u);
  const LoadCount count = colocation->copy(from, to, rest, LoadMode::merge);
  EXPECT_EQ(count.inserted, 1u);
  EXPECT_EQ(count.present, 1u);
  EXPECT_THROW(
      colocation->copy(from, WriteSpec{from.table, from.columns, from.key}, {}, LoadMode::merge),
      Error);
  target->session().commit();
  EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM " + other + ".t_from")), 4);
  run("DROP DATABASE " + other);
}

}  // namespace
}  // namespace migrator::mysql
