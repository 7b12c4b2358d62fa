// A fresh, empty database for one test, dropped with the object.
//
// Statements go through the engines' own command line clients (psql, mariadb, sqlite3), so that a
// test prepares and inspects its data by other means than those under test.
//
// Threads: one at a time.
#pragma once

#include <string>
#include <string_view>

#include "adapters/url.h"
#include "tests/support/server.h"

namespace migrator::test {

class TestDatabase {
 public:
  // REQUIRES: the server is there (servers.h); throws std::runtime_error if not.
  static TestDatabase on(ServerKind kind);
  static TestDatabase postgres() { return on(ServerKind::postgres); }
  static TestDatabase mysql() { return on(ServerKind::mariadb); }
  static TestDatabase sqlite() { return on(ServerKind::sqlite); }
  // On the usual server of the engine.
  static TestDatabase on(Engine engine);

  TestDatabase(TestDatabase&& other) noexcept;
  TestDatabase& operator=(TestDatabase&&) = delete;
  ~TestDatabase();

  ServerKind kind() const { return kind_; }
  Engine engine() const;
  const std::string& name() const { return name_; }     // of the database; for SQLite the path
  const std::string& url_text() const { return url_; }  // with the password
  Url url() const { return Url::parse(url_); }

  // Runs a script of any number of statements; throws std::runtime_error at the first that fails.
  // The session is UTC, UTF-8, and (MySQL) strict unless the script says otherwise.
  void exec(std::string_view script) const { cli(script); }
  // The same, and what it printed: a line a row, columns separated by tabs, no headings. NULL is
  // "NULL".
  std::string cli(std::string_view script) const;
  // The same, without the last line's end: for a single value.
  std::string value(std::string_view query) const;

 private:
  TestDatabase(ServerKind kind, std::string name, std::string url);

  ServerKind kind_;
  std::string name_, url_;
};

// Runs a script on any database that a URL names, as TestDatabase::cli does. (Own parser of URLs of
// the plain form scheme://user:password@host:port/database, or sqlite:path.)
std::string run_sql(const std::string& url, std::string_view script);

}  // namespace migrator::test
