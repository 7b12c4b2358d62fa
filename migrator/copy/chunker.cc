#include "migrator/copy/chunker.h"

#include <algorithm>
#include <cmath>

namespace migrator {
namespace {

// The first chunk is small, so that a wrong guess about the rows costs little: some tenth of a
// second's worth between two busy servers, some seconds' over a slow line. What one says of its
// size is known only when each worker has cut three, so until then each is twice the one before, up
// to kUnprovenBytes. After that, each next one may be eight times as large, and half as large.
constexpr double kFirstBytes = 8 << 20, kUnprovenBytes = 32 << 20;
constexpr std::uint64_t kFirstRowsUnknown = 2000, kFirstRowsMost = 20'000;
constexpr double kGrowthMost = 8;
// Gaps are cheap to jump over as long as a boundary by arithmetic still holds this share of its
// width.
constexpr double kDense = 0.5;
// The last chunks of a table are cut smaller, so that several workers end together, but not smaller
// than this: a chunk has its own costs (the 16 MB of buffers of PostgreSQL's COPY, for one).
constexpr double kLastBytesLeast = 16 << 20;

std::optional<std::int64_t> as_single_integer(const std::optional<Key>& key) {
  if (!key || key->size() != 1) return std::nullopt;
  const auto* value = std::get_if<std::int64_t>(&key->front());
  return value ? std::optional(*value) : std::nullopt;
}

// b - a of two integers, a <= b, without overflow.
std::uint64_t distance(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a);
}

}  // namespace

Chunker::Chunker(CheckpointStore& store, std::string table, ReadSpec spec,
                 const ChunkLimits& limits)
    : store_(store), table_(std::move(table)), spec_(std::move(spec)), limits_(limits) {
  const std::vector<Chunk> open = store.open_chunks(table_);
  left_over_.assign(open.begin(), open.end());
  const TableProgress progress = store.table(table_);
  frontier_ = progress.frontier;
  cut_to_end_ = progress.cut_to_end;
  rows_left_ = progress.rows_estimate - std::min(progress.rows_estimate, progress.rows);
  rows_ = kFirstRowsUnknown;
  if (progress.rows_estimate > 0 && progress.bytes_estimate > 0) {
    bytes_per_row_ =
        static_cast<double>(progress.bytes_estimate) / static_cast<double>(progress.rows_estimate);
    rows_ = static_cast<std::uint64_t>(
        std::clamp<double>(kFirstBytes / bytes_per_row_, 1, kFirstRowsMost));
  }
  rows_ = clamp(rows_);
}

bool Chunker::walks_integers() const {
  if (spec_.key.size() != 1) return false;
  const TypeKind kind = spec_.key.front().type.kind;
  return kind == TypeKind::int16 || kind == TypeKind::int32 || kind == TypeKind::int64;
}

std::uint64_t Chunker::clamp(std::uint64_t rows) const {
  std::uint64_t most = limits_.rows_max;
  if (bytes_per_row_ > 0) {
    most = std::min(
        most, static_cast<std::uint64_t>(static_cast<double>(limits_.bytes_max) / bytes_per_row_));
  }
  return std::clamp<std::uint64_t>(rows, 1, std::max<std::uint64_t>(most, 1));
}

// With n workers at it, none takes more than an nth of what is left (guided self-scheduling,
// Polychronopoulos and Kuck 1987). Beyond the estimate nothing is known to be left, and nothing is
// held back.
std::uint64_t Chunker::rows_to_cut() const {
  const std::uint64_t rows = rows_;
  if (rows_left_ == 0) return rows;
  const std::uint64_t share = rows_left_ / static_cast<std::uint64_t>(std::max(limits_.workers, 1));
  const std::uint64_t least = bytes_per_row_ > 0
                                  ? static_cast<std::uint64_t>(kLastBytesLeast / bytes_per_row_)
                                  : kFirstRowsUnknown;
  return std::max<std::uint64_t>(std::min(rows, std::max(share, least)), 1);
}

