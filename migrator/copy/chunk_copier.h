// One worker on one table: claims chunks, loads their rows, and marks them done, each in the order
// that the protocol asks for ("Backfill chunk"). Direct load first; what fails goes to
// ChunkRecovery.
//
// Threads: one copier a worker; run() occupies the calling thread and starts one more that reads
// ahead.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "migrator/copy/chunk_reader.h"
#include "migrator/copy/table_copy.h"

namespace migrator {

class ChunkCopier {
 public:
  ChunkCopier(TableCopy& table, CopyContext& context, WorkerSessions& sessions)
      : table_(table), context_(context), sessions_(sessions) {}

  // Copies chunks until the table has none left to hand out, or leave() says true; then finishes
  // those in hand. Throws when a chunk could not be copied for a reason that another try cannot
  // help: the chunk stays open, and the next run takes it up again.
  void run(const std::function<bool()>& leave);

 private:
  struct Load;  // a chunk being loaded in an open target transaction

  void open_writer();
  void run_pipelined(const std::function<bool()>& leave, const TableCopy::Form& form);
  // False where no session reaches both sides.
  bool run_colocated(const std::function<bool()>& leave);
  std::optional<Chunk> take_colocated(const std::function<bool()>& leave);
  std::optional<Chunk> copy_colocated(std::unique_ptr<Colocation>& colocation, const Chunk& chunk,
                                      const std::function<bool()>& leave);
  void end_colocation(std::unique_ptr<Colocation>& colocation, const Error& error);
  double estimated_row_bytes() const;
  void write(ChunkReader& reader, ChunkReader::Message message, const TableCopy::Form& form);
  void finish(ChunkReader& reader, const Chunk& chunk);
  void claim_alone(ChunkReader& reader);
  // Claims within the open transaction; the result is acted upon once it has committed.
  struct Claimed {
    Chunk chunk;
    ChunkFence::Claim claim;
  };
  std::vector<Claimed> claim(const std::vector<Chunk>& chunks);
  void grant(ChunkReader& reader, const std::vector<Claimed>& claimed);
  void recover(const Chunk& chunk, const Error& error);
  // Writes down that a chunk is done, and learns from how it went.
  void done(const Chunk& chunk, ChunkDone result);
  void record(const Chunk& chunk, const ChunkDone& result);
  void fail(const Error& error);
  std::chrono::microseconds lap();

  TableCopy& table_;
  CopyContext& context_;
  WorkerSessions& sessions_;
  std::unique_ptr<RowSink> sink_;
  std::optional<Chunk> chunk_;  // the one in hand
  std::optional<Error>
      failed_;  // why the chunk in hand cannot go on; the rest of its rows is discarded
  std::uint64_t bytes_ = 0;
  std::chrono::steady_clock::time_point lap_start_ = std::chrono::steady_clock::now();
};

}  // namespace migrator
