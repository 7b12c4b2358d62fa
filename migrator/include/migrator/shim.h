// The shim: how an application writes while its database is being migrated.
//
// An application gives each process one Shim and writes through its transactions. They run on the
// authority: the one database that may be written to now, which the source is until the cutover and
// the target after it. In the same transaction the shim takes a share of the fence (so a cutover
// waits for it, and none begins meanwhile), and writes down in the journal which rows it changed.
// The relay brings them to the other side; in mode `sync` the shim writes them there itself, right
// after the commit. That makes the target fresh; the journal is what makes it right.
//
//   migrator::Shim shim({.migration = "shop",
//                        .source = migrator::mysql_at(old_url),
//                        .target = migrator::postgres_at(new_url)});
//   auto transaction = shim.begin();
//   transaction.upsert("orders", {{"id", 17}, {"total", "12.50"}});
//   transaction.commit();
//
// `migrate start PLAN` comes first: it makes the tables that the shim looks at.
//
// What is promised:
//   - A write's outcome is the authority's alone. Nothing that happens on the other side fails it,
//     or delays it by more than TableOptions::budget.
//   - A commit that has returned is in the journal (or was captured by triggers). Nothing is queued
//     in this process that a crash could lose.
//   - Statements are run once. Where a commit's answer was lost, Error(in_doubt) says so, and
//     nothing is tried again.
//
// What is not: with `capture: shim` in the plan a write that bypasses the shim is seen by nobody
// but `migrate verify`. With `capture: trigger` every writer is seen.
//
// Threads: a Shim may be used by many; a transaction belongs to one at a time. Lifetime:
// transactions end before their Shim does. Errors: migrator::Error, see error.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "migrator/breaker.h"
#include "migrator/database.h"
#include "migrator/error.h"
#include "migrator/metrics.h"
#include "migrator/state.h"
#include "migrator/value.h"

