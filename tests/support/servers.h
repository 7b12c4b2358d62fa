// The servers that a test run shares.
//
// A supervisor process starts them, holds them as its children, and waits: for SIGTERM, or for the
// end of whom it serves (ctest, a test executable, a shell), however that ends. Then it stops the
// servers and deletes their folder. If the supervisor itself is killed, the kernel kills the
// servers, and the next supervisor deletes the folder.
//
//   ctest                     the fixture runs `test_servers start` and `stop`; tests read
//   servers.env one executable by hand    has servers of its own for as long as it runs
//   scripts/dev-databases.sh  the same servers for a person, until stopped
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/support/server.h"

namespace migrator::test {

// MIGRATOR_TEST_POSTGRES_URL and so on, as in the env file.
using ServerEnvironment = std::map<std::string, std::string>;
const char* variable_of(ServerKind kind);  // throws std::logic_error for sqlite

// The kinds this machine has now. With `fetch`, packages are fetched first. `reasons` (if not null)
// gets one line for each extra server that is missing.
std::vector<ServerKind> available_servers(bool fetch, std::vector<std::string>* reasons);

struct SupervisorOptions {
  std::vector<ServerKind> kinds;
  std::string env_file;     // written when all are ready, removed at the end; "": none
  pid_t until_exit_of = 0;  // 0: until SIGTERM alone
};
// Starts a supervisor and waits until its servers answer. Throws std::runtime_error with the
// reason. Call it while the process has one thread. The result has MIGRATOR_TEST_SUPERVISOR, its
// process id, too.
ServerEnvironment start_supervisor(const SupervisorOptions& options);
// SIGTERM, and wait for its end. No-op if it is gone.
void stop_supervisor(const ServerEnvironment& environment);

// Empty if the file is missing or its supervisor is dead.
ServerEnvironment read_env_file(const std::string& path);

// The folder that has to be in front in PATH for `psql` to be the program itself; "" if it is not
// known. Debian's /usr/bin/psql is a Perl script that looks for a cluster and then runs it, which
// takes several times as long as the statement that a test wants to be run.
std::string psql_folder();

// Puts the variables of the shared servers into this process's environment: what is there already
// wins, then the env file of the ctest fixture, then (if `start`) servers of its own. And
// psql_folder() into its PATH.
void export_servers(bool start);

// The URL of a shared server, from the environment; "" if there is none.
std::string server_url(ServerKind kind);

}  // namespace migrator::test
