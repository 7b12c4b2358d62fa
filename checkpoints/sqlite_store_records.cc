// What is written down for people and for the gates: rejects, events, verify outcomes, mismatches.
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

constexpr std::string_view kMismatch =
    "SELECT id, table_name, key, kind, columns, found, seen, open, resolution,"
    " value_pairs, phase FROM mismatches"
    " WHERE id = ?1";
constexpr std::string_view kMismatches =
    "SELECT id, table_name, key, kind, columns, found, seen, open, resolution,"
    " value_pairs, phase FROM mismatches"
    " WHERE (?1 = '' OR table_name = ?1) AND open >= ?2 ORDER BY id LIMIT ?3";

// Names of columns, which may hold any character: as a JSON array, like a key of texts.
std::string encode_names(const std::vector<std::string>& names) {
  return encode_key(Key(names.begin(), names.end()));
}

std::vector<std::string> decode_names(const std::string& text) {
  std::vector<std::string> names;
  for (const Value& name : decode_key(text)) names.push_back(as_text(name));
  return names;
}

std::string encode_values(const std::vector<Mismatch::Values>& values) {
  Key flat;
  for (const Mismatch::Values& one : values) {
    flat.emplace_back(one.source);
    flat.emplace_back(one.target);
  }
  return encode_key(flat);
}

std::vector<Mismatch::Values> decode_values(const std::string& text) {
  std::vector<Mismatch::Values> values;
  const Key flat = decode_key(text);
  for (std::size_t at = 0; at + 1 < flat.size(); at += 2) {
    values.push_back({as_text(flat[at]), as_text(flat[at + 1])});
  }
  return values;
}

Mismatch mismatch_of(const Statement::Run& run) {
  Mismatch mismatch;
  mismatch.id = run.integer(0);
  mismatch.table = run.text(1);
  mismatch.key = decode_key(run.text(2));
  mismatch.kind = run.text(3);
  mismatch.columns = decode_names(run.text(4));
  mismatch.found = run.time(5);
  mismatch.seen = run.time(6);
  mismatch.open = run.boolean(7);
  mismatch.resolution = run.text(8);
  mismatch.values = decode_values(run.text(9));
  mismatch.phase = run.text(10);
  return mismatch;
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
        "INSERT INTO verify_outcomes"
        " (table_name, at, rows, missing, extra, differing, complete, in_flux)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (table_name) DO UPDATE"
        " SET at = excluded.at, rows = excluded.rows, missing = excluded.missing,"
        " extra = excluded.extra, differing = excluded.differing, complete = excluded.complete,"
        " in_flux = excluded.in_flux")
        .execute(outcome.table, outcome.at, outcome.rows, outcome.missing, outcome.extra,
                 outcome.differing, outcome.complete, outcome.in_flux);
  });
}

void SqliteStore::void_verify() {
  write(Durability::power_loss, [&] {
    prepared("UPDATE verify_outcomes SET complete = 0 WHERE complete = 1").execute();
    prepared("DELETE FROM verify_progress").execute();
  });
}

void SqliteStore::put_verify_progress(const VerifyProgress& progress) {
  write(Durability::process_kill, [&] {
    prepared(
        "INSERT INTO verify_progress (table_name, begun, upto, rows_source, rows_target)"
        " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (table_name) DO UPDATE SET begun = "
        "excluded.begun,"
        " upto = excluded.upto, rows_source = excluded.rows_source,"
        " rows_target = excluded.rows_target")
        .execute(progress.table, progress.begun, encode_key(progress.upto), progress.rows_source,
                 progress.rows_target);
  });
}

void SqliteStore::clear_verify_progress(const std::string& table) {
  write(Durability::process_kill,
        [&] { prepared("DELETE FROM verify_progress WHERE table_name = ?1").execute(table); });
}

std::vector<VerifyProgress> SqliteStore::verify_progress() {
  std::lock_guard guard(mutex_);
  std::vector<VerifyProgress> found;
  for (auto run = prepared("SELECT table_name, begun, upto, rows_source, rows_target"
                           " FROM verify_progress ORDER BY table_name")
                      .run();
       run.row();) {
    found.push_back(
        {run.text(0), run.time(1), decode_key(run.text(2)), run.count(3), run.count(4)});
  }
  return found;
}

