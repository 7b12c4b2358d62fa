#include "adapters/mysql/session.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/mysql/catalog.h"
#include "adapters/mysql/dialect.h"
#include "adapters/mysql/errors.h"
#include "adapters/mysql/result.h"

namespace migrator::mysql {

class ActivityCount {
 public:
  std::atomic<std::int64_t> running{0};

  static std::shared_ptr<ActivityCount> of(const ConnectionSettings& settings) {
    static std::mutex mutex;
    static std::map<std::string, std::weak_ptr<ActivityCount>> counts;
    const std::string server =
        fmt::format("{}:{}:{}", settings.host, settings.port, settings.socket);
    const std::lock_guard lock(mutex);
    std::shared_ptr<ActivityCount> count = counts[server].lock();
    if (!count) {
      count = std::make_shared<ActivityCount>();
      counts[server] = count;
    }
    return count;
  }
};

namespace {

// Seconds that the server waits for this client to take or send the next bytes. The defaults (60
// and 30) would cut a stream whose reader is throttled or waits for the other side; a day outlasts
// any window.
constexpr int kNetTimeoutSeconds = 86'400;
// Seconds that an idle session is kept: a paused migration must find it again.
constexpr int kIdleTimeoutSeconds = 604'800;
// Sorting by a key in another order than its index's compares at most this many bytes. InnoDB's
// keys have at most 3072 bytes, and a character of one byte there has at most three in UTF-8.
constexpr int kMaxSortLength = 16'384;

// Strict, for a value that does not fit must fail and never be clipped; and 0 in an AUTO_INCREMENT
// column is a value. Zero and invalid dates are let through (no NO_ZERO_DATE, and
// ALLOW_INVALID_DATES): they exist in old tables, and a copy of such a column must be exact. Values
// of other engines are valid dates anyway.
constexpr std::string_view kSqlMode =
    "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES";

// Statements that are kept prepared; beyond, all are forgotten.
constexpr std::size_t kPreparedMost = 64;

std::int64_t whole_seconds(std::chrono::milliseconds time) {
  return std::max<std::int64_t>(1, (time.count() + 999) / 1000);
}

extern "C" {
int infile_open(void** state, const char*, void* infile) {
  *state = infile;
  return static_cast<LocalInfile*>(infile)->armed ? 0 : 1;
}
int infile_read(void* state, char* buffer, unsigned size) {
  auto* infile = static_cast<LocalInfile*>(state);
  const std::size_t count = std::min<std::size_t>(size, infile->rest.size());
  std::memcpy(buffer, infile->rest.data(), count);
  infile->rest.remove_prefix(count);
  return static_cast<int>(count);
}
void infile_close(void*) {}
int infile_error(void*, char* message, unsigned size) {
  fmt::format_to_n(message, size - 1, "the server asked for a file that was not offered{}", '\0');
  return 1148;
}
}

bool starts_with_word(std::string_view sql, std::string_view word) {
  while (!sql.empty() && std::isspace(static_cast<unsigned char>(sql.front())))
    sql.remove_prefix(1);
  if (sql.size() < word.size()) return false;
  return std::equal(word.begin(), word.end(), sql.begin(), [](char w, char c) {
    return w == std::toupper(static_cast<unsigned char>(c));
  });
}

}  // namespace

MysqlSession::Running::Running(MysqlSession& session) : session_(session) {
  session_.interrupter_->started();
  session_.activity_->running.fetch_add(1);
  if (session_.watchdog_) session_.watchdog_->arm(session_.statement_timeout_);
}

MysqlSession::Running::~Running() {
  if (session_.watchdog_) session_.watchdog_->disarm();
  session_.activity_->running.fetch_sub(1);
  session_.interrupter_->finished();
}

MysqlSession::Exclusive::Exclusive(MysqlSession& session) : session_(session) {
  session.check_usable();
  session.exclusive_ = true;
}

MysqlSession::MysqlSession(ConnectionSettings settings, const SessionOptions& options, Role role)
    : settings_(std::move(settings)), role_(role) {
  settings_.local_infile = role == Role::target;
  handle_ = open_connection(settings_);
  interrupter_ = std::make_shared<Interrupter>(settings_, mysql_thread_id(handle_.get()),
                                               static_cast<int>(mysql_get_socket(handle_.get())));
  activity_ = ActivityCount::of(settings_);
  mysql_set_local_infile_handler(handle_.get(), infile_open, infile_read, infile_close,
                                 infile_error, &infile_);
  set_up(options);
}

MysqlSession::~MysqlSession() {
  watchdog_.reset();
  if (interrupter_) interrupter_->closed();
}

void MysqlSession::set_up(const SessionOptions& options) {
  read_facts();
  const std::int64_t lock_seconds = whole_seconds(options.lock_timeout);
  // MariaDB takes 0 for "not at all" (since 10.3), which is nearer to less than a second than one
  // whole second is.
  const bool at_once =
      facts_.mariadb && facts_.version >= 100300 && options.lock_timeout < std::chrono::seconds(1);
  // sql_select_limit and autocommit may be set for the whole server, and would then lose rows
  // silently.
  run(fmt::format("SET SESSION sql_mode='{}', time_zone='+00:00', autocommit=1, sql_notes=1, "
                  "max_error_count=64, completion_type=0, "
                  "sql_select_limit=18446744073709551615, sql_big_selects=1, sql_safe_updates=0, "
                  "sql_auto_is_null=0, "
                  "net_read_timeout={}, net_write_timeout={}, wait_timeout={}, max_sort_length={}, "
                  "innodb_lock_wait_timeout={}, lock_wait_timeout={}, unique_checks=1, "
                  "foreign_key_checks=1",
                  kSqlMode, kNetTimeoutSeconds, kNetTimeoutSeconds, kIdleTimeoutSeconds,
                  kMaxSortLength, at_once ? 0 : lock_seconds, lock_seconds),
      "setting up the session");
  foreign_key_checks_ = true;
  if (role_ == Role::target) set_foreign_key_checks(false);
  use_isolation(role_ == Role::target || options.application);

  statement_timeout_ = options.statement_timeout;
  if (statement_timeout_.count() <= 0) return;
  if (facts_.mariadb && facts_.version >= 100101) {
    run(fmt::format("SET SESSION max_statement_time={:.3f}",
                    static_cast<double>(statement_timeout_.count()) / 1000));
  } else {
    watchdog_ = std::make_unique<Watchdog>(interrupter_);
  }
}

void MysqlSession::read_facts() {
  interrupter_->expect_server(as_text(query(Interrupter::server_identity_sql()).rows.at(0).at(0)));
  const Result facts = query(
      "SELECT VERSION(), @@version_comment, @@log_bin, @@binlog_format, @@local_infile, "
      "@@innodb_rollback_on_timeout, @@max_allowed_packet, DATABASE()");
  const std::vector<Value>& row = facts.rows.at(0);
  const std::string version = as_text(row[0]);
  facts_.mariadb = version.find("MariaDB") != std::string::npos ||
                   as_text(row[1]).find("MariaDB") != std::string::npos;
  facts_.version = static_cast<int>(mysql_get_server_version(handle_.get()));
  facts_.statement_binlog = as_integer(row[2]) != 0 && as_text(row[3]) == "STATEMENT";
  facts_.local_infile = as_integer(row[4]) != 0;
  facts_.rollback_on_timeout = as_integer(row[5]) != 0;
  facts_.max_allowed_packet = static_cast<std::uint64_t>(as_integer(row[6]));
  info_.product = (facts_.mariadb ? "MariaDB " : "MySQL ") + version.substr(0, version.find('-'));
  info_.version = facts_.version;
  info_.database = as_text(row[7]);
  info_.schema = info_.database;
  info_.read_only = finds_read_only();
  dialect_ = &dialect_for(facts_.mariadb, facts_.version);
}

// A server in read_only still lets through who has the privilege for it.
bool MysqlSession::finds_read_only() {
  const Result flags = query(
      "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', "
      "'innodb_read_only')");
  bool read_only = false;
  for (const auto& row : flags.rows) {
    const std::string value = as_text(row[1]);
    if (value == "OFF" || value == "NO" || value == "0" || value == "NO_LOCK") continue;
    if (as_text(row[0]) != "read_only") return true;
    read_only = true;
  }
  if (!read_only) return false;
  // From 10.11 on, MariaDB's SUPER no longer includes it.
  const bool super_is_enough = !facts_.mariadb || facts_.version < 101100;
  const Result privileges = query(
      "SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = "
      "CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''') AND PRIVILEGE_TYPE IN ("
      "'READ_ONLY ADMIN', 'READ ONLY ADMIN', 'CONNECTION_ADMIN'" +
      std::string(super_is_enough ? ", 'SUPER'" : "") + ")");
  return as_integer(privileges.rows.at(0).at(0)) == 0;
}

// READ COMMITTED: a chunk's SELECT takes no locks and keeps no old snapshot alive. InnoDB refuses
// writes under it where the binlog is written by statement, so who writes rows does it there under
// REPEATABLE READ.
void MysqlSession::use_isolation(bool writes) {
  const bool repeatable = writes && facts_.statement_binlog;
  run(std::string("SET SESSION TRANSACTION ISOLATION LEVEL ") +
      (repeatable ? "REPEATABLE READ" : "READ COMMITTED"));
}

void MysqlSession::check_usable() const {
  if (dead_)
    throw Error(ErrorKind::invariant, "the session is used after it was lost")
        .scope(ErrorScope::session);
  if (exclusive_) {
    throw Error(ErrorKind::invariant, "the session is used while a stream or sink of it is open");
  }
}

void MysqlSession::fail(Error error, unsigned number) {
  const bool late = watchdog_ && watchdog_->fired();
  if (number == kErrorInterrupted && late) {
    error = classify(1969, "70100", "the statement ran longer than the statement timeout");
  }
  if (number == 1205 && facts_.rollback_on_timeout) error.scope(ErrorScope::transaction);
  if (error.scope() == ErrorScope::session) dead_ = true;
  if (error.scope() == ErrorScope::transaction && in_transaction_) aborted_ = true;
  throw error;
}

void MysqlSession::fail(std::string_view doing) {
  const unsigned number = mysql_errno(handle_.get());
  fail(classify(number, mysql_sqlstate(handle_.get()), mysql_error(handle_.get()), doing), number);
}

void MysqlSession::fail(MYSQL_STMT* statement, std::string_view doing) {
  const unsigned number = mysql_stmt_errno(statement);
  fail(classify(number, mysql_stmt_sqlstate(statement), mysql_stmt_error(statement), doing),
       number);
}

std::uint64_t MysqlSession::run(std::string_view sql, std::string_view doing) {
  const Running running(*this);
  if (mysql_real_query(handle_.get(), sql.data(), sql.size()) != 0) fail(doing);
  const ResultHandle unexpected(mysql_store_result(handle_.get()));
  if (!unexpected && mysql_field_count(handle_.get()) != 0) fail(doing);
  return unexpected ? 0 : mysql_affected_rows(handle_.get());
}

ResultHandle MysqlSession::run_stored(std::string_view sql, std::string_view doing) {
  const Running running(*this);
  if (mysql_real_query(handle_.get(), sql.data(), sql.size()) != 0) fail(doing);
  ResultHandle result(mysql_store_result(handle_.get()));
  if (!result && mysql_field_count(handle_.get()) != 0) fail(doing);
  return result;
}

void MysqlSession::refuse_warnings(unsigned count, std::string_view doing) {
  if (count == 0) return;
  // "Unsafe statement" (1592) concerns the binary log and no row.
  constexpr unsigned kUnsafeForBinlog = 1592;
  const ResultHandle warnings = run_stored("SHOW WARNINGS");
  unsigned harmless = 0;
  while (MYSQL_ROW row = warnings ? mysql_fetch_row(warnings.get()) : nullptr) {
    std::int64_t number = 0;
    if (row[1] == nullptr || row[2] == nullptr || !parse_int64(row[1], number)) continue;
    if (number == kUnsafeForBinlog) {
      ++harmless;
      continue;
    }
    const bool duplicate = number == kErrorDuplicateEntry;
    const Error known =
        classify(static_cast<unsigned>(number), duplicate ? "23000" : "01000", row[2], doing);
    // A warning is the server altering or leaving out a row, whatever its number means as an error.
    throw Error(ErrorKind::data, known.what())
        .code(known.code())
        .remedy(known.remedy())
        .duplicate_key(duplicate);
  }
  if (harmless < count) {
    throw Error(ErrorKind::data, fmt::format("{}: the server reports {} warnings", doing, count))
        .code("01000");
  }
}

std::uint64_t MysqlSession::run_load_data(std::string_view sql, std::string_view bytes,
                                          std::string_view doing) {
  infile_ = {bytes, true};
  struct Disarm {
    LocalInfile& infile;
    ~Disarm() { infile = {}; }
  } const disarm{infile_};
  return run(sql, doing);
}

void MysqlSession::set_foreign_key_checks(bool on) {
  if (foreign_key_checks_ == on) return;
  run(on ? "SET SESSION foreign_key_checks=1" : "SET SESSION foreign_key_checks=0");
  foreign_key_checks_ = on;
}

void MysqlSession::set_raw_results(bool raw) {
  if (raw_results_ == raw) return;
  run(raw ? "SET SESSION character_set_results=NULL" : "SET SESSION character_set_results=utf8mb4");
  raw_results_ = raw;
}

void MysqlSession::prepare_for_load() {
  check_usable();
  check_not_aborted();
  set_raw_results(false);
  set_foreign_key_checks(false);
}

void MysqlSession::prepare_for_read(bool raw) {
  use_client_library_in_this_thread();
  check_usable();
  check_not_aborted();
  set_raw_results(raw);
}

void MysqlSession::check_not_aborted() const {
  if (!aborted_) return;
  throw Error(ErrorKind::invariant, "the server has rolled the transaction back, and it is used on")
      .scope(ErrorScope::transaction);
}

Result MysqlSession::query(std::string_view sql, std::span<const Value> parameters) {
  use_client_library_in_this_thread();
  check_usable();
  check_not_aborted();
  set_raw_results(false);
  if (role_ == Role::target) set_foreign_key_checks(starts_with_word(sql, "ALTER"));
  return parameters.empty() ? query_text(sql) : query_prepared(sql, parameters);
}

Result MysqlSession::query_text(std::string_view sql) {
  const Running running(*this);
  if (mysql_real_query(handle_.get(), sql.data(), sql.size()) != 0) fail();
  const ResultHandle stored(mysql_store_result(handle_.get()));
  if (!stored && mysql_field_count(handle_.get()) != 0) fail();
  Result result = stored ? read_text_result(stored.get()) : Result{};
  if (!stored) result.affected = mysql_affected_rows(handle_.get());
  // A CALL gives a status, and perhaps more results, behind its first one.
  while (mysql_next_result(handle_.get()) == 0) {
    const ResultHandle further(mysql_store_result(handle_.get()));
  }
  if (mysql_errno(handle_.get()) != 0) fail();
  return result;
}

// Prepared once and kept: each one that is not costs a round trip more.
Result MysqlSession::query_prepared(std::string_view sql, std::span<const Value> parameters) {
  const Running running(*this);
  if (prepared_.size() >= kPreparedMost) prepared_.clear();
  StatementHandle& statement = prepared_[std::string(sql)];
  try {
    if (!statement) {
      statement.reset(mysql_stmt_init(handle_.get()));
      if (!statement) fail();
      if (mysql_stmt_prepare(statement.get(), sql.data(), sql.size()) != 0) fail(statement.get());
    }
    Result result = run_prepared(statement.get(), parameters);
    mysql_stmt_free_result(statement.get());
    return result;
  } catch (const Error& error) {
    const unsigned number = statement ? mysql_stmt_errno(statement.get()) : 0;
    prepared_.erase(std::string(sql));
    if (number == 0) throw;
    fail(error, number);
  }
}

void MysqlSession::begin() {
  check_usable();
  use_client_library_in_this_thread();
  if (in_transaction_) throw Error(ErrorKind::invariant, "a transaction is begun within another");
  run("START TRANSACTION", "beginning a transaction");
  in_transaction_ = true;
}

// A table whose form changes after the snapshot gives an error (1412) and no rows.
void MysqlSession::begin_snapshot(std::span<const TableName>) {
  check_usable();
  use_client_library_in_this_thread();
  if (in_transaction_) throw Error(ErrorKind::invariant, "a transaction is begun within another");
  // Of the next transaction alone. In READ COMMITTED there is no snapshot.
  run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "beginning a snapshot");
  run("START TRANSACTION WITH CONSISTENT SNAPSHOT", "beginning a snapshot");
  in_transaction_ = true;
}

