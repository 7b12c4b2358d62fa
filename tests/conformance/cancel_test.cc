// What stops a statement: the canceller, deadlines, and a killed session.
#include <thread>

#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

using namespace std::chrono_literals;

class Cancel : public Conformance {
 protected:
  // Runs the action while another thread cancels it after a short while; returns how long it went
  // on.
  std::chrono::milliseconds cancelled_after(const std::shared_ptr<Canceller>& canceller,
                                            const std::function<void()>& action) {
    std::optional<Stopwatch> since_cancel;
    std::jthread other([&] {
      std::this_thread::sleep_for(300ms);
      since_cancel.emplace();
      canceller->cancel();
    });
    expect_error(ErrorKind::cancelled, action);
    other.join();
    return since_cancel->elapsed();
  }
  void expect_usable(Session& session) {
    EXPECT_EQ(as_integer(session.query("SELECT 1").rows[0][0]), 1);
  }
};

TEST_P(Cancel, StopsALongStatementWithinASecond) {
  const auto source = open_source();
  Session& session = source->session();
  for (int round = 0; round < 3; ++round) {
    EXPECT_LT(cancelled_after(session.canceller(), [&] { session.query(quirks.endless_query); }),
              1000ms);
    expect_usable(session);
  }
}

TEST_P(Cancel, StopsAReadThatIsBlockedOnTheServer) {
  make_numbered_table(3000);
  const auto source = open_source();
  ReadSpec spec = read_spec(table(source->session(), "t"));
  spec.where = quirks.slow_condition;
  // The first batch would take a minute.
  const auto took = cancelled_after(source->session().canceller(), [&] {
    const auto stream = source->read(spec, {}, source->layouts(spec).front());
    RowBatch batch;
    while (stream->next(batch)) {
    }
  });
  EXPECT_LT(took, 1000ms);
  expect_usable(source->session());
  spec.where.clear();
  EXPECT_EQ(read_rows(*source, spec).size(), 3000u);
}

TEST_P(Cancel, StopsAWaitForALock) {
  make_numbered_table(2);
  const auto holder = open_target();
  holder->session().begin();
  holder->session().execute("UPDATE t SET note = 'held' WHERE id = 1");
  options.lock_timeout = 30s;
  const auto waiter = open_target();
  const auto took = cancelled_after(waiter->session().canceller(), [&] {
    waiter->session().begin();
    waiter->session().execute("UPDATE t SET note = 'mine' WHERE id = 1");
  });
  EXPECT_LT(took, 1000ms);
  waiter->session().rollback();
  expect_usable(waiter->session());
}

class CancelRowLocks : public Cancel {};

TEST_P(CancelRowLocks, StopsALoadThatWaitsForALock) {
  make_numbered_table(0);
  const auto holder = open_target();
  holder->session().begin();
  holder->session().execute("INSERT INTO t VALUES (1, 'held')");
  options.lock_timeout = 30s;
  const auto target = open_target();
  const WriteSpec spec = write_spec(table(target->session(), "t"));
  target->session().begin();
  const auto took = cancelled_after(target->session().canceller(), [&] {
    load_rows(*target, spec, {{std::int64_t{1}, std::string("mine")}});
  });
  EXPECT_LT(took, 1000ms);
  target->session().rollback();
  expect_usable(target->session());
}

TEST_P(Cancel, DoesNotDisturbAnIdleSession) {
  const auto source = open_source();
  const auto canceller = source->session().canceller();
  for (int round = 0; round < 20; ++round) {
    canceller->cancel();
    ASSERT_NO_THROW(expect_usable(source->session())) << "round " << round;
  }
}

TEST_P(Cancel, OutlivesItsSession) {
  auto source = open_source();
  const auto canceller = source->session().canceller();
  source.reset();
  canceller->cancel();
  canceller->cancel();
}

TEST_P(Cancel, StatementTimeoutStopsAStatement) {
  options.statement_timeout = 700ms;
  const auto source = open_source();
  const Stopwatch watch;
  const auto error = error_of([&] { source->session().query(quirks.endless_query); });
  EXPECT_GE(watch.elapsed(), 600ms);
  EXPECT_LT(watch.elapsed(), 3000ms);
  ASSERT_TRUE(error);
  // A deadline stopped it; a smaller piece of work may succeed.
  EXPECT_TRUE(error->kind() == ErrorKind::cancelled || error->kind() == ErrorKind::transient)
      << name(error->kind()) << ": " << all_text(*error);
  EXPECT_NE(error->scope(), ErrorScope::session);
  expect_usable(source->session());
}

