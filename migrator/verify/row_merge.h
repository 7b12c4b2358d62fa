// The rows of one range of both sides, merged by their keys: names the rows that differ, and the
// columns.
//
// Both sides are asked for cells, in an order that both share. Threads: the caller's.
#pragma once

#include <cstdint>
#include <vector>

#include "migrator/verify/compared_table.h"
#include "migrator/verify/range_rows.h"

namespace migrator {

// What was found in a range, or in several of them.
struct RangeFindings {
  std::uint64_t rows_source = 0, rows_target = 0;
  std::uint64_t missing = 0, extra = 0, differing = 0;
  std::uint64_t bytes = 0;        // that came over from both sides
  std::vector<Difference> found;  // up to the limit given
  RowBatch keys;                  // of these, row by row: cells of the target's types

  std::uint64_t differences() const { return missing + extra + differing; }
};

class RowMerge {
 public:
  // Rows of both are cells of the target's types. keep: how many differences are named, and with
  // their values.
  RowMerge(const ComparedTable& table, RangeRows& source, RangeRows& target, std::size_t keep,
           std::size_t keep_values)
      : table_(table),
        source_{source, {}},
        target_{target, {}},
        keep_(keep),
        keep_values_(keep_values) {}

  // Throws Error(permanent) for rows that do not come in the order of their keys.
  RangeFindings run();

 private:
  struct Side {
    RangeRows& rows;
    RowBatch batch;
    std::size_t row = 0;
    bool ended = false;
    RowBatch last = {};  // the key of the row before
  };

  const Cell* fetch(Side& side);
  const Cell* advance(Side& side, std::uint64_t& rows);
  const Cell* next_source();
  const Cell* next_target();
  // The difference that was named, or nullptr beyond the limit.
  Difference* note(DifferenceKind kind, std::uint64_t& count, const RowBatch& batch,
                   const Cell* row);

  const ComparedTable& table_;
  Side source_, target_;
  const std::size_t keep_, keep_values_;
  RangeFindings out_;
};

}  // namespace migrator
