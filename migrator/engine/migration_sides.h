// What the parts of migration_run.h share: the sessions that its commands work on.
#pragma once

#include "migrator/engine/migration_run.h"

namespace migrator {

struct MigrationRun::Sides {
  Opened<Source> source;
  Opened<Target> target;
  std::vector<TableRoute> routes;
};

// The store's step after which nothing is left to do.
inline constexpr std::string_view kFinished = "finished";

}  // namespace migrator
