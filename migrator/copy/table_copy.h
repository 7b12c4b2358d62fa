// What the workers of a backfill share: about one table (TableCopy), and about the whole run
// (CopyContext).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "migrator/capture/change_feed.h"
#include "migrator/capture/chunk_fence.h"
#include "migrator/capture/relay_lease.h"
#include "migrator/copy/backoff.h"
#include "migrator/copy/chunker.h"
#include "migrator/copy/endpoints.h"
#include "migrator/copy/pacer.h"
#include "migrator/copy/row_form.h"
#include "plans/route.h"

namespace migrator {

// References outlive the run. Threads: all members may be used by several workers.
struct CopyContext {
  const Endpoints& endpoints;
  CheckpointStore& store;
  const ChunkFence& fence;
  Interrupt& interrupt;
  Pacer& pacer;
  RetryPolicy retry;
  std::uint64_t epoch = 0;        // of this run: what it claims, it claims with this or higher
  std::uint64_t rejects_max = 0;  // per table
  std::atomic<std::size_t> read_ahead_bytes = 0;  // per worker; follows the number of workers
  bool colocate = true;                           // use a co-located copy where there is one
  // The target's tables may have held rows before. If not, a fenced chunk never finds one of its
  // keys there, and a key that counts as present is another one that the target's collation takes
  // for the same.
  bool allow_present = false;
  // Where changes of the source are followed: a row that loses to another one's unique value is
  // left to the relay, as that value has moved in the meantime.
  const ChangeFeed* feed = nullptr;
  const RelayLease* lease = nullptr;  // of that relay
};

// What each of so many workers may read ahead.
// Of a table without a key: rows that its chunk did not bring could not be told from those that it
// brings, and these would be there twice. In the chunk's transaction, behind its fence; throws
// Error(gate) where the target holds rows. Nothing of a table with a key.
void refuse_rows_that_cannot_be_told(const TableRoute& route, Session& target);

std::size_t read_ahead_bytes(int workers);

class TableCopy {
 public:
  TableCopy(const TableRoute& table_route, CheckpointStore& store, const ChunkLimits& limits)
      : route(table_route), chunker(store, table_route.name, table_route.read, limits) {}

  const TableRoute& route;
  Chunker chunker;

  // Chosen at the first call, with whichever sessions ask first.
  using Form = RowForm;
  const Form& form(Source& source, Target& target);

  // Cuts the next chunk and claims it in the checkpoint store, for this run's epoch. Waits for the
  // disk, so that a cut which the target remembers is never forgotten here: call it where that
  // costs no loading time.
  std::optional<Chunk> next_chunk(Source& source, CopyContext& context);

  // A row is counted here when its chunk is committed.
  std::atomic<std::uint64_t> rows{0}, bytes{0}, retries{0};
  // How the rows travel, for people: "pgcopy-binary", "ATTACH", "cells".
  void set_way(const std::string& way);
  std::string way() const;
  // The last merge found rows that were there already, so the next chunk merges without trying
  // first.
  std::atomic<bool> expects_present{false};

 private:
  mutable std::mutex mutex_;
  std::optional<Form> form_;
  std::string way_;
};

// The sessions of one worker; opened when first needed, closed when poisoned.
struct WorkerSessions {
  Opened<Source> reader;    // used by the read-ahead thread alone while that runs
  Opened<Source> recovery;  // reads a chunk again after a failure
  Opened<Target> writer;
};

}  // namespace migrator
