// A prepared statement of SQLite, and one run of it.
//
//   Statement find(db, "SELECT id, name FROM tables WHERE state = ?1");
//   for (auto run = find.run("copying"); run.row();) use(run.integer(0), run.text(1));
//   insert.execute(id, name, std::nullopt);
//
// Threads: belongs to its connection's thread. Lifetime: a Run must end before its Statement, and a
// Statement before its connection. Only one Run of a Statement is open at a time. Errors: those of
// throw_store_error().
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sqlite3.h>

#include "checkpoints/store.h"
#include "checkpoints/store_errors.h"

namespace migrator::checkpoint {

// Times in the file: microseconds since 1970-01-01 UTC, so that two events in a row keep their
// order.
inline std::int64_t to_micros(Clock::time_point at) {
  return std::chrono::floor<std::chrono::microseconds>(at.time_since_epoch()).count();
}
inline Clock::time_point from_micros(std::int64_t micros) {
  return Clock::time_point(
      std::chrono::duration_cast<Clock::duration>(std::chrono::microseconds(micros)));
}

class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql) : db_(db) {
    if (sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &statement_, nullptr) != SQLITE_OK) {
      throw_store_error(db);
    }
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  class Run {
   public:
    ~Run() { sqlite3_reset(owner_.statement_); }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    // Goes to the next row; false at the end.
    bool row() {
      const int code = sqlite3_step(owner_.statement_);
      if (code == SQLITE_ROW) return true;
      if (code == SQLITE_DONE) return false;
      throw_store_error(owner_.db_);
    }

    bool null(int column) const {
      return sqlite3_column_type(owner_.statement_, column) == SQLITE_NULL;
    }
    std::int64_t integer(int column) const {
      return sqlite3_column_int64(owner_.statement_, column);
    }
    // For what is never negative. The schema's checks forbid it, so a negative one is damage.
    std::uint64_t count(int column) const {
      const std::int64_t value = integer(column);
      if (value < 0) {
        throw_damaged(sqlite3_db_filename(owner_.db_, "main"), "a count is negative", "");
      }
      return static_cast<std::uint64_t>(value);
    }
    bool boolean(int column) const { return integer(column) != 0; }
    Clock::time_point time(int column) const { return from_micros(integer(column)); }
    std::string text(int column) const {
      const auto* data =
          reinterpret_cast<const char*>(sqlite3_column_text(owner_.statement_, column));
      if (data == nullptr) return {};
      return std::string(data,
                         static_cast<std::size_t>(sqlite3_column_bytes(owner_.statement_, column)));
    }
    std::optional<std::string> optional_text(int column) const {
      if (null(column)) return std::nullopt;
      return text(column);
    }

   private:
    friend class Statement;
    explicit Run(Statement& owner) : owner_(owner) {}
    Statement& owner_;
  };

  // Binds ?1, ?2, ... in order. Values are copied.
  template <typename... Values>
  Run run(const Values&... values) {
    int position = 0;
    (bind(++position, values), ...);
    return Run(*this);
  }
  // Runs to the end; returns the number of rows that it changed.
  template <typename... Values>
  std::int64_t execute(const Values&... values) {
    auto once = run(values...);
    while (once.row()) {
    }
    return sqlite3_changes64(db_);
  }

 private:
  void check(int code) {
    if (code != SQLITE_OK) throw_store_error(db_);
  }
  template <std::integral Integer>
  void bind(int position, Integer value) {
    if (!std::in_range<std::int64_t>(value)) {
      throw Error(ErrorKind::invariant,
                  "a number above 9223372036854775807 has no place in the checkpoint")
          .remedy("keep the file and report this");
    }
    check(sqlite3_bind_int64(statement_, position, static_cast<std::int64_t>(value)));
  }
  void bind(int position, bool value) {
    check(sqlite3_bind_int64(statement_, position, value ? 1 : 0));
  }
  void bind(int position, std::string_view value) {
    // An empty view may have no address, which SQLite would take for NULL.
    check(sqlite3_bind_text64(statement_, position, value.data() != nullptr ? value.data() : "",
                              value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  void bind(int position, const std::string& value) { bind(position, std::string_view(value)); }
  void bind(int position, const char* value) { bind(position, std::string_view(value)); }
  void bind(int position, Clock::time_point value) { bind(position, to_micros(value)); }
  void bind(int position, std::nullopt_t) { check(sqlite3_bind_null(statement_, position)); }
  template <typename T>
  void bind(int position, const std::optional<T>& value) {
    if (value) {
      bind(position, *value);
    } else {
      bind(position, std::nullopt);
    }
  }

  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace migrator::checkpoint
