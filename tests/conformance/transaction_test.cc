// Transactions, savepoints, locks.
#include <future>
#include <thread>

#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

using namespace std::chrono_literals;

class Transaction : public Conformance {};

TEST_P(Transaction, CommitMakesRowsVisibleAndRollbackTakesThemBack) {
  make_numbered_table(2);
  const auto target = open_target();
  Session& session = target->session();
  EXPECT_FALSE(session.in_transaction());
  session.begin();
  EXPECT_TRUE(session.in_transaction());
  session.execute("INSERT INTO t VALUES (10, 'x')");
  EXPECT_EQ(count_of("t"), "2");
  session.commit();
  EXPECT_FALSE(session.in_transaction());
  EXPECT_EQ(count_of("t"), "3");
  session.begin();
  session.execute("DELETE FROM t");
  session.rollback();
  EXPECT_FALSE(session.in_transaction());
  EXPECT_EQ(count_of("t"), "3");
}

TEST_P(Transaction, StatementsOutsideOfOneAreCommittedAtOnce) {
  make_numbered_table(0);
  const auto target = open_target();
  target->session().execute("INSERT INTO t VALUES (1, 'x')");
  EXPECT_FALSE(target->session().in_transaction());
  EXPECT_EQ(count_of("t"), "1");
}

TEST_P(Transaction, RollbackOutsideOfOneDoesNothing) {
  const auto target = open_target();
  target->session().rollback();
  target->session().rollback();
  EXPECT_EQ(as_integer(target->session().query("SELECT 1").rows[0][0]), 1);
}

TEST_P(Transaction, IsRolledBackWithItsSession) {
  make_numbered_table(1);
  {
    const auto target = open_target();
    target->session().begin();
    target->session().execute("INSERT INTO t VALUES (10, 'x')");
  }
  EXPECT_TRUE(eventually([&] { return count_of("t") == "1"; }));
  // Nor does it hold a lock any more.
  db.exec("INSERT INTO t VALUES (10, 'y');");
}

TEST_P(Transaction, GoesOnFromASavepointAfterAnError) {
  make_numbered_table(1);
  const auto target = open_target();
  Session& session = target->session();
  session.begin();
  session.execute("INSERT INTO t VALUES (10, 'kept')");
  session.execute("SAVEPOINT one");
  session.execute("INSERT INTO t VALUES (11, 'lost')");
  const auto error =
      expect_error(ErrorKind::data, [&] { session.execute("INSERT INTO t VALUES (1, 'double')"); });
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->duplicate_key());
  EXPECT_NE(error->scope(), ErrorScope::session);
  session.execute("ROLLBACK TO SAVEPOINT one");
  session.execute("INSERT INTO t VALUES (12, 'kept')");
  session.execute("RELEASE SAVEPOINT one");
  EXPECT_TRUE(session.in_transaction());
  session.commit();
  EXPECT_EQ(db.cli("SELECT id FROM t ORDER BY id;"), "1\n10\n12\n");
}

TEST_P(Transaction, SavepointsNest) {
  make_numbered_table(0);
  const auto target = open_target();
  Session& session = target->session();
  session.begin();
  for (const char* statement :
       {"SAVEPOINT a", "INSERT INTO t VALUES (1, '')", "SAVEPOINT b",
        "INSERT INTO t VALUES (2, '')", "ROLLBACK TO SAVEPOINT b", "INSERT INTO t VALUES (3, '')",
        "RELEASE SAVEPOINT b", "ROLLBACK TO SAVEPOINT a", "INSERT INTO t VALUES (4, '')",
        "RELEASE SAVEPOINT a"}) {
    session.execute(statement);
  }
  session.commit();
  EXPECT_EQ(db.cli("SELECT id FROM t;"), "4\n");
}

class ReadCommitted : public Transaction {};

TEST_P(ReadCommitted, SeesWhatOthersCommitMeanwhile) {
  make_numbered_table(1);
  const auto target = open_target();
  Session& session = target->session();
  session.begin();
  EXPECT_EQ(as_integer(session.query("SELECT COUNT(*) FROM t").rows[0][0]), 1);
  db.exec("INSERT INTO t VALUES (2, 'by another');");
  EXPECT_EQ(as_integer(session.query("SELECT COUNT(*) FROM t").rows[0][0]), 2);
  session.commit();
}

