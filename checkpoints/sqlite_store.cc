// Tables, chunks, epochs and steps. Rejects, events and verify outcomes are in
// sqlite_store_records.cc, the owner and the live control in sqlite_store_control.cc.
#include "checkpoints/sqlite_store.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace migrator {

std::string_view name(TableState state) {
  switch (state) {
    case TableState::pending:
      return "pending";
    case TableState::copying:
      return "copying";
    case TableState::copied:
      return "copied";
    case TableState::finished:
      return "finished";
  }
  return "unknown";
}

namespace checkpoint {
namespace {

constexpr char kReport[] = "keep the checkpoint file and report this";

Error invariant(const std::string& message, const std::string& table = "") {
  return Error(ErrorKind::invariant, message).remedy(kReport).table(table);
}

std::optional<std::string> encode(const std::optional<Key>& key) {
  if (!key) return std::nullopt;
  return encode_key(*key);
}

std::optional<Key> decode(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return decode_key(*text);
}

// An estimate is a guess of somebody else's: too large a one is cut, not refused.
std::int64_t clamp(std::uint64_t estimate) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(estimate, std::numeric_limits<std::int64_t>::max()));
}

TableState table_state(const std::string& text) {
  for (const TableState state :
       {TableState::pending, TableState::copying, TableState::copied, TableState::finished}) {
    if (name(state) == text) return state;
  }
  throw invariant(fmt::format("unknown table state '{}' in the checkpoint", text));
}

ChunkState chunk_state(const std::string& text) {
  if (text == "pending") return ChunkState::pending;
  if (text == "claimed") return ChunkState::claimed;
  if (text == "done") return ChunkState::done;
  throw invariant(fmt::format("unknown chunk state '{}' in the checkpoint", text));
}

constexpr std::string_view kTables =
    "SELECT name, state, rows_estimate, bytes_estimate, chunks_cut, chunks_done, rows, bytes,"
    " rejects_open, frontier, cut_to_end FROM tables ORDER BY id";
constexpr std::string_view kTable =
    "SELECT name, state, rows_estimate, bytes_estimate, chunks_cut, chunks_done, rows, bytes,"
    " rejects_open, frontier, cut_to_end FROM tables WHERE id = ?1";

TableProgress table_progress(const Statement::Run& run) {
  TableProgress progress;
  progress.table = run.text(0);
  progress.state = table_state(run.text(1));
  progress.rows_estimate = run.count(2);
  progress.bytes_estimate = run.count(3);
  progress.chunks_cut = run.count(4);
  progress.chunks_done = run.count(5);
  progress.rows = run.count(6);
  progress.bytes = run.count(7);
  progress.rejects_open = run.count(8);
  progress.frontier = decode(run.optional_text(9));
  progress.cut_to_end = run.boolean(10);
  return progress;
}

constexpr std::string_view kChunk =
    "SELECT number, lower, upper, state, epoch, attempts FROM chunks"
    " WHERE table_id = ?1 AND number = ?2";
// `state <> 'done'` as the index chunks_open spells it, so that 100'000 done chunks cost nothing.
constexpr std::string_view kOpenChunks =
    "SELECT number, lower, upper, state, epoch, attempts FROM chunks INDEXED BY chunks_open"
    " WHERE table_id = ?1 AND state <> 'done' ORDER BY number";

Chunk chunk_of(const Statement::Run& run, const std::string& table) {
  Chunk chunk;
  chunk.table = table;
  chunk.number = run.count(0);
  chunk.range.lower = decode(run.optional_text(1));
  chunk.range.upper = decode(run.optional_text(2));
  chunk.state = chunk_state(run.text(3));
  chunk.epoch = run.count(4);
  chunk.attempts = static_cast<int>(run.integer(5));
  return chunk;
}

}  // namespace

