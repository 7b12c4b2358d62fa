// What must hold before rows move, asked of both servers. Reads only, except for statements that
// change no row inside a transaction that is rolled back.
#pragma once

#include <vector>

#include "adapters/adapter.h"
#include "checkpoints/store.h"
#include "plans/route.h"

namespace migrator {

struct PreflightOptions {
  bool allow_existing = false;  // the target's tables may hold rows already
  bool reads_only = false;      // for verify: nothing will be written to the target
};

// The store may be null, before there is one. Findings of severity error must stop the migration.
std::vector<Finding> preflight(const Plan& plan, const std::vector<TableRoute>& routes,
                               Source& source, Target& target, CheckpointStore* store,
                               const PreflightOptions& options);

}  // namespace migrator
