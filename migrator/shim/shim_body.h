// What a Shim is made of: the state that it believes, its connections, and its two threads. One
// (the keeper) reads the state anew and tells the authority which epoch this process has reached;
// the other (the opener) opens connections to the other side, so that no write waits for that.
//
// Threads: any, for everything but start() and stop().
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "adapters/adapter.h"
#include "migrator/capture/inline_guard.h"
#include "migrator/capture/shadow_reports.h"
#include "migrator/capture/side_row.h"
#include "migrator/copy/row_form.h"
#include "migrator/shim.h"
#include "migrator/shim/breaker.h"
#include "migrator/shim/connection_pool.h"
#include "migrator/shim/deadline_watch.h"
#include "migrator/shim/table_lane.h"

namespace migrator {

using SourcePool = ConnectionPool<Source>;
using TargetPool = ConnectionPool<Target>;

// The state as of one look, and what follows from it. Immutable.
struct KnownState {
  MigrationState state;
  SideRow row;  // of the authority
  std::chrono::steady_clock::time_point read_at;
  std::map<std::string, std::shared_ptr<const TableLane>, std::less<>> lanes;

  // Throws Error(usage) where the plan has no such table.
  const TableLane& lane(std::string_view table) const;
};

// How the rows of the sync tables travel, once both sides have been seen. Immutable.
struct InlineRoutes {
  struct Way {
    TableRoute route;
    RowForm row;
    KeyForm key;
  };
  Side authority = Side::source;
  std::map<std::string, Way, std::less<>> ways;  // by relation
};

// A row that a committed transaction has changed, on its way to the other side.
struct InlineRow {
  const InlineRoutes::Way* way = nullptr;
  std::string row_key;
  ChangePlace place;
  RowBatch key, row;  // in the forms of the way; no row: it was deleted
};

class Shim::Body {
 public:
  explicit Body(ShimOptions given);
  ~Body();

  // What is believed now; absent where it is older than the lease, or nobody is open.
  std::shared_ptr<const KnownState> known() const;
  std::shared_ptr<const KnownState> believed() const;
  // Reads the state until somebody is open, or closed_wait is over: throws Error(transient) then.
  // `after`: one that is not to be believed any longer.
  std::shared_ptr<const KnownState> wait_open(std::uint64_t after = 0);
  std::shared_ptr<const InlineRoutes> inline_routes() const;

  SourcePool& authority(Side side) { return *authorities_[static_cast<std::size_t>(side)]; }

  // Writes rows of one committed transaction on the other side, within the budget. Never throws.
  void write_inline(std::vector<InlineRow> rows, Side other,
                    std::chrono::milliseconds budget) noexcept;

  void report_mismatch(std::string_view table, const NamedValues& key);

  // An open transaction keeps this process from acknowledging an epoch beyond its own.
  void entered(std::uint64_t epoch);
  void left(std::uint64_t epoch);

  void count(std::atomic<std::uint64_t>& counter, std::string_view name, std::string_view table,
             std::uint64_t by = 1) noexcept;
  void observe(std::string_view name, std::string_view table,
               std::chrono::steady_clock::time_point since) noexcept;
  void stop() noexcept;

  ShimOptions options;
  const SideTable side_table;
  const InlineGuard guard;
  const ShadowReports reports;
  Breaker breaker;
  DeadlineWatch deadlines;

  struct Counters {
    std::atomic<std::uint64_t> committed{0}, rolled_back{0}, in_doubt{0}, journaled{0}, written{0},
        superseded{0}, failed{0}, skipped{0}, fenced{0}, reported{0}, unreported{0};
  } counters;

 private:
  const Database& database(Side side) const {
    return side == Side::source ? options.source : options.target;
  }
  std::unique_ptr<Source> open_source(Side side) const;
  std::unique_ptr<Target> open_target(Side side) const;
  std::unique_ptr<Source> open_control(Side side) const;
  SessionOptions session_options() const;
  // Of sync writes, for a row's lock: an eighth of the smallest budget.
  std::chrono::milliseconds inline_lock_wait() const;
  void refresh();
  std::shared_ptr<KnownState> look();
  std::shared_ptr<KnownState> state_of(Side side, Session& session, const SideRow& row);
  void acknowledge();
  void keep(const std::stop_token& stop);
  void open_others(const std::stop_token& stop);
  void find_routes();
  TargetPool& others(Side side) { return *others_[static_cast<std::size_t>(side)]; }
  void write_together(TargetPool::Lease& lease, std::vector<InlineRow>& rows);
  bool write_one_by_one(TargetPool::Lease& lease, std::vector<InlineRow>& rows);
  bool wants_sync() const;
  bool may_report();

  std::array<std::unique_ptr<SourcePool>, 2> authorities_;
  std::array<std::unique_ptr<TargetPool>, 2> others_;
  std::mutex refreshing_;               // one look at a time; of control_
  std::unique_ptr<Source> control_[2];  // the keeper's own sessions
  mutable std::mutex mutex_;            // of what follows
  std::shared_ptr<const KnownState> known_;
  std::shared_ptr<const InlineRoutes> routes_;
  std::map<std::uint64_t, int> open_;  // transactions, by epoch
  std::condition_variable_any woken_;
  bool stopped_ = false;
  std::chrono::steady_clock::time_point reports_since_{};  // of the second that is counted
  int reports_ = 0;
  std::jthread keeper_, opener_;
};

}  // namespace migrator
