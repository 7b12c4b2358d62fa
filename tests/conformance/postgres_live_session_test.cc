// Sessions, transactions, timeouts and cancellation on a real PostgreSQL.
#include "tests/conformance/postgres_live.h"

namespace migrator::postgres {
namespace {

TEST_F(PostgresLive, QueriesGiveTypedValues) {
  const std::vector<Value> parameters{std::int64_t{7},
                                      std::string("Grüße"),
                                      Bytes{std::string("\0\xff", 2)},
                                      Value{},
                                      0.1,
                                      std::uint64_t{18446744073709551615u}};
  const Result result = s().query(
      "SELECT $1::int, $2::text, $3::bytea, $4::int, $5::float8, $6::numeric, true, "
      "'2024-02-29'::date,"
      " '2024-01-01 10:00+02'::timestamptz, 1.5::float4, '1 day'::interval, 'NaN'::float8",
      parameters);
  const std::vector<Value>& row = result.rows.at(0);
  EXPECT_EQ(row[0], Value(std::int64_t{7}));
  EXPECT_EQ(row[1], Value(std::string("Grüße")));
  EXPECT_EQ(row[2], Value(Bytes{std::string("\0\xff", 2)}));
  EXPECT_TRUE(is_null(row[3]));
  EXPECT_EQ(row[4], Value(0.1));
  EXPECT_EQ(row[5], Value(std::string("18446744073709551615")));
  EXPECT_EQ(row[6], Value(std::int64_t{1}));
  EXPECT_EQ(row[7], Value(std::string("2024-02-29")));
  EXPECT_EQ(row[8], Value(std::string("2024-01-01 08:00:00+00")));
  EXPECT_EQ(row[9], Value(1.5));
  EXPECT_EQ(row[10], Value(std::string("P1D")));
  EXPECT_TRUE(std::isnan(std::get<double>(row[11])));
  EXPECT_EQ(s().query("CREATE TABLE q AS SELECT generate_series(1, 5) AS i").affected, 0u);
  EXPECT_EQ(s().query("DELETE FROM q WHERE i > 2").affected, 3u);
  EXPECT_THAT(s().server().product, HasSubstr("PostgreSQL "));
  EXPECT_FALSE(s().server().read_only);
}

TEST_F(PostgresLive, TransactionsCommitAndRollBack) {
  t().execute("CREATE TABLE x (i int PRIMARY KEY)");
  t().begin();
  EXPECT_TRUE(t().in_transaction());
  EXPECT_EQ(error_of([&] { t().begin(); })->kind(), ErrorKind::invariant);
  t().execute("INSERT INTO x VALUES (1)");
  t().rollback();
  EXPECT_FALSE(t().in_transaction());
  EXPECT_EQ(number("SELECT count(*) FROM x"), 0);
  t().begin();
  t().execute("SAVEPOINT a");
  EXPECT_TRUE(error_of([&] { t().execute("INSERT INTO x VALUES (2), (2)"); })->duplicate_key());
  t().execute("ROLLBACK TO SAVEPOINT a");
  t().execute("INSERT INTO x VALUES (3)");
  t().commit();
  EXPECT_EQ(number("SELECT sum(i) FROM x"), 3);
}

TEST_F(PostgresLive, CommitOfAFailedTransactionIsAnError) {
  t().begin();
  EXPECT_TRUE(error_of([&] { t().execute("SELECT 1/0"); }));
  const auto error = error_of([&] { t().commit(); });
  ASSERT_TRUE(error);
  EXPECT_NE(error->kind(), ErrorKind::in_doubt);
  EXPECT_FALSE(t().in_transaction());
}

TEST_F(PostgresLive, ErrorsNeverShowValues) {
  t().execute("CREATE TABLE x (i int PRIMARY KEY, m text CHECK (m <> 'hidden'), n int NOT NULL)");
  t().execute("INSERT INTO x VALUES (4711, 'a', 1)");
  for (const char* sql :
       {"INSERT INTO x VALUES (4711, 'b', 1)", "INSERT INTO x VALUES (1, 'hidden', 1)",
        "INSERT INTO x VALUES (4711, 'hidden', NULL)", "SELECT 'hidden'::int",
        "SELECT '4711-99-99'::date", "SELECT 99994711::int2", "SELECT 'hidden'::jsonb",
        "DO $$BEGIN RAISE 'hidden 4711'; END$$"}) {
    const auto error = error_of([&] { t().execute(sql); });
    ASSERT_TRUE(error) << sql;
    EXPECT_EQ(error->kind(), ErrorKind::data) << sql;
    EXPECT_THAT(error->what(), Not(HasSubstr("hidden")));
    EXPECT_THAT(error->what(), Not(HasSubstr("4711")));
  }
  const auto missing = error_of([&] { t().execute("SELECT * FROM nothing_here"); });
  EXPECT_EQ(missing->kind(), ErrorKind::permanent);
  EXPECT_EQ(missing->code(), "42P01");
}

TEST_F(PostgresLive, AMissingDatabaseIsPermanent) {
  const Url url = Url::parse(server_url());
  const std::string to = "postgresql://" + url.user() +
                         (url.password().empty() ? "" : ":" + url.password()) + "@" + url.host() +
                         ":" + std::to_string(url.port()) + "/no_such_database";
  const auto error = error_of([&] { adapter().open_source(Url::parse(to), {}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::permanent);
  EXPECT_EQ(error->code(), "3D000");
}

TEST_F(PostgresLive, TimeoutsAreTransient) {
  SessionOptions options;
  options.statement_timeout = 200ms;
  options.lock_timeout = 100ms;
  auto other = adapter().open_target(Url::parse(server_url()), options);
  const auto slow = error_of([&] { other->session().execute("SELECT pg_sleep(20)"); });
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->kind(), ErrorKind::transient);
  EXPECT_FALSE(slow->remedy().empty());
  t().execute("CREATE TABLE x (i int)");
  t().begin();
  t().execute("LOCK TABLE x");
  use_schema(other->session());
  const auto locked = error_of([&] { other->session().execute("SELECT * FROM x"); });
  ASSERT_TRUE(locked);
  EXPECT_EQ(locked->kind(), ErrorKind::transient);
  EXPECT_EQ(locked->code(), "55P03");
  t().rollback();
}

TEST_F(PostgresLive, ALostConnectionPoisonsTheSession) {
  t().begin();
  s().query("SELECT pg_terminate_backend(" + std::to_string(backend(t())) + ")");
  const auto error = error_of([&] { t().execute("SELECT 1"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::transient);
  EXPECT_EQ(error->scope(), ErrorScope::session);
  EXPECT_EQ(error_of([&] { t().execute("SELECT 1"); })->scope(), ErrorScope::session);
  t().rollback();
}

TEST_F(PostgresLive, ALostAnswerToCommitIsInDoubt) {
  t().execute("CREATE TABLE x (i int)");
  t().execute(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); "
      "RETURN NULL; "
      "END'");
  t().execute(
      "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON x DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
      "EXECUTE "
      "FUNCTION slow()");
  t().begin();
  t().execute("INSERT INTO x VALUES (1)");
  const std::int64_t pid = backend(t());
  std::optional<Error> error;
  {
    const std::jthread committer([&] { error = error_of([&] { t().commit(); }); });
    EXPECT_TRUE(waits_for(pid, "Timeout"));
    s().query("SELECT pg_terminate_backend(" + std::to_string(pid) + ")");
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::in_doubt);
  EXPECT_EQ(error->scope(), ErrorScope::session);
}

TEST_F(PostgresLive, LoadSeesSessionsThatWaitForLocks) {
  EXPECT_EQ(s().load().lock_waits, 0);
  EXPECT_EQ(s().load().active_sessions, 0);
  EXPECT_FALSE(s().load().replica_lag_seconds);
  t().execute("CREATE TABLE x (i int)");
  t().begin();
  t().execute("LOCK TABLE x");
  SessionOptions named;
  named.application_name = "somebody else";
  auto waiting = adapter().open_target(Url::parse(server_url()), named);
  use_schema(waiting->session());
  const std::int64_t pid = backend(waiting->session());
  const auto canceller = waiting->session().canceller();
  {
    const std::jthread waiter(
        [&] { error_of([&] { waiting->session().execute("SELECT * FROM x"); }); });
    EXPECT_TRUE(waits_for(pid, "Lock"));
    EXPECT_EQ(s().load().lock_waits, 1);
    EXPECT_EQ(s().load().active_sessions, 1);
    canceller->cancel();
  }
  t().rollback();
}

// --- cancellation

class Cancelling : public PostgresLive {
 protected:
  // The error of `work`, which is cancelled once `ready`; and it must end within a second of that.
  std::optional<Error> cancelled(Session& session, const std::function<bool()>& ready,
                                 const std::function<void()>& work) {
    const auto canceller = session.canceller();
    std::optional<Error> error;
    Clock::time_point asked;
    {
      const std::jthread worker([&] { error = error_of(work); });
      EXPECT_TRUE(ready());
      asked = Clock::now();
      canceller->cancel();
    }
    EXPECT_LT(Clock::now() - asked, 1s);
    return error;
  }
};

TEST_F(Cancelling, EndsAStatement) {
  const std::int64_t pid = backend(t());
  const auto error = cancelled(
      t(), [&] { return waits_for(pid, "Timeout"); }, [&] { t().execute("SELECT pg_sleep(30)"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::cancelled);
  EXPECT_NE(error->scope(), ErrorScope::session);
  EXPECT_EQ(as_integer(t().query("SELECT 5").rows.at(0).at(0)), 5);
}

TEST_F(Cancelling, EndsACopyOutInTheMiddle) {
  s().execute("CREATE TABLE x (i int PRIMARY KEY, t text)");
  s().execute("INSERT INTO x SELECT i, repeat('x', 1000) FROM generate_series(1, 200000) i");
  const ReadSpec spec = reading("x");
  std::atomic<bool> reading_now = false;
  const auto error = cancelled(
      s(), [&] { return eventually([&] { return reading_now.load(); }); },
      [&] {
        auto stream = source_->read(spec, {}, source_->layouts(spec).front());
        RowBatch batch;
        while (stream->next(batch)) {
          reading_now = true;
          std::this_thread::sleep_for(2ms);  // slower than the server: it is never done first
        }
      });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::cancelled);
  EXPECT_EQ(number("SELECT 1"), 1);
}

TEST_F(Cancelling, EndsACopyInThatIsBlocked) {
  s().execute("CREATE TABLE x (i int PRIMARY KEY, t text)");
  const WriteSpec spec = writing("x");
  // Another transaction has inserted key 1: the COPY waits for how that ends.
  s().begin();
  s().execute("INSERT INTO x VALUES (1, '')");
  const std::int64_t pid = backend(t());
  t().begin();
  auto watch = adapter().open_source(Url::parse(server_url()), {});
  const auto waits = [&] {
    return eventually([&] {
      return as_integer(
                 watch->session()
                     .query(
                         "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                         "pid = " +
                         std::to_string(pid))
                     .rows.at(0)
                     .at(0)) == 1;
    });
  };
  const auto error = cancelled(t(), waits, [&] {
    auto sink = target_->load(spec, cells_layout(), LoadMode::direct);
    RowBatch batch;
    for (int i = 0; i < 100'000; ++i) {  // far more than the buffers between take
      batch.clear();
      batch.set_columns(2);
      batch.push_integer(i);
      batch.push_text(std::string(1000, 'x'));
      batch.end_cell_row();
      sink->write(batch);
    }
    sink->finish();
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::cancelled);
  t().rollback();
  s().rollback();
  EXPECT_EQ(number("SELECT count(*) FROM x"), 0);
}

TEST_F(Cancelling, LeavesAnIdleSessionAlone) {
  const auto canceller = t().canceller();
  for (int i = 0; i < 50; ++i) {
    canceller->cancel();
    EXPECT_FALSE(error_of([&] { t().execute("SELECT pg_sleep(0.002)"); }));
  }
  target_.reset();
  canceller->cancel();  // outlives its session
}

TEST_F(Cancelling, AnAbandonedStreamLeavesTheSessionUsable) {
  s().execute("CREATE TABLE x (i int PRIMARY KEY, t text)");
  s().execute("INSERT INTO x SELECT i, repeat('x', 1000) FROM generate_series(1, 100000) i");
  const ReadSpec spec = reading("x");
  for (int i = 0; i < 5; ++i) {
    const auto began = Clock::now();
    {
      auto stream = source_->read(spec, {}, source_->layouts(spec).front());
      RowBatch batch;
      EXPECT_TRUE(stream->next(batch));
      EXPECT_EQ(error_of([&] { s().execute("SELECT 1"); })->kind(), ErrorKind::invariant);
    }
    EXPECT_LT(Clock::now() - began, 2s);
    EXPECT_EQ(number("SELECT count(*) FROM x"), 100000);
  }
}

// Passes bytes between a client and the server until it is told to stop doing so, keeping the
// connections.
class StallingProxy {
 public:
  StallingProxy(const std::string& host, int port) : host_(host), port_(port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("cannot listen");
    }
    local_port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  ~StallingProxy() {
    thread_.request_stop();
    thread_.join();
    for (const int fd : ends_) ::close(fd);
    ::close(listener_);
  }
  int port() const { return local_port_; }
  void stall() { stalled_ = true; }

 private:
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::vector<pollfd> waited;
      if (!stalled_) {
        waited.push_back({listener_, POLLIN, 0});
        for (const int fd : ends_) waited.push_back({fd, POLLIN, 0});
      }
      if (::poll(waited.data(), waited.size(), 20) <= 0 || stalled_) continue;
      if (waited[0].revents != 0) join();
      for (std::size_t at = 1; at < waited.size(); ++at) {
        if (waited[at].revents == 0 || waited[at].fd < 0) continue;
        char bytes[65536];
        const auto got = ::read(waited[at].fd, bytes, sizeof bytes);
        const int peer = ends_[(at - 1) ^ 1];
        if (got <= 0 || ::write(peer, bytes, static_cast<std::size_t>(got)) != got) {
          ::shutdown(peer, SHUT_RDWR);
          if (got <= 0) ends_[at - 1] = ::dup(listener_), ::close(waited[at].fd), closed_ = true;
        }
      }
      if (closed_) break;  // one connection at a time is all that the tests make
    }
  }
  void join() {
    const int client = ::accept(listener_, nullptr, nullptr);
    const int server = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    ::inet_pton(AF_INET, host_ == "localhost" ? "127.0.0.1" : host_.c_str(), &address.sin_addr);
    if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
    ends_.push_back(client);
    ends_.push_back(server);
  }

  std::string host_;
  int port_, listener_ = -1, local_port_ = 0;
  std::vector<int> ends_;
  bool closed_ = false;
  std::atomic<bool> stalled_ = false;
  std::jthread thread_;
};

TEST_F(Cancelling, EndsAStatementWhileTheNetworkIsStalled) {
  const Url url = Url::parse(server_url());
  StallingProxy proxy(url.host(), url.port() == 0 ? 5432 : url.port());
  const std::string through = "postgresql://" + url.user() +
                              (url.password().empty() ? "" : ":" + url.password()) +
                              "@127.0.0.1:" + std::to_string(proxy.port()) + "/" + url.database() +
                              "?sslmode=disable" + "&gssencmode=disable";
  {
    auto stalled = adapter().open_target(Url::parse(through), {});
    Session& session = stalled->session();
    const std::int64_t pid = backend(session);
    const auto error = cancelled(
        session,
        [&] {
          const bool there = waits_for(pid, "Timeout");
          proxy.stall();
          return there;
        },
        [&] { session.execute("SELECT pg_sleep(3)"); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::cancelled);
    EXPECT_EQ(error->scope(), ErrorScope::session);
  }
}

}  // namespace
}  // namespace migrator::postgres