namespace migrator {

class Queries;

enum class WriteMode {
  async,  // the journal alone; the relay does the rest
  sync,   // and the row is written on the other side after the commit; needs `inline_writes: true`
};

struct TableOptions {
  WriteMode mode = WriteMode::async;
  // Of the keys of a sync table, by a hash of the values as they are given, so the same ones in
  // every process that gives them alike: the rest is async.
  int sync_percent = 100;
  // The longest that a commit waits for the other side, with all its rows.
  std::chrono::milliseconds budget{250};
};

struct ShimOptions {
  std::string migration;  // the plan's name
  Database source, target;
  std::string instance = {};  // in `migrate status`; "": host, process, and number of the shim
  TableOptions defaults = {};
  std::map<std::string, TableOptions> tables = {};  // by the plan's names of them
  BreakerOptions breaker = {};
  // The state is read anew this often, and is not believed any longer than that without it. It is
  // also how long `migrate` waits for an instance that has gone without a word.
  std::chrono::milliseconds lease{10'000};
  // How long begin() and the first statement wait where nobody may be written to: a cutover's
  // pause.
  std::chrono::milliseconds closed_wait{5'000};
  std::size_t connections_max = 16;                  // to each side
  std::chrono::milliseconds connection_wait{5'000};  // for one of these to be free
  std::chrono::milliseconds statement_timeout{0};    // 0: none
  std::chrono::milliseconds lock_timeout{10'000};
  std::shared_ptr<Metrics> metrics = nullptr;
};

// Since the start. (What Metrics is told one by one, without the latencies.)
struct ShimCounters {
  std::uint64_t committed = 0, rolled_back = 0, in_doubt = 0;
  std::uint64_t journaled = 0;  // entries written by the shim
  std::uint64_t inline_written = 0;
  std::uint64_t inline_superseded = 0;  // a newer change was there already
  std::uint64_t inline_failed = 0;      // an error of the other side, the budget included
  std::uint64_t inline_skipped = 0;     // the breaker was open, or no connection was there
  std::uint64_t fenced = 0;             // transactions that met a fence, waited and went on
  std::uint64_t reported = 0;           // by report_mismatch(), and written down
  std::uint64_t unreported = 0;         // not written down: an error, or too many at a time
};

// A transaction on the authority. Moved, not copied; destroyed while open, it is rolled back.
//
// Nothing is sent before its result is needed: upsert(), update(), erase() and touch() only queue,
// and on PostgreSQL a whole transaction that calls nothing but these costs one round trip, with
// commit(). Their errors are thrown by the next execute() or by commit(). After an error the
// transaction is over.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();

  // Which of the two databases this transaction is on: what its SQL must be written for.
  Side side() const;

  // A statement of the application's own, with its placeholders bound ($1 or ?). The rows of
  // planned tables that it changes have to be named by touch(), unless triggers capture them.
  // Waits.
  Result execute(std::string_view sql, std::span<const Value> parameters = {});
  Result execute(std::string_view sql, std::initializer_list<Value> parameters);

  // Tables are those of the plan, by its names; columns, too, are named as on the source. A table's
  // key columns have to be among the row's. Throws Error(usage) for a name that is not known.

  // Inserts the row, or sets these columns of the one with its key.
  void upsert(std::string_view table, NamedValues row);
  // Sets columns of the row with this key, if it is there; the key's own may be among them.
  void update(std::string_view table, NamedValues key, NamedValues changes);
  void erase(std::string_view table, NamedValues key);
  // The row of this key was changed, inserted or deleted by execute(). A key that was not changed
  // does no harm. Always async.
  void touch(std::string_view table, NamedValues key);

  // Throws Error(in_doubt) where the answer was lost. What happens on the other side is not heard
  // of here, but by counters.
  void commit();
  void rollback() noexcept;

 private:
  friend class Shim;
  struct Body;
  explicit Transaction(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

// The application's own transaction on a connection of its own, in which only keys are named. Made
// by lend() of postgres.h, mysql.h and sqlite.h in mid-transaction; the application commits.
class LentTransaction {
 public:
  LentTransaction(LentTransaction&&) noexcept;
  ~LentTransaction();
  void touch(std::string_view table, NamedValues key);

 private:
  friend class Shim;
  struct Body;
  explicit LentTransaction(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

class Shim {
 public:
  // Connects to the source and reads the state. The target may be away: nothing but sync writes
  // waits for it. Throws Error(gate) where `migrate start` has not been.
  explicit Shim(ShimOptions options);
  // close().
  ~Shim();
  Shim(const Shim&) = delete;
  Shim& operator=(const Shim&) = delete;

  // Throws Error(transient) where nobody may be written to for longer than closed_wait, or no
  // connection is free in time.
  Transaction begin();

  // Takes the fence on a connection in the middle of its transaction, whichever isolation that has.
  // Before any savepoint: to go back to one of before would give the fence up.
  // Throws Error(transient) where the connection's database may not be written to now: roll back,
  // and begin again on the side that state() names.
  LentTransaction lend(std::unique_ptr<Queries> connection);

  // Has `migrate verify` look at the row of this key, and put it into its log of mismatches if it
  // differs: what DualCall::Options::mismatch is to call. It is written down on the authority, once
  // a key, and of each table no more than 1000 keys; the rest is only counted there. No more than
  // 20 a second, as it is a write: beyond that they are counted here alone (`unreported`). Waits
  // for the database. Throws Error(usage) for a name or key that is not known, Error(transient)
  // where no connection is free, and whatever the database says; then nothing was written down.
  void report_mismatch(std::string_view table, NamedValues key);

  MigrationState state() const;
  ShimCounters counters() const;
  // Of the breaker, for a health page: no sync writes are tried now.
  bool other_side_down() const;

  // Waits for what its transactions are writing, withdraws this instance, and closes its
  // connections. REQUIRES: no transaction is open. Nothing is lost by a process that ends without
  // it.
  void close() noexcept;

  class Body;

 private:
  std::unique_ptr<Body> body_;
};

}  // namespace migrator
