// The checkpoint store in one SQLite file. See store.h for the interface and FORMAT.md for the
// file.
//
// Threads: one connection behind a mutex. A call is one transaction of some tens of microseconds,
// so there is nothing to win by more of them; SQLite has one writer at a time anyway.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "checkpoints/owner_lock.h"
#include "checkpoints/sqlite_connection.h"
#include "checkpoints/store.h"

namespace migrator::checkpoint {

// add_event() keeps this many (store.h): enough for the story of a long migration, and a few MB at
// most.
inline constexpr std::int64_t kEventsMax = 10'000;

// Epochs are reserved on the disk in blocks, so that drawing one costs no write. What is left of a
// block when the process ends is never used, which is what keeps the next process' epochs above
// this one's.
inline constexpr std::uint64_t kEpochBlock = 1000;

// Who holds the store, as its owner row says.
struct OwnerRow {
  StoreOwner owner;
  bool released = false;  // it ended well; a killed one could not say so
};
std::optional<OwnerRow> read_owner(Connection& connection);
void write_owner(Connection& connection, const StoreOwner& owner);

// `migrate pause|resume|set`: raises the version if anything is different afterwards. A setting
// with an empty value is removed: the plan's own applies again.
Control update_control(Connection& connection, const std::optional<bool>& paused,
                       const std::map<std::string, std::string>& settings);
Control read_control(Connection& connection);

class SqliteStore final : public CheckpointStore {
 public:
  // The connection's file is identified and of the current version. Without a lock it is for
  // reading only, and every call that would write throws Error(invariant).
  SqliteStore(std::unique_ptr<Connection> connection, std::optional<OwnerLock> lock);
  ~SqliteStore() override;

  std::optional<Migration> migration() override;
  void begin_migration(const Migration& migration) override;
  std::uint64_t next_epoch(std::uint64_t at_least) override;

  bool step_done(std::string_view step) override;
  void mark_step(std::string_view step) override;
  void clear_step(std::string_view step) override;
  std::vector<std::string> steps(std::string_view prefix) override;

  void put_table(const std::string& table, std::uint64_t rows_estimate,
                 std::uint64_t bytes_estimate) override;
  void set_table_state(const std::string& table, TableState state) override;
  std::vector<TableProgress> tables() override;
  TableProgress table(const std::string& table) override;

  Chunk cut_chunk(const std::string& table, const std::optional<Key>& upper) override;
  std::vector<Chunk> open_chunks(const std::string& table) override;
  std::optional<Chunk> chunk(const std::string& table, std::uint64_t number) override;
  void claim_chunk(const std::string& table, std::uint64_t number, std::uint64_t epoch,
                   std::chrono::milliseconds lease) override;
  void finish_chunk(const std::string& table, std::uint64_t number, const ChunkDone& done) override;

  std::int64_t put_reject(const Reject& reject) override;
  std::vector<Reject> rejects(const std::string& table, bool open_only, std::size_t limit) override;
  std::optional<Reject> reject(std::int64_t id) override;
  void resolve_reject(std::int64_t id, const std::string& resolution) override;
  void clear_rejects(const std::string& table, std::uint64_t chunk) override;
  std::uint64_t open_rejects(const std::string& table) override;

  void add_event(const Event& event) override;
  std::vector<Event> events(std::size_t limit) override;

  void put_verify(const VerifyOutcome& outcome) override;
  std::vector<VerifyOutcome> verify_outcomes() override;
  void void_verify() override;
  void settle_mismatches(const std::string& table, const std::vector<Key>& keys) override;
  void put_verify_progress(const VerifyProgress& progress) override;
  void clear_verify_progress(const std::string& table) override;
  std::vector<VerifyProgress> verify_progress() override;
  std::string digest_key() override;
  void put_mismatches(const std::string& table, const std::vector<Mismatch>& found,
                      bool whole) override;
  std::vector<Mismatch> mismatches(const std::string& table, bool open_only,
                                   std::size_t limit) override;
  std::optional<Mismatch> mismatch(std::int64_t id) override;
  void resolve_mismatch(std::int64_t id, const std::string& resolution) override;
  std::uint64_t open_mismatches(const std::string& table) override;

  Control control() override;

 private:
  // Runs `body` in a write transaction; nothing of it stays if it throws.
  template <typename Body>
  auto write(Durability durability, Body&& body) {
    std::lock_guard guard(mutex_);
    return write_locked(durability, std::forward<Body>(body));
  }
  template <typename Body>
  auto write_locked(Durability durability, Body&& body) {
    prepare_to_write(durability);
    Transaction transaction(*connection_, Transaction::Kind::write);
    if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
      body();
      commit(transaction, durability);
    } else {
      auto result = body();
      commit(transaction, durability);
      return result;
    }
  }
  void prepare_to_write(Durability durability);
  void commit(Transaction& transaction, Durability durability);

  // The id of a table that put_table() knows; Error(invariant) for any other. Once known it is
  // never looked up again: tables are never removed.
  std::int64_t table_id(const std::string& table);
  // Absent if nothing is known of it.
  std::optional<std::int64_t> find_table(const std::string& table);
  // The same chunk as a caller reads it; absent if it was never cut.
  std::optional<Chunk> find_chunk(std::int64_t table_id, const std::string& table,
                                  std::uint64_t number);
  Statement& prepared(std::string_view sql) { return connection_->prepared(sql); }

  std::mutex mutex_;
  std::optional<OwnerLock> lock_;  // released last, after the connection is closed
  std::unique_ptr<Connection> connection_;
  std::map<std::string, std::int64_t, std::less<>> table_ids_;
  std::uint64_t last_epoch_ = 0, reserved_epoch_ = 0;
  // Chunks were cut that a power cut could take away again. True at the start: the process before
  // this one may have left such behind.
  bool cuts_unsaved_ = true;
};

}  // namespace migrator::checkpoint
