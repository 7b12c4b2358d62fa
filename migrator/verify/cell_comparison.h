// What it means for two cells to be equal, or to come one before the other: comparisons of the
// verifier's own, which share nothing with the codecs of the copy. Decimals are compared as
// numbers, JSON parsed, padded texts without their padding, reals by their bits.
//
// Both cells are in the types of the same column: `type`.
#pragma once

#include <string>

#include "adapters/row_batch.h"
#include "adapters/schema.h"
#include "adapters/value.h"

namespace migrator {

// In the order of ReadOrder::canonical: below 0, 0, above 0. NULL is below everything.
int compare_cells(const RowBatch& a_batch, const Cell& a, const RowBatch& b_batch, const Cell& b,
                  const Type& type);

// same_native: both columns have the same native type of the same engine.
bool same_value(const RowBatch& a_batch, const Cell& a, const RowBatch& b_batch, const Cell& b,
                const Type& type, bool same_native);

// Appends a form of the cell that is the same for two cells just where same_value() is true of
// them, and in which none is the beginning of another's. of_source: the cell's side; misfits of
// different native types are equal to nothing of the other.
void append_canonical(std::string& out, const RowBatch& batch, const Cell& cell, const Type& type,
                      bool same_native, bool of_source);

// As a key's value: dates and times in words.
Value value_of(const RowBatch& batch, const Cell& cell, const Type& type);

}  // namespace migrator
