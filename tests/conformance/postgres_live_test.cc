// What only a real PostgreSQL can show of its backend, beyond the conformance suite that all
// engines pass. The server's URL comes from the environment variable MIGRATOR_TEST_POSTGRES_URL;
// its user may create schemas. Every test works in a schema of its own.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/codec.h"
#include "adapters/postgres/adapter.h"
#include "adapters/postgres/connection.h"
#include "adapters/postgres/session.h"

namespace migrator::postgres {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Clock = std::chrono::steady_clock;

std::string server_url() {
  const char* url = std::getenv("MIGRATOR_TEST_POSTGRES_URL");
  if (!url)
    throw std::runtime_error("MIGRATOR_TEST_POSTGRES_URL is not set: these tests need a server");
  return url;
}

// Waits for a condition; false if it has not come true in time.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s) {
  const auto until = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

std::optional<Error> error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return {};
}

class PostgresLive : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    schema_ = std::string("live_") + info->name();
    source_ = adapter().open_source(Url::parse(server_url()), {});
    target_ = adapter().open_target(Url::parse(server_url()), {});
    s().execute("DROP SCHEMA IF EXISTS \"" + schema_ + "\" CASCADE");
    s().execute("CREATE SCHEMA \"" + schema_ + "\"");
    use_schema(s());
    use_schema(t());
  }
  void TearDown() override {
    if (!source_) return;
    target_.reset();
    source_.reset();
    adapter()
        .open_source(Url::parse(server_url()), {})
        ->session()
        .execute("DROP SCHEMA IF EXISTS \"" + schema_ + "\" CASCADE");
  }

  void use_schema(Session& session) { session.execute("SET search_path = \"" + schema_ + "\""); }
  Session& s() { return source_->session(); }
  Session& t() { return target_->session(); }
  std::int64_t number(const std::string& sql) {
    return as_integer(s().query(sql).rows.at(0).at(0));
  }

  const TableSchema& described(const std::string& table) {
    catalog_ = s().catalog();
    const TableSchema* found = catalog_.find_table({"", table});
    if (!found) throw std::runtime_error("no table " + table);
    return *found;
  }
  static std::vector<Column> columns_of(const TableSchema& table,
                                        const std::vector<std::string>& names) {
    std::vector<Column> columns;
    for (const std::string& name : names) columns.push_back(*table.find_column(name));
    return columns;
  }
  ReadSpec reading(const std::string& table) {
    const TableSchema& schema = described(table);
    ReadSpec spec{schema.name, {}, columns_of(schema, schema.primary_key), ""};
    for (const Column& column : schema.columns) {
      if (!column.generated) spec.columns.push_back(column);
    }
    return spec;
  }
  WriteSpec writing(const std::string& table) {
    const ReadSpec spec = reading(table);
    return {spec.table, spec.columns, spec.key};
  }

  LoadCount copy(const ReadSpec& from, const WriteSpec& to, const RowLayout& layout,
                 LoadMode mode = LoadMode::direct, const KeyRange& range = {}) {
    t().begin();
    LoadCount count;
    {
      auto sink = target_->load(to, layout, mode);
      auto stream = source_->read(from, range, layout);
      RowBatch batch;
      while (stream->next(batch)) sink->write(batch);
      count = sink->finish();
    }
    t().commit();
    return count;
  }
  // Rows in which the two tables differ, by their text.
  std::int64_t differences(const std::string& a, const std::string& b) {
    const auto rows = [](const std::string& table) {
      return "SELECT whole_row::text FROM " + table + " whole_row";
    };
    return number("SELECT count(*) FROM ((" + rows(a) + " EXCEPT ALL " + rows(b) + ") UNION ALL (" +
                  rows(b) + " EXCEPT ALL " + rows(a) + ")) d");
  }
  RowLayout layout_of(const ReadSpec& spec, const std::string& format) {
    for (const RowLayout& layout : source_->layouts(spec)) {
      if (layout.format == format) return layout;
    }
    throw std::runtime_error("no layout " + format);
  }
  // Until the session with this backend waits for something of the kind.
  bool waits_for(std::int64_t pid, const std::string& kind) {
    return eventually([&] {
      return number("SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(pid) +
                    " AND wait_event_type = '" + kind + "'") == 1;
    });
  }
  static std::int64_t backend(Session& session) {
    return as_integer(session.query("SELECT pg_backend_pid()").rows.at(0).at(0));
  }

  std::string schema_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Target> target_;
  Catalog catalog_;
};

// --- sessions

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

// --- catalog

