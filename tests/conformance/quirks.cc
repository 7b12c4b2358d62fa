#include "tests/conformance/quirks.h"

#include "tests/support/servers.h"

namespace migrator::test {

std::string Quirks::text_literal(const std::string& text) const {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'' || (c == '\\' && engine == Engine::mysql)) literal += c;
    literal += c;
  }
  return literal + "'";
}

std::string Quirks::bytes_literal(const std::string& hex) const {
  return engine == Engine::postgres ? "'\\x" + hex + "'" : "X'" + hex + "'";
}

const Quirks& quirks_of(ServerKind kind) {
  static const Quirks postgres = postgres_quirks(ServerKind::postgres);
  static const Quirks newest_postgres = postgres_quirks(ServerKind::newest_postgres);
  static const Quirks mariadb = mysql_quirks(ServerKind::mariadb);
  static const Quirks oracle_mysql = mysql_quirks(ServerKind::oracle_mysql);
  static const Quirks sqlite = sqlite_quirks();
  switch (kind) {
    case ServerKind::postgres:
      return postgres;
    case ServerKind::newest_postgres:
      return newest_postgres;
    case ServerKind::mariadb:
      return mariadb;
    case ServerKind::oracle_mysql:
      return oracle_mysql;
    case ServerKind::sqlite:
      break;
  }
  return sqlite;
}

std::vector<ServerKind> tested_servers() {
  std::vector<ServerKind> kinds = {ServerKind::postgres, ServerKind::mariadb, ServerKind::sqlite};
  for (const ServerKind kind : {ServerKind::oracle_mysql, ServerKind::newest_postgres}) {
    if (!server_url(kind).empty()) kinds.push_back(kind);
  }
  return kinds;
}

std::vector<ServerKind> tested_servers(const std::function<bool(const Quirks&)>& predicate) {
  std::vector<ServerKind> kinds = tested_servers();
  std::erase_if(kinds, [&](ServerKind kind) { return !predicate(quirks_of(kind)); });
  return kinds;
}

}  // namespace migrator::test
