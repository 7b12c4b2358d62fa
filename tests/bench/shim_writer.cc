// The writer of scripts/bench.sh shim: single-row writes through the shim and by hand, in turn.
//
//   shim_writer ENGINE SOURCE_URL TARGET_URL      ENGINE: postgres, mysql or sqlite
//
// Each line of its input is a measurement,
//   ROUNDS WRITES VARIANT...
// and is answered by one line of JSON: for each variant the quantiles of all its latencies, in
// microseconds, and those of each of its blocks; for the shim its counters, too. In a round each
// variant makes WRITES writes, one block after the other; the next round begins with another
// variant. So a machine that is slow for a second is slow for all of them.
//
// Every variant has a table of its own, orders_VARIANT, and inserts rows with rising keys that no
// other run of this program has:
//   bare   a prepared INSERT on the source, a transaction of its own
//   hand   the same, and then the same on the target: what writing twice costs at least
//   async  the shim, table mode async: migration bench-async
//   sync   the shim, table mode sync: migration bench-sync
// All live in one process, so that they meet the same scheduler and the same caches.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <libpq-fe.h>
#include <mysql.h>
#include <sqlite3.h>

#include "migrator/mysql.h"
#include "migrator/postgres.h"
#include "migrator/shim.h"
#include "migrator/sqlite.h"

namespace {

struct Order {
  std::int64_t id;
  std::int64_t customer_id;
  std::int64_t quantity;
  std::string status;
  std::string note;
};

Order make_order(std::int64_t id) {
  static constexpr std::array<const char*, 4> kStatuses = {"open", "paid", "shipped", "returned"};
  return {id, id * 7919 % 1'000'000, id % 9 + 1, kStatuses[static_cast<std::size_t>(id) % 4],
          "leave the parcel with the neighbours of order " + std::to_string(id)};
}

[[noreturn]] void fail(const std::string& what, const char* detail) {
  throw std::runtime_error(what + ": " + detail);
}

class Writer {
 public:
  virtual ~Writer() = default;
  virtual void write(const Order& order) = 0;
  // More members of the variant's JSON.
  virtual std::string counters() const { return ""; }
};

template <auto close>
struct Closer {
  template <typename Handle>
  void operator()(Handle* handle) const {
    close(handle);
  }
};

class PostgresInsert final : public Writer {
 public:
  PostgresInsert(const std::string& url, const std::string& table)
      : session_(PQconnectdb(url.c_str())) {
    if (PQstatus(session_.get()) != CONNECTION_OK)
      fail("PQconnectdb", PQerrorMessage(session_.get()));
    const std::string sql = "INSERT INTO " + table + " VALUES ($1, $2, $3, $4, $5)";
    const Result done(PQprepare(session_.get(), "insert", sql.c_str(), 0, nullptr));
    if (PQresultStatus(done.get()) != PGRES_COMMAND_OK)
      fail("PQprepare", PQerrorMessage(session_.get()));
  }

  void write(const Order& order) override {
    std::array<std::array<char, 24>, 3> numbers{};  // zeros, so each ends with one
    const std::array<std::int64_t, 3> values = {order.id, order.customer_id, order.quantity};
    for (std::size_t n = 0; n < values.size(); ++n)
      std::to_chars(numbers[n].data(), numbers[n].data() + numbers[n].size() - 1, values[n]);
    const std::array<const char*, 5> parameters = {numbers[0].data(), numbers[1].data(),
                                                   numbers[2].data(), order.status.c_str(),
                                                   order.note.c_str()};
    const Result done(
        PQexecPrepared(session_.get(), "insert", 5, parameters.data(), nullptr, nullptr, 0));
    if (PQresultStatus(done.get()) != PGRES_COMMAND_OK)
      fail("PQexecPrepared", PQerrorMessage(session_.get()));
  }

