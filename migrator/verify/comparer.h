// Compares every row of a table on both sides: two streams in an order that both sides share,
// merged.
//
// First form: it reads through the adapters' sources and judges cells with comparisons of its own
// (cell_comparison.h). Memory is a few batches, whatever the table's size. Rows that change between
// the two reads show up as differences, which recheck.h looks at again.
//
// Threads: compare() starts one reading thread a side and returns when both have ended.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "migrator/copy/endpoints.h"
#include "migrator/verify/compared_table.h"
#include "plans/route.h"

namespace migrator {

struct TableComparison {
  std::string table;
  std::uint64_t rows_source = 0, rows_target = 0;
  std::uint64_t missing = 0, extra = 0, differing = 0;
  std::uint64_t in_flux = 0;        // were different, and were not when they were read again
  std::uint64_t not_looked_at = 0;  // of the differences: their changes may be on their way
  std::uint64_t repaired = 0;       // of those that were, equal after they were copied again
  std::vector<Difference> found;    // the first ones, up to the limit given
  RowBatch keys;                    // of these, row by row: cells of the target's types
  bool complete = false;            // both sides were read to their end
  std::string error, remedy;        // why it was not
  double seconds = 0;

  std::uint64_t differences() const { return missing + extra + differing; }
  // After a repair only another verify can say.
  bool equal() const { return complete && differences() == 0 && repaired == 0; }
};

class Comparer {
 public:
  Comparer(const Endpoints& endpoints, Interrupt& interrupt, std::size_t keep_differences)
      : endpoints_(endpoints), interrupt_(interrupt), keep_(keep_differences) {}

  // tick: called now and then with what was counted so far. Throws Error; a comparison that threw
  // has proved nothing.
  TableComparison compare(const TableRoute& route,
                          const std::function<void(const TableComparison&)>& tick);

 private:
  const Endpoints& endpoints_;
  Interrupt& interrupt_;
  const std::size_t keep_;
};

}  // namespace migrator
