#include "migrator/dual_call.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

// Compiled in: whoever links the shim does not have to have libxxhash.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "migrator/error.h"
#include "migrator/shim/breaker.h"

namespace migrator {
namespace {

constexpr std::uint64_t kPercent = 100;

constexpr std::array<std::string_view, 13> kEventNames = {
    "dual_call_writes",           "dual_call_reads",           "dual_call_refused",
    "dual_call_primary_failures", "dual_call_secondary_calls", "dual_call_secondary_failures",
    "dual_call_compared",         "dual_call_settled",         "dual_call_mismatches",
    "dual_call_compare_failures", "dual_call_timeouts",        "dual_call_skipped",
    "dual_call_dropped"};

constexpr std::array<std::string_view, 5> kSpanNames = {
    "dual_call_write_primary", "dual_call_write_secondary", "dual_call_read_primary",
    "dual_call_shadow_read", "dual_call_shadow_wait"};

// The side that takes the writes in a phase, if all is as it should be.
constexpr Side side_of(Phase phase) { return phase < Phase::cutover ? Side::source : Side::target; }

constexpr bool writes_both(Phase phase) {
  return phase > Phase::planned && phase < Phase::single_write;
}

// Percentages may come from an operator's hand: below 0 is none, above 100 all.
bool among(std::uint64_t bucket, int percent) {
  return static_cast<std::int64_t>(bucket) < std::int64_t{percent};
}

}  // namespace

class DualCall::Shadows {
  using Time = std::chrono::steady_clock::time_point;
  struct Waiting {
    std::unique_ptr<Task> task;
    std::chrono::steady_clock::time_point since;
  };

 public:
  explicit Shadows(DualCall& call)
      : breaker(call.options_.breaker),
        call_(call),
        most_threads_(static_cast<std::size_t>(call.options_.shadow_threads)),
        most_waiting_(call.options_.shadow_queue) {}

  Breaker breaker;

  bool has_room() {
    const std::lock_guard lock(mutex_);
    return room();
  }

  // Whether the task was taken. One that is not is destroyed without the lock, as are all: what an
  // application captured may do anything when it goes.
  bool submit(std::unique_ptr<Task> task) {
    Waiting waiting{std::move(task), call_.now()};
    const std::lock_guard lock(mutex_);
    if (!room()) return false;
    if (queue_.size() >= idle_ && threads_.size() < most_threads_) {
      try {
        threads_.emplace_back([this] { work(); });
      } catch (const std::system_error&) {
        // This process can have no more threads. Those that are here will do, if there is one.
        if (threads_.empty()) return false;
      }
    }
    queue_.push_back(std::move(waiting));
    wake_.notify_one();
    return true;
  }

  // Waits for what runs. Returns how many tasks were waiting, and now will never run.
  std::size_t stop() {
    std::deque<Waiting> dropped;
    std::multimap<Time, std::unique_ptr<Task>> dropped_later;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(queue_);
      dropped_later.swap(later_);
    }
    wake_.notify_all();
    const std::size_t count = dropped.size() + dropped_later.size();
    // What the application captured goes first: something that runs may be waiting for just that.
    dropped.clear();
    dropped_later.clear();
    for (std::thread& thread : threads_) thread.join();
    return count;
  }

  void drain() {
    std::unique_lock lock(mutex_);
    drained_.wait(lock, [this] { return idle(); });
  }

 private:
  bool room() const { return !stopping_ && queue_.size() + later_.size() < most_waiting_; }
  bool idle() const { return queue_.empty() && later_.empty() && running_ == 0; }

  // The next one that may run now. REQUIRES: mutex_ is held.
  std::optional<Waiting> next() {
    if (!later_.empty() && later_.begin()->first <= std::chrono::steady_clock::now()) {
      Waiting due{std::move(later_.begin()->second), later_.begin()->first};
      later_.erase(later_.begin());
      return due;
    }
    if (queue_.empty()) return std::nullopt;
    Waiting first = std::move(queue_.front());
    queue_.pop_front();
    return first;
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      std::optional<Waiting> waiting = next();
      if (!waiting) {
        ++idle_;
        if (later_.empty()) {
          wake_.wait(lock);
        } else {
          const Time due = later_.begin()->first;  // a copy: it may be gone meanwhile
          wake_.wait_until(lock, due);
        }
        --idle_;
        continue;
      }
      // One may be asleep without knowing when the next one is due.
      if (idle_ > 0 && (!queue_.empty() || !later_.empty())) wake_.notify_one();
      ++running_;
      lock.unlock();
      call_.observe(Span::shadow_wait, waiting->since);
      const bool again = waiting->task->run();
      // Without the lock, as in submit(), and before it counts as done: drain() waits for it, too.
      if (!again) waiting->task.reset();
      lock.lock();
      if (again && !stopping_) {
        later_.emplace(std::chrono::steady_clock::now() + call_.options_.recheck,
                       std::move(waiting->task));
      }
      if (waiting->task) {
        lock.unlock();
        call_.count(Event::dropped);
        waiting.reset();
        lock.lock();
      }
      --running_;
      if (idle()) drained_.notify_all();
    }
  }

  DualCall& call_;
  const std::size_t most_threads_, most_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_, drained_;
  std::deque<Waiting> queue_;
  std::multimap<Time, std::unique_ptr<Task>> later_;  // by when they are due
  std::size_t idle_ = 0, running_ = 0;                // threads
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

