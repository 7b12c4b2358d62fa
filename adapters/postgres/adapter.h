// The PostgreSQL backend. See adapters/adapter.h for what it promises.
#pragma once

#include "adapters/adapter.h"

namespace migrator::postgres {

// Lives as long as the process.
const Adapter& adapter();

}  // namespace migrator::postgres
