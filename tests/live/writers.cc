#include "tests/live/writers.h"

#include <memory>
#include <random>
#include <stdexcept>

#include <fmt/format.h>

#include "migrator/mysql.h"
#include "migrator/postgres.h"
#include "migrator/sqlite.h"

namespace migrator::test {
namespace {

std::string key_text(std::uint64_t number) {
  // Keys that need care: quotes, separators, letters beyond ASCII; none differs by case alone.
  static const char* const forms[] = {"doc-{}", "it''s {}", "a,b\\{}", "naïve {}"};
  return fmt::format(fmt::runtime(forms[number % 4]), number);
}

std::string quoted(Engine engine, const std::string& text) {
  std::string sql = "'";
  for (const char c : text) {
    if (c == '\'' || (c == '\\' && engine == Engine::mysql)) sql += c;
    sql += c;
  }
  return sql + "'";
}

// The second key, and everything else, is drawn from the dice as well.
struct Draw {
  std::uint64_t dice;
  std::uint64_t next(std::uint64_t below) {
    const std::uint64_t value = dice % below;
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    dice ^= dice >> 29;
    return value;
  }
};

}  // namespace

std::string writers_tables(Engine engine) {
  const char* const suffix = engine == Engine::mysql ? " ENGINE=InnoDB" : "";
  // Without a collation of MySQL's that takes different keys for equal.
  const char* const text =
      engine == Engine::mysql ? "varchar(40) COLLATE utf8mb4_bin" : "varchar(40)";
  return fmt::format(
      "CREATE TABLE items (id bigint NOT NULL PRIMARY KEY, u int NOT NULL, v varchar(200), n int, "
      "CONSTRAINT items_u UNIQUE (u)){0};"
      "CREATE TABLE docs (k {1} NOT NULL PRIMARY KEY, body text){0};",
      suffix, text);
}

void Writers::fill(const Url& source, const WriterOptions& options) {
  const auto target = adapter_for(source.engine()).open_target(source, {});
  Session& session = target->session();
  session.begin();
  for (int id = 1; id <= options.keys; ++id) {
    session.execute(fmt::format("INSERT INTO items VALUES ({}, {}, 'first {}', 0)", id, id, id));
    if (id % 3 != 0) continue;
    session.execute(fmt::format("INSERT INTO docs VALUES ({}, 'first')",
                                quoted(source.engine(), key_text(static_cast<std::uint64_t>(id)))));
  }
  session.commit();
}

Database database_at(const std::string& url) {
  switch (Url::parse(url).engine()) {
    case Engine::postgres:
      return postgres_at(url);
    case Engine::mysql:
      return mysql_at(url);
    default:
      return sqlite_at(url);
  }
}

Writers::Writers(WriterMaker maker, const WriterOptions& options)
    : maker_(std::move(maker)), options_(options) {
  for (int number = 0; number < options.threads; ++number) {
    threads_.emplace_back([this, number](const std::stop_token& stop) { work(stop, number); });
  }
}

Writers::~Writers() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Writers::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  for (std::jthread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  if (failed_) throw std::runtime_error("a writer failed: " + failure_);
}

void Writers::work(const std::stop_token& stop, int number) {
  std::mt19937_64 random(options_.seed + static_cast<unsigned>(number) * 7919u);
  WriterAct act;
  while (!stop.stop_requested() && !failed_) {
    try {
      if (!act) act = maker_(number);
      if (act(random())) ++commits_;
    } catch (const Error& error) {
      if (error.scope() == ErrorScope::session) act = nullptr;
      const bool expected = error.duplicate_key() || error.kind() == ErrorKind::transient ||
                            error.kind() == ErrorKind::in_doubt;
      if (!expected && !failed_.exchange(true)) failure_ = error.what();
    }
    std::this_thread::sleep_for(options_.pause);
  }
}

namespace {

// What a transaction is about.
struct Choice {
  Choice(std::uint64_t dice, int keys, int number) {
    Draw draw{dice};
    const auto ids = static_cast<std::uint64_t>(keys) * 2;
    kind = draw.next(100);
    a = static_cast<std::int64_t>(draw.next(ids)) + 1;
    b = static_cast<std::int64_t>(draw.next(ids)) + 1;
    value = fmt::format("{} {}", number, draw.next(1'000'000));
  }
  std::string k() const { return key_text(static_cast<std::uint64_t>(a)); }
  std::string l() const { return key_text(static_cast<std::uint64_t>(b)); }
  std::uint64_t kind;
  std::int64_t a, b;
  std::string value;
};

std::string select_unique_value(Engine engine, std::int64_t id) {
  return fmt::format("SELECT u FROM items WHERE id = {} {}", id,
                     adapter_for(engine).dialect().row_lock());
}

bool act_by_sql(Session& session, const Choice& choice, int number) {
  const Engine engine = session.dialect().engine();
  const auto kind = choice.kind;
  const auto a = choice.a, b = choice.b;
  const std::string k = quoted(engine, choice.k()), l = quoted(engine, choice.l());
  const std::string& value = choice.value;
  const auto run = [&](const std::string& sql) { return session.query(sql).affected > 0; };
  if (kind < 15) {
    return run(fmt::format("INSERT INTO items VALUES ({0}, {0}, '{1}', 1)", a, value));
  }
  if (kind < 40) {
    return run(fmt::format("UPDATE items SET v = '{}', n = n + 1 WHERE id = {}", value, a));
  }
  if (kind < 50) return run(fmt::format("DELETE FROM items WHERE id = {}", a));
  if (kind < 60) return run(fmt::format("UPDATE items SET id = {} WHERE id = {}", b, a));
  if (kind < 75) {  // two rows swap their unique value
    // In one order, so that writers seldom lock each other out.
    const auto low = std::min(a, b), high = std::max(a, b);
    const Result first = session.query(select_unique_value(engine, low));
    const Result second = session.query(select_unique_value(engine, high));
    if (first.empty() || second.empty() || low == high) return false;
    run(fmt::format("UPDATE items SET u = {} WHERE id = {}", -1 - number, low));
    run(fmt::format("UPDATE items SET u = {} WHERE id = {}", as_integer(first.rows[0][0]), high));
    return run(
        fmt::format("UPDATE items SET u = {} WHERE id = {}", as_integer(second.rows[0][0]), low));
  }
  if (kind < 82) return run(fmt::format("INSERT INTO docs VALUES ({}, '{}')", k, value));
  if (kind < 90) return run(fmt::format("UPDATE docs SET body = '{}' WHERE k = {}", value, k));
  if (kind < 94) return run(fmt::format("DELETE FROM docs WHERE k = {}", k));
  if (kind < 97) return run(fmt::format("UPDATE docs SET k = {} WHERE k = {}", l, k));
  // Delete and insert again, in one transaction.
  run(fmt::format("DELETE FROM items WHERE id = {}", a));
  return run(fmt::format("INSERT INTO items VALUES ({0}, {0}, 'again {1}', 2)", a, value));
}

// The same by the shim's own calls, and by SQL with touch().
bool act_by_shim(Transaction& transaction, Engine engine, const Choice& choice, int number) {
  const auto kind = choice.kind;
  const auto a = choice.a, b = choice.b;
  const std::string& value = choice.value;
  if (kind < 15) {
    transaction.upsert("items", {{"id", a}, {"u", a}, {"v", value}, {"n", std::int64_t{1}}});
  } else if (kind < 30) {
    transaction.update("items", {{"id", a}}, {{"v", value}});
  } else if (kind < 40) {
    transaction.execute(fmt::format("UPDATE items SET n = n + 1 WHERE id = {}", a));
    transaction.touch("items", {{"id", a}});
  } else if (kind < 50) {
    transaction.erase("items", {{"id", a}});
  } else if (kind < 60) {
    transaction.update("items", {{"id", a}}, {{"id", b}});
  } else if (kind < 75) {
    const auto low = std::min(a, b), high = std::max(a, b);
    const Result first = transaction.execute(select_unique_value(engine, low));
    const Result second = transaction.execute(select_unique_value(engine, high));
    if (first.empty() || second.empty() || low == high) return false;
    transaction.update("items", {{"id", low}}, {{"u", std::int64_t{-1 - number}}});
    transaction.update("items", {{"id", high}}, {{"u", first.rows[0][0]}});
    transaction.update("items", {{"id", low}}, {{"u", second.rows[0][0]}});
  } else if (kind < 90) {
    transaction.upsert("docs", {{"k", choice.k()}, {"body", value}});
  } else if (kind < 94) {
    transaction.erase("docs", {{"k", choice.k()}});
  } else if (kind < 97) {
    transaction.update("docs", {{"k", choice.k()}}, {{"k", choice.l()}});
  } else {
    transaction.erase("items", {{"id", a}});
    transaction.upsert("items", {{"id", a}, {"u", a}, {"v", value}, {"n", std::int64_t{2}}});
  }
  return true;
}

}  // namespace

WriterMaker sql_writer(const Url& source, const WriterOptions& options) {
  return [source, options](int number) -> WriterAct {
    const std::shared_ptr<Target> target = adapter_for(source.engine()).open_target(source, {});
    return [target, options, number](std::uint64_t dice) {
      Session& session = target->session();
      try {
        session.begin();
        const bool acted = act_by_sql(session, {dice, options.keys, number}, number);
        if (acted) {
          session.commit();
        } else {
          session.rollback();
        }
        return acted;
      } catch (const Error&) {
        session.rollback();
        throw;
      }
    };
  };
}

WriterMaker shim_writer(Shim& shim, const Url& source, const WriterOptions& options) {
  return [&shim, engine = source.engine(), options](int number) -> WriterAct {
    return [&shim, engine, options, number](std::uint64_t dice) {
      Transaction transaction = shim.begin();
      if (!act_by_shim(transaction, engine, {dice, options.keys, number}, number)) return false;
      transaction.commit();
      return true;
    };
  };
}

}  // namespace migrator::test
