// The digest of adapters/canonical_digest.h, computed here from rows that are read: for a side that
// has no SQL for it while the other one has.
//
// Threads: one at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adapters/adapter.h"
#include "migrator/verify/range_rows.h"

namespace migrator {

// columns: of the rows' cells. Throws Error(permanent) where the hash is not to be had.
RangeDigest digest_of(RangeRows& rows, const std::vector<Column>& columns);

// A row's form. A value that its column's type cannot hold is spelled as no value is.
void append_digest_form(std::string& out, const RowBatch& batch, const Cell* row,
                        const std::vector<Column>& columns);

}  // namespace migrator
