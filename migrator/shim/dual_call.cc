#include "migrator/dual_call.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

// Compiled in: whoever links the shim does not have to have libxxhash.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "migrator/error.h"

namespace migrator {
namespace {

constexpr std::uint64_t kPercent = 100;

constexpr std::array<std::string_view, 10> kEventNames = {
    "dual_call_writes",           "dual_call_reads",           "dual_call_refused",
    "dual_call_primary_failures", "dual_call_secondary_calls", "dual_call_secondary_failures",
    "dual_call_compared",         "dual_call_mismatches",      "dual_call_compare_failures",
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
  struct Waiting {
    std::unique_ptr<Task> task;
    std::chrono::steady_clock::time_point since;
  };

 public:
  Shadows(const DualCall& call, int threads, std::size_t queue)
      : call_(call), most_threads_(static_cast<std::size_t>(threads)), most_waiting_(queue) {}

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
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(queue_);
    }
    wake_.notify_all();
    const std::size_t count = dropped.size();
    // What the application captured goes first: something that runs may be waiting for just that.
    dropped.clear();
    for (std::thread& thread : threads_) thread.join();
    return count;
  }

  void drain() {
    std::unique_lock lock(mutex_);
    drained_.wait(lock, [this] { return queue_.empty() && running_ == 0; });
  }

 private:
  bool room() const { return !stopping_ && queue_.size() < most_waiting_; }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_;
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      --idle_;
      if (stopping_) return;
      Waiting next = std::move(queue_.front());
      queue_.pop_front();
      ++running_;
      lock.unlock();
      call_.observe(Span::shadow_wait, next.since);
      next.task->run();
      // Without the lock, as in submit(), and before it counts as done: drain() waits for it, too.
      next.task.reset();
      lock.lock();
      --running_;
      if (running_ == 0 && queue_.empty()) drained_.notify_all();
    }
  }

  const DualCall& call_;
  const std::size_t most_threads_, most_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_, drained_;
  std::deque<Waiting> queue_;
  std::size_t idle_ = 0, running_ = 0;  // threads
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
  shadows_ = std::make_unique<Shadows>(*this, options_.shadow_threads, options_.shadow_queue);
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
          .mismatches = of(Event::mismatch),
          .compare_failures = of(Event::compare_failure),
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
  if (!shadows_->submit(std::move(task))) count(Event::dropped);
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