TEST_P(Cancel, StatementTimeoutLeavesQuickStatementsAlone) {
  options.statement_timeout = 700ms;
  const auto source = open_source();
  const Stopwatch watch;
  while (watch.elapsed() < 1500ms) {
    expect_usable(source->session());
    std::this_thread::sleep_for(100ms);
  }
}

class KilledSession : public Cancel {};

TEST_P(KilledSession, AKilledSessionIsTransientAndSaysThatTheSessionIsLost) {
  const auto source = open_source();
  Session& session = source->session();
  const std::string number =
      std::to_string(as_integer(session.query(quirks.own_session_query).rows[0][0]));
  std::string kill = quirks.kill_statement;
  db.exec(kill.replace(kill.find("{}"), 2, number) + ";");
  std::optional<Error> error;
  // The server may need a moment.
  EXPECT_TRUE(eventually([&] {
    try {
      session.query("SELECT 1");
      return false;
    } catch (const Error& thrown) {
      error = thrown;
      return true;
    }
  }));
  ASSERT_TRUE(error);
  EXPECT_EQ(name(error->kind()), name(ErrorKind::transient)) << all_text(*error);
  EXPECT_EQ(error->scope(), ErrorScope::session);
  session.canceller()->cancel();
}

TEST_P(KilledSession, ASessionKilledInATransactionRollsBack) {
  make_numbered_table(1);
  const auto target = open_target();
  Session& session = target->session();
  session.begin();
  session.execute("INSERT INTO t VALUES (2, 'lost')");
  const std::string number =
      std::to_string(as_integer(session.query(quirks.own_session_query).rows[0][0]));
  std::string kill = quirks.kill_statement;
  db.exec(kill.replace(kill.find("{}"), 2, number) + ";");
  const auto error = error_of([&] {
    const Stopwatch watch;
    while (watch.elapsed() < 10s) session.execute("UPDATE t SET note = 'x' WHERE id = 1");
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->scope(), ErrorScope::session);
  session.rollback();
  EXPECT_TRUE(eventually([&] { return db.value("SELECT COUNT(*) FROM t;") == "1"; }));
}

TEST_P(Cancel, AnAbandonedStreamLeavesTheSessionUsable) {
  make_numbered_table(3000);
  // About 60 MB, so that the rest is far more than any buffer.
  db.exec(quirks.engine == Engine::mysql      ? "UPDATE t SET note = REPEAT('x', 20000);"
          : quirks.engine == Engine::postgres ? "UPDATE t SET note = repeat('x', 20000);"
                                              : "UPDATE t SET note = printf('%.20000c', 'x');");
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "t"));
  for (const RowLayout& layout : source->layouts(spec)) {
    const Stopwatch watch;
    {
      const auto stream = source->read(spec, {}, layout);
      RowBatch batch;
      ASSERT_TRUE(stream->next(batch)) << layout.format;
    }
    expect_usable(source->session());
    { const auto unread = source->read(spec, {}, layout); }
    expect_usable(source->session());
    EXPECT_LT(watch.elapsed(), 5000ms) << layout.format;
  }
  EXPECT_EQ(source->count(spec, {}), 3000u);
}

TEST_P(Cancel, NothingElseRunsWhileAStreamIsOpen) {
  make_numbered_table(100);
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "t"));
  {
    const auto stream = source->read(spec, {}, cells_layout());
    expect_error(ErrorKind::invariant, [&] { source->session().query("SELECT 1"); });
    expect_error(ErrorKind::invariant, [&] { source->read(spec, {}, cells_layout()); });
    EXPECT_EQ(drain(*stream, 2).size(), 100u);
  }
  expect_usable(source->session());
}

MIGRATOR_CONFORMANCE_SUITE(Cancel);
MIGRATOR_CONFORMANCE_SUITE_WHERE(KilledSession,
                                 [](const Quirks& quirks) { return quirks.has_server; });
MIGRATOR_CONFORMANCE_SUITE_WHERE(CancelRowLocks,
                                 [](const Quirks& quirks) { return quirks.has_row_locks; });

}  // namespace
}  // namespace migrator::test