void MysqlSession::commit() {
  check_usable();
  use_client_library_in_this_thread();
  if (!in_transaction_ || aborted_)
    throw Error(ErrorKind::invariant, "a commit without a transaction");
  const Running running(*this);
  if (mysql_real_query(handle_.get(), "COMMIT", 6) != 0) {
    const unsigned number = mysql_errno(handle_.get());
    Error error =
        classify_commit(number, mysql_sqlstate(handle_.get()), mysql_error(handle_.get()));
    if (error.scope() == ErrorScope::session) dead_ = true;
    throw error;
  }
  in_transaction_ = false;
}

void MysqlSession::rollback() noexcept {
  drop_sent();
  if (!in_transaction_) return;
  in_transaction_ = false;
  aborted_ = false;
  if (dead_) return;  // the server rolls back what it has of a lost connection
  try {
    const Running running(*this);
    if (mysql_real_query(handle_.get(), "ROLLBACK", 8) != 0) {
      // A kill that hit the ROLLBACK itself: once more, and otherwise the transaction ends with the
      // connection.
      if (mysql_errno(handle_.get()) != kErrorInterrupted ||
          mysql_real_query(handle_.get(), "ROLLBACK", 8) != 0) {
        dead_ = true;
      }
    }
  } catch (...) {
    dead_ = true;
  }
}

