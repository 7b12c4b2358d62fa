// SQLite for the shim. Needs the library target migrator::sqlite.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrator/database.h"
#include "migrator/shim.h"

struct sqlite3;

namespace migrator {

// sqlite:path/to/file.db
// Throws Error(usage) for a URL that is none.
Database sqlite_at(std::string url, std::vector<std::string> session_sql = {});

// Shim::lend() for SQLite's sqlite3*.
// It stays the application's.
LentTransaction lend(Shim& shim, sqlite3* connection);

}  // namespace migrator