TEST_F(PostgresLive, CatalogTellsEverything) {
  for (const char* sql :
       {"CREATE TYPE mood AS ENUM ('sad', 'happy')",
        "CREATE DOMAIN email AS varchar(80) CHECK (value ~ '@')",
        "CREATE DOMAIN tags AS text[]",
        "CREATE TABLE customers (id serial PRIMARY KEY, mail email NOT NULL UNIQUE, mood mood "
        "DEFAULT 'sad',"
        " name varchar(40) COLLATE \"C\", big numeric(12,2), tags tags)",
        "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, customer int, at "
        "timestamptz(3) DEFAULT"
        " now(), qty int CHECK (qty > 0), twice int GENERATED ALWAYS AS (qty * 2) STORED, PRIMARY "
        "KEY"
        " (customer, id), FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE "
        "DEFERRABLE)",
        "CREATE INDEX orders_at ON orders (at DESC, qty)",
        "CREATE INDEX orders_part ON orders (qty) WHERE qty > 5",
        "CREATE INDEX orders_expr ON orders ((qty + 1))",
        "CREATE UNIQUE INDEX orders_incl ON orders (qty) INCLUDE (at)",
        "CREATE INDEX orders_ops ON customers (name text_pattern_ops)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER tr BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TABLE part (k int PRIMARY KEY, v text) PARTITION BY RANGE (k)",
        "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200)",
        "INSERT INTO part SELECT i, 'x' FROM generate_series(0, 199) i",
        "ANALYZE part",
        "CREATE TABLE base (i int)",
        "CREATE TABLE child () INHERITS (base)",
        "CREATE UNLOGGED TABLE ul (i int)",
        "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE SEQUENCE free",
        "CREATE TABLE shared (i int DEFAULT nextval('free'))",
        "CREATE TABLE _migrator_x (i int)",
        "ALTER TABLE ul ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE ex (r int4range, EXCLUDE USING gist (r WITH &&))",
        "CREATE TABLE \"Odd \"\"Name\" (\"A b\" int)"}) {
    s().execute(sql);
  }
  const Catalog catalog = s().catalog();
  std::vector<std::string> names;
  for (const TableSchema& table : catalog.tables) names.push_back(table.name.text());
  EXPECT_THAT(names, ElementsAre("Odd \"Name", "base", "child", "customers", "ex", "orders", "part",
                                 "shared", "ul"));

  const TableSchema& customers = *catalog.find_table({"", "customers"});
  EXPECT_TRUE(customers.find_column("id")->identity);
  EXPECT_FALSE(customers.find_column("id")->default_sql);
  EXPECT_EQ(customers.find_column("mail")->native_type, "email");
  EXPECT_EQ(customers.find_column("mail")->type, (Type{TypeKind::text, 80}));
  EXPECT_FALSE(customers.find_column("mail")->nullable);
  EXPECT_THAT(customers.find_column("mood")->enum_values, ElementsAre("sad", "happy"));
  EXPECT_EQ(customers.find_column("mood")->type.kind, TypeKind::text);
  EXPECT_EQ(customers.find_column("mood")->default_sql, "'sad'::mood");
  EXPECT_EQ(customers.find_column("name")->collation, "C");
  EXPECT_EQ(customers.find_column("mail")->collation, "");
  EXPECT_EQ(customers.find_column("big")->native_type, "numeric(12,2)");
  EXPECT_EQ(customers.find_column("tags")->type.kind, TypeKind::opaque);
  ASSERT_EQ(customers.indexes.size(), 2u);
  EXPECT_EQ(customers.indexes[0].name, "customers_mail_key");
  EXPECT_TRUE(customers.indexes[0].unique && customers.indexes[0].plain);
  EXPECT_FALSE(customers.indexes[1].plain);

  const TableSchema& orders = *catalog.find_table({"", "orders"});
  EXPECT_THAT(orders.primary_key, ElementsAre("customer", "id"));
  EXPECT_TRUE(orders.find_column("id")->identity_always);
  EXPECT_EQ(orders.find_column("at")->type, (Type{TypeKind::timestamptz, 0, 3}));
  EXPECT_EQ(orders.find_column("at")->default_sql, "now()");
  EXPECT_TRUE(orders.find_column("twice")->generated);
  EXPECT_EQ(orders.find_column("twice")->generated_sql, "(qty * 2)");
  ASSERT_EQ(orders.foreign_keys.size(), 1u);
  EXPECT_EQ(orders.foreign_keys[0].referenced_table, (TableName{"", "customers"}));
  EXPECT_EQ(orders.foreign_keys[0].on_delete, "CASCADE");
  EXPECT_TRUE(orders.foreign_keys[0].deferrable);
  ASSERT_EQ(orders.checks.size(), 1u);
  EXPECT_EQ(orders.checks[0].sql, "(qty > 0)");
  ASSERT_EQ(orders.triggers.size(), 1u);
  EXPECT_EQ(orders.triggers[0].description, "BEFORE INSERT OR UPDATE");
  ASSERT_EQ(orders.indexes.size(), 4u);
  EXPECT_EQ(orders.indexes[0].name, "orders_at");
  EXPECT_TRUE(orders.indexes[0].plain);
  EXPECT_THAT(orders.indexes[0].descending, ElementsAre(true, false));
  for (std::size_t at = 1; at < 4; ++at)
    EXPECT_FALSE(orders.indexes[at].plain) << orders.indexes[at].name;

  const TableSchema& part = *catalog.find_table({"", "part"});
  EXPECT_TRUE(part.partitioned);
  EXPECT_EQ(part.rows_estimate, 200u);
  EXPECT_GT(part.bytes_estimate, 0u);
  EXPECT_THAT(part.not_carried, ElementsAre(HasSubstr("PARTITION BY RANGE (k)")));
  EXPECT_THAT(catalog.find_table({"", "base"})->not_carried, ElementsAre(HasSubstr("inheritance")));
  EXPECT_THAT(catalog.find_table({"", "child"})->not_carried,
              ElementsAre(HasSubstr("inheritance")));
  EXPECT_THAT(catalog.find_table({"", "ul"})->not_carried, ElementsAre("row security", "unlogged"));
  EXPECT_THAT(catalog.find_table({"", "ex"})->not_carried, ElementsAre(HasSubstr("exclusion")));
  EXPECT_EQ(catalog.find_table({"", "shared"})->columns[0].identity, false);
  EXPECT_TRUE(catalog.find_table({"", "shared"})->columns[0].default_sql);
  EXPECT_THAT(catalog.not_carried, Contains("view v"));
  EXPECT_THAT(catalog.not_carried, Contains("function f"));
  EXPECT_THAT(catalog.not_carried, Contains("sequence free"));
  EXPECT_THAT(catalog.not_carried, Contains("domain email"));
  EXPECT_THAT(catalog.not_carried, Not(Contains(HasSubstr("customers_id_seq"))));

  // By its name, the schema is in every table's.
  const Catalog named = t().catalog(schema_);
  EXPECT_TRUE(named.find_table({schema_, "orders"}));
  EXPECT_EQ(named.find_table({schema_, "orders"})->foreign_keys[0].referenced_table.schema,
            schema_);
  EXPECT_THAT(t().catalog("no_such_schema").tables, IsEmpty());
}

