#include "tests/support/server.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/packages.h"

namespace migrator::test {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr const char* kUser = "migrator";
// A zone with half an hour in it, and with daylight saving: a forgotten SET TIME ZONE shows.
constexpr const char* kPostgresZone = "America/St_Johns";
constexpr const char* kMysqlZone = "-03:30";

void write_file(const std::string& path, const std::string& text, const std::string& owner) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  give_to(path, owner);
}

}  // namespace

const char* name(ServerKind kind) {
  switch (kind) {
    case ServerKind::postgres:
      return "postgres";
    case ServerKind::mariadb:
      return "mariadb";
    case ServerKind::sqlite:
      return "sqlite";
    case ServerKind::oracle_mysql:
      return "oracle_mysql";
    case ServerKind::newest_postgres:
      return "newest_postgres";
  }
  return "?";
}

void PrintTo(ServerKind kind, std::ostream* out) { *out << name(kind); }

bool is_postgres(ServerKind kind) {
  return kind == ServerKind::postgres || kind == ServerKind::newest_postgres;
}
bool is_mysql(ServerKind kind) {
  return kind == ServerKind::mariadb || kind == ServerKind::oracle_mysql;
}

// Wherever the distribution keeps its server programs.
std::string postgres_folder() {
  std::string best;
  int best_version = -1;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int version = std::atoi(entry.path().filename().c_str());
    const std::string bin = entry.path() / "bin";
    if (version > best_version && fs::exists(bin + "/postgres") && fs::exists(bin + "/initdb")) {
      best_version = version;
      best = bin;
    }
  }
  if (!best.empty()) return best;
  const std::string server = find_program("postgres");
  return server.empty() ? "" : fs::path(server).parent_path().string();
}

std::optional<ServerPrograms> find_server(ServerKind kind) {
  ServerPrograms found;
  switch (kind) {
    case ServerKind::sqlite:
      return std::nullopt;
    case ServerKind::postgres: {
      const std::string bin = postgres_folder();
      if (bin.empty()) return std::nullopt;
      found.server = bin + "/postgres";
      found.init = bin + "/initdb";
      break;
    }
    case ServerKind::mariadb:
      found.server = find_program("mariadbd");
      found.init = find_program("mariadb-install-db");
      if (found.server.empty() || found.init.empty()) return std::nullopt;
      break;
    case ServerKind::oracle_mysql:
    case ServerKind::newest_postgres: {
      const std::string folder = package_folder(kind);
      if (folder.empty()) return std::nullopt;
      found.package = folder;
      if (kind == ServerKind::oracle_mysql) {
        found.server = folder + "/server/mysqld";
      } else {
        found.server = folder + "/native/bin/postgres";
        found.init = folder + "/native/bin/initdb";
      }
      break;
    }
  }
  return found;
}

std::string random_hex(int digits) {
  static std::random_device device;
  std::string text;
  for (int i = 0; i < digits; ++i) text += "0123456789abcdef"[device() % 16];
  return text;
}

int free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool good = listener >= 0 && ::bind(listener, generic, size) == 0 &&
                    ::getsockname(listener, generic, &size) == 0;
  if (listener >= 0) ::close(listener);
  if (!good) throw std::runtime_error("no free loopback port");
  return ntohs(address.sin_port);
}

Server::Server(ServerKind kind, ServerPrograms programs, const std::string& folder)
    : kind_(kind), programs_(std::move(programs)), folder_(folder + "/" + name(kind)) {
  user_ = is_postgres(kind) ? unprivileged_user({"postgres", "nobody"})
                            : unprivileged_user({"mysql", "nobody"});
  data_ = folder_ + "/data";
  password_ = "secret" + random_hex(16);
  fs::create_directories(folder_);
  fs::permissions(folder_, fs::perms::owner_all);
  give_to(folder_, user_);
}

Server::~Server() { stop(); }

void Server::start() {
  prepare();
  finish_preparing();
  launch();
  wait_until_ready();
}

