// One database server of its own for tests: in a temporary folder, on a free loopback port, as an
// unprivileged account, without fsync. Settings are chosen to be unkind: a time zone that is not
// UTC, a date style that is not ISO, a lax SQL mode, latin1: a session that forgets to set its own
// fails tests.
//
// Threads: one at a time; the server dies with the thread that started it (process.h).
#pragma once

#include <chrono>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace migrator::test {

enum class ServerKind {
  postgres,         // of the system
  mariadb,          // of the system
  sqlite,           // no server at all
  oracle_mysql,     // Oracle's MySQL 5.6 (packages.h)
  newest_postgres,  // (packages.h)
};
const char* name(ServerKind kind);  // "postgres", "mariadb", ...
// For messages of GoogleTest.
void PrintTo(ServerKind kind, std::ostream* out);
bool is_postgres(ServerKind kind);
bool is_mysql(ServerKind kind);

// Where a server kind's programs are.
struct ServerPrograms {
  std::string server, init;  // init: initdb, mariadb-install-db; "" for oracle_mysql
  std::string package;       // the folder of packages.h; "" for the system's own
};
// Absent when this machine has none.
std::optional<ServerPrograms> find_server(ServerKind kind);
// Where the programs of the system's newest PostgreSQL are; "" if it has none.
std::string postgres_folder();

class Server {
 public:
  // Makes `folder`/<kind>. Nothing runs until prepare() has been waited for and launch() called: so
  // that several servers come up side by side.
  Server(ServerKind kind, ServerPrograms programs, const std::string& folder);
  Server(Server&&) = default;
  Server& operator=(Server&&) = delete;
  ~Server();  // stop()

  void start();  // all of the below
  void prepare();
  void finish_preparing();  // throws std::runtime_error with the end of its log
  void launch();
  void wait_until_ready();

  // Asks it to end, and kills it if it does not.
  void stop() noexcept;
  // As if the machine had lost power.
  void kill() noexcept;

  ServerKind kind() const { return kind_; }
  int port() const { return port_; }
  pid_t pid() const { return child_.pid(); }
  bool running() { return child_.running(); }
  // With the password, to an empty database that all may use.
  std::string url() const;

 private:
  Command server_command() const;
  bool answers() const;
  std::string log_tail() const;
  void use_copy_if_unreadable();

  ServerKind kind_;
  ServerPrograms programs_;
  std::string folder_, data_, user_, password_;
  int port_ = 0;
  Child child_;
};

// Random lower-case hexadecimal digits.
std::string random_hex(int digits);
// A TCP port of the loopback that was free a moment ago.
int free_port();

}  // namespace migrator::test