TEST_F(PostgresLive, ItsOwnDdlMakesTheSameTableAgain) {
  s().execute("CREATE TYPE mood AS ENUM ('sad', 'it''s')");
  s().execute("CREATE TABLE p (id int PRIMARY KEY)");
  s().execute(
      "CREATE TABLE a (id bigserial PRIMARY KEY, m mood DEFAULT 'sad', n numeric(5,2) NOT NULL "
      "CHECK (n > 0),"
      " g int GENERATED ALWAYS AS (id + 1) STORED, t text COLLATE \"C\", p int REFERENCES p ON "
      "DELETE SET NULL,"
      " x timestamp(2) DEFAULT CURRENT_TIMESTAMP)");
  s().execute("CREATE UNIQUE INDEX a_t ON a (t DESC, n)");
  s().execute("CREATE INDEX a_lower ON a (lower(t)) WHERE n > 5");
  TableSchema table = described("a");
  for (Column& column : table.columns)
    column = t().dialect().map_column(column, Engine::postgres).column;
  s().execute("ALTER TABLE a RENAME TO a_old");
  s().execute("ALTER TABLE a_old RENAME CONSTRAINT a_p_fkey TO old_fkey");
  s().execute("DROP INDEX a_t, a_lower");
  for (const std::string& sql : t().dialect().create_table(table)) t().execute(sql);
  for (const Index& index : table.indexes) t().execute(t().dialect().create_index(table, index));
  for (const ForeignKey& key : table.foreign_keys)
    t().execute(t().dialect().add_foreign_key(table, key));
  t().execute("INSERT INTO a (id, n) VALUES (41, 1)");
  for (const std::string& sql : t().dialect().after_load(table)) t().execute(sql);
  t().execute("INSERT INTO a (n) VALUES (2)");
  EXPECT_EQ(number("SELECT max(id) FROM a"), 42);
  for (const std::string& sql : t().dialect().after_load(table)) t().execute(sql);
  EXPECT_EQ(number("SELECT nextval(pg_get_serial_sequence('a', 'id'))"), 43);
  const TableSchema again = described("a");
  ASSERT_EQ(again.columns.size(), table.columns.size());
  for (std::size_t at = 0; at < table.columns.size(); ++at) {
    const Column &was = table.columns[at], &is = again.columns[at];
    EXPECT_EQ(is.native_type, was.native_type);
    EXPECT_EQ(is.default_sql, was.default_sql) << is.name;
    EXPECT_EQ(is.nullable, was.nullable) << is.name;
    EXPECT_EQ(is.generated_sql, was.generated_sql);
    EXPECT_EQ(is.identity, was.identity);
    EXPECT_EQ(is.collation, was.collation);
  }
  EXPECT_EQ(again.primary_key, table.primary_key);
  ASSERT_EQ(again.indexes.size(), 2u);
  for (std::size_t at = 0; at < 2; ++at)
    EXPECT_EQ(again.indexes[at].definition, table.indexes[at].definition);
  ASSERT_EQ(again.foreign_keys.size(), 1u);
  EXPECT_EQ(again.foreign_keys[0].on_delete, "SET NULL");
}

// --- rows

const char* const kManyTypes =
    "(id bigint PRIMARY KEY, b bool, i2 int2, i4 int4, f4 real, f8 float8, n numeric, n2 "
    "numeric(12,4), t text,"
    " v varchar(20), c char(5), by bytea, d date, ti time, ts timestamp, tz timestamptz(3), j "
    "json, jb jsonb,"
    " u uuid)";
const char* const kManyRows =
    " VALUES (-9223372036854775808, true, -32768, -2147483648, 'NaN', '-0', 'NaN', -0.5, '', '', "
    "'', '\\x', "
    "'0001-01-01', '00:00', '0044-03-15 10:00 BC', '1970-01-01 00:00:00Z', '{}', '{}', "
    "'00000000-0000-0000-0000-000000000000'),"
    "(0, false, 0, 0, 'Infinity', '-Infinity', 123456789012345678901234567890.0123456789, "
    "12345678.1234,"
    " E'tab\\tnew\\nline\\\\back\\r', E'\\\\N', 'ab', '\\x00ff5c0a', '9999-12-31', '24:00', "
    "'294246-12-31 23:59:59.999999', '2024-02-29 12:34:56.789Z', '{\"a\" : [1, null]}', '{\"b\": "
    "1.50}', "
    "'550e8400-e29b-41d4-a716-446655440000'),"
    "(1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
    "NULL, NULL, "
    "NULL),"
    "(9223372036854775807, true, 32767, 2147483647, 1.17549435e-38, 5e-324, "
    "0.000000000000000000001, 0.1, "
    "'Grüße 🎉', 'äöü', 'x', '\\xdeadbeef', '2000-01-01', '13:05:09.000123', '2000-01-01', "
    "'1969-12-31 "
    "23:59:59.999Z', '1', 'null', 'ffffffff-ffff-ffff-ffff-ffffffffffff')";

