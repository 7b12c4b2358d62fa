// The mismatch log: a line of JSON for each row that differs (FORMAT.md).
//
// Threads: pure.
#pragma once

#include <chrono>
#include <string>

#include "migrator/verify/compared_table.h"

namespace migrator {

// With the line's end. phase: "" for none.
std::string mismatch_line(const Difference& difference, const std::string& table,
                          const std::string& migration, const std::string& phase,
                          std::chrono::system_clock::time_point at);

}  // namespace migrator
