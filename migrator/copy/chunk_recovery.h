// Copies one chunk again after it failed, without read-ahead, by whatever way fits the failure:
//
//   transient, in doubt   the same again, after a backoff; the target's fence says first whether a
//                         commit whose answer was lost did happen
//   duplicate key         merge: insert each row whose key is absent; beside a relay, rows that
//   lose
//                         to another one's unique value are left to it, through the journal
//   bad value             bisect the key range until the rows that the target refuses stand alone;
//                         they go to the reject list with their error, the others go in
//
// Beside a relay, what went wrong for a lock or a unique value is done again while the relay is
// held off: each would wait for unique values of the other, in opposite orders, and a server takes
// a second to notice.
//
// The chunk is claimed again at a new epoch, so nothing that is left of the failed attempt can
// commit.
#pragma once

#include <optional>
#include <vector>

#include "migrator/copy/table_copy.h"

namespace migrator {

class ChunkRecovery {
 public:
  ChunkRecovery(TableCopy& table, CopyContext& context, WorkerSessions& sessions, Chunk chunk)
      : table_(table), context_(context), sessions_(sessions), chunk_(std::move(chunk)) {}

  // Throws the last error when the chunk cannot be copied. REQUIRES: no transaction open on the
  // writer.
  ChunkDone run(Error error);

  // Copies one refused row of a chunk that is done again: inserted if its key is absent still.
  // Absent if that worked, with the row now in the target or gone from the source; else why it was
  // refused.
  std::optional<Error> retry(const Reject& reject);

 private:
  enum class Way { direct, merge, bisect };

  std::optional<ChunkDone> claim();
  ChunkDone copy(Way way, bool beside_relay);
  void load(const KeyRange& range, LoadMode mode);
  void bisect(const KeyRange& range);
  void leave_to_relay(const KeyRange& range);
  void reject(const Key& key, const Error& error);
  void open_sessions();
  void close_sessions(const Error& error);

  TableCopy& table_;
  CopyContext& context_;
  WorkerSessions& sessions_;
  const Chunk chunk_;
  std::uint64_t epoch_ = 0;
  bool held_off_ = false;  // the relay, while this transaction is open
  ChunkDone count_;
  std::uint64_t present_ = 0;
  std::vector<Reject> rejects_;
};

}  // namespace migrator
