// One connection as adapter.h's Session, and what Source and Target need of it beside.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "adapters/adapter.h"
#include "adapters/postgres/connection.h"

namespace migrator::postgres {

class PgSession : public Session {
 public:
  PgSession(const Url& url, const SessionOptions& options);

  const Dialect& dialect() const override;
  const ServerInfo& server() const override { return server_; }
  Result query(std::string_view sql, std::span<const Value> parameters = {}) override;
  void begin() override;
  void begin_snapshot(std::span<const TableName> tables) override;
  void commit() override;
  void rollback() noexcept override;
  bool in_transaction() const override { return connection_.in_transaction(); }
  void send(std::string_view sql, std::span<const Value> parameters = {}) override;
  void send_otherwise(std::string_view sql, std::span<const Value> parameters = {}) override {
    send(sql, parameters);  // what the one before did is not known yet
  }
  void send_check(std::string_view sql, std::span<const Value> parameters = {}) override;
  void send_begin() override;
  void send_commit() override;
  Result receive() override;
  std::shared_ptr<Canceller> canceller() override;
  Catalog catalog(const std::string& schema = "") override;
  LoadSample load() override;

  Connection& connection() { return connection_; }

  // What a table name stands for in this session. Kept: a table is looked up once.
  struct Table {
    std::int64_t oid = 0;
    bool partitioned = false;
    std::string schema, name;
    std::map<std::string, std::string> column_types;  // by name, as format_type() prints them
  };
  // Throws Error(permanent) if there is no such table.
  const Table& table(const TableName& name);
  void forget_tables() { tables_.clear(); }

  // What orders a column's texts, by its collation's name ("": the database's own): "C", "POSIX",
  // or a name and the version of the library that it comes from; "" where that is not known.
  const std::string& collation(const std::string& name);

  // Turns the planner's sequential scans on or off for this session; no round trip if it is so
  // already.
  void set_sequential_scans(bool on);

 private:
  void send(std::string_view sql, std::span<const Value> parameters, Connection::Sending sending);

  Connection connection_;
  ServerInfo server_;
  bool sees_all_activity_ = false;
  std::optional<bool> sequential_scans_ = true;  // absent: a rollback may have undone the last SET
  std::map<TableName, Table> tables_;
  std::map<std::string, std::string> collations_;
};

Result result_of(const PGresult& raw);

// Reads pg_catalog by a handful of statements, however many tables there are.
Catalog read_catalog(PgSession& session, const std::string& schema);

}  // namespace migrator::postgres
