// SQLite sessions: opening, transactions, locks, cancellation, a full disk.
#include "tests/unit/sqlite_fixture.h"

namespace migrator {
namespace {

TEST_F(SqliteTest, SourceThatDoesNotExistIsAnErrorAndIsNotMade) {
  for (const char* parameters : {"", "?mode=rw", "?mode=rwc", "?mode=ro"}) {
    const Error error = caught([&] { source("none.db", parameters); });
    EXPECT_EQ(error.kind(), ErrorKind::permanent);
    EXPECT_FALSE(error.remedy().empty());
    EXPECT_FALSE(std::filesystem::exists(path("none.db")));
  }
  EXPECT_EQ(caught([&] { target("none.db", "?mode=ro"); }).kind(), ErrorKind::permanent);
  EXPECT_FALSE(std::filesystem::exists(path("none.db")));
}

TEST_F(SqliteTest, TargetIsMadeInWalModeWithNeitherForeignKeysNorTrust) {
  const auto database = target("new.db");
  Session& session = database->session();
  EXPECT_EQ(one(session, "PRAGMA journal_mode"), R"(["wal"])");
  EXPECT_EQ(one(session, "PRAGMA synchronous"), "[1]");
  EXPECT_EQ(one(session, "PRAGMA foreign_keys"), "[0]");
  EXPECT_EQ(one(session, "PRAGMA trusted_schema"), "[0]");
  EXPECT_EQ(session.server().product, std::string("SQLite ") + sqlite3_libversion());
  EXPECT_FALSE(session.server().read_only);
  EXPECT_EQ(session.server().version / 10000, 3);
}

TEST_F(SqliteTest, JournalModeIsTheUrlsForTargetsAndUntouchedForSources) {
  {
    const auto database = target("a.db", "?journal_mode=delete");
    EXPECT_EQ(one(database->session(), "PRAGMA journal_mode"), R"(["delete"])");
    database->session().execute("CREATE TABLE t(a)");
  }
  const auto reader = source("a.db");
  EXPECT_EQ(one(reader->session(), "PRAGMA journal_mode"), R"(["delete"])");
  EXPECT_EQ(caught([&] { target("a.db", "?journal_mode=off"); }).kind(), ErrorKind::usage);
  EXPECT_EQ(caught([&] { target("a.db", "?colour=red"); }).kind(), ErrorKind::usage);
}

TEST_F(SqliteTest, NamesWithOddCharactersAreOpened) {
  const std::string odd = "a b#c%41é'\".db";
  {
    const auto database = adapter().open_target(
        Url::parse("sqlite:" + path("a%20b%23c%2541%C3%A9'%22.db")), SessionOptions{});
    database->session().execute("CREATE TABLE t(a)");
  }
  EXPECT_TRUE(std::filesystem::exists(path(odd)));
}

TEST_F(SqliteTest, ReadOnlyFilesSaySoAndRefuseWrites) {
  make("a.db", {"CREATE TABLE t(a INTEGER PRIMARY KEY)"});
  const auto reader = source("a.db", "?mode=ro");
  EXPECT_TRUE(reader->session().server().read_only);
  const Error error = caught([&] { reader->session().execute("INSERT INTO t VALUES(1)"); });
  EXPECT_EQ(error.kind(), ErrorKind::permanent);
  EXPECT_EQ(error.code(), std::to_string(SQLITE_READONLY));
  reader->session().begin();  // a snapshot
  EXPECT_TRUE(reader->session().in_transaction());
  reader->session().commit();
}

TEST_F(SqliteTest, FilesThatAreNoDatabaseAreNamed) {
  std::ofstream(path("text.db")) << std::string(5000, 'x');
  const Error error = caught([&] { source("text.db"); });
  EXPECT_EQ(error.kind(), ErrorKind::permanent);
  EXPECT_EQ(error.code(), std::to_string(SQLITE_NOTADB));
  EXPECT_THAT(error.what(), HasSubstr("text.db"));
  EXPECT_FALSE(error.remedy().empty());
  EXPECT_EQ(caught([&] { target("no/such/folder.db"); }).code(), std::to_string(SQLITE_CANTOPEN));
}

TEST_F(SqliteTest, QueryBindsAndReturnsEveryStorageClass) {
  const auto database = target("a.db");
  Session& session = database->session();
  session.execute("CREATE TABLE t(a)");
  const std::vector<Value> values{std::monostate{},
                                  std::numeric_limits<std::int64_t>::min(),
                                  std::numeric_limits<std::int64_t>::max(),
                                  -0.5,
                                  std::string("a\0b", 3),
                                  std::string(),
                                  Bytes{std::string("\0\xff", 2)},
                                  Bytes{}};
  for (const Value& value : values) {
    const std::vector<Value> parameters{value};
    EXPECT_EQ(session.query("INSERT INTO t VALUES(?)", parameters).affected, 1u);
  }
  const Result result = session.query("SELECT a FROM t ORDER BY rowid");
  ASSERT_EQ(result.rows.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(result.rows[i][0], values[i]) << i;
  EXPECT_EQ(result.affected, 0u);
  EXPECT_EQ(session.query("UPDATE t SET a = 1 WHERE rowid < 4").affected, 3u);
  EXPECT_EQ(session.query("DELETE FROM t WHERE rowid > 99").affected, 0u);
  const std::vector<Value> nan{std::nan("")};
  EXPECT_EQ(caught([&] { session.query("INSERT INTO t VALUES(?)", nan); }).kind(), ErrorKind::data);
  EXPECT_EQ(caught([&] { session.query("INSERT INTO t VALUES(?)"); }).kind(), ErrorKind::invariant);
  EXPECT_EQ(caught([&] { session.query("SELECT 1; SELECT 2"); }).kind(), ErrorKind::invariant);
  EXPECT_NO_THROW(session.execute("SELECT 1; -- that is all\n"));
  EXPECT_EQ(caught([&] { session.execute("SELECT * FROM nowhere"); }).kind(), ErrorKind::permanent);
}

TEST_F(SqliteTest, BeginTakesTheWriteLockAndWaitsForItUpToTheLockTimeout) {
  const auto first = target("a.db");
  SessionOptions options;
  options.lock_timeout = milliseconds(150);
  const auto second = target("a.db", "", options);
  first->session().begin();
  const auto start = Clock::now();
  const Error error = caught([&] { second->session().begin(); });
  const auto waited = Clock::now() - start;
  EXPECT_EQ(error.kind(), ErrorKind::transient);
  EXPECT_GE(waited, milliseconds(140));
  EXPECT_LT(waited, milliseconds(5000));
  EXPECT_FALSE(second->session().in_transaction());
  first->session().rollback();
  second->session().begin();
  second->session().commit();
  EXPECT_EQ(caught([&] { second->session().commit(); }).kind(), ErrorKind::invariant);
}

TEST_F(SqliteTest, SavepointsRollBackAPart) {
  const auto database = target("a.db");
  Session& session = database->session();
  session.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)");
  session.begin();
  session.execute("INSERT INTO t VALUES(1)");
  session.execute("SAVEPOINT x");
  session.execute("INSERT INTO t VALUES(2)");
  session.execute("ROLLBACK TO SAVEPOINT x");
  session.execute("RELEASE SAVEPOINT x");
  EXPECT_TRUE(session.in_transaction());
  session.commit();
  EXPECT_EQ(one(session, "SELECT group_concat(a) FROM t"), R"(["1"])");
}

constexpr const char* kEndless =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

TEST_F(SqliteTest, CancellerStopsAStatementWithinASecond) {
  const auto database = target("a.db");
  Session& session = database->session();
  const auto canceller = session.canceller();
  canceller->cancel();  // idle: no effect
  EXPECT_EQ(one(session, "SELECT 1"), "[1]");
  std::atomic<bool> done = false;
  std::jthread other([&] {
    // Until it has taken effect: the first may come before the statement.
    while (!done) {
      canceller->cancel();
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  const auto start = Clock::now();
  const Error error = caught([&] { session.execute(kEndless); });
  done = true;
  other.join();
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_LT(Clock::now() - start, milliseconds(1000));
  EXPECT_EQ(one(session, "SELECT 1"), "[1]");
}

TEST_F(SqliteTest, CancellerStopsTheWaitForALock) {
  const auto first = target("a.db");
  const auto second = target("a.db");
  first->session().begin();
  const auto canceller = second->session().canceller();
  std::atomic<bool> done = false;
  std::jthread other([&] {
    while (!done) {
      canceller->cancel();
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  const auto start = Clock::now();
  const Error error = caught([&] { second->session().begin(); });
  done = true;
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_LT(Clock::now() - start, milliseconds(1000));
  first->session().rollback();
}

TEST_F(SqliteTest, CancellerOutlivesItsSession) {
  std::shared_ptr<Canceller> canceller;
  {
    const auto database = target("a.db");
    canceller = database->session().canceller();
  }
  canceller->cancel();
}

TEST_F(SqliteTest, CancelledWriteSaysThatTheTransactionIsLost) {
  const auto database = target("a.db");
  Session& session = database->session();
  session.execute("CREATE TABLE t(a)");
  session.begin();
  session.execute("INSERT INTO t VALUES(1)");
  const auto canceller = session.canceller();
  std::atomic<bool> done = false;
  std::jthread other([&] {
    while (!done) {
      canceller->cancel();
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  const Error error = caught([&] {
    session.execute(
        "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n "
        "FROM c");
  });
  done = true;
  other.join();
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_EQ(error.scope() == ErrorScope::transaction, !session.in_transaction());
  session.rollback();
  EXPECT_EQ(one(session, "SELECT count(*) FROM t"), "[0]");
}

TEST_F(SqliteTest, StatementTimeoutStopsALongStatement) {
  SessionOptions options;
  options.statement_timeout = milliseconds(50);
  const auto database = target("a.db", "", options);
  const Error error = caught([&] { database->session().execute(kEndless); });
  EXPECT_EQ(error.kind(), ErrorKind::transient);
  EXPECT_THAT(error.what(), HasSubstr("statement timeout"));
  EXPECT_EQ(one(database->session(), "SELECT 1"), "[1]");
}

TEST_F(SqliteTest, FullDiskIsPermanentAndLosesOnlyTheTransaction) {
  const auto database = target("a.db");
  Session& session = database->session();
  session.execute("CREATE TABLE t(a)");
  session.execute("PRAGMA max_page_count = 10");
  session.begin();
  const Error error = caught([&] {
    for (int i = 0; i < 100; ++i) session.execute("INSERT INTO t VALUES(zeroblob(4000))");
  });
  EXPECT_EQ(error.kind(), ErrorKind::permanent);
  EXPECT_EQ(error.code(), std::to_string(SQLITE_FULL));
  EXPECT_EQ(error.scope() == ErrorScope::transaction, !session.in_transaction());
  session.rollback();
  EXPECT_EQ(one(session, "SELECT count(*) FROM t"), "[0]");
}

}  // namespace
}  // namespace migrator
