// The durable memory of a migration.
//
// What it remembers is never ahead of the target ("the target decides"): whether a chunk is done is
// decided by the target's chunk fence, and the store follows. So a store that lost its last commits
// in a power cut costs some work again, never a row.
//
// One process per plan: open_store() takes a lock that dies with the process. The interface is such
// that a store shared by many workers can implement it later: chunks are claimed with an owner and
// a lease, and every claim has an epoch of its own.
//
// Threads: all member functions may be called from any thread. Each is one transaction and durable
// against a kill of the process when it returns. Errors: Error(permanent) with a remedy for a full
// disk, a corrupt or newer file, missing rights; Error(gate) when another process holds the plan.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/value.h"

namespace migrator {

using Clock = std::chrono::system_clock;

struct Migration {
  std::string id;    // random, 32 hex digits: ties this store to the fences on the target
  std::string name;  // the plan's
  std::string plan_fingerprint;
  std::vector<std::string> plan_meaning;  // what fingerprint is the hash of, to show differences
};

enum class TableState {
  pending,   // nothing done
  copying,   // chunks are being cut and copied
  copied,    // every chunk is done
  finished,  // indexes, foreign keys and sequences too
};
std::string_view name(TableState state);

struct TableProgress {
  std::string table;  // the plan's name for it
  TableState state = TableState::pending;
  std::uint64_t rows_estimate = 0, bytes_estimate = 0;
  std::uint64_t chunks_cut = 0, chunks_done = 0;
  std::uint64_t rows = 0, bytes = 0;  // of the chunks done
  std::uint64_t rejects_open = 0;
  std::optional<Key> frontier;  // the upper bound of the last chunk cut
  bool cut_to_end = false;      // the last chunk has no upper bound: nothing is left to cut
};

enum class ChunkState { pending, claimed, done };

struct Chunk {
  std::string table;
  std::uint64_t number = 0;  // from 0, in key order
  KeyRange range;
  ChunkState state = ChunkState::pending;
  std::uint64_t epoch = 0;  // of the last claim
  int attempts = 0;
};

struct ChunkDone {
  std::uint64_t rows = 0, bytes = 0;
  std::chrono::milliseconds took{0};
};

// Reject::chunk of a row that came from the journal: its entry is still there, and tried again.
inline constexpr std::uint64_t kRejectOfRelay = INT64_MAX;

// A row that the target refused. Identified by (table, key): putting it twice updates it.
struct Reject {
  std::int64_t id = 0;
  std::string table;
  Key key;
  std::uint64_t chunk = 0;
  std::string code, error;  // SQLSTATE and the engine's message, without values
  Clock::time_point at;
  bool open = true;
  std::string resolution;  // why it is no longer open: "retried", or what the user said
};

struct Event {
  Clock::time_point at;
  std::string kind;   // "backfill_started", "chunk_retried", "table_finished", ...
  std::string table;  // "" for the whole migration
  std::string text;
};

// A row that a verify found to differ. Identified by (table, key): finding it again updates it, and
// its id stays.
struct Mismatch {
  std::int64_t id = 0;
  std::string table;
  Key key;                           // in the target's types
  std::string kind;                  // "missing", "extra", "differs"
  std::vector<std::string> columns;  // that differ, by the source's names
  // Of these columns, in their order: both sides' values, or keyed digests of them.
  struct Values {
    std::string source, target;
    bool operator==(const Values&) const = default;
  };
  std::vector<Values> values;
  std::string phase;              // of the migration, when it was seen last; "" if none
  Clock::time_point found, seen;  // for the first and for the last time
  bool open = true;
  std::string resolution;  // why it is no longer open
};

struct VerifyOutcome {
  std::string table;
  Clock::time_point at;
  std::uint64_t rows = 0, missing = 0, extra = 0, differing = 0;
  bool complete = false;      // it ran to its end; an interrupted one never counts as passed
  std::uint64_t in_flux = 0;  // rows that were different at first, and then were not

  bool passed() const { return complete && missing + extra + differing == 0; }
};

// How far a verify has come that has not ended: up to this key the table was found equal.
struct VerifyProgress {
  std::string table;
  Clock::time_point begun;
  Key upto;  // of the source
  std::uint64_t rows_source = 0, rows_target = 0;
};

// How a running command can be steered: see `migrate pause|resume|set`.
struct Control {
  bool paused = false;
  std::map<std::string, std::string> settings;  // "rows_per_second" -> "20000"
  std::uint64_t version = 0;                    // rises with every change
};

class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;

  // Absent before the first begin_migration().
  virtual std::optional<Migration> migration() = 0;
  virtual void begin_migration(const Migration& migration) = 0;