TEST_F(PostgresLive, EveryLayoutCarriesEveryValue) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + kManyTypes);
  s().execute(std::string("INSERT INTO a") + kManyRows);
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  for (const RowLayout& layout : source_->layouts(from)) {
    t().execute("TRUNCATE b");
    EXPECT_EQ(copy(from, to, layout).inserted, 4u) << layout.format;
    EXPECT_EQ(differences("a", "b"), 0) << layout.format;
    EXPECT_EQ(number("SELECT count(*) FROM b WHERE f8 = 0 AND f8::text = '-0'"), 1)
        << layout.format;
  }
}

TEST_F(PostgresLive, OpaqueTypesTravelAsWireOrAsText) {
  s().execute("CREATE TYPE mood AS ENUM ('sad', 'happy')");
  s().execute("CREATE TYPE pair AS (a int, b text)");
  s().execute("CREATE DOMAIN docs AS jsonb");
  for (const char* table : {"a", "b"}) {
    s().execute(
        std::string("CREATE TABLE ") + table +
        " (id int PRIMARY KEY, m mood, p pair, r int4range, i inet, ia int[], ta text[], iv "
        "interval,"
        " mo money, x xml, bi bit(3), o oid, d docs, pt point, tsv tsvector, \"c\" \"char\")");
  }
  s().execute(
      "INSERT INTO a VALUES (1, 'happy', '(1,\"a \\\\ \"\"b\"\"\")', '[1,5)', '10.0.0.1/8', "
      "'{{1,2},{3,NULL}}',"
      " E'{\"a\\tb\",NULL,\"\\\\\\\\\"}', '1 mon -3 days 04:05:06.789', 12.34, '<a>b</a>', '101', "
      "4294967295,"
      " '{\"a\":1}', '(1.5,-2)', 'a:1 b:2', 'z')");
  s().execute("INSERT INTO a (id) VALUES (2)");
  const ReadSpec from = reading("a");
  for (const RowLayout& layout : source_->layouts(from)) {
    EXPECT_NE(layout.format, "pgcopy-binary");
    t().execute("TRUNCATE b");
    EXPECT_EQ(copy(from, writing("b"), layout).inserted, 2u) << layout.format;
    EXPECT_EQ(differences("a", "b"), 0) << layout.format;
  }
}

TEST_F(PostgresLive, CellsAreWhatTheNeutralTypesSay) {
  s().execute(
      "CREATE TABLE a (i int PRIMARY KEY, d date, t time, ts timestamp, n numeric(9,3), b bool, u "
      "uuid, f real)");
  s().execute(
      "INSERT INTO a VALUES (7, '1970-01-02', '00:00:01', '1969-12-31 23:59:59', 1.5, true, "
      "'01020304-0506-0708-090a-0b0c0d0e0f10', 0.1)");
  const ReadSpec spec = reading("a");
  auto stream = source_->read(spec, {}, cells_layout());
  RowBatch batch;
  ASSERT_TRUE(stream->next(batch));
  ASSERT_EQ(batch.rows(), 1u);
  const Cell* row = batch.row(0);
  EXPECT_EQ(row[0].integer, 7);
  EXPECT_EQ(row[1].integer, 1);
  EXPECT_EQ(row[2].integer, kMicrosPerSecond);
  EXPECT_EQ(row[3].integer, -kMicrosPerSecond);
  EXPECT_EQ(batch.bytes_of(row[4]), "1.500");
  EXPECT_EQ(row[5].integer, 1);
  EXPECT_EQ(batch.bytes_of(row[6]).substr(0, 4), "\1\2\3\4");
  EXPECT_EQ(row[7].real, static_cast<double>(0.1F));
  EXPECT_FALSE(stream->next(batch));
  EXPECT_TRUE(batch.empty());
}

TEST_F(PostgresLive, InfiniteDatesHaveNoCellButTravelAsWire) {
  for (const char* table : {"a", "b"}) {
    s().execute(std::string("CREATE TABLE ") + table +
                " (i int PRIMARY KEY, d date, t timestamptz)");
  }
  s().execute("INSERT INTO a VALUES (1, 'infinity', '-infinity')");
  const ReadSpec spec = reading("a");
  copy(spec, writing("b"), layout_of(spec, "pgcopy-binary"));
  EXPECT_EQ(differences("a", "b"), 0);
  const auto error = error_of([&] {
    auto stream = source_->read(spec, {}, cells_layout());
    RowBatch batch;
    stream->next(batch);
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::data);
  EXPECT_EQ(number("SELECT 1"), 1);  // the session is usable again
}

TEST_F(PostgresLive, EmptyTablesAndHugeRows) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + " (i int PRIMARY KEY, t text)");
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  for (const RowLayout& layout : source_->layouts(from)) {
    EXPECT_EQ(copy(from, to, layout).inserted, 0u) << layout.format;
  }
  EXPECT_FALSE(source_->nth_key(from, {}, 1));
  EXPECT_FALSE(source_->last_key(from));
  EXPECT_TRUE(source_->explain(from).by_index);
  s().execute("INSERT INTO a SELECT i, repeat('x', 5000000) FROM generate_series(1, 3) i");
  for (const RowLayout& layout : source_->layouts(from)) {
    t().execute("TRUNCATE b");
    EXPECT_EQ(copy(from, to, layout).inserted, 3u) << layout.format;
    EXPECT_EQ(differences("a", "b"), 0) << layout.format;
  }
}