Catalog MysqlSession::catalog(const std::string& schema) {
  return CatalogReader(*this, schema).read();
}

void MysqlSession::read_replica_lag(LoadSample& sample) {
  const std::string sql = facts_.mariadb            ? "SHOW ALL SLAVES STATUS"
                          : facts_.version >= 80022 ? "SHOW REPLICA STATUS"
                                                    : "SHOW SLAVE STATUS";
  if (not_permitted_.contains(sql)) return;
  Result status;
  try {
    status = query(sql);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::permanent) throw;
    not_permitted_.insert(sql);
    return;
  }
  for (std::size_t i = 0; i < status.columns.size(); ++i) {
    if (status.columns[i] != "Seconds_Behind_Master" &&
        status.columns[i] != "Seconds_Behind_Source")
      continue;
    for (const auto& row : status.rows) {
      if (is_null(row[i])) continue;  // replication is stopped: the lag is not known
      const auto lag = static_cast<double>(as_integer(row[i]));
      sample.replica_lag_seconds = std::max(sample.replica_lag_seconds.value_or(0), lag);
    }
  }
}

LoadSample MysqlSession::load() {
  LoadSample sample;
  read_replica_lag(sample);
  const Result status = query(
      "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', "
      "'Innodb_row_lock_current_waits')");
  for (const auto& row : status.rows) {
    std::int64_t value = 0;
    if (!parse_int64(as_text(row[1]), value)) continue;
    if (as_text(row[0]) == "Threads_running") {
      // The one that asks counts as running too, and is not in the count of this process any more.
      sample.active_sessions = std::max<std::int64_t>(0, value - 1 - activity_->running.load());
    } else {
      sample.lock_waits = value;
    }
  }
  return sample;
}

}  // namespace migrator::mysql
