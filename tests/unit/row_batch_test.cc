#include "adapters/row_batch.h"

#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace migrator {
namespace {

TEST(Slab, KeepsItsBytesWhileItGrows) {
  Slab slab;
  std::string expected;
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) {
    const std::string piece(random() % 300, static_cast<char>('a' + i % 26));
    slab.append(piece.data(), piece.size());
    expected += piece;
  }
  EXPECT_EQ(std::string_view(slab.data(), slab.size()), expected);
  EXPECT_GE(slab.capacity(), slab.size());
}

TEST(Slab, GrowsByDoublingSoThatAppendingIsCheap) {
  Slab slab;
  int moves = 0;
  std::size_t capacity = slab.capacity();
  for (int i = 0; i < 1'000'000; ++i) {
    slab.append("x", 1);
    if (slab.capacity() != capacity) ++moves;
    capacity = slab.capacity();
  }
  EXPECT_LE(moves, 12);
  EXPECT_LE(slab.capacity(), 2u * 1'048'576);
}

TEST(Slab, HandsOutRoomAndTakesTheRestBack) {
  Slab slab;
  slab.append("head", 4);
  char* at = slab.extend(100);
  std::memcpy(at, "tail", 4);
  slab.shrink_to(8);
  EXPECT_EQ(std::string_view(slab.data(), slab.size()), "headtail");
}

TEST(Slab, TakesOnePieceLargerThanDouble) {
  Slab slab;
  slab.append("x", 1);
  const std::string large(1 << 20, 'y');
  slab.append(large.data(), large.size());
  EXPECT_EQ(std::string_view(slab.data(), slab.size()), "x" + large);
}

TEST(Slab, TrimKeepsSmallMemoryAndGivesLargeBack) {
  Slab slab;
  slab.extend(10'000);
  const std::size_t capacity = slab.capacity();
  slab.trim(capacity);
  EXPECT_EQ(slab.size(), 0u);
  EXPECT_EQ(slab.capacity(), capacity);
  slab.trim(capacity - 1);
  EXPECT_EQ(slab.capacity(), 0u);
  slab.append("again", 5);
  EXPECT_EQ(std::string_view(slab.data(), slab.size()), "again");
}

TEST(RowBatch, CarriesWireRows) {
  RowBatch batch;
  const std::vector<std::string> rows = {"first", "", "third row", std::string("a\0b", 3)};
  std::string all;
  for (const std::string& row : rows) {
    batch.slab().append(row.data(), row.size());
    batch.end_wire_row();
    all += row;
  }
  ASSERT_EQ(batch.rows(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(batch.wire_row(i), rows[i]);
  EXPECT_EQ(batch.wire_bytes(), all);
  EXPECT_EQ(batch.bytes(), all.size());
}

TEST(RowBatch, CarriesCells) {
  RowBatch batch;
  batch.set_columns(6);
  for (int i = 0; i < 1000; ++i) {
    batch.push_integer(-i);
    batch.push_unsigned(~std::uint64_t{0} - static_cast<std::uint64_t>(i));
    batch.push_real(i / 4.0);
    batch.push_text("row " + std::to_string(i));
    batch.push_bytes(std::string_view("\0\xff", 2));
    batch.push_null();
    batch.end_cell_row();
  }
  ASSERT_EQ(batch.rows(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    const Cell* row = batch.row(static_cast<std::size_t>(i));
    EXPECT_EQ(row[0].tag, Cell::Tag::integer);
    EXPECT_EQ(row[0].integer, -i);
    EXPECT_EQ(row[1].unsigned_integer, ~std::uint64_t{0} - static_cast<std::uint64_t>(i));
    EXPECT_EQ(row[2].real, i / 4.0);
    EXPECT_EQ(row[3].tag, Cell::Tag::text);
    EXPECT_EQ(batch.bytes_of(row[3]), "row " + std::to_string(i));
    EXPECT_EQ(row[4].tag, Cell::Tag::bytes);
    EXPECT_EQ(batch.bytes_of(row[4]), std::string_view("\0\xff", 2));
    EXPECT_EQ(row[5].tag, Cell::Tag::null);
  }
}

TEST(RowBatch, TakesBytesThatACodecWroteIntoTheSlab) {
  RowBatch batch;
  batch.set_columns(2);
  batch.push_text("before");
  const std::uint64_t offset = batch.slab().size();
  batch.slab().append("12", 2);
  batch.slab().append(".50", 3);
  batch.push_written(Cell::Tag::text, offset);
  batch.end_cell_row();
  EXPECT_EQ(batch.bytes_of(batch.row(0)[0]), "before");
  EXPECT_EQ(batch.bytes_of(batch.row(0)[1]), "12.50");
}

TEST(RowBatch, ClearKeepsTheMemoryOfAUsualBatch) {
  RowBatch batch;
  const std::string row(400, 'r');
  while (batch.bytes() < kBatchBytesTarget) {
    batch.slab().append(row.data(), row.size());
    batch.end_wire_row();
  }
  const std::size_t capacity = batch.slab().capacity();
  batch.clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.bytes(), 0u);
  EXPECT_EQ(batch.slab().capacity(), capacity);
}

TEST(RowBatch, ClearGivesBackTheMemoryOfAHugeRow) {
  RowBatch batch;
  batch.slab().extend(64u << 20);
  batch.end_wire_row();
  batch.clear();
  EXPECT_LE(batch.slab().capacity(), 4 * kBatchBytesTarget);
  batch.slab().append("usable", 6);
  batch.end_wire_row();
  EXPECT_EQ(batch.wire_row(0), "usable");
}

TEST(RowBatch, ClearForgetsTheRowsButNotTheColumns) {
  RowBatch batch;
  batch.set_columns(1);
  batch.push_integer(1);
  batch.end_cell_row();
  batch.clear();
  EXPECT_EQ(batch.columns(), 1u);
  batch.push_integer(2);
  batch.end_cell_row();
  ASSERT_EQ(batch.rows(), 1u);
  EXPECT_EQ(batch.row(0)->integer, 2);
}

TEST(RowBatch, AClearedBatchIsUsableAfterItWasMovedFrom) {
  RowBatch first;
  first.slab().append("kept", 4);
  first.end_wire_row();
  RowBatch second = std::move(first);
  first.clear();  // NOLINT(bugprone-use-after-move): what is tested
  first.slab().append("new", 3);
  first.end_wire_row();
  ASSERT_EQ(first.rows(), 1u);
  EXPECT_EQ(first.wire_row(0), "new");
  ASSERT_EQ(second.rows(), 1u);
  EXPECT_EQ(second.wire_row(0), "kept");
}

}  // namespace
}  // namespace migrator
