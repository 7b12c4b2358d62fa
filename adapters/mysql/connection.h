// One connection of the client library: what a URL asks for, and how it is opened.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <mysql.h>

#include "adapters/adapter.h"
#include "adapters/url.h"

namespace migrator::mysql {

// How a target is loaded. automatic: bulk on MariaDB, LOAD DATA on MySQL, rows where that is off.
enum class LoadPath { automatic, bulk, load_data, insert };

enum class TlsMode { unset, disabled, preferred, required, verify_ca, verify_identity };

// Everything of a URL that connecting needs. Holds the password: never printed, never in an error.
struct ConnectionSettings {
  std::string host, user, database, socket;
  std::optional<std::string> password;
  int port = 0;
  TlsMode tls = TlsMode::unset;
  std::string tls_ca, tls_capath, tls_cert, tls_key, tls_cipher;
  std::string defaults_file, defaults_group = "migrate";
  std::string application_name;
  std::chrono::milliseconds connect_timeout{10'000};
  bool local_infile = false;  // only where rows are loaded by LOAD DATA LOCAL
  LoadPath load = LoadPath::automatic;
};

// Reads `socket ssl-mode ssl-ca ssl-capath ssl-cert ssl-key ssl-cipher defaults-file defaults-group
// load`. Throws Error(usage) for an unknown parameter, naming the nearest known one, and for a URL
// without a database.
ConnectionSettings connection_settings(const Url& url, const SessionOptions& options);

struct CloseHandle {
  void operator()(MYSQL* handle) const noexcept { mysql_close(handle); }
};
using Handle = std::unique_ptr<MYSQL, CloseHandle>;

struct FreeResult {
  void operator()(MYSQL_RES* result) const noexcept { mysql_free_result(result); }
};
using ResultHandle = std::unique_ptr<MYSQL_RES, FreeResult>;

struct CloseStatement {
  void operator()(MYSQL_STMT* statement) const noexcept { mysql_stmt_close(statement); }
};
using StatementHandle = std::unique_ptr<MYSQL_STMT, CloseStatement>;

// The client library keeps state per thread; call it at the start of everything that may run on a
// new one.
void use_client_library_in_this_thread();

// Connects, checks that TLS is as asked for, and sets utf8mb4. Throws classified errors.
Handle open_connection(const ConnectionSettings& settings);

// The last error of the handle, classified and thrown.
[[noreturn]] void throw_error(MYSQL* handle, std::string_view doing = {});
[[noreturn]] void throw_error(MYSQL_STMT* statement, std::string_view doing = {});

}  // namespace migrator::mysql
