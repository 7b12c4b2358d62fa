// The one exception type of migrator, with the properties a caller can act on.
//
// Modelled on libpqxx 8: instead of a tall hierarchy, an error says what kind of trouble it is (may
// I try again? was it committed?) and how much of the connection it took with it.
//
// Threads: an Error is a plain value. Lifetime: it owns all of its text. No value of a row is ever
// put into an Error, only names of tables and columns and, where a caller asked for it, a key.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace migrator {

enum class ErrorKind {
  transient,  // the same work may succeed if tried again: deadlock, lost connection, server restart
  in_doubt,   // a commit was sent and its answer lost: ask the target what it holds, never assume
  data,       // the target refuses a row or a value cannot be represented: bisect, then reject list
  permanent,  // trying again cannot help: no privilege, no such table, disk full
  usage,      // wrong command line or plan file
  gate,       // refused on purpose, for safety; the remedy says what would open the gate
  fenced,     // a newer epoch has taken over; this process must not write any more
  cancelled,  // the user or a deadline stopped it
  invariant,  // a promise of the protocol does not hold; stop and keep everything for inspection
};

// How much is lost with the error. `session` means: close the connection, it is poisoned.
enum class ErrorScope { statement, transaction, session };

std::string_view name(ErrorKind kind);

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  // Builder style, so that a throw reads as a sentence:
  //   throw Error(ErrorKind::permanent, "cannot open x").remedy("check the path").code("14");
  Error& scope(ErrorScope scope) & {
    scope_ = scope;
    return *this;
  }
  Error&& scope(ErrorScope scope) && {
    scope_ = scope;
    return std::move(*this);
  }
  // What the user should do next, in one sentence.
  Error& remedy(std::string text) & {
    remedy_ = std::move(text);
    return *this;
  }
  Error&& remedy(std::string text) && {
    remedy_ = std::move(text);
    return std::move(*this);
  }
  // SQLSTATE (PostgreSQL, MySQL: five characters), with the engine's own number after a slash where
  // it has one ("23000/1062"); for SQLite the extended result code ("2067").
  Error& code(std::string text) & {
    code_ = std::move(text);
    return *this;
  }
  Error&& code(std::string text) && {
    code_ = std::move(text);
    return std::move(*this);
  }
  Error& table(std::string text) & {
    table_ = std::move(text);
    return *this;
  }
  Error&& table(std::string text) && {
    table_ = std::move(text);
    return std::move(*this);
  }
  // True for a violated unique or primary key, of whichever index.
  Error& duplicate_key(bool yes) & {
    duplicate_key_ = yes;
    return *this;
  }
  Error&& duplicate_key(bool yes) && {
    duplicate_key_ = yes;
    return std::move(*this);
  }

  ErrorKind kind() const noexcept { return kind_; }
  ErrorScope scope() const noexcept { return scope_; }
  const std::string& remedy() const noexcept { return remedy_; }
  const std::string& code() const noexcept { return code_; }
  const std::string& table() const noexcept { return table_; }
  bool duplicate_key() const noexcept { return duplicate_key_; }

 private:
  ErrorKind kind_;
  ErrorScope scope_ = ErrorScope::statement;
  bool duplicate_key_ = false;
  std::string remedy_, code_, table_;
};

}  // namespace migrator
