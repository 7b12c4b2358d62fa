// Whether the captured tables of the source are still as they were when the migration's routes were
// drawn: columns, their types, and the triggers of capture. A change in mid-run is not followed; it
// is noticed, and the run stops.
//
// Threads: none of its own.
#pragma once

#include <string>
#include <vector>

#include "plans/route.h"

namespace migrator {

// What is different, for a person: "column note: was text, is varchar(20)"; "" for nothing.
std::string difference(const TableSchema& before, const TableSchema& now);

// Reads the source's catalog anew. Throws Error(gate) with what is different.
void refuse_altered_tables(Session& source, const std::vector<const TableRoute*>& routes);

}  // namespace migrator
