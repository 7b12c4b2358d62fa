// Reads what a SQLite file says about its tables.
#pragma once

#include <string>

#include "adapters/schema.h"

namespace migrator::sqlite {

class Session;

// See Session::catalog in adapter.h. Throws Error(usage) for a schema other than "" and "main".
Catalog read_catalog(Session& session, const std::string& schema);

}  // namespace migrator::sqlite