SqliteStore::SqliteStore(std::unique_ptr<Connection> connection, std::optional<OwnerLock> lock)
    : lock_(std::move(lock)), connection_(std::move(connection)) {
  reserved_epoch_ = static_cast<std::uint64_t>(connection_->integer("SELECT reserved FROM epochs"));
  last_epoch_ = reserved_epoch_;
}

SqliteStore::~SqliteStore() {
  if (!lock_ || connection_->moved()) return;
  try {
    Transaction transaction(*connection_, Transaction::Kind::write);
    prepared("UPDATE owner SET released_at = ?1").execute(Clock::now());
    transaction.commit();
  } catch (const Error&) {
    // The row is a courtesy; that the lock is free is what counts.
  }
}

void SqliteStore::prepare_to_write(Durability durability) {
  if (!lock_)
    throw invariant(connection_->path() + " was opened for reading and cannot be changed");
  if (connection_->moved()) {
    throw Error(ErrorKind::permanent,
                fmt::format("{} was moved, replaced or deleted while in use", connection_->path()))
        .remedy("put it back if you can, and start the command again");
  }
  connection_->set_durability(durability);
}

void SqliteStore::commit(Transaction& transaction, Durability durability) {
  transaction.commit();
  // That fsync saved all of the log, whoever wrote it.
  if (durability == Durability::power_loss) cuts_unsaved_ = false;
}

std::optional<std::int64_t> SqliteStore::find_table(const std::string& table) {
  if (const auto known = table_ids_.find(table); known != table_ids_.end()) return known->second;
  auto run = prepared("SELECT id FROM tables WHERE name = ?1").run(table);
  if (!run.row()) return std::nullopt;
  // Seen within a transaction that may yet be rolled back, but never made by it: put_table() only
  // makes.
  return table_ids_.emplace(table, run.integer(0)).first->second;
}

std::int64_t SqliteStore::table_id(const std::string& table) {
  if (const auto id = find_table(table)) return *id;
  throw invariant(fmt::format("the checkpoint knows no table {}", table), table);
}

std::optional<Chunk> SqliteStore::find_chunk(std::int64_t table_id, const std::string& table,
                                             std::uint64_t number) {
  auto run = prepared(kChunk).run(table_id, number);
  if (!run.row()) return std::nullopt;
  return chunk_of(run, table);
}

std::optional<Migration> SqliteStore::migration() {
  std::lock_guard guard(mutex_);
  Transaction transaction(*connection_, Transaction::Kind::read);
  Migration migration;
  {
    auto run = prepared("SELECT id, name, plan_fingerprint FROM migration").run();
    if (!run.row()) return std::nullopt;
    migration = {run.text(0), run.text(1), run.text(2), {}};
  }
  for (auto run = prepared("SELECT text FROM plan_meaning ORDER BY position").run(); run.row();) {
    migration.plan_meaning.push_back(run.text(0));
  }
  return migration;
}

void SqliteStore::begin_migration(const Migration& migration) {
  // On the disk before the target holds a fence under this id.
  write(Durability::power_loss, [&] {
    const std::string known = connection_->text("SELECT id FROM migration");
    if (!known.empty() && known != migration.id) {
      throw invariant(
          fmt::format("the checkpoint belongs to migration {}, not {}", known, migration.id));
    }
    prepared(
        "INSERT INTO migration (only, id, name, plan_fingerprint, begun_at)"
        " VALUES (1, ?1, ?2, ?3, ?4) ON CONFLICT (only) DO UPDATE"
        " SET name = excluded.name, plan_fingerprint = excluded.plan_fingerprint")
        .execute(migration.id, migration.name, migration.plan_fingerprint, Clock::now());
    prepared("DELETE FROM plan_meaning").execute();
    for (std::size_t i = 0; i < migration.plan_meaning.size(); ++i) {
      prepared("INSERT INTO plan_meaning (position, text) VALUES (?1, ?2)")
          .execute(i, migration.plan_meaning[i]);
    }
  });
}

