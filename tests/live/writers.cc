#include "tests/live/writers.h"

#include <random>
#include <stdexcept>

#include <fmt/format.h>

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

Writers::Writers(const Url& source, const WriterOptions& options)
    : source_(source), options_(options) {
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
  std::unique_ptr<Target> target;
  while (!stop.stop_requested() && !failed_) {
    try {
      if (!target) target = adapter_for(source_.engine()).open_target(source_, {});
      Session& session = target->session();
      session.begin();
      const bool acted = act(session, random(), options_.keys, number);
      if (acted) {
        session.commit();
        ++commits_;
      } else {
        session.rollback();
      }
    } catch (const Error& error) {
      if (target) target->session().rollback();
      if (error.scope() == ErrorScope::session) target.reset();
      const bool expected = error.duplicate_key() || error.kind() == ErrorKind::transient ||
                            error.kind() == ErrorKind::in_doubt;
      if (!expected && !failed_.exchange(true)) failure_ = error.what();
    }
    std::this_thread::sleep_for(options_.pause);
  }
}

bool Writers::act(Session& session, std::uint64_t dice, int keys, int number) {
  const Engine engine = session.dialect().engine();
  Draw draw{dice};
  const auto ids = static_cast<std::uint64_t>(keys) * 2;
  const std::uint64_t kind = draw.next(100);
  const std::uint64_t a = draw.next(ids) + 1, b = draw.next(ids) + 1;
  const std::string k = quoted(engine, key_text(a)), l = quoted(engine, key_text(b));
  const std::string value = fmt::format("{} {}", number, draw.next(1'000'000));
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
    const std::uint64_t low = std::min(a, b), high = std::max(a, b);
    const std::string select =
        "SELECT u FROM items WHERE id = {} " + std::string(session.dialect().row_lock());
    const Result first = session.query(fmt::format(fmt::runtime(select), low));
    const Result second = session.query(fmt::format(fmt::runtime(select), high));
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

}  // namespace migrator::test
