#include "migrator/dual_call.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>

#include "migrator/error.h"

namespace migrator {
namespace {

using namespace std::chrono_literals;

// Long enough for a thread to get its turn on a busy machine, short enough for a failing test.
constexpr auto kLong = 20s;

// Keeps what it is told, by name without the prefix.
class Recorder : public Metrics {
 public:
  void count(std::string_view name, std::string_view table, std::uint64_t by) noexcept override {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(table, "orders");
    counts_[std::string(name)] += by;
  }
  void observe(std::string_view name, std::string_view table,
               std::chrono::nanoseconds took) noexcept override {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(table, "orders");
    observed_[std::string(name)].push_back(took);
  }

  std::uint64_t counted(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return counts_["dual_call_" + name];
  }
  std::vector<std::chrono::nanoseconds> observed(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return observed_["dual_call_" + name];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> counts_;
  std::map<std::string, std::vector<std::chrono::nanoseconds>> observed_;
};

using Counters = DualCall::Counters;

// Which functions a write calls in a phase, in their order.
struct Expected {
  Phase phase;
  std::string order;
};
const std::vector<Expected> kPhases = {{Phase::planned, "o"},       {Phase::dual_write, "on"},
                                       {Phase::backfill, "on"},     {Phase::shadow_read, "on"},
                                       {Phase::cutover, "no"},      {Phase::single_write, "n"},
                                       {Phase::decommissioned, "n"}};

MigrationState in(Phase phase) {
  const Side authority = phase < Phase::cutover ? Side::source : Side::target;
  return {.phase = phase, .epoch = 1, .authority = authority};
}

DualCall::Options options(const MigrationState& state) {
  return {.name = "orders", .state = [state] { return state; }};
}

// Shadow reads, which compare every key unless told otherwise.
DualCall::Options comparing(int threads = 2, std::size_t queue = 128, int read_percent = 0,
                            std::shared_ptr<Metrics> metrics = nullptr, int shadow_percent = 100) {
  MigrationState state = in(Phase::shadow_read);
  state.shadow_percent = shadow_percent;
  state.read_percent = read_percent;
  DualCall::Options made{"orders", [state] { return state; }, std::move(metrics), threads, queue};
  made.recheck = 0ms;
  return made;
}

// What is counted by functions that run after the test's own frame may have gone.
using Shared = std::shared_ptr<std::atomic<int>>;
Shared shared() { return std::make_shared<std::atomic<int>>(0); }

const auto kOne = [] { return 1; };
const auto kDown = []() -> int { throw std::runtime_error("down"); };
// What nobody expects who only catches std::exception.
const auto kOdd = []() -> int { throw 5; };
const std::equal_to<> kSame;

// A capture that reads once more when it goes: no lock may be held by then.
std::shared_ptr<void> late_reader(DualCall& call) {
  return {nullptr, [&call](void*) { call.read(7, kOne, kOne, kSame); }};
}

// What a function waits for that "hangs".
class Gate {
 public:
  void open() { opened_.set_value(); }
  // False if it was not opened in time, so that a test fails instead of hanging.
  bool pass() const { return future_.wait_for(kLong) == std::future_status::ready; }

