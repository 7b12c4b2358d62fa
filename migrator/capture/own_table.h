// What the classes that keep their facts in `_migrator_*` tables share.
#pragma once

#include <string>
#include <string_view>

#include "adapters/adapter.h"

namespace migrator {

// The statement with {1}, {2}, ... as the dialect's placeholders and {lock} as its row lock.
std::string spell(const Dialect& dialect, std::string_view sql);

// Deletes the migration's rows of a table that has a column `migration`, and drops the table when
// no other migration has rows there.
void remove_own_rows(Session& session, std::string_view table, const std::string& migration);

}  // namespace migrator
