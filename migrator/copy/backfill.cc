#include "migrator/copy/backfill.h"

#include <algorithm>

#include "migrator/copy/chunk_copier.h"

namespace migrator {

using namespace std::chrono_literals;

struct Backfill::Job {
  Job(const TableRoute& route, CheckpointStore& store, const ChunkLimits& limits)
      : copy(route, store, limits), at_start(store.table(route.name)) {}

  TableCopy copy;
  const TableProgress at_start;
  std::vector<std::string> parents;  // tables that must be copied before this one
  // Guarded by Backfill::mutex_.
  TableState state = TableState::pending;
  int workers = 0;
  bool settling = false;
  bool cut = false;  // all its chunks are handed out
  std::optional<Error> error;
};

namespace {

std::vector<std::string> parents_of(const TableRoute& route, const std::vector<TableRoute>& all) {
  std::vector<std::string> parents;
  if (!route.target_exists) return parents;
  for (const ForeignKey& key : route.target.foreign_keys) {
    for (const TableRoute& other : all) {
      if (other.name != route.name && other.write.table.name == key.referenced_table.name) {
        parents.push_back(other.name);
      }
    }
  }
  return parents;
}

// What concerns the run and not the table.
bool stops_everything(const Error& error) {
  return error.kind() == ErrorKind::fenced || error.kind() == ErrorKind::invariant ||
         error.kind() == ErrorKind::gate;
}

}  // namespace

Backfill::Backfill(const std::vector<TableRoute>& routes, CopyContext& context,
                   const ChunkLimits& limits, int jobs, BackfillHooks hooks)
    : context_(context), hooks_(std::move(hooks)), active_(jobs) {
  const bool ordered = context.endpoints.target_adapter().dialect().enforces_foreign_keys();
  for (const TableRoute& route : routes) {
    auto job = std::make_unique<Job>(route, context.store, limits);
    job->state = job->at_start.state;
    if (ordered) job->parents = parents_of(route, routes);
    jobs_.push_back(std::move(job));
  }
}

// run() may have thrown with workers at their work: they end after the chunk in hand, and are
// joined.
Backfill::~Backfill() {
  const std::lock_guard lock(mutex_);
  over_ = true;
}

BackfillProgress Backfill::run() {
  start_ = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    began_ = true;
    while (running_ < active_) start_worker();
  }
  std::unique_lock lock(mutex_);
  while (running_ > 0) {
    if (changed_.wait_for(lock, 100ms, [this] { return running_ == 0; })) break;
    lock.unlock();
    try {
      if (hooks_.tick) hooks_.tick(progress());
    } catch (...) {
      // The display or the store has failed: the workers end before the error is passed on.
      const std::lock_guard again(mutex_);
      if (!fatal_) fatal_ = std::current_exception();
      over_ = true;
    }
    // A statement that began just after it was cancelled is cancelled again.
    if (context_.interrupt.requested()) context_.interrupt.request();
    lock.lock();
  }
  const std::exception_ptr fatal = fatal_;
  over_ = true;  // no worker is started any more
  lock.unlock();
  const BackfillProgress last = progress();
  for (std::jthread& worker : workers_) worker.join();
  if (hooks_.tick && !fatal) hooks_.tick(last);
  if (fatal) std::rethrow_exception(fatal);
  context_.interrupt.check();
  return last;
}

// REQUIRES: mutex_ held.
void Backfill::start_worker() {
  const int number = static_cast<int>(workers_.size());
  ++running_;
  workers_.emplace_back([this, number] { work(number); });
}

void Backfill::set_jobs(int jobs) {
  const std::lock_guard lock(mutex_);
  active_ = std::max(jobs, 1);
  context_.read_ahead_bytes = read_ahead_bytes(active_);
  while (began_ && !over_ && static_cast<int>(workers_.size()) < active_) start_worker();
  changed_.notify_all();
}

void Backfill::set_chunk_limits(const ChunkLimits& limits) {
  for (const auto& job : jobs_) job->copy.chunker.set_limits(limits);
}

void Backfill::work(int worker) {
  WorkerSessions sessions;
  try {
    while (Job* job = take(worker)) copy(*job, worker, sessions);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!fatal_) fatal_ = std::current_exception();
    over_ = true;
  }
  sessions = {};
  const std::lock_guard lock(mutex_);
  --running_;
  changed_.notify_all();
}

bool Backfill::waits_for_parent(const Job& job) const {
  return std::any_of(job.parents.begin(), job.parents.end(), [&](const std::string& parent) {
    return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& other) {
      return other->copy.route.name == parent && other->state < TableState::copied;
    });
  });
}