 private:
  std::promise<void> opened_;
  std::shared_future<void> future_ = opened_.get_future().share();
};

TEST(DualCall, TheOpenSideIsWrittenFirstAndThePhaseSaysWhetherTheOtherIsWrittenToo) {
  for (const Expected& expected : kPhases) {
    for (const Side authority : {Side::source, Side::target}) {
      MigrationState state = in(expected.phase);
      state.authority = authority;
      // They disagree while a rollback is under way.
      const bool both = expected.order.size() == 2;
      const std::string wanted(authority == Side::source ? "on" : "no", both ? 2 : 1);
      DualCall call(options(state));
      std::string order;
      const auto old_fn = [&] { return order += 'o', 'o'; };
      const auto new_fn = [&] { return order += 'n', 'n'; };
      const char result = call.write(7, old_fn, new_fn);
      EXPECT_EQ(order, wanted);
      EXPECT_EQ(result, order.front()) << "the primary's result is the caller's";
      EXPECT_EQ(call.counters(), (Counters{.writes = 1, .secondary_calls = order.size() - 1}));
      EXPECT_EQ(call.read(7, old_fn, new_fn, kSame), wanted.front());
    }
  }
}

TEST(DualCall, AResultMayBeVoidAReferenceOrMovableOnly) {
  DualCall call(options(in(Phase::dual_write)));
  const auto nothing = [] {};
  static_assert(std::is_void_v<decltype(call.write(1, nothing, nothing))>);
  int old_value = 1, new_value = 2;
  int& result = call.write(
      1, [&]() -> int& { return old_value; }, [&]() -> int& { return new_value; });
  EXPECT_EQ(&result, &old_value);
  const auto make = [] { return std::make_unique<int>(5); };
  EXPECT_EQ(*call.write(1, make, make), 5);
  // Where the types differ, both become what they have in common.
  const auto literal = [] { return "old"; };
  const auto text = [] { return std::string("new"); };
  static_assert(std::same_as<decltype(call.write(1, literal, text)), std::string>);
  EXPECT_EQ(call.write(1, literal, text), "old");
}

TEST(DualCall, AnExceptionOfThePrimaryReachesTheCallerUnchangedAndTheSecondaryIsNotCalled) {
  for (const Expected& expected : kPhases) {
    DualCall call(options(in(expected.phase)));
    const std::exception_ptr thrown = std::make_exception_ptr(std::runtime_error("refused"));
    int calls = 0;
    const auto fail = [&] { ++calls, std::rethrow_exception(thrown); };
    try {
      call.write(7, fail, fail);
      ADD_FAILURE() << "nothing was thrown";
    } catch (...) {
      EXPECT_EQ(std::current_exception(), thrown) << "it is the very same object";
    }
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(call.counters(), (Counters{.writes = 1, .primary_failures = 1}));
  }
}

TEST(DualCall, ASecondaryThatThrowsIsCountedAndTheCallerNeverSeesIt) {
  for (const Expected& expected : kPhases) {
    if (expected.order.size() == 1) continue;
    DualCall call(options(in(expected.phase)));
    const bool old_first = expected.order == "on";
    EXPECT_EQ(old_first ? call.write(7, kOne, kDown) : call.write(7, kDown, kOne), 1);
    EXPECT_EQ(old_first ? call.write(7, kOne, kOdd) : call.write(7, kOdd, kOne), 1);
    EXPECT_EQ(call.counters(),
              (Counters{.writes = 2, .secondary_calls = 2, .secondary_failures = 2}));
  }
}

TEST(DualCall, AWriteThatFindsNobodyOpenCallsNothingAndSaysWhatToDo) {
  for (const Expected& expected : kPhases) {
    MigrationState state = in(expected.phase);
    state.authority.reset();
    DualCall call(options(state));
    int calls = 0;
    const auto function = [&] { ++calls; };
    try {
      call.write(7, function, function);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::transient);
      EXPECT_NE(std::string(e.what()).find("orders"), std::string::npos) << e.what();
      EXPECT_FALSE(e.remedy().empty());
    }
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(call.counters(), (Counters{.writes = 1, .refused = 1}));
  }
}

TEST(DualCall, TheStateIsAskedOnceACallAndWithoutItNoFunctionIsCalled) {
  int asked = 0, called = 0;
  DualCall call({.name = "orders", .state = [&]() -> MigrationState {
                   if (++asked > 2) throw std::runtime_error("no state");
                   return in(Phase::dual_write);
                 }});
  const auto function = [&] { return ++called; };
  call.write(7, function, function);
  EXPECT_EQ(asked, 1);
  call.read(7, function, function, kSame);
  EXPECT_EQ(asked, 2);
  EXPECT_THROW(call.write(7, function, function), std::runtime_error);
  EXPECT_THROW(call.read(7, function, function, kSame), std::runtime_error);
  EXPECT_EQ(called, 3) << "two by the write, one by the read";
}

TEST(DualCall, AReadGoesToTheSideOfThePhaseAndToTheOtherInShadowReadsAlone) {
  for (const Expected& expected : kPhases) {
    for (const bool open : {true, false}) {
      MigrationState state = in(expected.phase);
      // Percentages left over from another phase must not matter.
      const bool shadow = expected.phase == Phase::shadow_read;
      state.shadow_percent = 100;
      state.read_percent = shadow ? 0 : 50;
      if (!open) state.authority.reset();
      DualCall::Options once = options(state);
      once.recheck = 0ms;
      DualCall call(once);
      for (int key = 0; key < 20; ++key) {
        const Shared old_calls = shared(), new_calls = shared();
        const auto old_fn = [old_calls] { return ++*old_calls, true; };
        const auto new_fn = [new_calls] { return ++*new_calls, false; };
        const bool from_old = call.read(key, old_fn, new_fn, kSame);
        call.drain();
        EXPECT_EQ(from_old, expected.order.front() == 'o') << open;
        EXPECT_EQ(*old_calls, from_old || shadow ? 1 : 0);
        EXPECT_EQ(*new_calls, !from_old || shadow ? 1 : 0);
      }
      EXPECT_EQ(call.counters().reads, 20u);
    }
  }
}

TEST(DualCall, ComparedResultsAreHandedOverAsPrimaryThenSecondary) {
  for (const bool ramped : {false, true}) {
    DualCall call(comparing(2, 128, ramped ? 100 : 0));
    const auto seen = std::make_shared<std::string>();
    const auto compare = [seen](const std::string& primary, const std::string& secondary) {
      return seen->append(primary).append(",").append(secondary), primary == secondary;
    };
    const std::string result = call.read(
        7, [] { return std::string("old"); }, [] { return "new"; }, compare);
    call.drain();
    EXPECT_EQ(result, ramped ? "new" : "old");
    EXPECT_EQ(*seen, ramped ? "new,old" : "old,new");
    call.read(7, kOne, kOne, kSame);
    call.drain();
    EXPECT_EQ(call.counters(),
              (Counters{.reads = 2, .secondary_calls = 2, .compared = 2, .mismatches = 1}));
  }
}

TEST(DualCall, NothingIsComparedWhereEitherSideThrew) {
  DualCall call(comparing());
  const Shared others = shared();
  const auto secondary = [others] { return ++*others; };
  const auto compare = [others](int, int) { return ++*others, true; };
  EXPECT_THROW(call.read(7, kDown, secondary, compare), std::runtime_error);
  EXPECT_THROW(call.read(7, kOdd, secondary, compare), int);
  EXPECT_EQ(call.read(7, kOne, kDown, compare), 1);
  EXPECT_EQ(call.read(7, kOne, kOdd, compare), 1);
  call.drain();
  EXPECT_EQ(*others, 0);
  EXPECT_EQ(
      call.counters(),
      (Counters{.reads = 4, .primary_failures = 2, .secondary_calls = 2, .secondary_failures = 2}));
}

TEST(DualCall, ACompareThatThrowsIsNeitherAMatchNorAMismatch) {
  DualCall call(comparing());
  call.read(7, kOne, kOne, [](int, int) { return kDown() == 0; });
  call.read(7, kOne, kOne, [](int, int) { return kOdd() == 0; });
  call.drain();
  EXPECT_EQ(call.counters(), (Counters{.reads = 2, .secondary_calls = 2, .compare_failures = 2}));
}

// What was on its way when it was read first is no mismatch.
TEST(DualCall, ADifferenceIsReadAgainBeforeItCounts) {
  std::mutex mutex;
  std::vector<std::string> told;
  DualCall::Options options = comparing();
  options.recheck = 10ms;
  options.mismatch = [&](const std::string& key) {
    const std::lock_guard lock(mutex);
    told.push_back(key);
    throw 5;  // goes nowhere
  };
  DualCall call(options);
  const Shared olds = shared(), news = shared();
  const auto rising = [](const Shared& counter) { return [counter] { return ++*counter; }; };
  call.read(
      7, kOne, [news] { return ++*news == 1 ? 0 : 1; }, kSame);
  call.drain();
  EXPECT_EQ(call.counters(),
            (Counters{.reads = 1, .secondary_calls = 2, .compared = 1, .settled = 1}));
  call.read("k8", rising(olds), [] { return 0; });
  call.drain();
  EXPECT_EQ(*olds, 2) << "both sides are read again";
  EXPECT_EQ(
      call.counters(),
      (Counters{.reads = 2, .secondary_calls = 4, .compared = 2, .settled = 1, .mismatches = 1}));
  EXPECT_EQ(told, std::vector<std::string>{"k8"});
}

TEST(DualCall, WhatWaitsToBeReadAgainIsDroppedAtTheEnd) {
  const auto recorder = std::make_shared<Recorder>();
  {
    DualCall::Options options = comparing(1, 1, 0, recorder);
    options.recheck = 1h;
    DualCall call(options);
    call.read(
        7, kOne, [] { return 0; }, kSame);
    // As long as it waits, it takes up its place.
    const auto until = std::chrono::steady_clock::now() + kLong;
    while (call.counters().secondary_calls == 0 && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(1ms);
    }
    while (call.counters().dropped == 0 && std::chrono::steady_clock::now() < until) {
      call.read(8, kOne, kOne, kSame);
    }
  }
  EXPECT_EQ(recorder->counted("mismatches"), 0u);
  EXPECT_GE(recorder->counted("dropped"), 2u);
}

TEST(DualCall, ALateResultIsNotCompared) {
  DualCall::Options options = comparing();
  options.shadow_timeout = 1ms;
  DualCall call(options);
  call.read(
      7, kOne, [] { return std::this_thread::sleep_for(20ms), 2; }, kSame);
  call.drain();
  EXPECT_EQ(call.counters(), (Counters{.reads = 1, .secondary_calls = 1, .timeouts = 1}));
}

TEST(DualCall, ASideThatFailsIsLeftAloneForAWhile) {
  DualCall::Options options = comparing();
  options.breaker = {.failures = 2, .first = 50ms, .longest = 50ms};
  DualCall call(options);
  for (int at = 0; at < 2; ++at) {
    call.read(7, kOne, kDown, kSame);
    call.drain();
  }
  call.read(7, kOne, kOne, kSame);
  call.drain();
  EXPECT_EQ(call.counters(),
            (Counters{.reads = 3, .secondary_calls = 2, .secondary_failures = 2, .skipped = 1}));
  const auto until = std::chrono::steady_clock::now() + kLong;
  while (call.counters().compared == 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(10ms);
    call.read(7, kOne, kOne, kSame);
    call.drain();
  }
  EXPECT_EQ(call.counters().compared, 1u) << "after the pause it is tried, and answers";
}

// Knows how often it was copied, or cannot be copied after all, as for lack of memory.
struct Copied {
  explicit Copied(Shared counter) : copies(std::move(counter)) {}
  Copied(const Copied& other) : copies(other.copies) {
    if (!copies) throw std::bad_alloc();
    ++*copies;
  }
  Copied(Copied&&) noexcept = default;
  bool operator==(const Copied&) const { return true; }
  Shared copies;
};

TEST(DualCall, AResultThatCannotBeCopiedCostsTheComparisonOnly) {
  DualCall call(comparing());
  const auto make = [] { return Copied(nullptr); };
  EXPECT_NO_THROW(call.read(7, make, make, kSame));
  call.drain();
  EXPECT_EQ(call.counters(), (Counters{.reads = 1, .dropped = 1}));
}

TEST(DualCall, ACandidateThatHangsStallsNoCallerAndFillsABoundedQueue) {
  const auto gate = std::make_shared<Gate>();
  const Shared passed = shared();
  std::counting_semaphore<> hanging(0);
  DualCall call(comparing(2, 3));
  const auto candidate = [gate, passed, &hanging] {
    hanging.release();
    *passed += gate->pass();
    return 1;
  };
  // Both threads are taken, one after the other; and there they stay.
  for (int thread = 0; thread < 2; ++thread) {
    EXPECT_EQ(call.read(thread, kOne, candidate, kSame), 1);
    ASSERT_TRUE(hanging.try_acquire_for(kLong));
  }
  for (int key = 0; key < 10; ++key) EXPECT_EQ(call.read(key, kOne, candidate, kSame), 1);
  EXPECT_EQ(*passed, 0) << "all of these returned before any candidate did";
  EXPECT_EQ(call.counters(), (Counters{.reads = 12, .secondary_calls = 2, .dropped = 7}));
  gate->open();
  call.drain();
  EXPECT_EQ(*passed, 5);
  EXPECT_EQ(call.counters(),
            (Counters{.reads = 12, .secondary_calls = 5, .compared = 5, .dropped = 7}));
}

TEST(DualCall, WhileTheQueueIsFullNotEvenTheResultIsCopied) {
  const auto gate = std::make_shared<Gate>();
  std::binary_semaphore hanging(0);
  DualCall call(comparing(1, 1));
  call.read(
      7, kOne, [gate, &hanging] { return hanging.release(), gate->pass() ? 1 : 0; }, kSame);
  ASSERT_TRUE(hanging.try_acquire_for(kLong));
  call.read(7, kOne, kOne, kSame);
  const Shared copies = shared();
  const auto make = [copies] { return Copied(copies); };
  call.read(7, make, make, kSame);
  EXPECT_EQ(*copies, 0);
  EXPECT_EQ(call.counters().dropped, 1u);
  gate->open();
  call.drain();
  call.read(7, make, make, kSame);
  call.drain();
  EXPECT_EQ(*copies, 1);
}

TEST(DualCall, ComparisonsRunOnAsManyThreadsAsAllowedAndNeverOnTheCallers) {
  DualCall call(comparing(3));
  const auto all_here = std::make_shared<Gate>();
  const auto caller = std::this_thread::get_id();
  const Shared here = shared(), together = shared();
  // Returns only once three of them run at the same time.
  const auto candidate = [=] {
    if (++*here == 3) all_here->open();
    *together += all_here->pass() && std::this_thread::get_id() != caller;
    return 1;
  };
  for (int key = 0; key < 3; ++key) call.read(key, kOne, candidate, kSame);
  call.drain();
  EXPECT_EQ(*together, 3);
}

TEST(DualCall, WhatWasCapturedIsMovedInAndLetGoBeforeDrainReturns) {
  DualCall call(comparing());
  std::shared_ptr<void> late = late_reader(call);
  const std::weak_ptr<void> watch = late;
  // Functions that cannot be copied can only have been moved.
  auto compare = [only = std::unique_lock<std::mutex>()](int a, int b) { return a == b; };
  auto secondary = [late = std::move(late), only = std::unique_lock<std::mutex>()] { return 1; };
  call.read(7, kOne, std::move(secondary), std::move(compare));
  call.drain();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(call.counters(), (Counters{.reads = 2, .secondary_calls = 2, .compared = 2}));
}

TEST(DualCall, DestructionFinishesWhatRunsAndCountsWhatItDrops) {
  const auto recorder = std::make_shared<Recorder>();
  const auto gate = std::make_shared<Gate>();
  const Shared finished = shared(), never = shared();
  std::binary_semaphore running(0);
  {
    DualCall call(comparing(1, 128, 0, recorder));
    const auto drop = [never] { return ++*never; };
    const auto run = [=, &running, &call] {
      running.release();
      const int passed = gate->pass() ? 1 : 0;
      call.read(7, kOne, drop, kSame);  // too late: nobody is left to run this
      *finished += passed;
      return 1;
    };
    call.read(7, kOne, run, kSame);
    ASSERT_TRUE(running.try_acquire_for(kLong));
    // What is dropped is destroyed, and that opens the gate for the one that runs.
    std::shared_ptr<void> opener(nullptr, [gate](void*) { gate->open(); });
    auto second = [opener = std::move(opener), drop] { return drop(); };
    call.read(7, kOne, std::move(second), kSame);
    auto third = [late = late_reader(call), drop] { return drop(); };
    call.read(7, kOne, std::move(third), kSame);
  }
  EXPECT_EQ(*finished, 1);
  EXPECT_EQ(*never, 0);
  EXPECT_EQ(recorder->counted("compared"), 1u);
  EXPECT_EQ(recorder->counted("dropped"), 4u);
}

// How much stack a thread gets that does not say; returns what it was.
std::size_t set_default_stack(std::size_t bytes) {
  pthread_attr_t attributes;
  std::size_t before = 0;
  pthread_getattr_default_np(&attributes);
  pthread_attr_getstacksize(&attributes, &before);
  pthread_attr_setstacksize(&attributes, bytes);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
  return before;
}

TEST(DualCall, AProcessThatCanStartNoMoreThreadsReadsOnWithoutComparing) {
  constexpr std::size_t kMoreThanThereIs = std::size_t{1} << 46;
  DualCall call(comparing());
  const std::size_t enough = set_default_stack(kMoreThanThereIs);
  EXPECT_THROW(std::thread([] {}).join(), std::system_error) << "or the rest means nothing";
  auto secondary = [late = late_reader(call)] { return 1; };
  EXPECT_EQ(call.read(7, kOne, std::move(secondary), kSame), 1);
  EXPECT_EQ(call.counters(), (Counters{.reads = 2, .dropped = 2}));
  call.drain();
  set_default_stack(enough);
  call.read(7, kOne, kOne, kSame);
  call.drain();
  EXPECT_EQ(call.counters().compared, 1u);
  // With one thread there, a second one that cannot be had is no reason to drop anything.
  set_default_stack(kMoreThanThereIs);
  const auto gate = std::make_shared<Gate>();
  const auto wait = [gate] { return gate->pass() ? 1 : 0; };
  for (int key = 0; key < 2; ++key) call.read(key, kOne, wait, kSame);
  set_default_stack(enough);
  gate->open();
  call.drain();
  EXPECT_EQ(call.counters(),
            (Counters{.reads = 5, .secondary_calls = 3, .compared = 3, .dropped = 2}));
}

TEST(DualCall, AKeyHashesAlikeInEveryProcess) {
  // Written down, as another process of the application may be of another build. These are what
  // xxhsum -H3 says as well.
  EXPECT_EQ(DualCall::Key("").hash(), 0x2d06800538d394c2u);
  EXPECT_EQ(DualCall::Key("42").hash(), 0x1217cb28c0ef2191u);
  EXPECT_EQ(DualCall::Key(std::string("customer-1001")).hash(), 0x75cdbe3cec365f8bu);
  EXPECT_EQ(DualCall::Key(std::string_view("caf\xc3\xa9")).hash(), 0x4c83dbd5f29d367fu);
  // A number is its decimal text, whatever its type.
  EXPECT_EQ(DualCall::Key(42).hash(), 0x1217cb28c0ef2191u);
  EXPECT_EQ(DualCall::Key(std::uint8_t{42}).hash(), 0x1217cb28c0ef2191u);
  EXPECT_EQ(DualCall::Key(std::int64_t{-17}).hash(), 0x8a57f108a9cc9aedu);
  EXPECT_EQ(DualCall::Key(std::numeric_limits<std::uint64_t>::max()).hash(), 0x9131ab7296c23377u);
  EXPECT_EQ(DualCall::Key(std::numeric_limits<std::int64_t>::min()).text(), "-9223372036854775808");
  EXPECT_EQ(DualCall::Key(0).text(), "0");
  static_assert(!std::is_constructible_v<DualCall::Key, bool>);
  static_assert(!std::is_constructible_v<DualCall::Key, char>);
  static_assert(!std::is_constructible_v<DualCall::Key, double>);
}

struct Sampled {
  bool by_new = false, compared = false;
};

// What becomes of a read of each key below 10,000.
std::vector<Sampled> sample(int read_percent, int shadow_percent) {
  DualCall call(comparing(1, 10'000, read_percent, nullptr, shadow_percent));
  const auto from_old = [] { return false; };
  const auto from_new = [] { return true; };
  std::vector<Sampled> keys(10'000);
  for (int key = 0; key < 10'000; ++key) {
    Sampled* slot = &keys[static_cast<std::size_t>(key)];
    const auto compare = [slot](bool, bool) { return slot->compared = true; };
    slot->by_new = call.read(key, from_old, from_new, compare);
  }
  call.drain();
  return keys;
}

TEST(DualCall, PercentagesAreThoseOfTheDocumentedHash) {
  const std::vector<Sampled> keys = sample(30, 60);
  int both = 0;
  for (int key = 0; key < 10'000; ++key) {
    const std::uint64_t hash = DualCall::Key(key).hash();
    const Sampled& got = keys[static_cast<std::size_t>(key)];
    ASSERT_EQ(got.by_new, hash % 100 < 30) << key;
    ASSERT_EQ(got.compared, hash / 100 % 100 < 60) << key;
    both += got.by_new && got.compared;
  }
  // Within five standard deviations of independent draws. Were the two choices one, it were 3000.
  EXPECT_NEAR(both, 1800, 195);
}

TEST(DualCall, APercentageOutOfRangeIsNoneOrAll) {
  for (const int percent : {-5, 0, 100, 250}) {
    const bool all = percent >= 100;
    for (const Sampled& got : sample(percent, percent)) {
      ASSERT_TRUE(got.by_new == all && got.compared == all) << percent;
    }
  }
}

TEST(DualCall, MetricsGetEachCountAndHowLongEachCallTook) {
  const auto recorder = std::make_shared<Recorder>();
  DualCall call(comparing(2, 128, 0, recorder));
  const auto slow = [] { return std::this_thread::sleep_for(5ms), 1; };
  const auto slow_two = [slow] { return slow() + 1; };
  const auto fail = [slow] { return slow() + kDown(); };
  call.write(7, slow, slow);
  EXPECT_THROW(call.write(7, fail, slow), std::runtime_error);
  call.write(7, slow, fail);
  call.read(7, slow, slow_two, kSame);
  call.read(7, slow, fail, kSame);
  call.read(7, slow, slow, [](int, int) { return kOdd() == 0; });
  call.drain();
  const std::map<std::string, std::uint64_t> counted = {{"writes", 3},
                                                        {"reads", 3},
                                                        {"primary_failures", 1},
                                                        {"secondary_calls", 5},
                                                        {"secondary_failures", 2},
                                                        {"compared", 1},
                                                        {"mismatches", 1},
                                                        {"compare_failures", 1}};
  for (const auto& [name, times] : counted) EXPECT_EQ(recorder->counted(name), times) << name;
  const std::map<std::string, std::size_t> observed = {
      {"write_primary", 2}, {"write_secondary", 1}, {"read_primary", 3}, {"shadow_read", 2}};
  for (const auto& [name, times] : observed) {
    EXPECT_EQ(recorder->observed(name).size(), times) << name;
    for (const auto value : recorder->observed(name)) EXPECT_GE(value, 5ms) << name;
  }
  EXPECT_EQ(recorder->observed("shadow_wait").size(), 3u);
}

TEST(DualCall, OptionsThatCannotWorkAreRefused) {
  for (const int wrong : {1, 2, 3, 4}) {
    DualCall::Options settings = comparing();
    if (wrong == 1) settings.state = nullptr;
    if (wrong == 2) settings.shadow_threads = 0;
    if (wrong == 3) settings.shadow_threads = -1;
    if (wrong == 4) settings.shadow_queue = 0;
    try {
      const DualCall call(settings);
      ADD_FAILURE() << wrong;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage);
    }
  }
}

TEST(DualCall, ManyThreadsLoseNoCountWhileThePhaseGoesOn) {
  std::atomic<std::size_t> phase = 0;
  DualCall::Options settings = comparing(2, 8, 0, std::make_shared<Recorder>());
  settings.state = [&] {
    MigrationState now = in(kPhases.at(phase.load() % kPhases.size()).phase);
    now.shadow_percent = now.read_percent = 50;
    return now;
  };
  DualCall call(settings);
  constexpr int kThreads = 4, kCalls = 2000;
  // What is captured here outlives the comparisons, as drain() is waited for.
  std::atomic<std::uint64_t> old_calls = 0, new_calls = 0;
  const auto old_fn = [&] { return ++old_calls, 3; };
  const auto new_fn = [&] { return ++new_calls, 3; };
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) {
        if (i % 100 == 0) ++phase;
        right +=
            (i % 2 == 0 ? call.write(i, old_fn, new_fn) : call.read(i, old_fn, new_fn, kSame)) == 3;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  call.drain();
  EXPECT_EQ(right, kThreads * kCalls);
  const Counters counts = call.counters();
  EXPECT_EQ(counts.writes, std::uint64_t{kThreads} * kCalls / 2);
  EXPECT_EQ(counts.reads, std::uint64_t{kThreads} * kCalls / 2);
  EXPECT_EQ(old_calls + new_calls, counts.writes + counts.reads + counts.secondary_calls);
  EXPECT_EQ(counts.mismatches, 0u);
  EXPECT_GT(counts.compared + counts.dropped, 0u);
}

}  // namespace
}  // namespace migrator