 private:
  using Result = std::unique_ptr<PGresult, Closer<PQclear>>;
  std::unique_ptr<PGconn, Closer<PQfinish>> session_;
};

class MysqlInsert final : public Writer {
 public:
  MysqlInsert(const std::string& url, const std::string& table) : session_(mysql_init(nullptr)) {
    std::array<char, 64> user{}, host{}, database{};
    unsigned port = 0;
    if (std::sscanf(url.c_str(), "mysql://%63[^@]@%63[^:]:%u/%63s", user.data(), host.data(), &port,
                    database.data()) != 4)
      fail(url, "is not mysql://USER@HOST:PORT/DATABASE");
    const unsigned protocol = MYSQL_PROTOCOL_TCP;
    mysql_options(session_.get(), MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(session_.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (!mysql_real_connect(session_.get(), host.data(), user.data(), nullptr, database.data(),
                            port, nullptr, 0))
      fail("mysql_real_connect", mysql_error(session_.get()));
    statement_.reset(mysql_stmt_init(session_.get()));
    const std::string sql = "INSERT INTO " + table + " VALUES (?, ?, ?, ?, ?)";
    if (mysql_stmt_prepare(statement_.get(), sql.data(), sql.size()))
      fail("mysql_stmt_prepare", mysql_stmt_error(statement_.get()));
    for (std::size_t n = 0; n < numbers_.size(); ++n) {
      binds_[n].buffer_type = MYSQL_TYPE_LONGLONG;
      binds_[n].buffer = &numbers_[n];
    }
    for (std::size_t n = 0; n < texts_.size(); ++n) {
      MYSQL_BIND& bind = binds_[numbers_.size() + n];
      bind.buffer_type = MYSQL_TYPE_STRING;
      bind.buffer = texts_[n].data();
      bind.buffer_length = texts_[n].size();
      bind.length = &lengths_[n];
    }
    if (mysql_stmt_bind_param(statement_.get(), binds_.data()))
      fail("mysql_stmt_bind_param", mysql_stmt_error(statement_.get()));
  }

  void write(const Order& order) override {
    numbers_ = {order.id, order.customer_id, order.quantity};
    set_text(0, order.status);
    set_text(1, order.note);
    if (mysql_stmt_execute(statement_.get()))
      fail("mysql_stmt_execute", mysql_stmt_error(statement_.get()));
  }

 private:
  void set_text(std::size_t n, const std::string& text) {
    lengths_[n] = std::min(text.size(), texts_[n].size());
    std::memcpy(texts_[n].data(), text.data(), lengths_[n]);
  }

  std::unique_ptr<MYSQL, Closer<mysql_close>> session_;
  std::unique_ptr<MYSQL_STMT, Closer<mysql_stmt_close>> statement_;
  // Bound once: the statement reads them where they are.
  std::array<std::int64_t, 3> numbers_{};
  std::array<std::array<char, 100>, 2> texts_{};
  std::array<unsigned long, 2> lengths_{};
  std::array<MYSQL_BIND, 5> binds_{};
};

class SqliteInsert final : public Writer {
 public:
  SqliteInsert(const std::string& url, const std::string& table, const char* synchronous) {
    const std::string path = url.substr(std::string("sqlite:").size());
    sqlite3* session = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &session, SQLITE_OPEN_READWRITE, nullptr);
    session_.reset(session);
    if (opened != SQLITE_OK) fail(path, sqlite3_errmsg(session));
    sqlite3_busy_timeout(session, 5000);
    const std::string pragma = std::string("PRAGMA synchronous = ") + synchronous;
    if (sqlite3_exec(session, pragma.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      fail(pragma, sqlite3_errmsg(session));
    const std::string sql = "INSERT INTO " + table + " VALUES (?, ?, ?, ?, ?)";
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(session, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) != SQLITE_OK)
      fail(sql, sqlite3_errmsg(session));
    statement_.reset(statement);
  }

  void write(const Order& order) override {
    sqlite3_stmt* insert = statement_.get();
    sqlite3_bind_int64(insert, 1, order.id);
    sqlite3_bind_int64(insert, 2, order.customer_id);
    sqlite3_bind_int64(insert, 3, order.quantity);
    sqlite3_bind_text(insert, 4, order.status.data(), static_cast<int>(order.status.size()),
                      SQLITE_STATIC);
    sqlite3_bind_text(insert, 5, order.note.data(), static_cast<int>(order.note.size()),
                      SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE) fail("insert", sqlite3_errmsg(session_.get()));
    sqlite3_reset(insert);
  }

 private:
  std::unique_ptr<sqlite3, Closer<sqlite3_close>> session_;
  std::unique_ptr<sqlite3_stmt, Closer<sqlite3_finalize>> statement_;
};

class ShimWrite final : public Writer {
 public:
  ShimWrite(const std::string& engine, const std::string& source, const std::string& target,
            const std::string& variant, migrator::WriteMode mode)
      : table_("orders_" + variant), shim_(options(engine, source, target, variant, mode)) {}

  void write(const Order& order) override {
    migrator::Transaction transaction = shim_.begin();
    transaction.upsert(table_, {{"id", order.id},
                                {"customer_id", order.customer_id},
                                {"quantity", order.quantity},
                                {"status", order.status},
                                {"note", order.note}});
    transaction.commit();
  }

  std::string counters() const override {
    const migrator::ShimCounters now = shim_.counters();
    return ", \"journaled\": " + std::to_string(now.journaled) +
           ", \"inline_written\": " + std::to_string(now.inline_written) +
           ", \"inline_failed\": " + std::to_string(now.inline_failed) +
           ", \"inline_skipped\": " + std::to_string(now.inline_skipped);
  }

 private:
  static migrator::Database database(const std::string& engine, const std::string& url) {
    if (engine == "postgres") return migrator::postgres_at(url);
    if (engine == "mysql") return migrator::mysql_at(url);
    return migrator::sqlite_at(url);
  }

  static migrator::ShimOptions options(const std::string& engine, const std::string& source,
                                       const std::string& target, const std::string& variant,
                                       migrator::WriteMode mode) {
    migrator::ShimOptions made;
    made.migration = "bench-" + variant;
    made.source = database(engine, source);
    made.target = database(engine, target);
    made.tables["orders_" + variant].mode = mode;
    return made;
  }

  std::string table_;
  migrator::Shim shim_;
};

class ByHand final : public Writer {
 public:
  ByHand(std::unique_ptr<Writer> source, std::unique_ptr<Writer> target)
      : source_(std::move(source)), target_(std::move(target)) {}

  void write(const Order& order) override {
    source_->write(order);
    target_->write(order);
  }

 private:
  std::unique_ptr<Writer> source_, target_;
};

struct Engine {
  std::string name, source, target;
};

std::unique_ptr<Writer> make_insert(const Engine& engine, const std::string& variant,
                                    bool on_target) {
  const std::string& url = on_target ? engine.target : engine.source;
  const std::string table = "orders_" + variant;
  if (engine.name == "postgres") return std::make_unique<PostgresInsert>(url, table);
  if (engine.name == "mysql") return std::make_unique<MysqlInsert>(url, table);
  // What the sessions of the shim have: the application's data as durable as SQLite has it by
  // itself, and the copy, which can be made again, a little less.
  return std::make_unique<SqliteInsert>(url, table, on_target ? "NORMAL" : "FULL");
}

std::unique_ptr<Writer> make_writer(const Engine& engine, const std::string& variant) {
  if (variant == "bare") return make_insert(engine, variant, false);
  if (variant == "hand")
    return std::make_unique<ByHand>(make_insert(engine, variant, false),
                                    make_insert(engine, variant, true));
  const auto shim = [&](migrator::WriteMode mode) {
    return std::make_unique<ShimWrite>(engine.name, engine.source, engine.target, variant, mode);
  };
  if (variant == "async") return shim(migrator::WriteMode::async);
  if (variant == "sync") return shim(migrator::WriteMode::sync);
  fail(variant, "is no variant");
}

struct Variant {
  std::unique_ptr<Writer> writer;
  std::int64_t last_id = 0;
};

using Latencies = std::vector<std::int64_t>;  // nanoseconds

// A round with a mean as long as this is the last one: where every write waits for its whole
// budget, one tells as much as twenty, and they would take hours.
constexpr std::chrono::milliseconds kSlowWrite{50};

Latencies time_block(Variant& variant, int writes) {
  Latencies taken;
  taken.reserve(static_cast<std::size_t>(writes));
  for (int n = 0; n < writes; ++n) {
    const Order order = make_order(++variant.last_id);
    const auto begin = std::chrono::steady_clock::now();
    variant.writer->write(order);
    const auto end = std::chrono::steady_clock::now();
    taken.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count());
  }
  return taken;
}

std::string quantiles(Latencies taken) {
  std::sort(taken.begin(), taken.end());
  const auto micros = [](double nanos) { return nanos / 1000; };
  // The nearest rank: a latency that did occur.
  const auto at = [&](int percent) {
    const std::size_t rank = (taken.size() * static_cast<std::size_t>(percent) + 99) / 100;
    return micros(static_cast<double>(taken[rank - 1]));
  };
  const double sum = std::accumulate(taken.begin(), taken.end(), 0.0);
  std::array<char, 200> text{};
  std::snprintf(text.data(), text.size(),
                R"("count": %zu, "mean": %.3f, "p50": %.3f, "p90": %.3f, "p99": %.3f, "max": %.3f)",
                taken.size(), micros(sum / static_cast<double>(taken.size())), at(50), at(90),
                at(99), at(100));
  return text.data();
}

std::string measure(std::map<std::string, Variant>& open, const Engine& engine,
                    std::istringstream& line) {
  int rounds = 0;
  int writes = 0;
  std::vector<std::string> names;
  line >> rounds >> writes;
  for (std::string name; line >> name;) names.push_back(name);
  if (rounds < 1 || writes < 1 || names.empty()) fail(line.str(), "is no measurement");
  // Connected before anything is timed.
  for (const std::string& name : names)
    if (!open[name].writer) open[name].writer = make_writer(engine, name);

  std::map<std::string, Latencies> all;
  std::map<std::string, std::string> blocks;
  bool slow = false;
  for (int round = 0; round < rounds && !slow; ++round) {
    for (std::size_t n = 0; n < names.size(); ++n) {
      const std::string& name = names[(n + static_cast<std::size_t>(round)) % names.size()];
      const auto begin = std::chrono::steady_clock::now();
      const Latencies taken = time_block(open[name], writes);
      slow = slow || std::chrono::steady_clock::now() - begin > kSlowWrite * writes;
      all[name].insert(all[name].end(), taken.begin(), taken.end());
      blocks[name] += (blocks[name].empty() ? "{" : ", {") + quantiles(taken) + "}";
    }
  }
  std::string json;
  for (const std::string& name : names)
    json += (json.empty() ? "{\"" : ", \"") + name + "\": {" + quantiles(all[name]) +
            open[name].writer->counters() + ", \"blocks\": [" + blocks[name] + "]}";
  return json + "}";
}

void serve(const Engine& engine) {
  std::map<std::string, Variant> open;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::cout << measure(open, engine, words) << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s ENGINE SOURCE_URL TARGET_URL\n", argv[0]);
    return 2;
  }
  try {
    serve({argv[1], argv[2], argv[3]});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "shim_writer: %s\n", error.what());
    return 1;
  }
  return 0;
}
