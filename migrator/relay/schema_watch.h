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

// A captured table as a line of text that is kept in the checkpoint store: its columns with types
// and collations, its key, its partitions.
std::string description(const TableSchema& table);
// What two such lines differ in, for a person; "" for nothing.
std::string difference(const std::string& before, const std::string& now);

// What is different, triggers of capture included, for a person: "column note: was text, is
// varchar(20)"; "" for nothing.
std::string difference(const TableSchema& before, const TableSchema& now);

// Reads the source's catalog anew. Throws Error(gate) with what is different.
void refuse_altered_tables(Session& source, const std::vector<const TableRoute*>& routes);

}  // namespace migrator
