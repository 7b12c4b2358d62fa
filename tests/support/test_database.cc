#include "tests/support/test_database.h"

#include <filesystem>
#include <stdexcept>
#include <utility>

#include <stdlib.h>
#include <unistd.h>

#include "tests/support/servers.h"

namespace migrator::test {
namespace fs = std::filesystem;

namespace {

struct Place {
  std::string scheme, user, password, host, port, database;
};

Place place_of(const std::string& url) {
  Place place;
  const std::size_t colon = url.find(':');
  place.scheme = url.substr(0, colon);
  if (place.scheme == "sqlite") {
    place.database = url.substr(colon + 1);
    return place;
  }
  const std::size_t at = url.find('@'), slash = url.find('/', at);
  const std::string account = url.substr(colon + 3, at - colon - 3);
  const std::string address = url.substr(at + 1, slash - at - 1);
  place.user = account.substr(0, account.find(':'));
  place.password = account.substr(account.find(':') + 1);
  place.host = address.substr(0, address.find(':'));
  place.port = address.substr(address.find(':') + 1);
  place.database = url.substr(slash + 1);
  return place;
}

Command client_for(const Place& place) {
  Command client;
  if (place.scheme == "sqlite") {
    client.argv = {"sqlite3", "-batch",         "-bail",      "-noheader", "-tabs",
                   "-cmd",    ".timeout 10000", "-nullvalue", "NULL",      place.database};
  } else if (place.scheme == "postgresql") {
    client.argv = {"psql",
                   "-X",
                   "-q",
                   "-A",
                   "-t",
                   "-F",
                   "\t",
                   "-P",
                   "null=NULL",
                   "-v",
                   "ON_ERROR_STOP=1",
                   "-h",
                   place.host,
                   "-p",
                   place.port,
                   "-U",
                   place.user,
                   "-f",
                   "-",
                   place.database};
    client.environment = {{"PGPASSWORD", place.password},
                          {"PGTZ", "UTC"},
                          {"PGDATESTYLE", "ISO, YMD"},
                          {"PGCLIENTENCODING", "UTF8"},
                          {"PGOPTIONS", "-c bytea_output=hex -c extra_float_digits=1"}};
  } else {
    client.argv = {"mariadb",
                   "--no-defaults",
                   "--batch",
                   "--skip-column-names",
                   "--default-character-set=utf8mb4",
                   "--max-allowed-packet=128M",
                   "--init-command=SET time_zone='+00:00', sql_mode='TRADITIONAL'",
                   "-h" + place.host,
                   "-P" + place.port,
                   "-u" + place.user,
                   place.database};
    client.environment = {{"MYSQL_PWD", place.password}};
  }
  return client;
}

// TEMPLATE template0: nobody can be connected to that, so copies never collide. PostgreSQL 15 and
// later would log each page of it, which takes four times as long as to copy the files.
std::string create_postgres_database(const std::string& name) {
  return "SELECT CASE WHEN :SERVER_VERSION_NUM >= 150000 THEN 'STRATEGY file_copy' ELSE '' END "
         "AS how \\gset\nCREATE DATABASE " +
         name + " TEMPLATE template0 :how";
}

}  // namespace

std::string run_sql(const std::string& url, std::string_view script) {
  Command client = client_for(place_of(url));
  client.input = script;
  const CommandResult result = run(client);
  // sqlite3 reports some errors on standard error alone.
  if (result.status != 0 || (client.argv[0] == "sqlite3" && !result.err.empty())) {
    throw std::runtime_error(client.argv[0] + ": " + result.err + " (status " +
                             std::to_string(result.status) +
                             ") in: " + std::string(script.substr(0, 300)));
  }
  return result.out;
}

TestDatabase::TestDatabase(ServerKind kind, std::string name, std::string url)
    : kind_(kind), name_(std::move(name)), url_(std::move(url)) {}

TestDatabase::TestDatabase(TestDatabase&& other) noexcept
    : kind_(other.kind_), name_(std::exchange(other.name_, {})), url_(std::move(other.url_)) {}

TestDatabase TestDatabase::on(Engine engine) {
  switch (engine) {
    case Engine::postgres:
      return postgres();
    case Engine::mysql:
      return mysql();
    case Engine::sqlite:
      break;
  }
  return sqlite();
}

TestDatabase TestDatabase::on(ServerKind kind) {
  if (kind == ServerKind::sqlite) {
    std::string folder = (fs::temp_directory_path() / "migrator-sqlite-XXXXXX").string();
    if (!::mkdtemp(folder.data())) throw std::runtime_error("cannot make " + folder);
    const std::string path = folder + "/test.db", url = "sqlite:" + path;
    TestDatabase database(kind, path, url);
    database.exec("PRAGMA user_version = 1;");  // so that the file is there
    return database;
  }
  const std::string server = server_url(kind);
  if (server.empty()) throw std::runtime_error(std::string("there is no ") + test::name(kind));
  const std::string name = "t_" + random_hex(12);
  run_sql(server, is_postgres(kind) ? create_postgres_database(name)
                                    : "CREATE DATABASE " + name + " CHARACTER SET utf8mb4");
  return TestDatabase(kind, name, server.substr(0, server.rfind('/') + 1) + name);
}

TestDatabase::~TestDatabase() {
  if (name_.empty()) return;
  try {
    if (kind_ == ServerKind::sqlite) {
      fs::remove_all(fs::path(name_).parent_path());
    } else {
      const std::string force = is_postgres(kind_) ? " WITH (FORCE)" : "";
      run_sql(server_url(kind_), "DROP DATABASE IF EXISTS " + name_ + force);
    }
  } catch (...) {
    // The server goes, and everything in it, at the end of the run.
  }
}

Engine TestDatabase::engine() const {
  if (kind_ == ServerKind::sqlite) return Engine::sqlite;
  return is_postgres(kind_) ? Engine::postgres : Engine::mysql;
}

std::string TestDatabase::cli(std::string_view script) const { return run_sql(url_, script); }

std::string TestDatabase::value(std::string_view query) const {
  std::string text = cli(query);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace migrator::test
