// DualCall: an application wraps its own functions, one for the old and one for the new database,
// and the phase of the migration decides which of them are called, and in which order.
//
//   DualCall orders({.name = "orders", .state = [&] { return shim.state(); }, .metrics = metrics});
//   orders.write(id, [&] { old_shop.put(order); }, [&] { new_shop.put(order); });
//   Order order = orders.read(
//       id, [id, shop = old_pool] { return shop->order(id); },
//       [id, shop = new_pool] { return shop->order(id); }, std::equal_to<>());
//
// WHAT THIS CANNOT GUARANTEE. Two calls to two databases are not one transaction, and DualCall
// knows nothing of the transactions inside of them. It is the weaker form of writing both sides:
//
//  - Two writers of one key may reach the two databases in different orders, and then each keeps
//    another one's value (A1). Two processes that are one phase apart may even call the functions
//    in opposite orders (A11).
//  - A process that dies between the two calls leaves the second side without the write (A2).
//  - If the secondary function fails, the sides differ. It is counted, and that is all: it is not
//    tried again.
//  - A write that is late overwrites a newer one. No guard compares sequence numbers here, as there
//    is none that both sides know.
//  - If the primary function throws although its commit arrived (A3), the other side is not
//    written.
//  - The state is asked once, before the first call. A call that is under way while the authority
//    changes still goes where it was going: the fence trigger of the side that was closed refuses
//    it (A9, A10), but only where `migrate` has put one.
//  - The secondary write runs on the caller's thread and takes its time: a database that hangs
//    stalls the caller. Give its connection a timeout of its own.
//
// What makes up for it is the journal of trigger capture together with verify. The triggers write
// down every key that changes on the authority's side, in the writer's own transaction; the relay
// copies those keys, as they are by then; and `migrate verify` proves that both sides are equal
// before anything is switched. Without capture (`capture: none`), DualCall alone does not make the
// sides converge. One gap is left to verify alone: a secondary write that is held up until the
// relay has copied something newer puts its older value in that one's place, and no entry tells of
// it. Then verify names the row, and copying it again mends it. The forms of the shim that write
// the journal themselves have no such gap.
//
// Writes, by phase:
//
//   phase                               first    then      the caller gets
//   planned                             old_fn   -         old_fn's result or exception
//   dual_write, backfill, shadow_read   old_fn   new_fn    old_fn's
//   cutover                             new_fn   old_fn    new_fn's
//   single_write, decommissioned        new_fn   -         new_fn's
//
// The phase says whether there is a second call; which side comes first is the authority's to say,
// and the table shows it for the authority that belongs to the phase. In the moments in which
// authority and phase disagree (a rollback under way) the side that is open comes first. Where a
// fence trigger stands on the side that is closed, it refuses the secondary's writes as well: they
// are counted as failures, and the rows get there by the relay.
//
// Reads go to the authority's function: old_fn up to shadow_read, new_fn from cutover on. In
// shadow_read they ramp: `read_percent` of the keys are read by new_fn; and for `shadow_percent` of
// the keys the other side's function is called afterwards, on a thread of the DualCall, and the two
// results are compared. In all other phases a read calls one function only.
//
// Which keys these are depends on the key alone, so that every process, of whatever build, decides
// alike. With h = XXH3_64bits (seed 0) of the key's text:
//   read by new_fn:  h % 100 < read_percent
//   compared:        h / 100 % 100 < shadow_percent, so each share of the keys read by either
//                    side holds the same share of keys compared
// An integer's text is its decimal form, "-17", whatever its type. Raising a percentage
// only adds keys.
//
// Metrics, with the options' name in place of the table. Counted:
//   dual_call_writes              calls of write()
//   dual_call_reads               calls of read()
//   dual_call_refused             writes that found nobody open
//   dual_call_primary_failures    exceptions that went to the caller
//   dual_call_secondary_calls     calls of the other side's function, written or read
//   dual_call_secondary_failures  exceptions of those
//   dual_call_compared            reads that `compare` has judged
//   dual_call_settled             those that differed, and no more when they were read again
//   dual_call_mismatches          those that differed then as well
//   dual_call_compare_failures    exceptions of `compare`, and of the primary read again
//   dual_call_timeouts            results of the other side that came too late to be compared
//   dual_call_skipped             comparisons that were due while the other side was left alone
//   dual_call_dropped             comparisons that were due and not made: full queue, no memory or
//                                 thread for them, a result that could not be copied, destruction
// Observed, of calls that returned (those that threw were faster than they should be):
//   dual_call_write_primary, dual_call_write_secondary, dual_call_read_primary
//   dual_call_shadow_read         the other side's function
//   dual_call_shadow_wait         how long a comparison waited for a thread
#pragma once

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "migrator/breaker.h"
#include "migrator/metrics.h"
#include "migrator/state.h"

