// A table as both sides are compared: which columns, by which key, in whose types. Cells are in the
// target's types on either side: the source's rows are turned into them, as the copy does.
//
// Threads: immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/adapter.h"
#include "migrator/copy/transcoder.h"
#include "migrator/verify/value_words.h"
#include "plans/route.h"

namespace migrator {

enum class DifferenceKind { missing, extra, differs };
std::string_view name(DifferenceKind kind);

struct Difference {
  DifferenceKind kind = DifferenceKind::differs;
  Key key;                           // in the target's types; without a key name_of() the row
  std::vector<std::string> columns;  // differs: the source's names of the columns
  // Of these, where they were asked for, in the words of ValueWords.
  struct Values {
    std::string source, target;
  };
  std::vector<Values> values;
  std::uint64_t copies = 1;  // more only without a key: how many of it are too few or too many
};

class ComparedTable {
 public:
  // same_engine: both databases are of the same one. words: for the values of what differs; null if
  // they are not asked for.
  ComparedTable(const TableRoute& compared, bool same_engine, const ValueWords* words = nullptr);

  bool has_key() const { return !key_.empty(); }
  // Of hashes of rows.
  std::uint64_t seed() const { return words_ ? words_->seed() : 0; }

  const TableRoute& route;
  const ReadSpec source, target;  // misfits are marked
  const Transcoder transcoder;    // of source rows

  // Rows of one side or both, in the order of ReadOrder::canonical: below 0, 0, above 0.
  int compare_keys(const RowBatch& a_batch, const Cell* a, const RowBatch& b_batch,
                   const Cell* b) const;
  // The positions of the columns whose values differ.
  std::vector<std::size_t> differing(const RowBatch& source_batch, const Cell* source_row,
                                     const RowBatch& target_batch, const Cell* target_row) const;
  // These columns by name, and, where they are asked for, with their values.
  void describe(const std::vector<std::size_t>& columns, bool values, const RowBatch& source_batch,
                const Cell* source_row, const RowBatch& target_batch, const Cell* target_row,
                Difference& difference) const;
  // Of two readings of the source.
  bool same_source_row(const RowBatch& a_batch, const Cell* a, const RowBatch& b_batch,
                       const Cell* b) const;
  // A row whose key has no form on the other side cannot have its like there. Throws
  // Error(permanent) where it could have, in an order that is not known.
  bool has_misfit_key(const Cell* row) const;
  Key key_of(const RowBatch& batch, const Cell* row) const;
  // What a row is called where there is no key: one text, of all its values as they are, or a keyed
  // digest of them.
  Key name_of(const RowBatch& batch, const Cell* row) const;
  // Appends a form of the row that is the same for equal rows alone, of whichever side.
  void append_canonical(std::string& out, const RowBatch& batch, const Cell* row,
                        bool of_source) const;
  // Appends a row that has the key's columns alone.
  void push_key(const RowBatch& batch, const Cell* row, RowBatch& keys) const;
  // Appends the row with everything else left out: good for compare_keys().
  void push_key_row(const RowBatch& batch, const Cell* row, RowBatch& rows) const;
  // The same for what push_key() has appended.
  void spread_key(const RowBatch& keys, const Cell* key, RowBatch& rows) const;

 private:
  std::vector<std::size_t> key_;   // positions of the key's columns
  std::vector<bool> same_native_;  // per column
  const ValueWords* const words_;
};

}  // namespace migrator