TEST_P(Transaction, WaitingForALockEndsAfterTheLockTimeout) {
  make_numbered_table(2);
  const auto holder = open_target();
  holder->session().begin();
  holder->session().execute("UPDATE t SET note = 'held' WHERE id = 1");
  options.lock_timeout = 1000ms;
  const auto waiter = open_target();
  const Stopwatch watch;
  const auto error = expect_error(ErrorKind::transient, [&] {
    waiter->session().begin();
    waiter->session().execute("UPDATE t SET note = 'mine' WHERE id = 1");
  });
  EXPECT_GE(watch.elapsed(), 900ms);
  EXPECT_LT(watch.elapsed(), 4000ms);
  ASSERT_TRUE(error);
  EXPECT_NE(error->scope(), ErrorScope::session);
  waiter->session().rollback();
  holder->session().commit();
  waiter->session().begin();
  waiter->session().execute("UPDATE t SET note = 'mine' WHERE id = 1");
  waiter->session().commit();
  EXPECT_EQ(db.value("SELECT note FROM t WHERE id = 1;"), "mine");
}

TEST_P(Transaction, RowLockKeepsOthersOut) {
  make_numbered_table(2);
  const auto holder = open_target();
  holder->session().begin();
  holder->session().query("SELECT id FROM t WHERE id = 1" +
                          std::string(dialect().row_lock().empty() ? "" : " ") +
                          std::string(dialect().row_lock()));
  options.lock_timeout = 1000ms;
  const auto waiter = open_target();
  expect_error(ErrorKind::transient, [&] {
    waiter->session().begin();
    waiter->session().execute("UPDATE t SET note = 'mine' WHERE id = 1");
  });
}

class RowLocks : public Transaction {};

TEST_P(RowLocks, ALockWaitIsSeenInTheLoad) {
  make_numbered_table(2);
  const auto holder = open_target();
  const auto waiter = open_target();
  const auto watcher = open_source();
  holder->session().begin();
  holder->session().execute("UPDATE t SET note = 'held' WHERE id = 1");
  std::jthread waiting([&] {
    waiter->session().begin();
    waiter->session().execute("UPDATE t SET note = 'mine' WHERE id = 1");
    waiter->session().commit();
  });
  const bool seen = eventually([&] {
    const LoadSample sample = watcher->session().load();
    return sample.lock_waits && *sample.lock_waits >= 1;
  });
  holder->session().commit();
  EXPECT_TRUE(seen);
}

TEST_P(RowLocks, ADeadlockIsTransient) {
  make_numbered_table(2);
  const auto first = open_target(), second = open_target();
  first->session().begin();
  second->session().begin();
  first->session().execute("UPDATE t SET note = 'a' WHERE id = 1");
  second->session().execute("UPDATE t SET note = 'b' WHERE id = 2");
  const auto outcome = [](Session& session, const char* statement) -> std::optional<Error> {
    try {
      session.execute(statement);
      return std::nullopt;
    } catch (const Error& error) {
      session.rollback();
      return error;
    }
  };
  auto other = std::async(std::launch::async, [&] {
    return outcome(first->session(), "UPDATE t SET note = 'a' WHERE id = 2");
  });
  const auto mine = outcome(second->session(), "UPDATE t SET note = 'b' WHERE id = 1");
  const auto theirs = other.get();
  ASSERT_NE(mine.has_value(), theirs.has_value()) << "one of the two must be the victim";
  const Error& error = mine ? *mine : *theirs;
  EXPECT_EQ(name(error.kind()), name(ErrorKind::transient)) << all_text(error);
  EXPECT_EQ(error.scope(), ErrorScope::transaction);
}

MIGRATOR_CONFORMANCE_SUITE(Transaction);
MIGRATOR_CONFORMANCE_SUITE_WHERE(RowLocks,
                                 [](const Quirks& quirks) { return quirks.has_row_locks; });
MIGRATOR_CONFORMANCE_SUITE_WHERE(ReadCommitted,
                                 [](const Quirks& quirks) { return quirks.read_committed; });

}  // namespace
}  // namespace migrator::test
