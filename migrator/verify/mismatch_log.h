// The mismatch log: a line of JSON for each row that differs (FORMAT.md).
//
// Threads: pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "migrator/verify/compared_table.h"

namespace migrator {

struct MismatchContext {
  std::string migration, table;
  std::string phase;     // "" for none
  std::int64_t seq = 0;  // the highest number of a change that was relayed meanwhile; 0: none
  std::chrono::system_clock::time_point at;
};

// With the line's end.
std::string mismatch_line(const Difference& difference, const MismatchContext& context);

}  // namespace migrator
