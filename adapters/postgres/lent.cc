// PostgreSQL for the shim: the public functions of migrator/postgres.h.
#include <vector>

#include "adapters/postgres/adapter.h"
#include "adapters/postgres/connection.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/session.h"
#include "migrator/include/migrator/postgres.h"

namespace migrator {
namespace {

// Nothing of it is changed: no setting, and no statement is left prepared.
class LentConnection final : public Queries {
 public:
  explicit LentConnection(PGconn* connection) : connection_(connection) {
    const char* encoding = PQparameterStatus(connection, "client_encoding");
    if (encoding == nullptr || std::string_view(encoding) != "UTF8") {
      throw Error(ErrorKind::usage, "the lent connection's client_encoding is not UTF8")
          .remedy("SET client_encoding = UTF8");
    }
    if (PQtransactionStatus(connection) != PQTRANS_INTRANS) {
      throw Error(ErrorKind::usage, "the lent connection is not in a transaction")
          .remedy("lend it between BEGIN and COMMIT");
    }
  }

  const Dialect& dialect() const override { return postgres::dialect(); }

  Result query(std::string_view sql, std::span<const Value> parameters) override {
    std::vector<postgres::Parameter> bound;
    std::vector<const char*> values;
    std::vector<int> lengths, formats;
    bound.reserve(parameters.size());
    for (const Value& value : parameters) {
      const postgres::Parameter& parameter = bound.emplace_back(postgres::parameter_of(value));
      values.push_back(parameter.null ? nullptr : parameter.data.c_str());
      lengths.push_back(static_cast<int>(parameter.data.size()));
      formats.push_back(parameter.binary ? 1 : 0);
    }
    const postgres::ResultPtr result(
        PQexecParams(connection_, std::string(sql).c_str(), static_cast<int>(values.size()),
                     nullptr, values.data(), lengths.data(), formats.data(), 0));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      if (PQstatus(connection_) != CONNECTION_OK) {
        throw postgres::connection_lost(PQerrorMessage(connection_));
      }
      throw postgres::classify(postgres::diagnostic_of(*result), true);
    }
    return postgres::result_of(*result);
  }

 private:
  PGconn* connection_;
};

}  // namespace

Database postgres_at(std::string url, std::vector<std::string> session_sql) {
  if (Url::parse(url).engine() != Engine::postgres) {
    throw Error(ErrorKind::usage, "not a URL of PostgreSQL: " + Url::parse(url).masked())
        .remedy("write postgresql://user@host:port/database");
  }
  return {&postgres::adapter(), std::move(url), std::move(session_sql)};
}

LentTransaction lend(Shim& shim, PGconn* connection) {
  return shim.lend(std::make_unique<LentConnection>(connection));
}

}  // namespace migrator
