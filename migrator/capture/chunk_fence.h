// The chunk fences F: which chunks of a backfill are being copied, and which are done, decided on
// the target. (Protocol: "Backfill chunk".)
//
// Two tables beside the data, so that plain SQL is all that is needed:
//   _migrator_state  one row a migration: its random id, which ties the target to one store
//   _migrator_chunk  one row a chunk: (migration, table, number) -> (epoch, state, range, rows)
// A chunk is claimed (`in_flight`, with the claimer's epoch) before it is read, and set `done` in
// the SAME transaction as its rows. So whatever a checkpoint says, a chunk's rows are in the target
// exactly if its fence says done; and a copier that was overtaken fails at lock(), because its
// epoch is no longer there.
//
// Threads: none of its own; all calls run on the session given. SQL is portable over the three
// engines.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adapters/adapter.h"
#include "checkpoints/store.h"

namespace migrator {

class ChunkFence {
 public:
  // migration: the plan's name. It is part of every key, so that several may share a target.
  explicit ChunkFence(std::string migration) : migration_(std::move(migration)) {}

  // Makes the tables if they are not there. Not within a transaction (MySQL's DDL commits).
  void install(Session& target) const;

  // The id that holds the target for this migration, if it was ever adopted.
  std::optional<std::string> owner_id(Session& target) const;
  // Ties the target to this id. Throws Error(gate) if another id holds it.
  void adopt(Session& target, const std::string& id) const;
  // The highest epoch on any fence of the migration: a store that starts anew must go above it.
  std::uint64_t highest_epoch(Session& target) const;

  struct Done {
    std::uint64_t chunks = 0, rows = 0;
  };
  // What is done of each table, by the target's word.
  std::map<std::string, Done> done(Session& target) const;

  // The ranges of all chunks in flight, by table: claimed, and not done. Those of a run that died
  // are among them until another one takes them up.
  std::map<std::string, std::vector<KeyRange>> in_flight(Session& target) const;

  struct Claim {
    bool done = false;       // its rows are in the target already
    std::uint64_t rows = 0;  // where done
  };
  // Within an open transaction, which the caller commits before the chunk is read. Throws
  // Error(fenced) when a higher epoch has claimed the chunk.
  Claim claim(Session& target, const Chunk& chunk, std::uint64_t epoch) const;

  // First statement of the transaction that loads the rows. Throws Error(fenced) unless the chunk
  // is in flight at exactly this epoch.
  void lock(Session& target, const Chunk& chunk, std::uint64_t epoch) const;
  // Last statement of that transaction. REQUIRES: lock() in the same one.
  void complete(Session& target, const Chunk& chunk, std::uint64_t epoch, std::uint64_t rows) const;

  // Within the transaction that brings in a row that was rejected. False if that has happened
  // before.
  bool mark_retried(Session& target, const Reject& reject) const;

  // Drops the fences and the state row of this migration, and the tables when no other one uses
  // them.
  void remove(Session& target) const;

 private:
  std::string migration_;
};

}  // namespace migrator
