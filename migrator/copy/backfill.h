// The backfill of all tables: workers over chunks and tables, largest first.
//
// One bad table does not stop the others: its error is kept in the outcome, and the rest goes on.
// Only what concerns the whole run (a stop, a newer epoch, a broken promise) ends all workers.
//
// Threads: run() occupies the calling thread and starts the workers. set_jobs(), set_chunk_limits()
// and progress() may be called from any thread meanwhile.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "migrator/copy/table_copy.h"

namespace migrator {

struct TableReport {
  std::string name;
  TableState state = TableState::pending;
  std::string way;  // how its rows travel: "pgcopy-binary", "cells", "ATTACH"
  std::uint64_t rows = 0, rows_estimate = 0, bytes = 0, bytes_estimate = 0;
  std::uint64_t rejects = 0, retries = 0, chunks_done = 0;
  int workers = 0;
  std::string error, remedy;  // why it failed; "" if it did not
  std::string code;           // SQLSTATE
};

struct BackfillProgress {
  std::vector<TableReport> tables;            // in the plan's order
  std::uint64_t rows_now = 0, bytes_now = 0;  // copied by this run
  double copy_seconds = 0;                    // since run() began, until its last worker ended
  std::vector<std::string> warnings;          // found at the end: rows that refer to none, ...
  double finish_seconds = 0;                  // foreign keys, sequences and statistics after that
  std::uint64_t chunk_rows = 0;               // what the chunks aim at, of the table in work
  int jobs = 0;
  std::string held;  // why nothing moves: paused, throttled; "" otherwise
};

struct BackfillHooks {
  // All chunks of the table are in: makes its indexes. On a worker's thread.
  std::function<void(const TableRoute& route)> finish_table;
  // Called several times a second while the run lasts, on run()'s thread.
  std::function<void(const BackfillProgress& progress)> tick;
};

class Backfill {
 public:
  Backfill(const std::vector<TableRoute>& routes, CopyContext& context, const ChunkLimits& limits,
           int jobs, BackfillHooks hooks);
  ~Backfill();

  // Copies until every table is done or has failed. Throws Error(cancelled) on a stop, after every
  // chunk in hand was rolled back, and what concerns the whole run.
  BackfillProgress run();

  void set_jobs(int jobs);
  void set_chunk_limits(const ChunkLimits& limits);
  BackfillProgress progress();

 private:
  struct Job;  // a table and who works on it

  void start_worker();
  void work(int worker);
  Job* take(int worker);
  bool waits_for_parent(const Job& job) const;
  void copy(Job& job, int worker, WorkerSessions& sessions);
  void settle(Job& job, WorkerSessions& sessions);
  void fail(Job& job, const Error& error);
  bool idle() const;

  CopyContext& context_;
  const BackfillHooks hooks_;
  std::vector<std::unique_ptr<Job>> jobs_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  int active_ = 0;  // workers with a number below this may take chunks
  int running_ = 0;
  bool over_ = false;
  bool began_ = false;  // run() has started the workers: set_jobs() may start more
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::exception_ptr fatal_;
  std::vector<std::jthread> workers_;
};

}  // namespace migrator
