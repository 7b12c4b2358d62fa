// A batch of rows on its way from a source to a target. Index the bytes, do not parse them.
//
// A batch has one of two shapes, and its RowLayout (below) says how to read the bytes:
//   wire rows   one slab of bytes plus the end offset of each row, in the target's own load format:
//               PostgreSQL COPY tuples, text or binary, forwarded as they came.
//   cells       one Cell a value, row-major; text and bytes lie in the slab. Row-major because rows
//   come
//               in and go out row by row: columns would transpose twice.
//
// Threads: one at a time. A batch is move-only and is recycled: clear() keeps its memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace migrator {

struct Cell {
  // misfit: a value that its column's type cannot hold, handed over only where a read asks for it
  // (Misfits::mark in adapter.h); its bytes are the value as its engine has it, as text:
  // equal for two values of one column type if and only if the values are.
  enum class Tag : std::uint8_t { null, integer, unsigned_integer, real, text, bytes, misfit };

  union {
    std::int64_t integer;
    std::uint64_t unsigned_integer;
    double real;
    std::uint64_t offset;  // text, bytes, misfit: where in the slab
  };
  std::uint32_t size = 0;  // text, bytes, misfit: how many bytes
  Tag tag = Tag::null;

  Cell() : integer(0) {}
};
static_assert(sizeof(Cell) == 16);

// How the bytes of a batch are to be read. A source lists the layouts it can give, best first, a
// target those it can take; the first of the source's that the target also lists is used for the
// table. Two layouts are the same only if format and every column's wire type are equal, so a wire
// format is never passed between columns of different types.
struct RowLayout {
  std::string format;  // "pgcopy-binary", "pgcopy-text", "mysql-text", "sqlite-cells", or "cells"
  std::vector<std::string> column_types;  // empty for "cells", where Column::type rules
  bool operator==(const RowLayout&) const = default;
};

// The neutral layout: each column's cells are as TypeKind in schema.h says.
inline const RowLayout& cells_layout() {
  static const RowLayout layout{"cells", {}};
  return layout;
}

// Bytes that grow without being zeroed first: std::vector would write each byte twice.
class Slab {
 public:
  Slab() = default;
  // A slab that was moved from is empty and may be used again.
  Slab(Slab&& other) noexcept { *this = std::move(other); }
  Slab& operator=(Slab&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }
  const char* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  void clear() { size_ = 0; }
  void append(const char* bytes, std::size_t count) {
    if (count > 0) std::memcpy(extend(count), bytes, count);
  }
  // Room for count more bytes, counted as used; the caller writes them all.
  char* extend(std::size_t count) {
    if (size_ + count > capacity_) grow(size_ + count);
    char* at = data_.get() + size_;
    size_ += count;
    return at;
  }
  // Gives back the last bytes that extend() handed out and the caller did not need.
  void shrink_to(std::size_t size) { size_ = size; }
  // Gives memory beyond keep back to the system, for after a huge row. Empties the slab.
  void trim(std::size_t keep);

 private:
  void grow(std::size_t at_least);
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0, capacity_ = 0;
};

class RowBatch {
 public:
  RowBatch() = default;
  RowBatch(RowBatch&& other) noexcept { *this = std::move(other); }
  RowBatch& operator=(RowBatch&& other) noexcept {
    slab_ = std::move(other.slab_);
    ends_ = std::exchange(other.ends_, {});
    cells_ = std::exchange(other.cells_, {});
    rows_ = std::exchange(other.rows_, 0);
    columns_ = std::exchange(other.columns_, 0);
    return *this;
  }

  // Empties the batch for reuse. Memory beyond the usual batch size is given back.
  void clear();
  bool empty() const { return rows_ == 0; }
  std::size_t rows() const { return rows_; }
  // Bytes that this batch carries; what budgets, rate limits and progress count.
  std::size_t bytes() const { return slab_.size() + cells_.size() * sizeof(Cell); }

  Slab& slab() { return slab_; }
  const Slab& slab() const { return slab_; }

  // --- wire rows: append a row's bytes to slab(), then end it.
  void end_wire_row() {
    ends_.push_back(slab_.size());
    ++rows_;
  }
  std::string_view wire_row(std::size_t row) const {
    const std::uint64_t begin = row == 0 ? 0 : ends_[row - 1];
    return {slab_.data() + begin, static_cast<std::size_t>(ends_[row] - begin)};
  }
  std::string_view wire_bytes() const { return {slab_.data(), slab_.size()}; }

  // --- cells: push exactly columns() cells, then end_cell_row().
  std::size_t columns() const { return columns_; }
  void set_columns(std::size_t columns) { columns_ = columns; }
  void push_null() { cells_.emplace_back(); }
  void push_integer(std::int64_t value) {
    Cell& cell = cells_.emplace_back();
    cell.tag = Cell::Tag::integer;
    cell.integer = value;
  }
  void push_unsigned(std::uint64_t value) {
    Cell& cell = cells_.emplace_back();
    cell.tag = Cell::Tag::unsigned_integer;
    cell.unsigned_integer = value;
  }
  void push_real(double value) {
    Cell& cell = cells_.emplace_back();
    cell.tag = Cell::Tag::real;
    cell.real = value;
  }
  void push_text(std::string_view value) { push_slab(Cell::Tag::text, value); }
  void push_bytes(std::string_view value) { push_slab(Cell::Tag::bytes, value); }
  void push_misfit(std::string_view value) { push_slab(Cell::Tag::misfit, value); }
  // A cell of another batch.
  void push_cell(const RowBatch& from, const Cell& cell) {
    if (cell.tag == Cell::Tag::text || cell.tag == Cell::Tag::bytes ||
        cell.tag == Cell::Tag::misfit) {
      push_slab(cell.tag, from.bytes_of(cell));
    } else {
      cells_.push_back(cell);
    }
  }
  // For a codec that wrote its bytes into slab() itself, from offset on.
  void push_written(Cell::Tag tag, std::uint64_t offset) {
    Cell& cell = cells_.emplace_back();
    cell.tag = tag;
    cell.offset = offset;
    cell.size = static_cast<std::uint32_t>(slab_.size() - offset);
  }
  void end_cell_row() { ++rows_; }
  // The cells of one row: columns() of them.
  const Cell* row(std::size_t row) const { return cells_.data() + row * columns_; }
  // For a conversion in place: it may change cells and append to slab().
  Cell* mutable_row(std::size_t row) { return cells_.data() + row * columns_; }
  std::string_view bytes_of(const Cell& cell) const {
    return {slab_.data() + cell.offset, cell.size};
  }

 private:
  void push_slab(Cell::Tag tag, std::string_view value) {
    const std::uint64_t offset = slab_.size();
    slab_.append(value.data(), value.size());
    push_written(tag, offset);
  }

  Slab slab_;
  std::vector<std::uint64_t> ends_;
  std::vector<Cell> cells_;
  std::size_t rows_ = 0, columns_ = 0;
};

// A batch is handed on when it holds about this many bytes: large enough that a hand-over costs
// nothing, small enough that a pipeline of a few fits the caches and the memory budget.
inline constexpr std::size_t kBatchBytesTarget = std::size_t{256} * 1024;

}  // namespace migrator
