// Named points at which a fault test may kill the process: the persisted steps of a copy.
//
// MIGRATOR_STOP_AT=chunk_committed:3 in the environment makes the process send itself SIGKILL the
// third time it comes by `chunk_committed`. Without the variable a point costs one load and a
// branch. The points, in the order of a chunk's life, are the calls of stop_point() in copy/;
// tests/faults/ walks all of them.
#pragma once

#include <string_view>

namespace migrator {

namespace detail {
extern const bool stop_points_armed;
void reach_stop_point(std::string_view name);
}  // namespace detail

inline void stop_point(std::string_view name) {
  if (detail::stop_points_armed) detail::reach_stop_point(name);
}

}  // namespace migrator