// The table to work on next: the largest that nobody works on, else the largest of the others. Null
// when nothing is left for this worker.
Backfill::Job* Backfill::take(int worker) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (over_ || context_.interrupt.requested()) return nullptr;
    Job* best = nullptr;
    bool more_to_come = false;
    for (const auto& job : jobs_) {
      if (job->state == TableState::finished || job->error || job->settling) {
        more_to_come = more_to_come || job->settling;
        continue;
      }
      const bool ready = !job->cut && !waits_for_parent(*job);
      more_to_come = true;
      if (!ready) continue;
      const auto rank = [](const Job& candidate) {
        return std::pair(candidate.workers == 0, candidate.copy.route.source.bytes_estimate);
      };
      if (!best || rank(*job) > rank(*best)) best = job.get();
    }
    if (best && worker < active_) {
      ++best->workers;
      if (best->state == TableState::pending) {
        best->state = TableState::copying;
        context_.store.set_table_state(best->copy.route.name, TableState::copying);
      }
      return best;
    }
    // A table whose parents have failed will never be ready.
    const bool anyone_working = std::any_of(jobs_.begin(), jobs_.end(), [](const auto& job) {
      return job->workers > 0 || job->settling;
    });
    if (!anyone_working && !best) {
      for (const auto& job : jobs_) {
        if (!job->error && waits_for_parent(*job)) {
          job->error =
              Error(ErrorKind::permanent,
                    job->copy.route.name + ": not copied, as a table that it refers to failed")
                  .table(job->copy.route.name)
                  .remedy("mend that table's error and run the same command again");
        }
      }
      changed_.notify_all();
      return nullptr;
    }
    if (!more_to_come) return nullptr;
    changed_.wait_for(lock, context_.interrupt.token(), 200ms, [] { return false; });
  }
}

void Backfill::copy(Job& job, int worker, WorkerSessions& sessions) {
  const auto leave = [&] {
    const std::lock_guard lock(mutex_);
    return over_ || job.error.has_value() || worker >= active_;
  };
  try {
    if (job.state != TableState::copied) ChunkCopier(job.copy, context_, sessions).run(leave);
  } catch (const Error& error) {
    sessions = {};
    context_.interrupt.check();
    if (stops_everything(error)) {
      const std::lock_guard lock(mutex_);
      --job.workers;
      throw;
    }
    fail(job, error);
  }
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    --job.workers;
    const TableProgress stored = context_.store.table(job.copy.route.name);
    job.cut = job.copy.chunker.exhausted();
    const bool complete = stored.cut_to_end && stored.chunks_done == stored.chunks_cut;
    last = job.workers == 0 && complete && !job.error && !job.settling;
    if (last) job.settling = true;
    if (job.workers == 0 && job.cut && !complete && !job.error) {
      // Nobody has failed, nobody is at work, and yet chunks are open: never call that done.
      job.error = Error(ErrorKind::invariant, job.copy.route.name + ": chunks were left open")
                      .remedy("run the same command again: it takes them up");
    }
    changed_.notify_all();
  }
  if (last) settle(job, sessions);
}

void Backfill::settle(Job& job, WorkerSessions& sessions) {
  const std::string& name = job.copy.route.name;
  try {
    context_.store.set_table_state(name, TableState::copied);
    {
      const std::lock_guard lock(mutex_);
      job.state = TableState::copied;
    }
    Backoff backoff(context_.retry, context_.interrupt);
    while (hooks_.finish_table) {
      try {
        hooks_.finish_table(job.copy.route);
        break;
      } catch (const Error& error) {
        context_.interrupt.check();
        if (!backoff.again(error)) throw;
        job.copy.retries.fetch_add(1, std::memory_order_relaxed);
      }
    }
    context_.store.set_table_state(name, TableState::finished);
    const std::lock_guard lock(mutex_);
    job.state = TableState::finished;
  } catch (const Error& error) {
    sessions = {};
    fail(job, error);
  }
  const std::lock_guard lock(mutex_);
  job.settling = false;
  changed_.notify_all();
}

void Backfill::fail(Job& job, const Error& error) {
  context_.store.add_event({Clock::now(), "table_failed", job.copy.route.name, error.what()});
  const std::lock_guard lock(mutex_);
  if (!job.error) job.error = error;
  changed_.notify_all();
}

BackfillProgress Backfill::progress() {
  BackfillProgress out;
  out.held = context_.pacer.reason();
  out.copy_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const std::lock_guard lock(mutex_);
  out.jobs = active_;
  for (const auto& job : jobs_) {
    TableReport report;
    const TableCopy& copy = job->copy;
    report.name = copy.route.name;
    report.state = job->state;
    report.way = copy.way();
    const std::uint64_t rows = copy.rows.load(), bytes = copy.bytes.load();
    out.rows_now += rows;
    out.bytes_now += bytes;
    report.rows = job->at_start.rows + rows;
    report.bytes = job->at_start.bytes + bytes;
    report.rows_estimate = copy.route.source.rows_estimate;
    report.bytes_estimate = copy.route.source.bytes_estimate;
    report.retries = copy.retries.load();
    report.rejects = context_.store.open_rejects(report.name);
    report.workers = job->workers;
    if (job->workers > 0) out.chunk_rows = copy.chunker.chunk_rows();
    if (job->error) {
      report.error = job->error->what();
      report.remedy = job->error->remedy();
      report.code = job->error->code();
    }
    out.tables.push_back(std::move(report));
  }
  return out;
}

}  // namespace migrator