std::string SqliteStore::digest_key() {
  std::lock_guard guard(mutex_);
  auto run = prepared("SELECT key FROM digest_key").run();
  if (!run.row()) throw Error(ErrorKind::invariant, "the checkpoint has no key for digests");
  return run.text(0);
}

std::vector<VerifyOutcome> SqliteStore::verify_outcomes() {
  std::lock_guard guard(mutex_);
  std::vector<VerifyOutcome> found;
  for (auto run =
           prepared("SELECT table_name, at, rows, missing, extra, differing, complete, in_flux"
                    " FROM verify_outcomes ORDER BY table_name")
               .run();
       run.row();) {
    found.push_back({run.text(0), run.time(1), run.count(2), run.count(3), run.count(4),
                     run.count(5), run.boolean(6), run.count(7)});
  }
  return found;
}

void SqliteStore::put_mismatches(const std::string& table, const std::vector<Mismatch>& found,
                                 bool whole) {
  // It comes with its outcome, which waits for the disk, and so saves this.
  write(Durability::process_kill, [&] {
    const Clock::time_point now = Clock::now();
    for (const Mismatch& one : found) {
      prepared(
          "INSERT INTO mismatches (table_name, key, kind, columns, found, seen, open, resolution,"
          " value_pairs, phase) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, '', ?6, ?7)"
          " ON CONFLICT (table_name, key) DO UPDATE SET kind = excluded.kind,"
          " columns = excluded.columns, seen = excluded.seen, open = 1, resolution = '',"
          " value_pairs = excluded.value_pairs, phase = excluded.phase")
          .execute(table, encode_key(one.key), one.kind, encode_names(one.columns), now,
                   encode_values(one.values), one.phase);
    }
    if (!whole) return;
    prepared(
        "UPDATE mismatches SET open = 0, resolution = 'equal at a later verify'"
        " WHERE table_name = ?1 AND open = 1 AND seen <> ?2")
        .execute(table, now);
  });
}

void SqliteStore::settle_mismatches(const std::string& table, const std::vector<Key>& keys) {
  write(Durability::process_kill, [&] {
    for (const Key& key : keys) {
      prepared(
          "UPDATE mismatches SET open = 0, resolution = 'equal when it was looked at again'"
          " WHERE table_name = ?1 AND key = ?2 AND open = 1")
          .execute(table, encode_key(key));
    }
  });
}

std::vector<Mismatch> SqliteStore::mismatches(const std::string& table, bool open_only,
                                              std::size_t limit) {
  std::lock_guard guard(mutex_);
  std::vector<Mismatch> found;
  for (auto run = prepared(kMismatches).run(table, open_only, limit_of(limit)); run.row();) {
    found.push_back(mismatch_of(run));
  }
  return found;
}

std::optional<Mismatch> SqliteStore::mismatch(std::int64_t id) {
  std::lock_guard guard(mutex_);
  auto run = prepared(kMismatch).run(id);
  if (!run.row()) return std::nullopt;
  return mismatch_of(run);
}

void SqliteStore::resolve_mismatch(std::int64_t id, const std::string& resolution) {
  // A person's decision.
  write(Durability::power_loss, [&] {
    if (prepared("UPDATE mismatches SET open = 0, resolution = ?2 WHERE id = ?1")
            .execute(id, resolution) == 0) {
      throw Error(ErrorKind::usage, fmt::format("there is no mismatch {}", id))
          .remedy("list them with `migrate mismatches PLAN`");
    }
  });
}

std::uint64_t SqliteStore::open_mismatches(const std::string& table) {
  std::lock_guard guard(mutex_);
  auto run =
      prepared("SELECT count(*) FROM mismatches WHERE open = 1 AND (?1 = '' OR table_name = ?1)")
          .run(table);
  run.row();
  return run.count(0);
}

}  // namespace migrator::checkpoint
