// Reads a worker's chunks ahead of its writer, in a thread of its own.
//
// Measured: with the next chunk read while the last one is written, chunks cost nothing against one
// long stream; without, a third of the speed is lost. So while the writer loads chunk n, the reader
// streams n and then n+1, which is claimed already, and has cut n+2, whose claim the writer commits
// together with n.
//
// A chunk's road: cut here -> claims() -> claimed by the writer on the target -> granted() -> read
// here -> batches and an end (or failed) message -> next(). Bytes in the queue are bounded by the
// budget.
//
// Threads: the public members are the writer's, one thread. The destructor cancels what is being
// read and joins.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "migrator/copy/table_copy.h"

namespace migrator {

class ChunkReader {
 public:
  struct Message {
    enum class Kind {
      batch,     // rows of the chunk
      end,       // the chunk is complete
      failed,    // reading this chunk failed with `error`; others may go on
      claims,    // nothing to write now, and chunks wait for their claim
      finished,  // every chunk was handed over
    };
    Kind kind = Kind::finished;
    std::optional<Chunk> chunk;
    RowBatch batch;
    std::optional<Error> error;
  };

  // leave: asked before a chunk is cut; when it says true no further one is.
  ChunkReader(TableCopy& table, CopyContext& context, Opened<Source>& session,
              const TableCopy::Form& form, std::function<bool()> leave);
  ~ChunkReader();

  // Waits for what to do next. in_chunk: the writer is in the middle of a chunk and takes no
  // claims. Throws what stopped the reader altogether (no boundary could be read; a stop was
  // requested).
  Message next(bool in_chunk);
  // The chunks that wait for a claim. They stay on the list until granted() or dropped().
  std::vector<Chunk> claims();
  // Claimed and committed on the target: may be read. `read` is false for a chunk found done
  // already.
  void granted(const Chunk& chunk, bool read);
  // Gives a batch's memory back for the next one.
  void recycle(RowBatch batch);

 private:
  void run(const std::stop_token& stop);
  void cut_ahead(const std::stop_token& stop);
  std::optional<Chunk> take_granted(const std::stop_token& stop);
  void stream(const Chunk& chunk, const std::stop_token& stop);
  void push(Message message, const std::stop_token& stop);
  RowBatch fresh_batch();

  TableCopy& table_;
  CopyContext& context_;
  Opened<Source>& session_;
  const TableCopy::Form& form_;
  const std::function<bool()> leave_;

  std::mutex mutex_;
  std::condition_variable_any to_reader_, to_writer_;
  std::deque<Chunk> waiting_, granted_;
  std::deque<Message> messages_;
  std::size_t bytes_queued_ = 0;
  std::vector<RowBatch> spare_;
  bool cut_all_ = false, finished_ = false;
  std::exception_ptr fatal_;
  std::mutex session_mutex_;  // for cancelling from the destructor
  std::shared_ptr<Canceller> canceller_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace migrator
