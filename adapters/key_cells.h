// Keys as cells and back, for the engines whose keys travel as numbers and text (adapter.h,
// Source::key_cells).
#pragma once

#include <vector>

#include "adapters/row_batch.h"
#include "adapters/schema.h"
#include "adapters/value.h"

namespace migrator {

// Appends the key's values as cells of their columns' neutral types, and no end of row. Numbers may
// come as text. Throws Error(data) naming table and column.
void push_key_cells(const TableName& table, const std::vector<Column>& columns, const Key& key,
                    RowBatch& batch);

// The way back: the value of one cell, which is not NULL, as a key has it.
Value key_value_of(const Column& column, const RowBatch& batch, const Cell& cell);
// Of whole rows. Throws Error(data) for a NULL.
std::vector<Key> keys_of_cells(const TableName& table, const std::vector<Column>& columns,
                               const RowBatch& batch);

}  // namespace migrator
