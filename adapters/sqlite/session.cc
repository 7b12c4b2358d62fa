#include "adapters/sqlite/session.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "adapters/sqlite/catalog.h"
#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/errors.h"
#include "adapters/sqlite/functions.h"
#include "adapters/sqlite/tokens.h"

namespace migrator::sqlite {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Virtual machine steps between two looks at the clock and the cancel flag: some 100 microseconds.
constexpr int kProgressSteps = 10'000;
// Page cache of a session (KiB). A chunk's rows go through it once, so more does not help a copy
// into a table without secondary indexes; with them, this holds their inner pages.
constexpr int kCacheKib = 8 * 1024;
// Pages of WAL before a commit checkpoints (32 MiB of 4 KiB pages). At the default of 1000 every
// chunk pays two fsyncs and writes the inner pages of the tree back again; beyond this nothing more
// is gained.
constexpr int kCheckpointPages = 8192;
// Index rows that ANALYZE looks at: SQLite's documentation advises 100 to 1000.
constexpr int kAnalysisLimit = 1000;
// PRAGMA table_list, and with it this backend, needs 3.37.
constexpr int kOldestVersion = 3'037'000;

int on_progress(void* context) {
  auto& interruption = *static_cast<Interruption*>(context);
  if (interruption.cancelled.load(std::memory_order_relaxed)) return 1;
  if (interruption.deadline != SteadyClock::time_point{} &&
      SteadyClock::now() >= interruption.deadline) {
    interruption.timed_out = true;
    return 1;
  }
  return 0;
}

// SQLite's own busy handler cannot be cancelled, this one can.
int on_busy(void* context, int attempt) {
  auto& interruption = *static_cast<Interruption*>(context);
  const auto now = SteadyClock::now();
  if (attempt == 0) interruption.busy_since = now;
  if (interruption.cancelled.load(std::memory_order_relaxed)) return 0;
  if (now - interruption.busy_since >= interruption.lock_timeout) return 0;
  if (interruption.deadline != SteadyClock::time_point{} && now >= interruption.deadline) {
    interruption.timed_out = true;
    return 0;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(std::min(25, 1 + attempt * 2)));
  return 1;
}

class SessionCanceller final : public Canceller {
 public:
  explicit SessionCanceller(std::shared_ptr<Interruption> interruption)
      : interruption_(std::move(interruption)) {}
  void cancel() noexcept override {
    try {
      const std::lock_guard lock(interruption_->mutex);
      if (interruption_->database == nullptr || interruption_->activities == 0) return;
      interruption_->cancelled = true;
      sqlite3_interrupt(interruption_->database);
    } catch (...) {  // best effort, as promised
    }
  }
  // Nothing stalls here but a lock, which is given up in the same way.
  void abandon() noexcept override { cancel(); }

 private:
  std::shared_ptr<Interruption> interruption_;
};

[[noreturn]] void refuse_parameter(const std::string& name, const std::string& value) {
  throw Error(ErrorKind::usage, fmt::format("sqlite URL: {}={} is not known", name, value))
      .remedy("use mode=ro|rw|rwc, immutable=1, journal_mode=wal|delete|truncate|persist");
}

struct OpenRequest {
  bool read_only = false, create = false, immutable = false;
  std::string journal_mode;
};

OpenRequest open_request(const Url& url, Role role) {
  OpenRequest request;
  request.create = role == Role::target;
  for (const auto& [name, value] : url.parameters()) {
    if (name == "mode" && value == "ro") {
      request.read_only = true;
      request.create = false;
    } else if (name == "mode" && value == "rw") {
      request.create = false;
    } else if (name == "mode" && value == "rwc") {
      // The default of a target. A source is never made.
    } else if (name == "immutable" && (value == "1" || value == "0")) {
      request.immutable = value == "1";
      if (request.immutable) request.read_only = true;
    } else if (name == "journal_mode") {
      // MEMORY and OFF could leave a broken file behind a crash.
      const std::string mode = upper(value);
      if (mode != "WAL" && mode != "DELETE" && mode != "TRUNCATE" && mode != "PERSIST") {
        refuse_parameter(name, value);
      }
      request.journal_mode = mode;
    } else {
      refuse_parameter(name, value);
    }
  }
  if (request.read_only) request.create = false;
  return request;
}

}  // namespace

std::string file_uri(const std::string& path, std::string_view query) {
  std::string absolute = std::filesystem::absolute(path).string();
  // A second leading slash would begin a host name.
  absolute.erase(0, std::min(absolute.find_first_not_of('/'), absolute.size()));
  std::string uri = "file:///";
  for (const char c : absolute) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '.' || c == '_' || c == '-';
    if (plain) {
      uri += c;
    } else {
      uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    }
  }
  return uri.append("?").append(query);
}