TEST_F(PostgresLive, AChangedColumnIsNoticed) {
  s().execute("CREATE TABLE a (i int PRIMARY KEY, f int8)");
  const ReadSpec spec = reading("a");
  s().execute("ALTER TABLE a ALTER f TYPE float8");
  const auto error = error_of([&] { source_->read(spec, {}, cells_layout()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::permanent);
}

TEST_F(PostgresLive, RowsOfChildTablesAreNotReadWithTheirParent) {
  s().execute("CREATE TABLE base (i int PRIMARY KEY)");
  s().execute("CREATE TABLE child () INHERITS (base)");
  s().execute("INSERT INTO base VALUES (1), (2)");
  s().execute("INSERT INTO child VALUES (1), (3)");
  EXPECT_EQ(source_->count(reading("base"), {}), 2u);
  EXPECT_EQ(source_->last_key(reading("base")), (Key{std::int64_t{2}}));
  s().execute("CREATE TABLE part (i int PRIMARY KEY) PARTITION BY RANGE (i)");
  s().execute("CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10)");
  s().execute("CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20)");
  s().execute("INSERT INTO part SELECT generate_series(0, 19)");
  EXPECT_EQ(source_->count(reading("part"), {}), 20u);
  EXPECT_TRUE(source_->explain(reading("part")).by_index);
}

TEST_F(PostgresLive, RowSecurityIsAnErrorAndNeverAFilter) {
  s().execute("CREATE TABLE a (i int PRIMARY KEY)");
  s().execute("INSERT INTO a VALUES (1), (2)");
  s().execute("ALTER TABLE a ENABLE ROW LEVEL SECURITY");
  s().execute("DROP ROLE IF EXISTS live_plain");
  s().execute("CREATE ROLE live_plain");
  s().execute("GRANT USAGE ON SCHEMA \"" + schema_ + "\" TO live_plain");
  s().execute("GRANT SELECT ON a TO live_plain");
  const ReadSpec spec = reading("a");
  s().execute("SET ROLE live_plain");
  const auto error = error_of([&] { source_->count(spec, {}); });
  EXPECT_EQ(s().load().active_sessions.has_value(), true);  // decided when the session began
  s().execute("RESET ROLE");
  s().execute("DROP OWNED BY live_plain");
  s().execute("DROP ROLE live_plain");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), "42501");
}

// --- keys

// Walks the table in chunks of `size` and expects each row once.
void walk(Source& source, const ReadSpec& spec, std::uint64_t size, std::uint64_t expected) {
  KeyRange range;
  std::uint64_t rows = 0;
  std::set<std::string> seen;
  while (true) {
    range.upper = source.nth_key(spec, {range.lower, {}}, size);
    if (range.upper) {
      EXPECT_EQ(source.count(spec, range), size);
    }
    auto stream = source.read(spec, range, source.layouts(spec).front());
    RowBatch batch;
    std::uint64_t here = 0;
    while (stream->next(batch)) {
      for (std::size_t row = 0; row < batch.rows(); ++row) seen.emplace(batch.wire_row(row));
      here += batch.rows();
    }
    if (range.upper) {
      EXPECT_EQ(here, size) << describe(range);
    }
    rows += here;
    if (!range.upper) break;
    // The bound itself lies in its range, also after it has been stored.
    EXPECT_EQ(encode_key(decode_key(encode_key(*range.upper))), encode_key(*range.upper));
    EXPECT_EQ(encode_key(source.nth_key(spec, range, size).value()), encode_key(*range.upper));
    EXPECT_FALSE(source.nth_key(spec, range, size + 1));
    range.lower = range.upper;
  }
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(seen.size(), expected);
}

