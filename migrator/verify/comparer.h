// Compares every row of a table on both sides: two streams in an order that both sides share,
// merged.
//
// First form: it reads through the adapters' sources and judges cells with comparisons of its own
// (decimals as numbers, JSON parsed, padded texts without their padding). Memory is a few batches,
// whatever the table's size. Rows that change between the two reads show up as differences: writers
// have to be still.
//
// Threads: compare() starts one reading thread a side and returns when both have ended.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "migrator/copy/endpoints.h"
#include "plans/route.h"

namespace migrator {

enum class DifferenceKind { missing, extra, differs };
std::string_view name(DifferenceKind kind);

struct Difference {
  DifferenceKind kind = DifferenceKind::differs;
  Key key;  // of the source for missing and differs, of the target for extra
  std::vector<std::string> columns;  // differs: the source's names of the columns
};

struct TableComparison {
  std::string table;
  std::uint64_t rows_source = 0, rows_target = 0;
  std::uint64_t missing = 0, extra = 0, differing = 0;
  std::vector<Difference> first;  // up to the limit given
  bool complete = false;          // both sides were read to their end
  std::string error, remedy;      // why it was not
  double seconds = 0;

  bool equal() const { return complete && missing == 0 && extra == 0 && differing == 0; }
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