Session::Session(const Url& url, const SessionOptions& options, Role role) {
  if (sqlite3_libversion_number() < kOldestVersion) {
    throw Error(ErrorKind::permanent, fmt::format("SQLite {} is too old", sqlite3_libversion()))
        .remedy("install the library of SQLite 3.37 or later");
  }
  interruption_->lock_timeout = options.lock_timeout;
  open(url, role);
  configure(options, role);
  statement_timeout_ = options.statement_timeout;
  const std::lock_guard lock(interruption_->mutex);
  interruption_->database = database_.get();
}

Session::~Session() {
  const std::lock_guard lock(interruption_->mutex);
  interruption_->database = nullptr;
}

void Session::open(const Url& url, Role role) {
  const OpenRequest request = open_request(url, role);
  const std::string& path = url.path();
  if (path.empty()) {
    throw Error(ErrorKind::usage, "the sqlite URL names no file")
        .remedy("write sqlite:path/to/file.db");
  }
  in_memory_ = path == ":memory:";
  immutable_ = request.immutable;
  journal_mode_ = request.journal_mode;
  std::error_code ignored;
  if (!in_memory_ && !request.create && !std::filesystem::exists(path, ignored)) {
    throw Error(ErrorKind::permanent, fmt::format("there is no database file {}", path))
        .remedy("check the path in the URL")
        .code(std::to_string(SQLITE_CANTOPEN));
  }
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= request.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (request.create || in_memory_) flags |= SQLITE_OPEN_CREATE;
  // URIs are known on every session: ATTACH of a colocated copy needs one.
  flags |= SQLITE_OPEN_URI;
  const std::string name =
      in_memory_ ? path : file_uri(path, request.immutable ? "immutable=1" : "");
  sqlite3* opened = nullptr;
  const int result = sqlite3_open_v2(name.c_str(), &opened, flags, nullptr);
  database_.reset(opened);
  if (result != SQLITE_OK) fail(result, fmt::format("cannot open {}", path));
  server_.database = path;
}

void Session::configure(const SessionOptions&, Role role) {
  sqlite3* database = database_.get();
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_handler(database, on_busy, interruption_.get());
  sqlite3_progress_handler(database, kProgressSteps, on_progress, interruption_.get());
  // A schema may come from anywhere: it must not run code of ours or reach the file's own tables.
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // Rows arrive in any order of tables, and a cascade would change rows that nobody wrote.
  sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_FKEY, 0, nullptr);
  // Else "price", in double quotes, is the text 'price' as soon as the column has another name.
  if (sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DML, 0, nullptr) != SQLITE_OK) {
    throw Error(ErrorKind::permanent, "this SQLite takes every unknown name for a text")
        .remedy("use SQLite 3.29 or newer");
  }
  register_functions(*this);
  // Reads the file's header: says at once that it is no database.
  try {
    ask("SELECT count(*) FROM sqlite_schema");
  } catch (Error& error) {
    Error named(error.kind(), fmt::format("cannot open {}: {}", server_.database, error.what()));
    throw std::move(named).code(error.code()).remedy(error.remedy());
  }
  server_.read_only = sqlite3_db_readonly(database, "main") == 1;
  ask(fmt::format("PRAGMA cache_size = -{}", kCacheKib));
  if (role == Role::target && !server_.read_only && !in_memory_) {
    set_journal_mode(journal_mode_.empty() ? "WAL" : journal_mode_);
    // A commit may be lost in a power cut, never torn; the chunk fence is lost with it, and the
    // next run says that the target is older than the checkpoint store. FULL costs a tenth of the
    // speed.
    ask("PRAGMA synchronous = NORMAL");
    ask(fmt::format("PRAGMA wal_autocheckpoint = {}", kCheckpointPages));
    ask(fmt::format("PRAGMA analysis_limit = {}", kAnalysisLimit));
  }
  server_.reads_block_writes =
      !in_memory_ && upper(as_text(ask("PRAGMA journal_mode").rows.at(0).at(0))) != "WAL";
  utf8_ = as_text(ask("PRAGMA encoding").rows.at(0).at(0)) == "UTF-8";
  const int version = sqlite3_libversion_number();
  server_.product = fmt::format("SQLite {}", sqlite3_libversion());
  server_.version = version / 1'000'000 * 10'000 + version / 1000 % 1000 * 100 + version % 1000;
}

