// Sessions, transactions, timeouts and cancellation on a real server.
#include "tests/conformance/mysql_live.h"

namespace migrator::mysql {
namespace {

TEST_F(MysqlLive, CancelStopsAQueryAndAStreamWithinASecond) {
  run("CREATE TABLE t_big (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, v varchar(200)) "
      "ENGINE=InnoDB");
  run("INSERT INTO t_big (v) VALUES (REPEAT('x', 200)), (REPEAT('y', 200))");
  for (int i = 0; i < 15; ++i) run("INSERT INTO t_big (v) SELECT v FROM t_big");
  const auto cancelled_within = [&](const std::function<void()>& work) {
    std::atomic<bool> ended = false;
    const auto canceller = session().canceller();
    steady_clock::time_point asked;
    std::thread other([&] {
      std::this_thread::sleep_for(milliseconds(300));
      asked = steady_clock::now();
      while (!ended) {
        canceller->cancel();
        std::this_thread::sleep_for(milliseconds(20));
      }
    });
    try {
      work();
      ADD_FAILURE() << "was not cancelled";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::cancelled) << error.what();
    }
    const auto took = steady_clock::now();
    ended = true;
    other.join();
    EXPECT_LT(took - asked, std::chrono::seconds(1));
    // Idle, it is not disturbed.
    canceller->cancel();
    EXPECT_EQ(session().query("SELECT 1").rows.size(), 1u);
  };
  cancelled_within([&] {
    session().query("SELECT COUNT(*) FROM t_big a, t_big b, t_big c WHERE a.v < b.v AND b.v < c.v");
  });
  cancelled_within([&] {
    ReadSpec spec = reading("t_big");
    spec.where = "SLEEP(0.001) = 0";
    const auto rows = source_->read(spec, {}, cells_layout());
    RowBatch batch;
    while (rows->next(batch)) {
    }
  });
}

TEST_F(MysqlLive, AStreamLeftEarlyLeavesTheSessionUsable) {
  run("CREATE TABLE t_big (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, v varchar(200)) "
      "ENGINE=InnoDB");
  run("INSERT INTO t_big (v) VALUES (REPEAT('x', 200)), (REPEAT('y', 200))");
  for (int i = 0; i < 14; ++i) run("INSERT INTO t_big (v) SELECT v FROM t_big");
  const auto rows_all = static_cast<std::uint64_t>(as_integer(one("SELECT COUNT(*) FROM t_big")));
  for (int i = 0; i < 20; ++i) {
    RowBatch batch;
    {
      const auto rows = source_->read(reading("t_big"), {}, cells_layout());
      ASSERT_TRUE(rows->next(batch));
      EXPECT_THROW(session().query("SELECT 1"), Error);  // the stream has the session to itself
    }
    EXPECT_EQ(source_->count(reading("t_big"), {}), rows_all);
  }
}

TEST_F(MysqlLive, TheStatementTimeoutIsTransientAndLeavesTheSession) {
  SessionOptions options;
  options.statement_timeout = milliseconds(300);
  const auto source = open_source(options);
  const auto begun = steady_clock::now();
  try {
    source->session().query(
        "SELECT COUNT(*) FROM information_schema.COLLATIONS a, information_schema.COLLATIONS b, "
        "information_schema.COLLATIONS c, information_schema.COLLATIONS d WHERE a.COLLATION_NAME < "
        "d.COLLATION_NAME");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::transient) << error.what();
    EXPECT_EQ(error.scope(), ErrorScope::statement);
  }
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(3));
  EXPECT_EQ(source->session().query("SELECT 1").rows.size(), 1u);
}

TEST_F(MysqlLive, ALockIsWaitedForNoLongerThanAsked) {
  run("CREATE TABLE t_key (id int NOT NULL PRIMARY KEY, v int) ENGINE=InnoDB");
  run("INSERT INTO t_key VALUES (1, 1)");
  SessionOptions options;
  options.lock_timeout = milliseconds(1000);
  const auto other = open_target("auto", options);
  session().begin();
  session().query("SELECT * FROM t_key WHERE id = 1 FOR UPDATE");
  other->session().begin();
  try {
    other->session().query("SELECT * FROM t_key WHERE id = 1 FOR UPDATE");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::transient);
    EXPECT_EQ(error.scope(), ErrorScope::statement);
  }
  other->session().rollback();
  session().rollback();
}

TEST_F(MysqlLive, ADeadlockEndsTheTransactionAndIsNotUsedOn) {
  run("CREATE TABLE t_key (id int NOT NULL PRIMARY KEY, v int) ENGINE=InnoDB");
  run("INSERT INTO t_key VALUES (1, 1), (2, 1)");
  const auto a = open_target(), b = open_target();
  a->session().begin();
  b->session().begin();
  a->session().query("UPDATE t_key SET v = 2 WHERE id = 1");
  b->session().query("UPDATE t_key SET v = 2 WHERE id = 2");
  std::atomic<int> deadlocks = 0;
  const auto cross = [&](Session& s, int id) {
    try {
      s.query(fmt::format("UPDATE t_key SET v = 3 WHERE id = {}", id));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::transient);
      EXPECT_EQ(error.scope(), ErrorScope::transaction);
      ++deadlocks;
      EXPECT_THROW(s.query("INSERT INTO t_key VALUES (9, 9)"), Error);  // would commit by itself
      s.rollback();
    }
  };
  std::thread other([&] { cross(b->session(), 1); });
  cross(a->session(), 2);
  other.join();
  EXPECT_EQ(deadlocks, 1);
  a->session().rollback();
  b->session().rollback();
  EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_key")), 2);
}