TEST_F(PostgresLive, KeysOfEveryTypeAreWalkedWithoutGaps) {
  const std::pair<const char*, const char*> keys[] = {
      {"int8",
       "SELECT i FROM generate_series(-50, 49) i UNION ALL VALUES (-9223372036854775808), "
       "(9223372036854775807)"},
      {"int2", "SELECT i::int2 FROM generate_series(-51, 50) i"},
      {"numeric(30,5)", "SELECT i / 7.0 FROM generate_series(-51, 50) i"},
      {"float8",
       "SELECT i / 7.0 FROM generate_series(-50, 49) i UNION ALL VALUES ('NaN'::float8), "
       "('-Infinity')"},
      {"real", "SELECT i / 7.0 FROM generate_series(-51, 50) i"},
      {"text",
       "SELECT CASE i % 3 WHEN 0 THEN 'A' WHEN 1 THEN 'a' ELSE E'\\\\ä''' END || i FROM "
       "generate_series(1, 102) i"},
      {"varchar(5)", "SELECT 'v' || i FROM generate_series(1, 102) i"},
      {"char(7)", "SELECT 'c' || i FROM generate_series(1, 102) i"},
      {"bytea", "SELECT decode(lpad(to_hex(i * 2), 4, '0'), 'hex') FROM generate_series(1, 102) i"},
      {"uuid", "SELECT md5(i::text)::uuid FROM generate_series(1, 102) i"},
      {"date",
       "SELECT '2000-01-01'::date + i FROM generate_series(1, 100) i UNION ALL VALUES "
       "('infinity'::date), ('-infinity')"},
      {"timestamptz", "SELECT now() + i * interval '1 us' FROM generate_series(1, 102) i"},
      {"timestamp(0)",
       "SELECT '2000-01-01'::timestamp + i * interval '1 s' FROM generate_series(1, 102) i"},
      {"interval", "SELECT i * interval '1 s' FROM generate_series(-51, 50) i"},
      {"inet", "SELECT '10.0.0.0'::inet + i FROM generate_series(1, 102) i"},
      {"time", "SELECT '00:00'::time + i * interval '1 s' FROM generate_series(1, 102) i"},
      {"bit(8)", "SELECT i::bit(8) FROM generate_series(1, 102) i"}};
  int table = 0;
  for (const auto& [type, rows] : keys) {
    SCOPED_TRACE(type);
    const std::string name = "k" + std::to_string(++table);
    s().execute("CREATE TABLE " + name + " (k " + type + " PRIMARY KEY)");
    s().execute("INSERT INTO " + name + " " + rows);
    const ReadSpec spec = reading(name);
    for (const std::uint64_t size : {1u, 7u, 102u, 103u}) walk(*source_, spec, size, 102);
    EXPECT_TRUE(source_->explain(spec).by_index);
    const auto last = source_->last_key(spec);
    ASSERT_TRUE(last);
    EXPECT_EQ(encode_key(source_->nth_key(spec, {}, 102).value()), encode_key(*last));
  }
}

TEST_F(PostgresLive, CompositeAndCollatedKeysAreWalkedByTheirIndex) {
  s().execute("CREATE TYPE mood AS ENUM ('z', 'm', 'a')");
  s().execute(
      "CREATE TABLE a (x text COLLATE \"en-x-icu\", m mood, y int DEFAULT 5, pad text, PRIMARY KEY "
      "(x, m, y))");
  s().execute(
      "INSERT INTO a SELECT chr(97 + i % 5), (ARRAY['z','m','a'])[1 + i % 3]::mood, i, repeat('p', "
      "200)"
      " FROM generate_series(1, 3000) i");
  ReadSpec spec = reading("a");
  // Never analysed, and still not a scan of all rows a chunk.
  EXPECT_TRUE(source_->explain(spec).by_index) << source_->explain(spec).description;
  for (const std::uint64_t size : {1000u, 700u, 99u}) walk(*source_, spec, size, 3000);
  spec.key = columns_of(described("a"), {"y"});
  EXPECT_FALSE(source_->explain(spec).by_index);
}

TEST_F(PostgresLive, TheConditionHoldsForRowsButNotForKeys) {
  s().execute("CREATE TABLE a (i int PRIMARY KEY)");
  s().execute("INSERT INTO a SELECT generate_series(1, 100)");
  ReadSpec spec = reading("a");
  spec.where = "i % 2 = 0 OR i = 1 -- odd";
  EXPECT_EQ(source_->count(spec, {Key{std::int64_t{1}}, Key{std::int64_t{10}}}), 5u);
  EXPECT_EQ(source_->nth_key(spec, {}, 10), (Key{std::int64_t{10}}));
  auto stream = source_->read(spec, {{}, Key{std::int64_t{10}}}, cells_layout());
  RowBatch batch;
  ASSERT_TRUE(stream->next(batch));
  EXPECT_EQ(batch.rows(), 6u);
  EXPECT_FALSE(stream->next(batch));
}

TEST_F(PostgresLive, CanonicalOrderIsByBytes) {
  s().execute("CREATE TABLE a (t text COLLATE \"en-x-icu\" PRIMARY KEY)");
  s().execute("INSERT INTO a VALUES ('b'), ('B'), ('a'), ('ä'), ('Z'), (''), ('🎉'), (U&'\\FFFD')");
  const ReadSpec spec = reading("a");
  auto stream = source_->read(spec, {}, cells_layout(), ReadOrder::canonical);
  RowBatch batch;
  ASSERT_TRUE(stream->next(batch));
  std::vector<std::string> texts;
  for (std::size_t row = 0; row < batch.rows(); ++row)
    texts.emplace_back(batch.bytes_of(batch.row(row)[0]));
  EXPECT_TRUE(std::is_sorted(texts.begin(), texts.end()));
  EXPECT_EQ(texts.size(), 8u);
}

// --- loading