// The change into WAL and out of it needs the file for itself, and is not always waited for by the
// busy handler.
void Session::set_journal_mode(const std::string& mode) {
  const auto deadline = SteadyClock::now() + interruption_->lock_timeout;
  for (;;) {
    std::string got;
    try {
      got = upper(as_text(ask("PRAGMA journal_mode = " + mode).rows.at(0).at(0)));
      if (got == mode) return;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::transient || SteadyClock::now() >= deadline) throw;
    }
    if (!got.empty() && SteadyClock::now() >= deadline) {
      throw Error(ErrorKind::permanent, fmt::format("{} stays in journal mode {}, {} was asked for",
                                                    server_.database, got, mode))
          .remedy("close the other programs that use the file, or name its mode: ?journal_mode=" +
                  got);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

const migrator::Dialect& Session::dialect() const { return sqlite::dialect(); }

std::string Session::file() const {
  const char* name = sqlite3_db_filename(database_.get(), "main");
  return name == nullptr ? "" : name;
}

// ---- statements

Session::Activity::Activity(Session& session) : session_(session) {
  Interruption& interruption = *session_.interruption_;
  const std::lock_guard lock(interruption.mutex);
  if (interruption.activities++ > 0) return;
  interruption.cancelled = false;
  interruption.timed_out = false;
  interruption.deadline = session_.statement_timeout_.count() > 0
                              ? SteadyClock::now() + session_.statement_timeout_
                              : SteadyClock::time_point{};
  session_.was_in_transaction_ = session_.in_transaction();
}

Session::Activity::~Activity() {
  Interruption& interruption = *session_.interruption_;
  const std::lock_guard lock(interruption.mutex);
  if (--interruption.activities > 0) return;
  // What was asked of this activity must not meet the next statement.
  interruption.cancelled = false;
  interruption.timed_out = false;
  interruption.deadline = {};
}

Session::Reservation::Reservation(Session& session) : session_(session) {
  session_.require_free();
  session_.reserved_ = true;
}

void Session::require_free() const {
  if (reserved_) {
    throw Error(ErrorKind::invariant, "a stream or sink is open on this SQLite session");
  }
}

void Session::fail(int result_code, std::string_view doing, const std::string& table) {
  const int primary = result_code & 0xff;
  const bool was_in_transaction = std::exchange(was_in_transaction_, false);
  const bool lost = was_in_transaction && !in_transaction();
  const auto stopped = [&](ErrorKind kind, const char* why) {
    Error error(kind, fmt::format("{}: {}", doing, why));
    error.code(std::to_string(result_code)).table(table);
    if (lost) error.scope(ErrorScope::transaction);
    return error;
  };
  if (primary == SQLITE_INTERRUPT || primary == SQLITE_BUSY) {
    if (interruption_->cancelled) throw stopped(ErrorKind::cancelled, "cancelled");
    if (interruption_->timed_out) {
      throw stopped(ErrorKind::transient, "it ran longer than the statement timeout")
          .remedy("raise the statement timeout");
    }
  }
  const char* message =
      database_ == nullptr ? sqlite3_errstr(result_code) : sqlite3_errmsg(database_.get());
  Error error = classify(result_code, doing, message);
  error.table(table);
  // SQLite has rolled back by itself after some errors (disk full, I/O error, interrupt).
  if (lost) error.scope(ErrorScope::transaction);
  throw error;
}

void Session::check(int result_code, std::string_view doing, const std::string& table) {
  if (result_code != SQLITE_OK) fail(result_code, doing, table);
}

void Session::check_cancelled() {
  if (on_progress(interruption_.get()) != 0) fail(SQLITE_INTERRUPT, "SQLite", "");
}

Statement Session::prepare(std::string_view sql, const std::string& table, bool persistent) {
  sqlite3_stmt* prepared = nullptr;
  const char* tail = nullptr;
  const int result =
      sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                         persistent ? SQLITE_PREPARE_PERSISTENT : 0, &prepared, &tail);
  Statement statement(prepared);
  if (result != SQLITE_OK) fail(result, "SQLite refused a statement", table);
  if (statement == nullptr) throw Error(ErrorKind::invariant, "an empty SQL statement");
  const std::size_t used = static_cast<std::size_t>(tail - sql.data());
  std::vector<Token> rest;
  if (!tokenize(sql.substr(used), rest) ||
      std::any_of(rest.begin(), rest.end(), [](const Token& t) { return !t.is_symbol(';'); })) {
    throw Error(ErrorKind::invariant, "more than one SQL statement at once");
  }
  return statement;
}

bool Session::step(sqlite3_stmt* statement, const std::string& table) {
  const int result = sqlite3_step(statement);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  fail(result, table.empty() ? "SQLite" : "table " + table, table);
}

sqlite3_stmt* Session::prepared(std::string_view sql) {
  constexpr std::size_t kMost = 64;
  const auto found = prepared_.find(sql);
  if (found != prepared_.end()) return found->second.get();
  if (prepared_.size() >= kMost) prepared_.clear();
  return prepared_.emplace(sql, prepare(sql, "", true)).first->second.get();
}

Result Session::run(std::string_view sql, std::span<const Value> parameters) {
  const Activity activity(*this);
  const Statement once = parameters.empty() ? prepare(sql) : nullptr;
  // What is kept must hold neither a lock nor a value afterwards.
  struct AtRest {
    ~AtRest() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
    sqlite3_stmt* statement;
  } const used{once ? once.get() : prepared(sql)};
  sqlite3_stmt* const statement = used.statement;
  if (static_cast<std::size_t>(sqlite3_bind_parameter_count(statement)) != parameters.size()) {
    throw Error(ErrorKind::invariant, "the number of parameters is not that of the placeholders");
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    bind_value(statement, static_cast<int>(i) + 1, parameters[i]);
  }
  // Statements that change no row leave sqlite3_changes64 as the one before them set it.
  const sqlite3_int64 changes_before = sqlite3_total_changes64(database_.get());
  bool more = step(statement);
  // Asked for after the first step, which prepares a statement anew where a table was altered.
  Result result;
  const int columns = sqlite3_column_count(statement);
  for (int i = 0; i < columns; ++i) {
    const char* name = sqlite3_column_name(statement, i);
    result.columns.emplace_back(name == nullptr ? "" : name);
  }
  for (; more; more = step(statement)) {
    std::vector<Value>& row = result.rows.emplace_back();
    row.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) row.push_back(column_value(statement, i));
  }
  if (sqlite3_total_changes64(database_.get()) != changes_before) {
    result.affected = static_cast<std::uint64_t>(sqlite3_changes64(database_.get()));
  }
  return result;
}