TEST_F(MysqlLive, ALostConnectionAtCommitIsInDoubt) {
  run("CREATE TABLE t_key (id int NOT NULL PRIMARY KEY) ENGINE=InnoDB");
  const auto target = open_target();
  const std::int64_t id = as_integer(target->session().query("SELECT CONNECTION_ID()").rows[0][0]);
  target->session().begin();
  target->session().query("INSERT INTO t_key VALUES (1)");
  run(fmt::format("KILL {}", id));
  try {
    target->session().commit();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::in_doubt) << error.what();
    EXPECT_EQ(error.scope(), ErrorScope::session);
  }
}

TEST_F(MysqlLive, PreparedAndPlainQueriesGiveTheSameValues) {
  run("CREATE TABLE t_v (i int, u int unsigned, b bigint unsigned, d double, n decimal(20,5), t "
      "varchar(20), x varbinary(20), "
      "dt datetime(6), da date, ti time(3), y year, bi bit(9), bl longblob) ENGINE=InnoDB DEFAULT "
      "CHARSET=utf8mb4");
  run("INSERT INTO t_v VALUES (-1, 4294967295, 18446744073709551615, 0.1, 12345678901234.50000, "
      "'text', 0x00ff, "
      "'2024-02-29 01:02:03.000004', '2024-02-29', '-12:00:00.5', 2024, b'100000001', REPEAT('x', "
      "100000))");
  const auto plain = session().query("SELECT * FROM t_v");
  const auto prepared =
      session().query("SELECT * FROM t_v WHERE i = ?", std::vector<Value>{std::int64_t{-1}});
  EXPECT_EQ(plain.columns, prepared.columns);
  EXPECT_EQ(plain.rows, prepared.rows);
  const std::vector<Value>& row = plain.rows.at(0);
  EXPECT_EQ(row[1], Value(std::uint64_t{4294967295}));
  EXPECT_EQ(row[4], Value(std::string("12345678901234.50000")));
  EXPECT_EQ(row[6], Value(Bytes{std::string("\0\xff", 2)}));
  EXPECT_EQ(row[7], Value(std::string("2024-02-29 01:02:03.000004")));
  EXPECT_EQ(row[11], Value(std::uint64_t{257}));
  const auto back = session().query(
      "SELECT ?, ?, ?, ?, ?",
      std::vector<Value>{std::int64_t{-5}, std::string("é"), Bytes{"a"}, Value(), 1.5});
  EXPECT_EQ(as_integer(back.rows[0][0]), -5);
  EXPECT_EQ(as_text(back.rows[0][1]), "é");
  EXPECT_TRUE(is_null(back.rows[0][3]));
}

TEST_F(MysqlLive, LoadIsSampledWithoutPrivilegesToo) {
  const LoadSample sample = session().load();
  EXPECT_TRUE(sample.active_sessions);
  EXPECT_TRUE(sample.lock_waits);
}

TEST_F(MysqlLive, TheSessionIsStrictInUtcAndSaysWhatTheServerIs) {
  EXPECT_EQ(as_text(one("SELECT @@session.time_zone")), "+00:00");
  EXPECT_NE(as_text(one("SELECT @@session.sql_mode")).find("STRICT_ALL_TABLES"), std::string::npos);
  EXPECT_EQ(as_text(one("SELECT @@session.character_set_client")), "utf8mb4");
  EXPECT_FALSE(session().server().read_only);
  EXPECT_GT(session().server().version, 50000);
  EXPECT_EQ(as_integer(one("SELECT @@session.foreign_key_checks")), 1);
}

TEST_F(MysqlLive, WrongPasswordsAndNamesSayWhatToDo) {
  const Url url = Url::parse(live_url());
  const auto kind_of = [](const std::string& text) {
    try {
      open_source({}, text);
    } catch (const Error& error) {
      EXPECT_FALSE(error.remedy().empty()) << error.what();
      EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos);
      return error.kind();
    }
    return ErrorKind::invariant;
  };
  EXPECT_EQ(kind_of(fmt::format("mysql://nobody_such:hunter2@{}:{}/x", url.host(), url.port())),
            ErrorKind::permanent);
  EXPECT_EQ(kind_of(fmt::format("mysql://u:hunter2@{}:1/x", url.host())), ErrorKind::transient);
  EXPECT_EQ(kind_of(with_parameter(live_url(), "sockt=/x")), ErrorKind::usage);
}

}  // namespace
}  // namespace migrator::mysql
