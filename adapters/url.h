// Where a database is: one form for the three engines.
//
//   postgresql://user@host:port/db?sslmode=...   libpq's own form, environment and ~/.pgpass
//   mysql://user@host:port/db?ssl-mode=...       option files and ?socket=/path; mariadb:// is the
//   same sqlite:path/to.db                            relative or absolute path; ?mode=ro and the
//   like
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace migrator {

enum class Engine { postgres, mysql, sqlite };
std::string_view name(Engine engine);  // "PostgreSQL", "MySQL", "SQLite"

class Url {
 public:
  // Throws Error(usage) with a remedy. The error text never contains the password.
  static Url parse(std::string_view text);

  Engine engine() const { return engine_; }
  // The whole URL as given, WITH the password: only for a driver's connect call.
  const std::string& text() const { return text_; }
  // For people and logs: the password (and any secret parameter) is shown as ***.
  std::string masked() const;
  // The URL with every secret taken out, to be written into a file.
  std::string without_secrets() const;
  bool has_secret() const;

  // Parts, percent-decoded. For SQLite only path() and parameters() are set. PostgreSQL URLs may
  // name several hosts; host() then is the whole list: use text() there.
  const std::string& user() const { return user_; }
  const std::string& password() const { return password_; }
  const std::string& host() const { return host_; }
  int port() const { return port_; }  // 0: not given
  const std::string& database() const { return database_; }
  const std::string& path() const { return database_; }
  const std::map<std::string, std::string>& parameters() const { return parameters_; }

 private:
  Engine engine_ = Engine::sqlite;
  std::string text_, user_, password_, host_, database_;
  int port_ = 0;
  std::map<std::string, std::string> parameters_;
};

}  // namespace migrator
