// One connection to a MySQL or MariaDB server.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <mysql.h>

#include "adapters/adapter.h"
#include "adapters/mysql/connection.h"
#include "adapters/mysql/interrupt.h"

namespace migrator::mysql {

enum class Role { source, target };

// What the server is and allows, found out when connecting.
struct ServerFacts {
  bool mariadb = false;
  int version = 0;                       // 101119, 50624
  bool statement_binlog = false;         // log_bin with binlog_format=STATEMENT
  bool local_infile = false;             // the server's side of it
  bool rollback_on_timeout = false;      // a lock timeout rolls back the whole transaction
  std::uint64_t max_allowed_packet = 0;  // bytes

  bool has_generated_columns() const { return mariadb ? version >= 100200 : version >= 50700; }
  // MariaDB's array binding; MySQL has nothing like it.
  bool has_bulk() const { return mariadb && version >= 100207; }
};

// What the server may read by LOAD DATA LOCAL: these bytes, while armed. Never a file: a server
// that asks for one at any other time is refused.
struct LocalInfile {
  std::string_view rest;
  bool armed = false;
};

// Process-wide: how many sessions of this process are executing on one server, for LoadSample.
class ActivityCount;

class MysqlSession final : public Session {
 public:
  MysqlSession(ConnectionSettings settings, const SessionOptions& options, Role role);
  ~MysqlSession() override;

  const Dialect& dialect() const override { return *dialect_; }
  const ServerInfo& server() const override { return info_; }
  Result query(std::string_view sql, std::span<const Value> parameters = {}) override;
  void begin() override;
  void begin_snapshot(std::span<const TableName> tables) override;
  void commit() override;
  void rollback() noexcept override;
  bool in_transaction() const override { return in_transaction_; }
  std::shared_ptr<Canceller> canceller() override { return interrupter_; }
  Catalog catalog(const std::string& schema = "") override;
  LoadSample load() override;

  // --- For the other files of this backend. ---

  MYSQL* handle() { return handle_.get(); }
  const ServerFacts& facts() const { return facts_; }
  const ConnectionSettings& settings() const { return settings_; }

  // A statement is in execution, from construction to destruction: it can be cancelled, and its
  // deadline runs. A stream holds one until its last row.
  class Running {
   public:
    explicit Running(MysqlSession& session);
    ~Running();
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    MysqlSession& session_;
  };

  // A stream or sink has the session to itself. Throws Error(invariant) if another one has it.
  class Exclusive {
   public:
    explicit Exclusive(MysqlSession& session);
    ~Exclusive() { session_.exclusive_ = false; }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

   private:
    MysqlSession& session_;
  };

  // Runs a statement that gives no rows, also while a sink is open; returns the rows affected.
  std::uint64_t run(std::string_view sql, std::string_view doing = {});
  // Runs a statement and fetches its whole result as text.
  ResultHandle run_stored(std::string_view sql, std::string_view doing = {});

  // Throws the last error of the connection or statement, and notes what it cost the session.
  [[noreturn]] void fail(std::string_view doing = {});
  [[noreturn]] void fail(MYSQL_STMT* statement, std::string_view doing = {});
  [[noreturn]] void fail(Error error, unsigned number);

  // Before rows are loaded: utf8mb4 results, no foreign key checks; throws if the session cannot be
  // used.
  void prepare_for_load();
  // Before rows or keys are read; raw as for set_raw_results().
  void prepare_for_read(bool raw);
  // Rows are loaded without foreign key checks, because tables arrive in no particular order; ALTER
  // TABLE runs with them, so that a foreign key added after the load is checked against every row.
  void set_foreign_key_checks(bool on);
  // Whether the server sends text in each column's own character set (raw) or converted to utf8mb4.
  void set_raw_results(bool raw);
  // Statement warnings: throws Error(data), or Error(data, duplicate_key), for the first one that
  // is not a remark on the binary log. `count` is what the statement reported.
  void refuse_warnings(unsigned count, std::string_view doing);
  // Runs a LOAD DATA LOCAL whose data is `bytes`; returns the rows affected.
  std::uint64_t run_load_data(std::string_view sql, std::string_view bytes, std::string_view doing);
  bool alive() const { return !dead_; }
  void mark_dead() { dead_ = true; }
  // For a stream that ends early: stops the statement on the server.
  void cancel_running() { interrupter_->cancel(); }

 private:
  friend class Running;
  friend class Exclusive;

  void check_usable() const;
  void check_not_aborted() const;
  void set_up(const SessionOptions& options);
  void read_facts();
  bool finds_read_only();
  void use_isolation(bool writes);
  Result query_text(std::string_view sql);
  Result query_prepared(std::string_view sql, std::span<const Value> parameters);
  void read_replica_lag(LoadSample& sample);

  ConnectionSettings settings_;
  const Role role_;
  Handle handle_;
  std::shared_ptr<Interrupter> interrupter_;
  std::unique_ptr<Watchdog> watchdog_;  // only where the server has no statement timeout of its own
  std::chrono::milliseconds statement_timeout_{0};
  std::shared_ptr<ActivityCount> activity_;
  ServerFacts facts_;
  ServerInfo info_;
  const Dialect* dialect_ = nullptr;
  bool in_transaction_ = false;
  bool aborted_ =
      false;  // the server rolled the transaction back; rollback() has not been called yet
  bool exclusive_ = false;
  bool dead_ = false;
  bool foreign_key_checks_ = true;
  bool raw_results_ = false;
  LocalInfile infile_;
  std::unordered_map<std::string, StatementHandle> prepared_;  // by the statement
  std::set<std::string> not_permitted_;  // statements of load() that the user may not run
};

}  // namespace migrator::mysql
