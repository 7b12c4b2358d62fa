#include "migrator/capture/own_table.h"

#include <array>

#include <fmt/format.h>

namespace migrator {

std::string spell(const Dialect& dialect, std::string_view sql) {
  std::string out;
  for (std::size_t at = 0; at < sql.size(); ++at) {
    if (sql[at] != '{') {
      out += sql[at];
      continue;
    }
    const std::size_t end = sql.find('}', at);
    const std::string_view word = sql.substr(at + 1, end - at - 1);
    out += word == "lock" ? std::string(dialect.row_lock())
                          : dialect.placeholder(std::stoi(std::string(word)));
    at = end;
  }
  return out;
}

bool own_table_exists(Session& session, std::string_view table) {
  try {
    session.query(fmt::format("SELECT migration FROM {} LIMIT 1", table));
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::permanent || error.scope() == ErrorScope::session) throw;
    return false;
  }
}

void remove_own_rows(Session& session, std::string_view table, const std::string& migration,
                     bool drop) {
  if (!own_table_exists(session, table)) return;
  const std::array<Value, 1> parameters{migration};
  session.query(
      spell(session.dialect(), fmt::format("DELETE FROM {} WHERE migration = {{1}}", table)),
      parameters);
  if (drop) session.execute(fmt::format("DROP TABLE {}", table));
}

void remove_own_rows(Session& session, std::string_view table, const std::string& migration) {
  remove_own_rows(session, table, migration, false);
  if (!own_table_exists(session, table)) return;
  const Result left = session.query(fmt::format("SELECT COUNT(*) FROM {}", table));
  if (as_integer(left.rows.at(0).at(0)) == 0) session.execute(fmt::format("DROP TABLE {}", table));
}

}  // namespace migrator