TEST_F(PostgresLive, MergeInsertsOnlyAbsentKeys) {
  for (const char* table : {"a", "b"}) {
    s().execute(
        std::string("CREATE TABLE ") + table +
        " (id bigint GENERATED ALWAYS AS IDENTITY, k text, v text UNIQUE, PRIMARY KEY (k, id))");
  }
  s().execute(
      "INSERT INTO a OVERRIDING SYSTEM VALUE SELECT i, 'k', 'v' || i FROM generate_series(1, 1000) "
      "i");
  s().execute(
      "INSERT INTO b OVERRIDING SYSTEM VALUE SELECT i, 'k', 'kept' || i FROM generate_series(500, "
      "600) i");
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  for (const RowLayout& layout : source_->layouts(from)) {
    t().execute("DELETE FROM b WHERE v NOT LIKE 'kept%'");
    const LoadCount count = copy(from, to, layout, LoadMode::merge);
    EXPECT_EQ(count.inserted, 899u);
    EXPECT_EQ(count.present, 101u);
    EXPECT_EQ(number("SELECT count(*) FROM b WHERE v LIKE 'kept%'"), 101);
    EXPECT_EQ(number("SELECT count(*) FROM b"), 1000);
  }
  const LoadCount again = copy(from, to, cells_layout(), LoadMode::merge);
  EXPECT_EQ(again.inserted, 0u);
  EXPECT_EQ(again.present, 1000u);
}

TEST_F(PostgresLive, AConflictWithAnotherKeyIsNeverSwallowed) {
  for (const char* table : {"a", "b"}) {
    s().execute(std::string("CREATE TABLE ") + table + " (id int PRIMARY KEY, v text UNIQUE)");
  }
  s().execute("INSERT INTO a VALUES (1, 'x')");
  s().execute("INSERT INTO b VALUES (2, 'x')");
  for (const LoadMode mode : {LoadMode::merge, LoadMode::direct}) {
    const auto error = error_of([&] { copy(reading("a"), writing("b"), cells_layout(), mode); });
    t().rollback();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::data);
    EXPECT_TRUE(error->duplicate_key());
    EXPECT_EQ(error->table(), "b");
  }
}

TEST_F(PostgresLive, DirectLoadFailsOnADuplicateAndMergeAfterTheSavepointWorks) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + " (id int PRIMARY KEY)");
  s().execute("INSERT INTO a SELECT generate_series(1, 10)");
  s().execute("INSERT INTO b VALUES (5)");
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  t().begin();
  for (int i = 0; i < 3; ++i) {
    t().execute("SAVEPOINT load");
    for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
      auto sink = target_->load(to, cells_layout(), mode);
      auto stream = source_->read(from, {}, cells_layout());
      RowBatch batch;
      while (stream->next(batch)) sink->write(batch);
      if (mode == LoadMode::direct) {
        const auto error = error_of([&] { sink->finish(); });
        ASSERT_TRUE(error);
        EXPECT_TRUE(error->duplicate_key());
        sink.reset();
        t().execute("ROLLBACK TO SAVEPOINT load");
      } else {
        EXPECT_EQ(sink->finish().present, i == 0 ? 1u : 10u);
      }
    }
  }
  t().commit();
  EXPECT_EQ(number("SELECT count(*) FROM b"), 10);
}

TEST_F(PostgresLive, MergeWaitsForAConcurrentWriterOfTheSameKey) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + " (id int PRIMARY KEY, v text)");
  s().execute("INSERT INTO a VALUES (1, 'copied')");
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  auto writer = adapter().open_target(Url::parse(server_url()), {});
  use_schema(writer->session());
  writer->session().begin();
  writer->session().execute("INSERT INTO b VALUES (1, 'live')");
  const std::int64_t pid = backend(t());
  LoadCount count;
  {
    const std::jthread merger([&] {
      EXPECT_FALSE(error_of([&] { count = copy(from, to, cells_layout(), LoadMode::merge); }));
    });
    EXPECT_TRUE(eventually([&] {
      return as_integer(writer->session()
                            .query("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " +
                                   std::to_string(pid))
                            .rows.at(0)
                            .at(0)) == 1;
    }));
    writer->session().commit();
  }
  EXPECT_EQ(count.present, 1u);
  EXPECT_EQ(number("SELECT count(*) FROM b WHERE v = 'live'"), 1);
}

TEST_F(PostgresLive, MergeNeedsAUniqueIndexOnTheKeyAndTakesADeferrableOne) {
  s().execute("CREATE TABLE a (id int PRIMARY KEY, v int)");
  s().execute("INSERT INTO a SELECT i, i FROM generate_series(1, 10) i");
  s().execute("CREATE TABLE b (id int, v int, UNIQUE (id, v))");
  WriteSpec to = writing("b");
  to.key = {to.columns[0]};
  auto error = error_of([&] { copy(reading("a"), to, cells_layout(), LoadMode::merge); });
  t().rollback();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::permanent);
  s().execute("ALTER TABLE b ADD UNIQUE (id) DEFERRABLE");
  s().execute("INSERT INTO b VALUES (3, 0)");
  EXPECT_EQ(copy(reading("a"), to, cells_layout(), LoadMode::merge).inserted, 9u);
}

TEST_F(PostgresLive, KeysThatTheTargetHoldsEqualAreNotSwallowed) {
  s().execute(
      "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
  s().execute("CREATE TABLE a (k text PRIMARY KEY)");
  s().execute("CREATE TABLE b (k text COLLATE blind PRIMARY KEY)");
  s().execute("INSERT INTO a VALUES ('a'), ('A')");
  const auto error =
      error_of([&] { copy(reading("a"), writing("b"), cells_layout(), LoadMode::merge); });
  t().rollback();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::data);
  EXPECT_TRUE(error->duplicate_key());
}

