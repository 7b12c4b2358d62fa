// The MySQL and MariaDB backend. See adapters/adapter.h for what it promises.
#pragma once

#include "adapters/adapter.h"

namespace migrator::mysql {

// Lives as long as the process.
const Adapter& adapter();

}  // namespace migrator::mysql
