#include "migrator/verify/row_merge.h"

#include <utility>

#include <fmt/format.h>

namespace migrator {

// The next row's cells, or nullptr at the end. They lie in the side's batch until the next call.
const Cell* RowMerge::fetch(Side& side) {
  if (side.ended) return nullptr;
  if (side.batch.rows() > 0) ++side.row;
  while (side.row >= side.batch.rows()) {
    side.row = 0;
    if (!side.rows.next(side.batch)) {
      side.ended = true;
      return nullptr;
    }
    out_.bytes += side.batch.bytes();
  }
  return side.batch.row(side.row);
}

// A merge of streams that are not in this order would report nonsense: so each row's key is checked
// to come after the one before.
const Cell* RowMerge::advance(Side& side, std::uint64_t& rows) {
  const Cell* row = fetch(side);
  if (!row) return nullptr;
  ++rows;
  if (table_.has_misfit_key(row)) return row;
  if (side.last.rows() > 0 &&
      table_.compare_keys(side.last, side.last.row(0), side.batch, row) >= 0) {
    throw Error(ErrorKind::permanent,
                fmt::format("{}: the {} does not give its rows in the order of their keys",
                            table_.route.name, &side == &source_ ? "source" : "target"))
        .table(table_.route.name)
        .remedy("name another unique key for this table with `key:`");
  }
  side.last.clear();
  table_.push_key_row(side.batch, row, side.last);
  return row;
}

// A row whose key has no form on the other side cannot have its like there.
const Cell* RowMerge::next_source() {
  const Cell* row = advance(source_, out_.rows_source);
  while (row && table_.has_misfit_key(row)) {
    note(DifferenceKind::missing, out_.missing, source_.batch, row);
    row = advance(source_, out_.rows_source);
  }
  return row;
}

const Cell* RowMerge::next_target() {
  const Cell* row = advance(target_, out_.rows_target);
  while (row && table_.has_misfit_key(row)) {
    note(DifferenceKind::extra, out_.extra, target_.batch, row);
    row = advance(target_, out_.rows_target);
  }
  return row;
}

Difference* RowMerge::note(DifferenceKind kind, std::uint64_t& count, const RowBatch& batch,
                           const Cell* row) {
  ++count;
  if (out_.found.size() >= keep_) return nullptr;
  table_.push_key(batch, row, out_.keys);
  Difference& difference = out_.found.emplace_back();
  difference.kind = kind;
  difference.key = table_.key_of(batch, row);
  return &difference;
}

RangeFindings RowMerge::run() {
  const Cell* a = next_source();
  const Cell* b = next_target();
  while (a || b) {
    const int order = !a ? 1 : !b ? -1 : table_.compare_keys(source_.batch, a, target_.batch, b);
    if (order < 0) {
      note(DifferenceKind::missing, out_.missing, source_.batch, a);
    } else if (order > 0) {
      note(DifferenceKind::extra, out_.extra, target_.batch, b);
    } else {
      const auto columns = table_.differing(source_.batch, a, target_.batch, b);
      if (!columns.empty()) {
        Difference* one = note(DifferenceKind::differs, out_.differing, source_.batch, a);
        const bool values = out_.found.size() <= keep_values_;
        if (one) table_.describe(columns, values, source_.batch, a, target_.batch, b, *one);
      }
    }
    if (order <= 0) a = next_source();
    if (order >= 0) b = next_target();
  }
  return std::move(out_);
}

}  // namespace migrator