TEST_F(PostgresLive, RowsThatATriggerThrowsAwayAreMissed) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + " (id int PRIMARY KEY)");
  s().execute("INSERT INTO a SELECT generate_series(1, 10)");
  s().execute(
      "CREATE FUNCTION drop5() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 5 THEN "
      "RETURN NULL; END "
      "IF; RETURN NEW; END'");
  s().execute("CREATE TRIGGER drop5 BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION drop5()");
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    const auto error = error_of([&] { copy(reading("a"), writing("b"), cells_layout(), mode); });
    t().rollback();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::data);
  }
  auto colocation = target_->colocate(*source_);
  ASSERT_TRUE(colocation);
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    t().begin();
    EXPECT_TRUE(error_of([&] { colocation->copy(reading("a"), writing("b"), {}, mode); }));
    t().rollback();
  }
}

TEST_F(PostgresLive, AnUnfinishedLoadLeavesNothing) {
  s().execute("CREATE TABLE b (id int PRIMARY KEY)");
  const WriteSpec to = writing("b");
  EXPECT_EQ(error_of([&] { target_->load(to, cells_layout(), LoadMode::direct); })->kind(),
            ErrorKind::invariant);
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    t().begin();
    {
      auto sink = target_->load(to, cells_layout(), mode);
      RowBatch batch;
      batch.clear();
      batch.set_columns(1);
      batch.push_integer(1);
      batch.end_cell_row();
      sink->write(batch);
    }
    t().rollback();
    EXPECT_FALSE(t().in_transaction());
  }
  EXPECT_EQ(number("SELECT count(*) FROM b"), 0);
}

TEST_F(PostgresLive, RehearsalThrowsWhatTheLoadWouldAndSendsNothing) {
  s().execute("CREATE TABLE b (id int PRIMARY KEY, t varchar(3))");
  const WriteSpec to = writing("b");
  for (const bool good : {true, false}) {
    auto sink = target_->rehearse(to, cells_layout());
    RowBatch batch;
    batch.clear();
    batch.set_columns(2);
    batch.push_integer(1);
    batch.push_text(good ? "abc" : "abcd");
    batch.end_cell_row();
    const auto error = error_of([&] { sink->write(batch); });
    EXPECT_EQ(error.has_value(), !good);
    if (error) {
      EXPECT_EQ(error->table(), "b");
    }
  }
  EXPECT_EQ(number("SELECT count(*) FROM b"), 0);
}

// --- one server

TEST_F(PostgresLive, TwoSchemasOfOneServerAreCopiedInside) {
  s().execute("CREATE TYPE mood AS ENUM ('x', 'y')");
  s().execute("CREATE TABLE a (id int, m mood, v text, PRIMARY KEY (m, id))");
  s().execute(
      "INSERT INTO a SELECT i, (ARRAY['x','y'])[1 + i % 2]::mood, 'v' FROM generate_series(1, 100) "
      "i");
  const ReadSpec from = reading("a");
  // The target session looks elsewhere.
  s().execute("DROP SCHEMA IF EXISTS \"" + schema_ + "_2\" CASCADE");
  s().execute("CREATE SCHEMA \"" + schema_ + "_2\"");
  t().execute("SET search_path = \"" + schema_ + "_2\"");
  t().execute("CREATE TABLE a (id int, m \"" + schema_ + "\".mood, v text, PRIMARY KEY (m, id))");
  const WriteSpec to{{"", "a"}, from.columns, from.key};
  auto colocation = target_->colocate(*source_);
  ASSERT_TRUE(colocation);
  ReadSpec filtered = from;
  filtered.where = "id <> 3";
  const KeyRange range{Key{std::string("x"), std::int64_t{50}},
                       Key{std::string("y"), std::int64_t{51}}};
  const std::uint64_t expected = source_->count(filtered, range);
  EXPECT_GT(expected, 40u);
  t().begin();
  EXPECT_EQ(colocation->copy(filtered, to, range, LoadMode::direct).inserted, expected);
  t().commit();
  t().begin();
  const LoadCount merged = colocation->copy(from, to, {}, LoadMode::merge);
  t().commit();
  EXPECT_EQ(merged.inserted, 100 - expected);
  EXPECT_EQ(merged.present, expected);
  EXPECT_EQ(differences("a", "\"" + schema_ + "_2\".a"), 0);
  // Onto itself it is refused.
  use_schema(t());
  auto same = target_->colocate(*source_);
  t().begin();
  EXPECT_EQ(error_of([&] { same->copy(from, to, {}, LoadMode::merge); })->kind(),
            ErrorKind::permanent);
  t().rollback();
  s().execute("DROP SCHEMA \"" + schema_ + "_2\" CASCADE");
}

TEST_F(PostgresLive, AnotherDatabaseOrUserIsNotColocated) {
  const Url url = Url::parse(server_url());
  if (url.database() != "postgres") {
    const std::string elsewhere = "postgresql://" + url.user() +
                                  (url.password().empty() ? "" : ":" + url.password()) + "@" +
                                  url.host() + ":" + std::to_string(url.port()) + "/postgres";
    auto other = adapter().open_source(Url::parse(elsewhere), {});
    EXPECT_FALSE(target_->colocate(*other));
  }
  s().execute("CREATE ROLE live_other");
  s().execute("SET ROLE live_other");
  EXPECT_FALSE(target_->colocate(*source_));
  s().execute("RESET ROLE");
  s().execute("DROP ROLE live_other");
  EXPECT_TRUE(target_->colocate(*source_));
}

}  // namespace
}  // namespace migrator::postgres
