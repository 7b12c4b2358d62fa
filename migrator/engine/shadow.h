// `migrate shadow`: what share of the application's reads is compared between both sides, and what
// share is already the target's. (Protocol: "Phases", shadow_read.)
//
// It steers applications, not a command, so it may be used while `migrate relay --follow` holds the
// plan. The application's processes follow within their lease.
//
// Threads: one.
#pragma once

#include <optional>
#include <vector>

#include "migrator/capture/side_row.h"
#include "migrator/copy/interrupt.h"
#include "plans/plan.h"

namespace migrator {

struct ShadowOptions {
  std::optional<int> shadow_percent, read_percent;  // 0 to 100; absent: left as it is
};

struct ShadowState {
  SideRow row;  // of the source
  std::vector<ShimInstance> instances;
  // That applications have read differently, and no verify has looked at yet; and how often more
  // were reported than are named.
  std::uint64_t reported = 0, reported_beyond = 0;
};

// Without options it only looks. The first percentage begins the phase, and waits until every
// process has heard of the one before, which they do within their lease. Throws Error(usage) for a
// percentage that is none, Error(gate) for a plan that has changed since, before all rows are
// copied, after the phase is over, for a process that renews its lease without having heard; and,
// unless the share that is read there is lowered, for reads from a target that has not passed its
// last verify, refuses rows, or is not followed by a relay that keeps up.
ShadowState shadow(const Plan& plan, const ShadowOptions& options, Interrupt& interrupt);

}  // namespace migrator
