#include "adapters/row_batch.h"

#include <algorithm>

namespace migrator {
namespace {

// A reader may overshoot the target by one row, and a slab doubles: up to this much is the normal
// working memory of a batch and is kept between uses. What is beyond it came from a huge row.
constexpr std::size_t kSlabBytesKept = 4 * kBatchBytesTarget;
// A cell is 16 bytes, a row offset 8: a batch of narrow rows has at most about this many of each.
constexpr std::size_t kCellsKept = 4 * kBatchBytesTarget / sizeof(Cell);
constexpr std::size_t kEndsKept = 4 * kBatchBytesTarget / sizeof(std::uint64_t);
constexpr std::size_t kSlabBytesFirst = 4096;

template <typename Element>
void clear_or_release(std::vector<Element>& elements, std::size_t keep) {
  if (elements.capacity() > keep) {
    std::vector<Element>().swap(elements);
  } else {
    elements.clear();
  }
}

}  // namespace

void Slab::grow(std::size_t at_least) {
  const std::size_t doubled = std::max(capacity_ * 2, kSlabBytesFirst);
  const std::size_t capacity = std::max(doubled, at_least);
  // Not value-initialized: see the class comment.
  std::unique_ptr<char[]> data(new char[capacity]);
  if (size_ != 0) std::memcpy(data.get(), data_.get(), size_);
  data_ = std::move(data);
  capacity_ = capacity;
}

void Slab::trim(std::size_t keep) {
  size_ = 0;
  if (data_ != nullptr && capacity_ <= keep) return;
  data_.reset();
  capacity_ = 0;
}

void RowBatch::clear() {
  // trim() also repairs the slab of a batch that was moved from, whose capacity is stale.
  slab_.trim(kSlabBytesKept);
  clear_or_release(ends_, kEndsKept);
  clear_or_release(cells_, kCellsKept);
  rows_ = 0;
}

}  // namespace migrator
