// PostgreSQL for the shim. Needs the library target migrator::postgres.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrator/database.h"
#include "migrator/shim.h"

struct pg_conn;

namespace migrator {

// postgresql://user@host:port/db?sslmode=..., in libpq's own form, with its environment and
// ~/.pgpass. Throws Error(usage) for a URL that is none.
Database postgres_at(std::string url, std::vector<std::string> session_sql = {});

// Shim::lend() for libpq's PGconn*; its client_encoding has to be UTF8.
// It stays the application's.
LentTransaction lend(Shim& shim, pg_conn* connection);

}  // namespace migrator
