// What is written down for people and for the gates: rejects, events, verify outcomes.
#include <algorithm>
#include <cstddef>
#include <limits>

#include <fmt/format.h>

#include "checkpoints/sqlite_store.h"

namespace migrator::checkpoint {
namespace {

constexpr std::string_view kReject =
    "SELECT r.id, t.name, r.key, r.chunk, r.code, r.error, r.at, r.open, r.resolution"
    " FROM rejects r JOIN tables t ON t.id = r.table_id WHERE r.id = ?1";
constexpr std::string_view kRejects =
    "SELECT r.id, t.name, r.key, r.chunk, r.code, r.error, r.at, r.open, r.resolution"
    " FROM rejects r JOIN tables t ON t.id = r.table_id"
    " WHERE (?1 = '' OR t.name = ?1) AND r.open >= ?2 ORDER BY r.id LIMIT ?3";

Reject reject_of(const Statement::Run& run) {
  Reject reject;
  reject.id = run.integer(0);
  reject.table = run.text(1);
  reject.key = decode_key(run.text(2));
  reject.chunk = run.count(3);
  reject.code = run.text(4);
  reject.error = run.text(5);
  reject.at = run.time(6);
  reject.open = run.boolean(7);
  reject.resolution = run.text(8);
  return reject;
}

std::int64_t limit_of(std::size_t limit) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max()));
}

// The table's counter follows its rejects within their own transaction.
constexpr std::string_view kCountRejects =
    "UPDATE tables SET rejects_open = rejects_open + ?2 WHERE id = ?1";

}  // namespace

std::int64_t SqliteStore::put_reject(const Reject& reject) {
  const std::string key = encode_key(reject.key);
  // The target's fence says that the chunk is done, not that it left a row out: this is the only
  // place that knows, so it waits for the disk.
  return write(Durability::power_loss, [&]() -> std::int64_t {
    const std::int64_t table = table_id(reject.table);
    int was_open = 0;
    {
      auto run =
          prepared("SELECT open FROM rejects WHERE table_id = ?1 AND key = ?2").run(table, key);
      if (run.row()) was_open = run.boolean(0) ? 1 : 0;
    }
    prepared(
        "INSERT INTO rejects (table_id, key, chunk, code, error, at, open, resolution)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (table_id, key) DO UPDATE"
        " SET chunk = excluded.chunk, code = excluded.code, error = excluded.error,"
        " at = excluded.at, open = excluded.open, resolution = excluded.resolution")
        .execute(table, key, reject.chunk, reject.code, reject.error, reject.at, reject.open,
                 reject.resolution);
    if (const int change = (reject.open ? 1 : 0) - was_open; change != 0) {
      prepared(kCountRejects).execute(table, change);
    }
    auto run = prepared("SELECT id FROM rejects WHERE table_id = ?1 AND key = ?2").run(table, key);
    run.row();
    return run.integer(0);
  });
}

std::vector<Reject> SqliteStore::rejects(const std::string& table, bool open_only,
                                         std::size_t limit) {
  std::lock_guard guard(mutex_);
  std::vector<Reject> found;
  for (auto run = prepared(kRejects).run(table, open_only, limit_of(limit)); run.row();) {
    found.push_back(reject_of(run));
  }
  return found;
}

std::optional<Reject> SqliteStore::reject(std::int64_t id) {
  std::lock_guard guard(mutex_);
  auto run = prepared(kReject).run(id);
  if (!run.row()) return std::nullopt;
  return reject_of(run);
}

void SqliteStore::resolve_reject(std::int64_t id, const std::string& resolution) {
  write(Durability::process_kill, [&] {
    std::int64_t table = 0;
    bool open = false;
    {
      auto run = prepared("SELECT table_id, open FROM rejects WHERE id = ?1").run(id);
      if (!run.row()) {
        throw Error(ErrorKind::usage, fmt::format("there is no reject {}", id))
            .remedy("list them with `migrate rejects PLAN`");
      }
      table = run.integer(0);
      open = run.boolean(1);
    }
    prepared("UPDATE rejects SET open = 0, resolution = ?2 WHERE id = ?1").execute(id, resolution);
    if (open) prepared(kCountRejects).execute(table, -1);
  });
}

void SqliteStore::clear_rejects(const std::string& table, std::uint64_t chunk) {
  write(Durability::process_kill, [&] {
    const std::int64_t id = table_id(table);
    const std::int64_t cleared =
        prepared("DELETE FROM rejects WHERE table_id = ?1 AND chunk = ?2 AND open = 1")
            .execute(id, chunk);
    if (cleared != 0) prepared(kCountRejects).execute(id, -cleared);
  });
}

std::uint64_t SqliteStore::open_rejects(const std::string& table) {
  std::lock_guard guard(mutex_);
  auto run =
      prepared("SELECT coalesce(sum(rejects_open), 0) FROM tables WHERE ?1 = '' OR name = ?1")
          .run(table);
  run.row();
  return run.count(0);
}

void SqliteStore::add_event(const Event& event) {
  write(Durability::process_kill, [&] {
    prepared("INSERT INTO events (at, kind, table_name, text) VALUES (?1, ?2, ?3, ?4)")
        .execute(event.at, event.kind, event.table, event.text);
    // Ids have no gap: they are given out in order, and only the oldest ever go.
    const std::int64_t last = sqlite3_last_insert_rowid(connection_->handle());
    prepared("DELETE FROM events WHERE id <= ?1").execute(last - kEventsMax);
  });
}

std::vector<Event> SqliteStore::events(std::size_t limit) {
  std::lock_guard guard(mutex_);
  std::vector<Event> found;
  for (auto run =
           prepared("SELECT at, kind, table_name, text FROM events ORDER BY id DESC LIMIT ?1")
               .run(limit_of(limit));
       run.row();) {
    found.push_back({run.time(0), run.text(1), run.text(2), run.text(3)});
  }
  std::reverse(found.begin(), found.end());
  return found;
}

void SqliteStore::put_verify(const VerifyOutcome& outcome) {
  // A failed verify that a power cut takes away again would leave an older clean one in force.
  write(Durability::power_loss, [&] {
    prepared(
        "INSERT INTO verify_outcomes (table_name, at, rows, missing, extra, differing, complete)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (table_name) DO UPDATE"
        " SET at = excluded.at, rows = excluded.rows, missing = excluded.missing,"
        " extra = excluded.extra, differing = excluded.differing, complete = excluded.complete")
        .execute(outcome.table, outcome.at, outcome.rows, outcome.missing, outcome.extra,
                 outcome.differing, outcome.complete);
  });
}

std::vector<VerifyOutcome> SqliteStore::verify_outcomes() {
  std::lock_guard guard(mutex_);
  std::vector<VerifyOutcome> found;
  for (auto run = prepared("SELECT table_name, at, rows, missing, extra, differing, complete"
                           " FROM verify_outcomes ORDER BY table_name")
                      .run();
       run.row();) {
    found.push_back({run.text(0), run.time(1), run.count(2), run.count(3), run.count(4),
                     run.count(5), run.boolean(6)});
  }
  return found;
}

}  // namespace migrator::checkpoint
