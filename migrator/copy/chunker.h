// Cuts a table into chunks: consecutive half-open ranges of its key, each of about as many rows as
// are copied in the target time.
//
// The frontier only moves forward, the last range has no upper bound, and every boundary is a key
// that the source itself gave (or, for a dense integer key, a number within the key's reach): no
// row lies between two chunks or in both, whatever the key's type, collation or gaps. What an
// earlier run cut and did not finish is handed out first.
//
// Threads: next() and learn() may be called by several workers; each brings its own Source.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "adapters/adapter.h"
#include "checkpoints/store.h"

namespace migrator {

struct ChunkLimits {
  std::chrono::milliseconds target{500};
  std::uint64_t rows_max = 500'000;
  std::uint64_t bytes_max = 64u << 20;
  int workers = 1;  // that may share the table: its last chunks are cut so that they end together
};

class Chunker {
 public:
  Chunker(CheckpointStore& store, std::string table, ReadSpec spec, const ChunkLimits& limits);

  // The next chunk to copy; absent when everything has been handed out. Asks the source for the
  // boundary, and may throw what it throws: nothing is cut then, and next() may be called again.
  std::optional<Chunk> next(Source& source);

  // A chunk that was handed out and not copied: it is handed out again.
  void give_back(const Chunk& chunk);

  // How a chunk went: the next ones are cut accordingly. took is the whole time that the chunk
  // occupied a worker, waiting for rate limits included. 0 bytes: not known.
  void learn(const Chunk& chunk, std::uint64_t rows, std::uint64_t bytes,
             std::chrono::microseconds took);

  // True when next() has nothing more to hand out.
  bool exhausted() const;

  void set_limits(const ChunkLimits& limits);
  // How many rows the next cut aims at. Never waits, as next() may for a source that is slow.
  std::uint64_t chunk_rows() const;

 private:
  std::optional<Key> boundary(Source& source, std::uint64_t rows);
  std::optional<Key> integer_boundary(Source& source, std::uint64_t rows);
  std::uint64_t clamp(std::uint64_t rows) const;
  std::uint64_t rows_to_cut() const;
  bool walks_integers() const;

  CheckpointStore& store_;
  const std::string table_;
  const ReadSpec spec_;

  mutable std::mutex mutex_;
  ChunkLimits limits_;
  std::deque<Chunk> left_over_;
  std::optional<Key> frontier_;
  bool cut_to_end_ = false;
  std::atomic<std::uint64_t> rows_ = 0;  // aimed at
  std::uint64_t rows_left_ = 0;          // not cut yet, by the catalog's estimate; 0: not known
  bool proven_ = false;                  // a chunk of it has been copied
  double bytes_per_row_ = 0;             // first the catalog's estimate; 0: not known
  bool dense_ = false;                   // integer keys: few gaps, so a boundary needs no query
  std::optional<std::int64_t> last_;     // integer keys: the highest, when last asked
};

}  // namespace migrator
