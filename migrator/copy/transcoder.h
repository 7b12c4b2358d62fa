// Turns cells of the source's column types into cells of the target's, where the two differ.
//
// Chosen once per table, applied per batch in place: a column whose cells are the same on both
// sides costs nothing. A value arrives equal or apply() throws; nothing is rounded, cut or guessed.
// (types.md's rule.)
//
// Threads: immutable after make; apply() may run on several threads, each with its own batch.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "adapters/adapter.h"

namespace migrator {

class Transcoder {
 public:
  // Throws Error(usage) naming the columns if there is no lossless way from one's type to the
  // other's.
  Transcoder(const std::vector<Column>& from, const std::vector<Column>& to,
             const std::string& table);

  // Why values cannot go from the one column to the other; "" if they can.
  static std::string refusal(const Column& from, const Column& to);

  bool identity() const { return steps_.empty(); }
  // For a value that the target's type cannot hold: throws Error(data) naming table and column, or
  // marks it. What the source has marked stays marked.
  void apply(RowBatch& batch, Misfits misfits = Misfits::refuse) const;

 private:
  // Converts one cell that is not NULL; false if the value does not fit.
  using Convert = bool (*)(RowBatch& batch, Cell& cell, const Type& from, const Type& to);
  struct Step {
    std::size_t column;
    Convert convert;
    Type from, to;
  };
  static void mark(RowBatch& batch, Cell& cell, const Cell& before, const Type& from);
  static std::vector<Convert> plan(const Column& from, const Column& to, std::string& why_not);

  std::vector<Step> steps_;
  std::vector<std::string> names_;
  std::string table_;
};

}  // namespace migrator
