// One connection to a SQLite file.
//
// Threads: one at a time, but for the Canceller. The connection is opened without SQLite's own
// mutexes, which cost several per cent of a copy; sqlite3_interrupt is safe without them.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "adapters/adapter.h"

namespace migrator::sqlite {

struct StatementFinalizer {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, StatementFinalizer>;

struct DatabaseCloser {
  // _v2: a statement that outlives its session by mistake leaks nothing.
  void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
};

enum class Role { source, target };

// What a session, SQLite's callbacks and the cancellers share. Outlives the session.
struct Interruption {
  std::mutex mutex;
  sqlite3* database = nullptr;         // under mutex; null once the session is gone
  int activities = 0;                  // under mutex; statements being executed
  std::atomic<bool> cancelled{false};  // for the activity that is under way
  // Of the session's own thread:
  std::chrono::steady_clock::time_point deadline{};  // of the statement; zero: none
  bool timed_out = false;
  std::chrono::milliseconds lock_timeout{0};
  std::chrono::steady_clock::time_point busy_since{};
};

class Session final : public migrator::Session {
 public:
  // Opens the file. A target is made if it is missing and put in WAL mode; a source is neither.
  // Throws Error(permanent) if it cannot be opened or is no database, Error(usage) for an unknown
  // URL parameter.
  Session(const Url& url, const SessionOptions& options, Role role);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const migrator::Dialect& dialect() const override;
  const ServerInfo& server() const override { return server_; }
  Result query(std::string_view sql, std::span<const Value> parameters = {}) override;
  void begin() override;
  void begin_snapshot(std::span<const TableName> tables) override;
  void commit() override;
  void rollback() noexcept override;
  bool in_transaction() const override { return sqlite3_get_autocommit(database_.get()) == 0; }
  std::shared_ptr<Canceller> canceller() override;
  Catalog catalog(const std::string& schema = "") override;
  LoadSample load() override { return {}; }

  // --- For the backend's other parts.

  // Something is being executed: it may be cancelled, and the statement timeout runs. The outermost
  // one counts. REQUIRES: destroyed before the session.
  class Activity {
   public:
    explicit Activity(Session& session);
    ~Activity();
    Activity(const Activity&) = delete;
    Activity& operator=(const Activity&) = delete;

   private:
    Session& session_;
  };

  // A stream or sink is open: nothing else may be run. Throws Error(invariant) if there is one
  // already.
  class Reservation {
   public:
    explicit Reservation(Session& session);
    ~Reservation() { session_.reserved_ = false; }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;

   private:
    Session& session_;
  };

  sqlite3* handle() { return database_.get(); }
  // Throws Error(invariant) while a stream or sink is open.
  void require_free() const;
  // One statement. `persistent`: it will be run many times. `table` goes into errors.
  Statement prepare(std::string_view sql, const std::string& table = "", bool persistent = false);
  // True: a row is there. Throws the classified error.
  bool step(sqlite3_stmt* statement, const std::string& table = "");
  void check(int result_code, std::string_view doing, const std::string& table = "");
  [[noreturn]] void fail(int result_code, std::string_view doing, const std::string& table = "");
  // Throws Error(cancelled) if a canceller or the deadline asked for it.
  void check_cancelled();
  // query() that runs beside the rules above: for the backend's own small questions.
  Result ask(std::string_view sql, std::span<const Value> parameters = {});

  bool utf8() const { return utf8_; }
  // The file as SQLite knows it; "" in memory.
  std::string file() const;
  // What colocated copies need to open the same file: "immutable" is kept.
  bool immutable() const { return immutable_; }

 private:
  void open(const Url& url, Role role);
  void configure(const SessionOptions& options, Role role);
  void set_journal_mode(const std::string& mode);
  Result run(std::string_view sql, std::span<const Value> parameters);
  // Kept for the next time: who binds parameters runs the same statement again and again.
  sqlite3_stmt* prepared(std::string_view sql);

  std::shared_ptr<Interruption> interruption_ = std::make_shared<Interruption>();
  std::unique_ptr<sqlite3, DatabaseCloser> database_;
  std::map<std::string, Statement, std::less<>> prepared_;
  ServerInfo server_;
  std::chrono::milliseconds statement_timeout_{0};
  std::string journal_mode_;  // asked for by the URL
  bool in_memory_ = false, utf8_ = true, immutable_ = false, reserved_ = false;
  bool was_in_transaction_ = false;  // before the statement that is executed
};

// Binds with the value's own storage class, so that comparisons are exact. Text and bytes are
// copied. uint64 beyond int64 goes as its decimal text. Throws Error(invariant) for NaN, which
// SQLite would make NULL.
void bind_value(sqlite3_stmt* statement, int position, const Value& value);
Value column_value(sqlite3_stmt* statement, int column);

// "file:" URI of a path, percent-encoded; `query` is put behind it as it stands ("mode=ro").
std::string file_uri(const std::string& path, std::string_view query);

}  // namespace migrator::sqlite
