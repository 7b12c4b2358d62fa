// Copies between two databases of one server by INSERT ... SELECT.
#pragma once

#include <memory>

#include "adapters/mysql/session.h"
#include "adapters/mysql/table_keys.h"

namespace migrator::mysql {

// nullptr unless the source is a session of this backend on the very same server, the target's user
// may read all of the source's tables, and reading them in an INSERT ... SELECT takes no locks
// there.
std::unique_ptr<Colocation> make_colocation(MysqlSession& target, TableKeys& keys, Source& source);

}  // namespace migrator::mysql
