// The relay: takes keys from the journal and makes their rows on the target what they are on the
// source. (Protocol: "Relay round".)
//
// A round, in this order, which is what its correctness rests on:
//   1. in a snapshot of the source: read entries of the journal;
//   2. then read which chunks are in flight on the target: keys that lie in one are left for later;
//   3. in one transaction on the target that has locked the lease: read the rows of the other keys,
//      as of the snapshot, and replace them on the target;
//   4. delete exactly the entries read, of the keys that were written.
// Operations are never replayed, so it does not matter how often or in which order a round is done.
// The snapshot is not needed for that (rows may be read at any time after the entries); it is for
// rows that trade a unique value: with all entries in one round they are as they were together.
//
// Where a row needs a unique value that another one still has on the target, that one is out of
// date: its key joins the round. A row that the target refuses all the same stops no other: fewer
// and fewer are written together until the row stands alone; its entries stay in the journal and
// are tried again, ever more rarely. So a row whose parent has not come yet goes in once it has.
//
// Where the shim writes the target as well (`inline_writes`), step 3 raises the guard of each key
// to its newest entry before it writes the row. A key whose guard a writer has raised further has a
// newer row there, and is left alone: that writer's entry is still to come. (Unless it is in the
// way of another row by a unique value; then both are written as of one moment.) Where a relay has,
// its row is written: the number may be that of an entry which was written without the row's lock,
// and the row was read later than any that a relay has written.
//
// Threads: drain() and follow() on one thread; progress() and hold() on any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "checkpoints/store.h"
#include "migrator/capture/change_feed.h"
#include "migrator/capture/chunk_fence.h"
#include "migrator/capture/inline_guard.h"
#include "migrator/capture/relay_lease.h"
#include "migrator/capture/side_row.h"
#include "migrator/copy/backoff.h"
#include "migrator/copy/endpoints.h"
#include "migrator/copy/table_copy.h"
#include "migrator/relay/lag.h"
#include "migrator/relay/unique_holders.h"
#include "plans/route.h"

namespace migrator {

struct RelayProgress {
  std::uint64_t rounds = 0;
  std::uint64_t entries = 0;  // taken from the journal, done with
  std::int64_t seq = 0;       // the highest number of these; 0: none yet
  std::uint64_t keys = 0;     // made equal; a key that changed often counts once a round
  std::uint64_t rows = 0;     // written; the other keys were deleted
  // Entries of the last round whose chunk is being copied, or that another row was in the way of.
  std::uint64_t deferred = 0;
  std::uint64_t refused = 0;  // entries whose row the target does not take, after some tries
  std::string refusal;        // why, of the last one of these; without values
  Lag lag;                    // of the entries
  Backlog backlog;
  double growth = 0;  // entries/s by which the backlog has changed lately
  // What it waits for: an error that is being tried again, of a server that is away, say; or the
  // reason of a hold. "" if for nothing.
  std::string waits_for;
};

// References outlive the relay.
struct RelayContext {
  const Endpoints& endpoints;
  CheckpointStore& store;
  const ChunkFence& fence;
  const RelayLease& lease;
  const ChangeFeed& feed;
  Interrupt& interrupt;
  RetryPolicy retry;
  bool watch_schema = true;  // false while capture is taken away
  // Where the shim writes the target as well; else null.
  const InlineGuard* guard = nullptr;
  const SideTable* side = nullptr;  // of the source; with `guard`
};

class Relay {
 public:
  // Rows of the tables that the routes name; the routes outlive it.
  Relay(const std::vector<TableRoute>& routes, const RelayContext& context);
  ~Relay();

  // Works until it has seen the end of the journal: what is left there then is deferred or refused.
  // Or, where writers are faster, for that long; 0: for as long as it takes.
  // Throws Error(fenced) when another relay has taken over, Error(gate) when the journal or a
  // captured table has been altered, Error(cancelled) on a stop, and what the retries did not help
  // against.
  RelayProgress drain(const std::function<void(const RelayProgress&)>& tick = {},
                      std::chrono::seconds most = {});
  // Works until the stop, and waits for entries where there are none. Throws as drain() does.
  void follow(const std::stop_token& stop,
              const std::function<void(const RelayProgress&)>& tick = {});

  RelayProgress progress() const;
  // Holds follow() between two rounds as long as there is a reason; drain() is not held, as who
  // calls it waits for the end.
  void hold(const std::string& reason);

 private:
  struct Table;
  struct Item;
  struct Round;
  struct Refusal;

  bool round();
  // Steps 1 to 3. Returns what step 4 has to delete.
  std::vector<std::int64_t> copy_changes(Round& round);
  std::vector<std::int64_t> count_done(const std::vector<Change>& entries,
                                       const std::vector<std::size_t>& done, const Round& round);
  bool round_with_retry(Backoff& backoff, const std::function<bool()>& over);
  bool waits_for_a_try() const;
  void wait_out_hold(const std::function<bool()>& over,
                     const std::function<void(const RelayProgress&)>& tick);
  void connect();
  void close(const Error& error);
  void watch_schema();
  void watch_backlog();
  std::vector<Item> items_of(const std::vector<Change>& entries, Round& round);
  void leave_in_flight(std::vector<Item>& items, std::size_t& deferred);
  void apply(std::vector<Item> items, std::vector<std::size_t>& done);
  std::optional<Error> write_or_join(std::vector<Item> items);
  bool add_holders(std::vector<Item>& items);
  void write(std::span<Item> items);
  void pass_guard(std::vector<Item*>& items);
  void replace(Table& table, std::span<Item* const> items);
  void renew_snapshot();
  bool copy_whole(std::size_t table);
  void settle(std::span<Item> items);
  void refuse(const Item& item, const Error& error);
  void settle_rejects(std::span<Item> items);
  void adapt(const Round& round);

  const RelayContext context_;
  std::vector<Table> tables_;  // parents before their children
  Opened<Source> source_;
  Opened<Target> target_;
  UniqueHolders holders_;
  std::optional<std::uint64_t> epoch_;
  std::uint64_t source_epoch_ = 0;   // of the authority, not below that of any entry of the round
  std::size_t limit_;                // entries a round, beside those that are held back
  std::size_t held_ = 0;             // entries that the last round left
  std::size_t together_;             // keys a transaction
  std::size_t helpers_refused_ = 0;  // keys of no entry that could not be made equal
  std::chrono::milliseconds idle_;   // before the next round, if this one had nothing to do
  std::map<std::pair<std::string, std::string>, Refusal> refusals_;      // by table and key's text
  std::map<std::pair<std::string, std::string>, std::int64_t> rejects_;  // ids of open ones
  std::uint64_t rejects_known_ = 0;
  std::chrono::steady_clock::time_point schema_seen_{}, backlog_seen_{};

  mutable std::mutex mutex_;
  RelayProgress progress_;
  std::string hold_;
};

}  // namespace migrator
