// MySQL and MariaDB for the shim. Needs the library target migrator::mysql.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrator/database.h"
#include "migrator/shim.h"

struct st_mysql;

namespace migrator {

// mysql://user@host:port/db?ssl-mode=..., ?socket=/path, ?defaults-file=...
// Throws Error(usage) for a URL that is none.
Database mysql_at(std::string url, std::vector<std::string> session_sql = {});

// Shim::lend() for the client library's MYSQL*; its character set has to be utf8mb4.
// It stays the application's.
LentTransaction lend(Shim& shim, st_mysql* connection);

}  // namespace migrator
