// MySQL and MariaDB for the shim: the public functions of migrator/mysql.h.
#include "adapters/mysql/adapter.h"
#include "adapters/mysql/connection.h"
#include "adapters/mysql/dialect.h"
#include "adapters/mysql/result.h"
#include "migrator/include/migrator/mysql.h"

namespace migrator {
namespace {

// Nothing of it is changed, no setting either.
class LentConnection final : public Queries {
 public:
  explicit LentConnection(MYSQL* connection) : connection_(connection) {
    if (std::string_view(mysql_character_set_name(connection)) != "utf8mb4") {
      throw Error(ErrorKind::usage, "the lent connection's character set is not utf8mb4")
          .remedy("call mysql_set_character_set(connection, \"utf8mb4\")");
    }
    if ((connection->server_status & SERVER_STATUS_IN_TRANS) == 0) {
      throw Error(ErrorKind::usage, "the lent connection is not in a transaction")
          .remedy("lend it between START TRANSACTION and COMMIT");
    }
  }

  const Dialect& dialect() const override { return mysql::common_dialect(); }

  Result query(std::string_view sql, std::span<const Value> parameters) override {
    const mysql::StatementHandle statement(mysql_stmt_init(connection_));
    if (!statement) mysql::throw_error(connection_);
    if (mysql_stmt_prepare(statement.get(), sql.data(), sql.size()) != 0) {
      mysql::throw_error(statement.get());
    }
    return mysql::run_prepared(statement.get(), parameters);
  }

 private:
  MYSQL* connection_;
};

}  // namespace

Database mysql_at(std::string url, std::vector<std::string> session_sql) {
  if (Url::parse(url).engine() != Engine::mysql) {
    throw Error(ErrorKind::usage, "not a URL of MySQL: " + Url::parse(url).masked())
        .remedy("write mysql://user@host:port/database");
  }
  return {&mysql::adapter(), std::move(url), std::move(session_sql)};
}

LentTransaction lend(Shim& shim, MYSQL* connection) {
  return shim.lend(std::make_unique<LentConnection>(connection));
}

}  // namespace migrator
