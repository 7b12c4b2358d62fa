// Durations and sizes as a person writes them: the half that plan.h does not need to show.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace migrator {

// The shortest spelling that parse_duration() reads back to the same value: 90000 ms is "90s".
std::string spell_duration(std::chrono::milliseconds duration);
// The shortest spelling that parse_size() reads back to the same value: 16777216 is "16MiB".
std::string spell_size(std::uint64_t bytes);

}  // namespace migrator
