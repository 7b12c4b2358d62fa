// SQLite for the shim: the public functions of migrator/sqlite.h.
#include "adapters/sqlite/adapter.h"
#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/errors.h"
#include "adapters/sqlite/session.h"
#include "migrator/include/migrator/sqlite.h"

namespace migrator {
namespace {

// Nothing of it is changed, no setting either.
class LentConnection final : public Queries {
 public:
  explicit LentConnection(sqlite3* connection) : connection_(connection) {
    if (sqlite3_get_autocommit(connection) != 0) {
      throw Error(ErrorKind::usage, "the lent connection is not in a transaction")
          .remedy("lend it between BEGIN IMMEDIATE and COMMIT");
    }
    // Else another process could close this side between the look at it and the commit.
    if (sqlite3_txn_state(connection, "main") != SQLITE_TXN_WRITE) {
      throw Error(ErrorKind::usage, "the lent connection's transaction does not write yet")
          .remedy("begin it with BEGIN IMMEDIATE, or lend it after its first change");
    }
  }

  const Dialect& dialect() const override { return sqlite::dialect(); }

  Result query(std::string_view sql, std::span<const Value> parameters) override {
    sqlite3_stmt* prepared = nullptr;
    check(sqlite3_prepare_v2(connection_, sql.data(), static_cast<int>(sql.size()), &prepared,
                             nullptr));
    const sqlite::Statement statement(prepared);
    for (std::size_t at = 0; at < parameters.size(); ++at) {
      sqlite::bind_value(prepared, static_cast<int>(at) + 1, parameters[at]);
    }
    Result result;
    const sqlite3_int64 before = sqlite3_total_changes64(connection_);
    int step = SQLITE_OK;
    while ((step = sqlite3_step(prepared)) == SQLITE_ROW) {
      std::vector<Value>& row = result.rows.emplace_back();
      for (int column = 0; column < sqlite3_column_count(prepared); ++column) {
        row.push_back(sqlite::column_value(prepared, column));
      }
    }
    if (step != SQLITE_DONE) check(step);
    if (sqlite3_total_changes64(connection_) != before) {
      result.affected = static_cast<std::uint64_t>(sqlite3_changes64(connection_));
    }
    return result;
  }

 private:
  void check(int result) const {
    if (result != SQLITE_OK) {
      throw sqlite::classify(result, "the lent connection", sqlite3_errmsg(connection_));
    }
  }
  sqlite3* connection_;
};

}  // namespace

Database sqlite_at(std::string url, std::vector<std::string> session_sql) {
  if (Url::parse(url).engine() != Engine::sqlite) {
    throw Error(ErrorKind::usage, "not a URL of SQLite: " + Url::parse(url).masked())
        .remedy("write sqlite:path/to/file.db");
  }
  return {&sqlite::adapter(), std::move(url), std::move(session_sql)};
}

LentTransaction lend(Shim& shim, sqlite3* connection) {
  return shim.lend(std::make_unique<LentConnection>(connection));
}

}  // namespace migrator