namespace migrator {

namespace dual_call {

template <class T, class... Others>
concept OneOf = (std::same_as<T, Others> || ...);

// Numbers, as opposed to truth values and characters: is 'a' meant as 97 or as "a"?
template <class T>
concept Number = std::integral<T> && !OneOf<T, bool, char, wchar_t, char8_t, char16_t, char32_t>;

// The type both functions' results have, exactly; otherwise the one that both convert to.
template <class First, class Second>
struct Common : std::common_type<First, Second> {};
template <class Same>
struct Common<Same, Same> {
  using type = Same;
};
template <class OldFn, class NewFn>
using WriteResult =
    typename Common<std::invoke_result_t<OldFn&>, std::invoke_result_t<NewFn&>>::type;
template <class OldFn, class NewFn>
using ReadResult = std::remove_cvref_t<WriteResult<OldFn, NewFn>>;

}  // namespace dual_call

// Threads: write(), read(), counters() and drain() may be called from any number of threads at
// once, and by the functions that are passed to them, except for drain(). Such a function runs on
// the caller's thread, or, for comparisons, on one of the DualCall's own. Lifetime: must outlive
// every call. The threads for comparisons are started when comparisons come, so a DualCall that
// makes none costs none; a child made by fork() has none of them, and must not use the DualCall of
// its parent.
class DualCall {
 public:
  struct Options {
    std::string name = {};  // what metrics and errors call it: the table or the kind of record
    // The present state, asked exactly once a call, on the caller's thread: it should be a look at
    // memory. What it throws goes to the caller, and then none of the functions was called.
    std::function<MigrationState()> state = nullptr;
    std::shared_ptr<Metrics> metrics = nullptr;  // may stay null
    int shadow_threads = 2;                      // comparisons that run at a time, at least 1
    std::size_t shadow_queue = 128;              // comparisons that wait for a thread, at least 1
    // A result of the other side that took longer is not compared, and counts as a failure of it.
    // (It cannot be interrupted: give its connection a timeout of its own.)
    std::chrono::milliseconds shadow_timeout{5'000};
    // Of the other side's reads that are compared: after failures in a row they are left out.
    BreakerOptions breaker = {};
    // How long after a difference both sides are read once more, before it counts: a change may
    // have been on its way. 0: it counts at once.
    std::chrono::milliseconds recheck{1'000};
    // Told of each mismatch, with the key's text, on a thread of the DualCall: where there is a
    // Shim it calls Shim::report_mismatch(), so that `migrate verify` judges the row and logs what
    // differs. What it throws goes nowhere.
    std::function<void(const std::string& key)> mismatch = nullptr;
  };

  // Since the DualCall was made; the meanings are those of the metrics above.
  struct Counters {
    std::uint64_t writes = 0, reads = 0, refused = 0;
    std::uint64_t primary_failures = 0, secondary_calls = 0, secondary_failures = 0;
    std::uint64_t compared = 0, settled = 0, mismatches = 0, compare_failures = 0;
    std::uint64_t timeouts = 0, skipped = 0, dropped = 0;
    bool operator==(const Counters&) const = default;
  };

  // What names the row: text or an integer; of several columns, text that the application joins.
  // Text is not copied, and has to live as long as the call.
  class Key {
   public:
    template <class Text>
    requires std::convertible_to<const Text&, std::string_view> Key(const Text& text)
        : text_(static_cast<std::string_view>(text)) {}
    template <dual_call::Number Integer>
    Key(Integer number) {
      char* const end = digits_.data() + digits_.size();
      length_ =
          static_cast<std::size_t>(std::to_chars(digits_.data(), end, number).ptr - digits_.data());
    }

    std::string_view text() const {
      return length_ > 0 ? std::string_view(digits_.data(), length_) : text_;
    }
    // XXH3_64bits of text(): the same in every process, on every machine, in every version.
    std::uint64_t hash() const;

   private:
    std::string_view text_;
    std::array<char, 24> digits_{};
    std::size_t length_ = 0;
  };

  // Throws Error(usage) if there is no state function, no room for threads or queue, or a time that
  // is none.
  explicit DualCall(Options options);
  // Finishes the comparisons that run, which is to say that it waits for their functions, and drops
  // (and counts) those that wait. Must not run on a thread of the DualCall itself.
  ~DualCall();
  DualCall(const DualCall&) = delete;
  DualCall& operator=(const DualCall&) = delete;

  // Calls the functions as the table above says, each at most once, and each exactly once where
  // both sides are written and the first call returned. Returns the primary function's result,
  // which may be void; where the two functions' types differ, what both convert to.
  //
  // An exception of the primary goes to the caller as it is, and the secondary is then not called.
  // What the secondary throws, of whatever type, is counted and goes nowhere; its result is
  // dropped. The key decides nothing here, as every key is written to both sides: it is asked for
  // so that a row's writes and reads name it alike.
  //
  // Throws Error(transient), and calls neither, while nobody is open, as for a second or two during
  // a change of authority: the same call may be made again.
  template <class OldFn, class NewFn>
  dual_call::WriteResult<OldFn, NewFn> write(const Key& /*key*/, OldFn&& old_fn, NewFn&& new_fn) {
    using R = dual_call::WriteResult<OldFn, NewFn>;
    const Route route = route_write();
    if (route.primary == Side::source) return write_in_order<R>(route.both, old_fn, new_fn);
    return write_in_order<R>(route.both, new_fn, old_fn);
  }

  // Calls the primary function once and returns its result, or lets its exception through: there is
  // no second try on the other side. While nobody is open, reads go where the phase says.
  //
  // If the key is among those compared, the secondary function runs later, on another thread, with
  // `compare(primary's result, secondary's result)` after it, which returns true where they agree.
  // The secondary only if the primary returned, compare only if both did. Where they differ, all
  // three are called a second time, after Options::recheck: only what differs then as well is a
  // mismatch. No exception of theirs is ever thrown, and the caller never waits for them: a
  // secondary that hangs holds one of the threads, then the queue fills, and what is due beyond
  // that is dropped.
  //
  // SO THEY MUST OWN WHAT THEY USE. They run when read() has long returned: let old_fn, new_fn and
  // compare capture by value or by shared_ptr (a connection pool, say), and let their result own
  // its data: no string_view, no reference or pointer into the caller's frame, and nothing that the
  // caller goes on to change. They are moved into the task where they were passed as rvalues and
  // copied otherwise; the primary's result is copied.
  //
  // A mismatch is a hint, not a proof: of a row that changes all the time a write may have landed
  // between both pairs of reads (A17). The judge is `migrate verify`.
  template <class OldFn, class NewFn, class Compare>
  dual_call::ReadResult<OldFn, NewFn> read(const Key& key, OldFn&& old_fn, NewFn&& new_fn,
                                           Compare&& compare) {
    using R = dual_call::ReadResult<OldFn, NewFn>;
    static_assert(
        std::copy_constructible<R>,
        "the result of a read is copied for the comparison: return a shared_ptr<const T>");
    static_assert(std::constructible_from<std::decay_t<OldFn>, OldFn> &&
                      std::constructible_from<std::decay_t<NewFn>, NewFn> &&
                      std::constructible_from<std::decay_t<Compare>, Compare>,
                  "functions that cannot be copied have to be passed as rvalues");
    const Route route = route_read(key);
    if (route.primary == Side::source) {
      return read_one<R>(key, route.both, std::forward<OldFn>(old_fn), std::forward<NewFn>(new_fn),
                         std::forward<Compare>(compare));
    }
    return read_one<R>(key, route.both, std::forward<NewFn>(new_fn), std::forward<OldFn>(old_fn),
                       std::forward<Compare>(compare));
  }
  // Compares by ==.
  template <class OldFn, class NewFn>
  dual_call::ReadResult<OldFn, NewFn> read(const Key& key, OldFn&& old_fn, NewFn&& new_fn) {
    return read(key, std::forward<OldFn>(old_fn), std::forward<NewFn>(new_fn), std::equal_to<>());
  }

  Counters counters() const noexcept;

  // Waits until no comparison waits or runs: for tests, and for an orderly end. It does not return
  // while a function hangs.
  void drain();

 private:
  // The order is that of the names in dual_call.cc.
  enum class Event {
    write,
    read,
    refused,
    primary_failure,
    secondary_call,
    secondary_failure,
    compared,
    settled,
    mismatch,
    compare_failure,
    timeout,
    skipped,
    dropped
  };
  enum class Span { write_primary, write_secondary, read_primary, shadow_read, shadow_wait };
  static constexpr std::size_t kEvents = static_cast<std::size_t>(Event::dropped) + 1;

  struct Route {
    Side primary;
    bool both;  // the other side's function is to be called as well
  };

  // Reports how long its scope took, unless an exception leaves it.
  class Stopwatch {
   public:
    Stopwatch(const DualCall& call, Span span) noexcept
        : call_(call), span_(span), begin_(call.now()), thrown_(std::uncaught_exceptions()) {}
    ~Stopwatch() {
      if (std::uncaught_exceptions() == thrown_) call_.observe(span_, begin_);
    }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

   private:
    const DualCall& call_;
    const Span span_;
    const std::chrono::steady_clock::time_point begin_;
    const int thrown_;
  };

  // A comparison that waits for a thread.
  class Task {
   public:
    virtual ~Task() = default;
    // Whether it is to be run once more, later.
    virtual bool run() noexcept = 0;
  };

  template <class R, class Primary, class Secondary, class Compare>
  class Comparison final : public Task {
   public:
    template <class P, class S, class C>
    Comparison(DualCall& call, const Key& key, const R& result, P&& primary, S&& secondary,
               C&& compare)
        : call_(call),
          key_(key.text()),
          result_(result),
          primary_(std::forward<P>(primary)),
          secondary_(std::forward<S>(secondary)),
          compare_(std::forward<C>(compare)) {}

    bool run() noexcept override {
      if (again_ && !read_primary()) return false;
      std::optional<R> candidate;
      if (!read_secondary(candidate)) return false;
      try {
        const bool same(std::invoke(compare_, std::as_const(*result_), std::as_const(*candidate)));
        if (!same && !again_ && call_.rechecks()) {
          again_ = true;
          return true;
        }
        call_.judged(key_, same, again_);
      } catch (...) {
        call_.count(Event::compare_failure);
      }
      return false;
    }

   private:
    bool read_primary() noexcept {
      try {
        result_.emplace(std::invoke(primary_));
        return true;
      } catch (...) {
        call_.count(Event::compare_failure);
        return false;
      }
    }

    bool read_secondary(std::optional<R>& candidate) noexcept {
      call_.count(Event::secondary_call);
      const auto begin = std::chrono::steady_clock::now();
      try {
        const Stopwatch watch(call_, Span::shadow_read);
        candidate.emplace(std::invoke(secondary_));
      } catch (...) {
        call_.count(Event::secondary_failure);
        call_.answered(false);
        return false;
      }
      const bool in_time = call_.in_time(begin);
      if (!in_time) call_.count(Event::timeout);
      call_.answered(in_time);
      return in_time;
    }

    DualCall& call_;
    const std::string key_;
    std::optional<R> result_;  // the primary's
    Primary primary_;
    Secondary secondary_;
    Compare compare_;
    bool again_ = false;
  };

  template <class R, class Primary>
  R call_primary(Primary& primary, Span span) {
    const Stopwatch watch(*this, span);
    try {
      return std::invoke(primary);
    } catch (...) {
      count(Event::primary_failure);
      throw;
    }
  }

  template <class Secondary>
  void write_secondary(Secondary& secondary) noexcept {
    count(Event::secondary_call);
    try {
      const Stopwatch watch(*this, Span::write_secondary);
      static_cast<void>(std::invoke(secondary));
    } catch (...) {
      count(Event::secondary_failure);
    }
  }

  template <class R, class Primary, class Secondary>
  R write_in_order(bool both, Primary& primary, Secondary& secondary) {
    if constexpr (std::is_void_v<R>) {
      call_primary<void>(primary, Span::write_primary);
      if (both) write_secondary(secondary);
    } else {
      R result = call_primary<R>(primary, Span::write_primary);
      if (both) write_secondary(secondary);
      return result;
    }
  }

  template <class R, class Primary, class Secondary, class Compare>
  R read_one(const Key& key, bool both, Primary&& primary, Secondary&& secondary,
             Compare&& compare) {
    R result = call_primary<R>(primary, Span::read_primary);
    if (both) {
      shadow(key, result, std::forward<Primary>(primary), std::forward<Secondary>(secondary),
             std::forward<Compare>(compare));
    }
    return result;
  }

  template <class R, class Primary, class Secondary, class Compare>
  void shadow(const Key& key, const R& result, Primary&& primary, Secondary&& secondary,
              Compare&& compare) noexcept {
    // Copies are not made for a queue that is full, as it is whenever the other side hangs.
    if (!has_room()) return count(Event::dropped);
    if (!may_try()) return count(Event::skipped);
    try {
      using Comparing =
          Comparison<R, std::decay_t<Primary>, std::decay_t<Secondary>, std::decay_t<Compare>>;
      submit(std::make_unique<Comparing>(*this, key, result, std::forward<Primary>(primary),
                                         std::forward<Secondary>(secondary),
                                         std::forward<Compare>(compare)));
    } catch (...) {  // a copy failed: the caller has its result and must not hear of it
      dropped();
    }
  }

  Route route_write();
  Route route_read(const Key& key);
  bool has_room() noexcept;
  // Of the breaker, which has to be told how it went: by answered() or dropped().
  bool may_try() noexcept;
  void answered(bool well) noexcept;
  void dropped() noexcept;
  // Drops the task and counts it where there is no room or no thread for it.
  void submit(std::unique_ptr<Task> task);
  bool rechecks() const noexcept { return options_.recheck > std::chrono::milliseconds(0); }
  bool in_time(std::chrono::steady_clock::time_point begin) const noexcept;
  void judged(const std::string& key, bool same, bool again) noexcept;
  void count(Event event, std::uint64_t by = 1) noexcept;
  // The clock is only read if somebody is interested.
  std::chrono::steady_clock::time_point now() const noexcept;
  void observe(Span span, std::chrono::steady_clock::time_point begin) const noexcept;

  class Shadows;  // the breaker, the threads and their queue

  const Options options_;
  std::array<std::atomic<std::uint64_t>, kEvents> counts_{};
  std::unique_ptr<Shadows> shadows_;
};

}  // namespace migrator
