// Copies between two tables by one session: of two files, the source's attached to the target's
// session.
#pragma once

#include <memory>

#include "adapters/adapter.h"
#include "adapters/sqlite/session.h"

namespace migrator::sqlite {

// nullptr where the target's session cannot read the source: in memory, another text encoding, no
// permission. The target must be outside of a transaction and outlive the result.
std::unique_ptr<Colocation> attach(Session& target, Session& source);

}  // namespace migrator::sqlite
