// Rows as plain values, in and out of batches of cells: what tests compare.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "adapters/adapter.h"

namespace migrator {
void PrintTo(const Type& type, std::ostream* out);  // for messages of GoogleTest
}

namespace migrator::test {

using Row = std::vector<Value>;
using Rows = std::vector<Row>;

// The rows of a batch in the "cells" layout.
Rows rows_of(const RowBatch& batch);
// A batch in the "cells" layout.
RowBatch batch_of(const Rows& rows);

// Everything that is left of the stream, as cells.
Rows drain(RowStream& stream, std::size_t columns);
// The rows of a range, as cells.
Rows read_rows(Source& source, const ReadSpec& spec, const KeyRange& range = {},
               ReadOrder order = ReadOrder::any);

// Copies the range in that layout, in the target's open transaction; the same layout on both sides.
LoadCount copy_rows(Source& source, const ReadSpec& from, Target& target, const WriteSpec& to,
                    const RowLayout& layout, const KeyRange& range = {},
                    LoadMode mode = LoadMode::direct);
// Loads rows as cells, in the target's open transaction.
LoadCount load_rows(Target& target, const WriteSpec& to, const Rows& rows,
                    LoadMode mode = LoadMode::direct);

// How a whole table is read and written: by its primary key; generated columns are not written.
ReadSpec read_spec(const TableSchema& table);
WriteSpec write_spec(const TableSchema& table);
// Only what the target needs of the read: the columns that it writes.
ReadSpec read_spec_for(const TableSchema& table);

// Whether two cells of that type are the same value: decimals as numbers, JSON parsed, floats bit
// by bit (all NaNs are one), fixed text without its padding, and everything else exactly.
bool same_value(const Value& left, const Value& right, const Type& type);

// For messages of tests. (Values in tests' own output are no secret.)
std::string show(const Value& value);
std::string show(const Row& row);

}  // namespace migrator::test
