// What the classes that keep their facts in `_migrator_*` tables share.
#pragma once

#include <string>
#include <string_view>

#include "adapters/adapter.h"

namespace migrator {

// The statement with {1}, {2}, ... as the dialect's placeholders and {lock} as its row lock.
std::string spell(const Dialect& dialect, std::string_view sql);

// Of a table that has a column `migration`.
bool own_table_exists(Session& session, std::string_view table);

// Deletes the migration's rows of such a table, if it is there, and drops it when no other
// migration has rows there.
void remove_own_rows(Session& session, std::string_view table, const std::string& migration);

// The same for a table that is empty while it is in use: drops it only if `drop`.
void remove_own_rows(Session& session, std::string_view table, const std::string& migration,
                     bool drop);

}  // namespace migrator