Result Session::query(std::string_view sql, std::span<const Value> parameters) {
  require_free();
  return run(sql, parameters);
}

Result Session::ask(std::string_view sql, std::span<const Value> parameters) {
  return run(sql, parameters);
}

// ---- transactions

void Session::begin() {
  require_free();
  // A read-only file has no write lock to take: the transaction is then a snapshot.
  run(server_.read_only ? "BEGIN" : "BEGIN IMMEDIATE", {});
}

void Session::begin_snapshot(std::span<const TableName>) {
  require_free();
  run("BEGIN", {});
  // The snapshot is of the first read.
  run("SELECT count(*) FROM sqlite_schema WHERE 0", {});
}

void Session::commit() {
  require_free();
  if (!in_transaction()) throw Error(ErrorKind::invariant, "commit without a transaction");
  // A local file gives its answer or an error, after which the transaction is open still or rolled
  // back: nothing is ever in doubt.
  run("COMMIT", {});
}

void Session::rollback() noexcept {
  drop_sent();
  if (!in_transaction()) return;
  // Not an Activity: a canceller must not stop a rollback, nor a deadline.
  interruption_->deadline = {};
  interruption_->timed_out = false;
  interruption_->cancelled = false;
  sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

std::shared_ptr<Canceller> Session::canceller() {
  return std::make_shared<SessionCanceller>(interruption_);
}

Catalog Session::catalog(const std::string& schema) {
  require_free();
  const Activity activity(*this);
  return read_catalog(*this, schema);
}

// ---- values

void bind_value(sqlite3_stmt* statement, int position, const Value& value) {
  int result = SQLITE_OK;
  const auto bind_text = [&](const std::string& text) {
    return sqlite3_bind_text64(statement, position, text.data(), text.size(), SQLITE_TRANSIENT,
                               SQLITE_UTF8);
  };
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    result = sqlite3_bind_int64(statement, position, *integer);
  } else if (const auto* number = std::get_if<std::uint64_t>(&value)) {
    result = *number <= static_cast<std::uint64_t>(INT64_MAX)
                 ? sqlite3_bind_int64(statement, position, static_cast<sqlite3_int64>(*number))
                 : bind_text(std::to_string(*number));
  } else if (const auto* real = std::get_if<double>(&value)) {
    if (std::isnan(*real)) throw Error(ErrorKind::data, "NaN has no form in SQLite");
    result = sqlite3_bind_double(statement, position, *real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    result = bind_text(*text);
  } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
    // A null pointer would bind NULL.
    result = sqlite3_bind_blob64(statement, position, bytes->data.empty() ? "" : bytes->data.data(),
                                 bytes->data.size(), SQLITE_TRANSIENT);
  } else {
    result = sqlite3_bind_null(statement, position);
  }
  if (result != SQLITE_OK) throw classify(result, "cannot bind a value", sqlite3_errstr(result));
}

Value column_value(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return static_cast<std::int64_t>(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      if (text == nullptr) throw classify(SQLITE_NOMEM, "cannot read a value", "out of memory");
      return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
      if (bytes == nullptr && size > 0) {
        throw classify(SQLITE_NOMEM, "cannot read a value", "out of memory");
      }
      return Bytes{std::string(size == 0 ? "" : bytes, size)};
    }
    default:
      return std::monostate{};
  }
}

}  // namespace migrator::sqlite