  // A number never handed out before, greater than all before it and than `at_least`.
  virtual std::uint64_t next_epoch(std::uint64_t at_least = 0) = 0;

  // Steps with a name ("schema", "indexes:orders") that are done once.
  virtual bool step_done(std::string_view step) = 0;
  virtual void mark_step(std::string_view step) = 0;
  virtual void clear_step(std::string_view step) = 0;
  // The names of the steps done that begin like this.
  virtual std::vector<std::string> steps(std::string_view prefix) = 0;

  virtual void put_table(const std::string& table, std::uint64_t rows_estimate,
                         std::uint64_t bytes_estimate) = 0;  // keeps what is there
  virtual void set_table_state(const std::string& table, TableState state) = 0;
  virtual std::vector<TableProgress> tables() = 0;
  virtual TableProgress table(const std::string& table) = 0;

  // Cuts the next chunk of the table: its number is the count cut so far, its lower bound the
  // frontier. An absent upper bound makes it the last one.
  virtual Chunk cut_chunk(const std::string& table, const std::optional<Key>& upper) = 0;
  // Chunks that are not done, by number.
  virtual std::vector<Chunk> open_chunks(const std::string& table) = 0;
  virtual std::optional<Chunk> chunk(const std::string& table, std::uint64_t number) = 0;
  // Marks the chunk claimed at this epoch, with a lease, and counts the attempt.
  virtual void claim_chunk(const std::string& table, std::uint64_t number, std::uint64_t epoch,
                           std::chrono::milliseconds lease) = 0;
  // Does nothing if it is done already. Call it after the target's transaction has committed.
  virtual void finish_chunk(const std::string& table, std::uint64_t number,
                            const ChunkDone& done) = 0;

  virtual std::int64_t put_reject(const Reject& reject) = 0;  // returns its id
  virtual std::vector<Reject> rejects(const std::string& table = "", bool open_only = true,
                                      std::size_t limit = 1000) = 0;
  virtual std::optional<Reject> reject(std::int64_t id) = 0;
  virtual void resolve_reject(std::int64_t id, const std::string& resolution) = 0;
  // Forgets the open rejects of a chunk that is about to be copied again.
  virtual void clear_rejects(const std::string& table, std::uint64_t chunk) = 0;
  virtual std::uint64_t open_rejects(const std::string& table = "") = 0;

  virtual void add_event(const Event& event) = 0;            // the oldest beyond 10'000 are dropped
  virtual std::vector<Event> events(std::size_t limit) = 0;  // newest last

  virtual void put_verify(const VerifyOutcome& outcome) = 0;  // the latest one a table is kept
  virtual std::vector<VerifyOutcome> verify_outcomes() = 0;
  // Rows are being copied, or repaired: no verify of before says how they are now, nor does one
  // that has not ended.
  virtual void void_verify() = 0;
  virtual void put_verify_progress(const VerifyProgress& progress) = 0;
  virtual void clear_verify_progress(const std::string& table) = 0;
  virtual std::vector<VerifyProgress> verify_progress() = 0;
  // A secret of this store, 32 hex digits: what values are digested with.
  virtual std::string digest_key() = 0;

  // What a verify of this table has found. Those that are open and were not found again are settled
  // as equal, if it was a `whole` one.
  virtual void put_mismatches(const std::string& table, const std::vector<Mismatch>& found,
                              bool whole) = 0;
  // Of these rows nothing differs any more.
  virtual void settle_mismatches(const std::string& table, const std::vector<Key>& keys) = 0;
  virtual std::vector<Mismatch> mismatches(const std::string& table = "", bool open_only = true,
                                           std::size_t limit = 1000) = 0;
  virtual std::optional<Mismatch> mismatch(std::int64_t id) = 0;
  virtual void resolve_mismatch(std::int64_t id, const std::string& resolution) = 0;
  virtual std::uint64_t open_mismatches(const std::string& table = "") = 0;

  virtual Control control() = 0;
};

struct StoreOwner {
  std::int64_t pid = 0;
  std::string host, command;
  Clock::time_point since;
};

// Opens or makes the store, and holds the plan: a second call from any process fails with
// Error(gate) that names the holder (pid, host, command, since when). File mode 0600; refuses one
// that others can write.
std::unique_ptr<CheckpointStore> open_store(const std::string& path, const std::string& command);
// For `status` and the like: no lock, no changes; Error(permanent) if there is no store.
std::unique_ptr<CheckpointStore> open_store_for_reading(const std::string& path);
// For `pause`, `resume` and `set`, beside a running command. Absent if nobody holds the store now.
std::optional<StoreOwner> store_owner(const std::string& path);
Control change_control(const std::string& path, const std::optional<bool>& paused,
                       const std::map<std::string, std::string>& settings);

}  // namespace migrator
