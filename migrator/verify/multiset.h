// Rows of a table without a key, of both sides, compared by how often each of them is there.
//
// A row is reduced to a hash of 128 bits of its canonical form (equal values have one form,
// whatever they are spelled like). First the hashes are added up, in 262,144 buckets a side:
// sums, so that two equal rows do not cancel. Rows of buckets that differ are counted one by one in
// a second reading, as many buckets at a time as fit into memory; a third one finds what to call
// those that are too few or too many. A table that is equal is read once. Memory: some 100 MB,
// whatever the table's size.
//
// Threads: the caller's.
#pragma once

#include <functional>

#include "migrator/verify/compared_table.h"
#include "migrator/verify/range_rows.h"
#include "migrator/verify/row_merge.h"

namespace migrator {

// open: reads all rows of a side from the beginning, as cells of the target's types. keep: how many
// different rows are named, by ComparedTable::name_of(), the same ones each time; as soon as there
// are as many, buckets that are left count only what is sure of them: the difference of their
// numbers of rows, or one of each kind where these are the same. counted_at_once: hashes, of some
// 50 bytes each, and more only where a single bucket has more. Throws Error(transient) where the
// rows changed between two readings.
RangeFindings compare_multisets(const ComparedTable& table,
                                const std::function<RangeRows(bool of_source)>& open,
                                std::size_t keep, std::uint64_t counted_at_once = 2'000'000);

}  // namespace migrator
