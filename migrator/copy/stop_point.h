// Named points at which a fault test may kill the process, or hold it: the persisted steps of a
// copy and of a relay's round.
//
// MIGRATOR_STOP_AT=chunk_committed:3 in the environment makes the process send itself SIGKILL the
// third time it comes by `chunk_committed`. MIGRATOR_HOLD_AT=relay_read:1:/tmp/held makes the
// thread that comes by make that file, and wait there until it is gone: so a test can do something
// in between. Without the variables a point costs one load and a branch. The points are the calls
// of stop_point() in copy/ and relay/; tests/faults/ and tests/live/ walk all of them.
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