std::uint64_t SqliteStore::next_epoch(std::uint64_t at_least) {
  constexpr std::uint64_t kLast = std::numeric_limits<std::int64_t>::max();
  std::lock_guard guard(mutex_);
  if (!lock_) prepare_to_write(Durability::power_loss);  // throws
  const std::uint64_t last = std::max(last_epoch_, at_least);
  if (last >= kLast) throw invariant(fmt::format("there is no epoch after {}", last));
  if (last + 1 > reserved_epoch_) {
    const std::uint64_t reserve = last + std::min(kEpochBlock, kLast - last);
    // Were it only in the system's cache, a power cut would make the next process draw epochs again
    // that the target has seen.
    write_locked(Durability::power_loss,
                 [&] { prepared("UPDATE epochs SET reserved = ?1").execute(reserve); });
    reserved_epoch_ = reserve;
  }
  last_epoch_ = last + 1;
  return last_epoch_;
}

bool SqliteStore::step_done(std::string_view step) {
  std::lock_guard guard(mutex_);
  return prepared("SELECT 1 FROM steps WHERE step = ?1").run(step).row();
}

void SqliteStore::mark_step(std::string_view step) {
  write(Durability::process_kill, [&] {
    prepared("INSERT INTO steps (step, done_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
        .execute(step, Clock::now());
  });
}

void SqliteStore::clear_step(std::string_view step) {
  // Forgetting this one would leave a step out.
  write(Durability::power_loss,
        [&] { prepared("DELETE FROM steps WHERE step = ?1").execute(step); });
}

std::vector<std::string> SqliteStore::steps(std::string_view prefix) {
  std::lock_guard guard(mutex_);
  std::vector<std::string> found;
  auto run = prepared("SELECT step FROM steps WHERE substr(step, 1, length(?1)) = ?1 ORDER BY step")
                 .run(prefix);
  while (run.row()) found.push_back(run.text(0));
  return found;
}

void SqliteStore::put_table(const std::string& table, std::uint64_t rows_estimate,
                            std::uint64_t bytes_estimate) {
  write(Durability::process_kill, [&] {
    prepared(
        "INSERT INTO tables (name, rows_estimate, bytes_estimate) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (name) DO NOTHING")
        .execute(table, clamp(rows_estimate), clamp(bytes_estimate));
  });
}

void SqliteStore::set_table_state(const std::string& table, TableState state) {
  // A step back that is forgotten would leave work out.
  write(Durability::power_loss, [&] {
    prepared("UPDATE tables SET state = ?2 WHERE id = ?1").execute(table_id(table), name(state));
  });
}

std::vector<TableProgress> SqliteStore::tables() {
  std::lock_guard guard(mutex_);
  std::vector<TableProgress> all;
  for (auto run = prepared(kTables).run(); run.row();) all.push_back(table_progress(run));
  return all;
}

TableProgress SqliteStore::table(const std::string& table) {
  std::lock_guard guard(mutex_);
  auto run = prepared(kTable).run(table_id(table));
  if (!run.row()) throw invariant("a table is gone from the checkpoint", table);
  return table_progress(run);
}

Chunk SqliteStore::cut_chunk(const std::string& table, const std::optional<Key>& upper) {
  const std::optional<std::string> upper_text = encode(upper);
  return write(Durability::process_kill, [&] {
    cuts_unsaved_ = true;
    const std::int64_t id = table_id(table);
    Chunk chunk;
    std::optional<std::string> frontier;
    {
      auto run =
          prepared("SELECT chunks_cut, frontier, cut_to_end FROM tables WHERE id = ?1").run(id);
      if (!run.row()) throw invariant("a table is gone from the checkpoint", table);
      if (run.boolean(2)) {
        throw invariant(fmt::format("table {} has been cut to its end already", table), table);
      }
      chunk.number = run.count(0);
      frontier = run.optional_text(1);
    }
    if (upper && upper_text == frontier) {
      throw invariant(fmt::format("chunk {} of table {} would end where it begins, at {}",
                                  chunk.number, table, describe(*upper)),
                      table);
    }
    prepared("INSERT INTO chunks (table_id, number, lower, upper) VALUES (?1, ?2, ?3, ?4)")
        .execute(id, chunk.number, frontier, upper_text);
    prepared(
        "UPDATE tables SET chunks_cut = chunks_cut + 1, frontier = ?2, cut_to_end = ?3"
        " WHERE id = ?1")
        .execute(id, upper_text, !upper.has_value());
    chunk.table = table;
    chunk.range = {decode(frontier), upper};
    return chunk;
  });
}

std::vector<Chunk> SqliteStore::open_chunks(const std::string& table) {
  std::lock_guard guard(mutex_);
  const std::int64_t id = table_id(table);
  std::vector<Chunk> open;
  for (auto run = prepared(kOpenChunks).run(id); run.row();) open.push_back(chunk_of(run, table));
  return open;
}

std::optional<Chunk> SqliteStore::chunk(const std::string& table, std::uint64_t number) {
  std::lock_guard guard(mutex_);
  return find_chunk(table_id(table), table, number);
}

void SqliteStore::claim_chunk(const std::string& table, std::uint64_t number, std::uint64_t epoch,
                              std::chrono::milliseconds lease) {
  const Clock::time_point now = Clock::now();
  std::lock_guard guard(mutex_);
  // The claim comes before the chunk's fence on the target. Were the cut lost in a power cut after
  // that, the number would be cut again with other bounds: either rows are passed over that the old
  // fence calls done, or the fence, which knows its bounds, stops the migration for good. So the
  // bounds are on the disk before a claim returns.
  const Durability durability = cuts_unsaved_ ? Durability::power_loss : Durability::process_kill;
  write_locked(durability, [&] {
    const std::int64_t id = table_id(table);
    const auto changed =
        prepared(
            "UPDATE chunks SET state = 'claimed', epoch = ?3, attempts = attempts + 1,"
            " claimed_at = ?4, lease_until = ?5"
            " WHERE table_id = ?1 AND number = ?2 AND state <> 'done' AND epoch <= ?3")
            .execute(id, number, epoch, now, now + lease);
    if (changed == 1) return;
    const auto found = find_chunk(id, table, number);
    if (!found) throw invariant(fmt::format("table {} has no chunk {}", table, number), table);
    if (found->state == ChunkState::done) {
      throw invariant(
          fmt::format("chunk {} of table {} is done and cannot be claimed", number, table), table);
    }
    throw Error(ErrorKind::fenced,
                fmt::format("chunk {} of table {} was claimed at epoch {}, after epoch {}", number,
                            table, found->epoch, epoch))
        .remedy("draw a new epoch and claim the chunk again")
        .table(table);
  });
}

void SqliteStore::finish_chunk(const std::string& table, std::uint64_t number,
                               const ChunkDone& done) {
  write(Durability::process_kill, [&] {
    const std::int64_t id = table_id(table);
    // A chunk that was never claimed may be finished as well: the target's fence said that it is
    // done.
    const auto changed =
        prepared(
            "UPDATE chunks SET state = 'done', rows = ?3, bytes = ?4, took_ms = ?5,"
            " finished_at = ?6, lease_until = NULL"
            " WHERE table_id = ?1 AND number = ?2 AND state <> 'done'")
            .execute(id, number, done.rows, done.bytes, done.took.count(), Clock::now());
    if (changed == 1) {
      prepared(
          "UPDATE tables SET chunks_done = chunks_done + 1, rows = rows + ?2,"
          " bytes = bytes + ?3 WHERE id = ?1")
          .execute(id, done.rows, done.bytes);
    } else if (!find_chunk(id, table, number)) {
      throw invariant(fmt::format("table {} has no chunk {}", table, number), table);
    }
  });
}

}  // namespace checkpoint
}  // namespace migrator