std::uint64_t DualCall::Key::hash() const {
  const std::string_view bytes = text();
  return XXH3_64bits(bytes.data(), bytes.size());
}

DualCall::DualCall(Options options) : options_(std::move(options)) {
  const auto refuse = [this](const char* what) {
    return Error(ErrorKind::usage, "DualCall '" + options_.name + "': " + what);
  };
  if (!options_.state) throw refuse("there is no state function");
  if (options_.shadow_threads < 1) throw refuse("shadow_threads has to be at least 1");
  if (options_.shadow_queue < 1) throw refuse("shadow_queue has to be at least 1");
  if (options_.recheck.count() < 0) throw refuse("recheck has to be 0 or more");
  if (options_.shadow_timeout.count() < 1) throw refuse("shadow_timeout has to be at least 1 ms");
  if (options_.breaker.failures < 1) throw refuse("breaker.failures has to be at least 1");
  shadows_ = std::make_unique<Shadows>(*this);
}

DualCall::~DualCall() {
  if (const std::size_t dropped = shadows_->stop(); dropped > 0) count(Event::dropped, dropped);
}

DualCall::Counters DualCall::counters() const noexcept {
  const auto of = [this](Event event) {
    return counts_[static_cast<std::size_t>(event)].load(std::memory_order_relaxed);
  };
  return {.writes = of(Event::write),
          .reads = of(Event::read),
          .refused = of(Event::refused),
          .primary_failures = of(Event::primary_failure),
          .secondary_calls = of(Event::secondary_call),
          .secondary_failures = of(Event::secondary_failure),
          .compared = of(Event::compared),
          .settled = of(Event::settled),
          .mismatches = of(Event::mismatch),
          .compare_failures = of(Event::compare_failure),
          .timeouts = of(Event::timeout),
          .skipped = of(Event::skipped),
          .dropped = of(Event::dropped)};
}

void DualCall::drain() { shadows_->drain(); }

DualCall::Route DualCall::route_write() {
  count(Event::write);
  const MigrationState state = options_.state();
  if (!state.authority) {
    count(Event::refused);
    throw Error(
        ErrorKind::transient,
        "'" + options_.name + "' cannot be written now: neither database is open for writes")
        .remedy(
            "make the same call again in a moment: a change of authority closes both for a "
            "second or two; if it lasts, see `migrate status`");
  }
  return {*state.authority, writes_both(state.phase)};
}

DualCall::Route DualCall::route_read(const Key& key) {
  count(Event::read);
  const MigrationState state = options_.state();
  const Side primary = state.authority.value_or(side_of(state.phase));
  if (state.phase != Phase::shadow_read) return {primary, false};
  const std::uint64_t hash = key.hash();
  // The two lowest digits, and the two above them, depend on each other in no way.
  const bool ramped = among(hash % kPercent, state.read_percent);
  const bool compared = among(hash / kPercent % kPercent, state.shadow_percent);
  return {ramped ? Side::target : primary, compared};
}

bool DualCall::has_room() noexcept { return shadows_->has_room(); }

void DualCall::submit(std::unique_ptr<Task> task) {
  if (!shadows_->submit(std::move(task))) dropped();
}

bool DualCall::may_try() noexcept { return shadows_->breaker.allow(); }

void DualCall::answered(bool well) noexcept {
  if (well) {
    shadows_->breaker.succeeded();
  } else {
    shadows_->breaker.failed();
  }
}

// What the breaker had allowed was not tried.
void DualCall::dropped() noexcept {
  shadows_->breaker.failed();
  count(Event::dropped);
}

bool DualCall::in_time(std::chrono::steady_clock::time_point begin) const noexcept {
  return std::chrono::steady_clock::now() - begin <= options_.shadow_timeout;
}

void DualCall::judged(const std::string& key, bool same, bool again) noexcept {
  count(Event::compared);
  if (same) {
    if (again) count(Event::settled);
    return;
  }
  count(Event::mismatch);
  if (!options_.mismatch) return;
  try {
    options_.mismatch(key);
  } catch (...) {
    // The application's own affair.
  }
}

void DualCall::count(Event event, std::uint64_t by) noexcept {
  const auto index = static_cast<std::size_t>(event);
  counts_[index].fetch_add(by, std::memory_order_relaxed);
  if (options_.metrics) options_.metrics->count(kEventNames[index], options_.name, by);
}

std::chrono::steady_clock::time_point DualCall::now() const noexcept {
  return options_.metrics ? std::chrono::steady_clock::now()
                          : std::chrono::steady_clock::time_point();
}

void DualCall::observe(Span span, std::chrono::steady_clock::time_point begin) const noexcept {
  if (!options_.metrics) return;
  options_.metrics->observe(kSpanNames[static_cast<std::size_t>(span)], options_.name,
                            std::chrono::steady_clock::now() - begin);
}

}  // namespace migrator
