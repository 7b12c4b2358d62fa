// One libpq connection: opening it with the settings that every session has, statements, COPY in
// both directions, and waiting that a canceller or a deadline can end.
//
// Everything is done through libpq's asynchronous calls, because the blocking ones can neither be
// woken nor time out when the network stalls.
//
// Threads: one at a time; only the CancelState is shared. One COPY may be open at a time, and
// nothing else may be run while it is (Error(invariant)).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include <libpq-fe.h>

#include "adapters/adapter.h"
#include "adapters/postgres/cancel.h"
#include "adapters/postgres/errors.h"

namespace migrator::postgres {

struct ResultClearer {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultClearer>;

struct MemoryFreer {
  void operator()(char* memory) const { PQfreemem(memory); }
};
// What libpq allocated: one row of a COPY, an escaped literal.
using LibpqMemory = std::unique_ptr<char, MemoryFreer>;

Diagnostic diagnostic_of(const PGresult& result);

// A parameter as PQexecParams takes it.
struct Parameter {
  std::string data;
  bool null = false, binary = false;
};
Parameter parameter_of(const Value& value);

class Connection {
 public:
  // Throws Error: transient if the server cannot be reached now, permanent if it refuses.
  Connection(const Url& url, const SessionOptions& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One statement, or without parameters several separated by semicolons; the last one's result.
  // Results and parameters are text, but Bytes go as binary.
  ResultPtr run(const std::string& sql);
  ResultPtr run(const std::string& sql, std::span<const Value> parameters);
  // COMMIT. A lost answer is Error(in_doubt).
  void commit();

  // Statements sent ahead, in libpq's pipeline mode (Session::send). Each is prepared under a name
  // when it first comes, and run by that name from then on.
  enum class Sending {
    plain,
    check,  // fails unless it gives a row
    commit
  };
  void send(const std::string& sql, std::span<const Parameter> parameters, Sending sending,
            bool binary_result = false);
  ResultPtr receive();
  void drop_sent() noexcept;

  // COPY ... TO STDOUT. copy_out_next() gives one message, which is one row: false at the end, when
  // rows (by the server's count) is set. copy_out_abandon() ends it at any point.
  void copy_out_begin(const std::string& sql);
  bool copy_out_next(LibpqMemory& row, std::size_t& size);
  std::uint64_t copy_rows() const { return copy_rows_; }
  void copy_out_abandon() noexcept;

  // COPY ... FROM STDIN. copy_in_end() returns the server's count of rows; what the server has
  // against any row is thrown there. copy_in_abandon() makes the statement fail.
  void copy_in_begin(const std::string& sql);
  void copy_in_put(const char* data, std::size_t size);
  std::uint64_t copy_in_end();
  void copy_in_abandon() noexcept;

  // False once the connection is lost: only to be destroyed.
  bool usable() const { return !lost_; }
  bool copy_open() const { return copy_ != Copy::none; }
  bool in_transaction() const;
  int server_version() const { return PQserverVersion(connection_.get()); }
  // A setting that the server reports: "server_version", "server_encoding"; "" if it does not.
  std::string parameter(const char* name) const;
  const std::shared_ptr<CancelState>& cancel_state() const { return cancel_; }

  // 'text' as an SQL literal, by the driver's own escaping.
  std::string literal(std::string_view text) const;

 private:
  enum class Copy { none, out, in };
  struct Closer {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  using Clock = std::chrono::steady_clock;

  void connect(const Url& url, const SessionOptions& options);
  void configure();
  void begin_statement();
  void end_statement();
  [[noreturn]] void lose(Error error);
  [[noreturn]] void lose_connection();
  Error error_of(const PGresult& result, bool in_transaction);
  [[noreturn]] void fail(const PGresult& result);
  void wait(short events);
  void consume();
  void flush();
  ResultPtr next_result();
  ResultPtr finish_results();

  struct Sent {
    Sending sending = Sending::plain;
    std::string prepares;  // the statement; "" for one that is run
  };
  ResultPtr result_of(const Sent& sent);
  void close_pipeline();
  void notice_end();
  [[noreturn]] void fail_sent(const Sent& failed, const PGresult& result);
  [[noreturn]] void lose_sent(const Error& error);

  std::unique_ptr<PGconn, Closer> connection_;
  std::shared_ptr<CancelState> cancel_;
  std::chrono::milliseconds statement_timeout_, lock_timeout_;
  const bool application_;
  Clock::time_point statement_began_, cancel_seen_, cancel_sent_;
  bool cancelling_ = false;  // the wait loop has seen the request
  bool lost_ = false;
  bool began_in_transaction_ = false;
  Copy copy_ = Copy::none;
  std::uint64_t copy_rows_ = 0;
  std::deque<Sent> sent_;  // what libpq has a result for, or will have
  bool synced_ = false;    // and nothing more may be sent before they are all received
  bool commits_ = false;
  std::optional<Error> sent_error_;  // of one of those, and of so many behind it
  std::size_t sent_failed_ = 0;
  std::unordered_map<std::string, std::string> prepared_;  // names, by the statement
};

}  // namespace migrator::postgres