std::optional<Chunk> Chunker::next(Source& source) {
  const std::lock_guard lock(mutex_);
  if (!left_over_.empty()) {
    Chunk chunk = std::move(left_over_.front());
    left_over_.pop_front();
    return chunk;
  }
  if (cut_to_end_) return std::nullopt;
  const std::uint64_t rows = rows_to_cut();
  const std::optional<Key> upper = boundary(source, rows);
  rows_left_ -= std::min(rows_left_, rows);
  if (!proven_ && bytes_per_row_ > 0 &&
      static_cast<double>(rows_ * 2) * bytes_per_row_ <= kUnprovenBytes) {
    rows_ = clamp(rows_ * 2);
  }
  Chunk chunk = store_.cut_chunk(table_, upper);
  frontier_ = upper;
  cut_to_end_ = !upper;
  return chunk;
}

void Chunker::give_back(const Chunk& chunk) {
  const std::lock_guard lock(mutex_);
  left_over_.push_front(chunk);
}

// The upper bound of the next chunk; absent if what is left fits into one.
std::optional<Key> Chunker::boundary(Source& source, std::uint64_t rows) {
  // Nothing to cut by: whatever its size, the table is one chunk.
  if (spec_.key.empty()) return std::nullopt;
  if (dense_) {
    if (auto upper = integer_boundary(source, rows)) return upper;
  }
  const std::optional<Key> upper = source.nth_key(spec_, {frontier_, std::nullopt}, rows);
  const auto low = as_single_integer(frontier_), high = as_single_integer(upper);
  if (walks_integers() && low && high) {
    dense_ = static_cast<double>(rows) >= kDense * static_cast<double>(distance(*low, *high));
  }
  return upper;
}

// A dense integer key needs no query: at most n rows have keys in (k, k + n]. Absent near the end
// of the table, where the query decides whether this is the last chunk.
std::optional<Key> Chunker::integer_boundary(Source& source, std::uint64_t rows) {
  const auto low = as_single_integer(frontier_);
  if (!low) return std::nullopt;
  const auto reaches_end = [&] {
    return !last_ || *last_ <= *low || distance(*low, *last_) <= rows;
  };
  if (reaches_end()) last_ = as_single_integer(source.last_key(spec_));
  if (reaches_end()) return std::nullopt;
  return Key{*low + static_cast<std::int64_t>(rows)};
}

void Chunker::learn(const Chunk& chunk, std::uint64_t rows, std::uint64_t bytes,
                    std::chrono::microseconds took) {
  const std::lock_guard lock(mutex_);
  const auto low = as_single_integer(chunk.range.lower),
             high = as_single_integer(chunk.range.upper);
  if (low && high && spec_.where.empty() &&
      static_cast<double>(rows) < kDense * static_cast<double>(distance(*low, *high))) {
    dense_ = false;
  }
  if (rows == 0) return;
  proven_ = true;
  // Half of the old value, half of the new: rows differ in size from chunk to chunk.
  if (bytes > 0) {
    const double observed = static_cast<double>(bytes) / static_cast<double>(rows);
    bytes_per_row_ = bytes_per_row_ == 0 ? observed : (bytes_per_row_ + observed) / 2;
  }
  const double per_row =
      static_cast<double>(std::max<std::int64_t>(took.count(), 1)) / static_cast<double>(rows);
  const double wanted =
      static_cast<double>(std::chrono::microseconds(limits_.target).count()) / per_row;
  const double now = static_cast<double>(rows_);
  rows_ = clamp(
      static_cast<std::uint64_t>(std::llround(std::clamp(wanted, now / 2, now * kGrowthMost))));
}

bool Chunker::exhausted() const {
  const std::lock_guard lock(mutex_);
  return cut_to_end_ && left_over_.empty();
}

void Chunker::set_limits(const ChunkLimits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
  rows_ = clamp(rows_);
}

std::uint64_t Chunker::chunk_rows() const { return rows_; }

}  // namespace migrator