// A build tree below a home folder of mode 0700 is out of the other account's reach.
void Server::use_copy_if_unreadable() {
  if (programs_.package.empty() || can_execute(programs_.server, user_)) return;
  const std::string copy = folder_ + "/package";
  fs::copy(programs_.package, copy, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  const std::string original = programs_.package;
  for (std::string* path : {&programs_.server, &programs_.init}) {
    if (!path->empty()) *path = copy + path->substr(original.size());
  }
  programs_.package = copy;
}

void Server::prepare() {
  use_copy_if_unreadable();
  Command init;
  init.user = user_;
  init.folder = folder_;
  init.output_file = folder_ + "/init.log";
  if (is_postgres(kind_)) {
    write_file(folder_ + "/password", password_ + "\n", user_);
    init.argv = {programs_.init,
                 "-D",
                 data_,
                 "-U",
                 kUser,
                 "--pwfile=" + folder_ + "/password",
                 "--auth=scram-sha-256",
                 "--encoding=UTF8",
                 "--locale=C.UTF-8",
                 "--no-sync"};
  } else if (kind_ == ServerKind::mariadb) {
    init.argv = {programs_.init, "--no-defaults", "--datadir=" + data_,
                 // The installation is a server, too: see server_command().
                 "--tmpdir=" + folder_, "--skip-test-db",
                 "--auth-root-authentication-method=normal", "--skip-name-resolve"};
  } else {
    // The package ships a data folder that is ready.
    init.argv = {"cp", "-r", programs_.package + "/server/data/mysql", data_};
  }
  if (is_mysql(kind_)) {
    // One statement a line, as --init-file wants it. The anonymous accounts of old installations
    // would win over ours.
    std::string sql = "DELETE FROM mysql.user WHERE User = '';\nFLUSH PRIVILEGES;\n";
    if (kind_ == ServerKind::mariadb) sql.clear();
    for (const char* host : {"127.0.0.1", "localhost"}) {
      const std::string account = std::string("'") + kUser + "'@'" + host + "'";
      sql += "GRANT ALL PRIVILEGES ON *.* TO " + account + " IDENTIFIED BY '" + password_ +
             "' WITH GRANT OPTION;\n";
    }
    sql += "CREATE DATABASE IF NOT EXISTS migrator_test CHARACTER SET utf8mb4;\n";
    write_file(folder_ + "/init.sql", sql, user_);
  }
  child_ = Child(init);
}

void Server::finish_preparing() {
  if (!child_.wait_for(120s) || child_.status() != 0) {
    child_.kill_group();
    throw std::runtime_error(std::string("cannot set up ") + name(kind_) + ": " + log_tail());
  }
}

Command Server::server_command() const {
  Command command;
  command.user = user_;
  command.folder = folder_;
  command.output_file = folder_ + "/server.log";
  const std::string port = std::to_string(port_);
  if (is_postgres(kind_)) {
    // SIGQUIT: PostgreSQL's immediate shutdown, which takes its children along.
    command.death_signal = SIGQUIT;
    // Each session is a fork of the first process: what that has resolved none of them has to.
    command.environment["LD_BIND_NOW"] = "1";
    command.argv = {programs_.server, "-D", data_, "-p", port};
    const std::string settings[] = {"listen_addresses=127.0.0.1",
                                    "unix_socket_directories=" + folder_,
                                    "fsync=off",
                                    "synchronous_commit=off",
                                    "full_page_writes=off",
                                    "wal_level=logical",
                                    "max_connections=100",
                                    "shared_buffers=64MB",
                                    "max_wal_size=512MB",
                                    std::string("timezone=") + kPostgresZone,
                                    "datestyle=SQL, DMY",
                                    "bytea_output=escape",
                                    "intervalstyle=sql_standard",
                                    "extra_float_digits=0",
                                    "default_transaction_isolation=repeatable read"};
    for (const std::string& setting : settings) {
      command.argv.push_back("-c");
      command.argv.push_back(setting);
    }
    return command;
  }
  // 8 MiB values must fit a packet and, in 5.6, a tenth of the redo log.
  command.argv = {programs_.server, "--no-defaults", "--datadir=" + data_, "--port=" + port,
                  "--socket=" + folder_ + "/s.sock",
                  // Not one folder for all: a server that starts clears away the temporary tables
                  // that it finds there, those of its neighbours among them.
                  "--tmpdir=" + folder_, "--pid-file=" + folder_ + "/server.pid",
                  "--bind-address=127.0.0.1", "--init-file=" + folder_ + "/init.sql",
                  "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0",
                  "--skip-innodb-doublewrite", "--innodb-buffer-pool-size=128M",
                  "--innodb-log-file-size=96M", "--max-allowed-packet=128M",
                  "--max-connections=100", "--local-infile=1", "--performance-schema=OFF",
                  "--sql-mode=NO_ENGINE_SUBSTITUTION", "--character-set-server=latin1",
                  std::string("--default-time-zone=") + kMysqlZone};
  if (kind_ == ServerKind::oracle_mysql) {
    const std::string server = programs_.package + "/server";
    command.environment["LD_LIBRARY_PATH"] = server;  // it brings its own libaio
    command.argv.push_back("--lc-messages-dir=" + server + "/share");
    command.argv.push_back("--character-sets-dir=" + server + "/share/charsets");
    command.argv.push_back("--explicit-defaults-for-timestamp=0");
  }
  return command;
}

void Server::launch() {
  if (port_ == 0) port_ = free_port();
  child_ = Child(server_command());
}

void Server::wait_until_ready() {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  for (int moves = 0; !answers();) {
    // Somebody else may have taken the port since it was found free.
    if (!child_.running() && moves++ < 3) {
      port_ = 0;
      launch();
    } else if (!child_.running() || std::chrono::steady_clock::now() > deadline) {
      child_.kill_group();
      throw std::runtime_error(std::string("cannot start ") + name(kind_) + ": " + log_tail());
    }
    std::this_thread::sleep_for(50ms);
  }
}

bool Server::answers() const {
  Command client;
  client.timeout = 10s;
  const std::string port = std::to_string(port_);
  if (is_postgres(kind_)) {
    client.argv = {"psql", "-X", "-qAt", "-h", "127.0.0.1", "-p",
                   port,   "-U", kUser,  "-c", "SELECT 1",  "postgres"};
    client.environment = {{"PGPASSWORD", password_}, {"PGCONNECT_TIMEOUT", "5"}};
  } else {
    client.argv = {
        "mariadb", "--no-defaults", "-h127.0.0.1",  "-P" + port, std::string("-u") + kUser,
        "-e",      "SELECT 1",      "migrator_test"};
    client.environment = {{"MYSQL_PWD", password_}};
  }
  return run(client).status == 0;
}

void Server::stop() noexcept {
  // SIGINT is PostgreSQL's fast shutdown; SIGTERM is what mysqld waits for.
  child_.signal(is_postgres(kind_) ? SIGINT : SIGTERM);
  try {
    if (!child_.wait_for(10s)) child_.kill_group();
  } catch (...) {
    child_.kill_group();
  }
}

void Server::kill() noexcept { child_.kill_group(); }

std::string Server::url() const {
  const std::string scheme = is_postgres(kind_) ? "postgresql" : "mysql";
  const std::string database = is_postgres(kind_) ? "postgres" : "migrator_test";
  return scheme + "://" + kUser + ":" + password_ + "@127.0.0.1:" + std::to_string(port_) + "/" +
         database;
}

std::string Server::log_tail() const {
  std::string all;
  for (const char* file : {"/init.log", "/server.log"}) {
    std::ifstream log(folder_ + file);
    std::stringstream text;
    text << log.rdbuf();
    all += text.str();
  }
  return all.size() > 3000 ? all.substr(all.size() - 3000) : all;
}

}  // namespace migrator::test
