#include "migrator/verify/comparer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "adapters/canonical_digest.h"
#include "migrator/verify/multiset.h"
#include "migrator/verify/range_cutter.h"
#include "migrator/verify/row_digest.h"

namespace migrator {
namespace {

using Time = std::chrono::steady_clock;

// Ranges that are compared in each way before the faster one is chosen.
constexpr std::uint64_t kRangesTried = 2;
// Digests are preferred unless streams are so much faster: they move next to nothing.
constexpr double kStreamGain = 1.25;
// After so many ranges in a row that differed as a whole, others are merged at once, but for one in
// so many.
constexpr int kDifferingInARow = 3;
constexpr std::uint64_t kMergedBetween = 16;

double seconds_since(Time::time_point start) {
  return std::chrono::duration<double>(Time::now() - start).count();
}

// The first of the one's that the other has too.
template <typename Form>
std::optional<Form> first_common(const std::vector<Form>& ours, const std::vector<Form>& theirs) {
  for (const Form& form : ours) {
    if (std::find(theirs.begin(), theirs.end(), form) != theirs.end()) return form;
  }
  return std::nullopt;
}

bool same_cells(const RowBatch& a, const Cell* x, const RowBatch& b, const Cell* y) {
  for (std::size_t at = 0; at < a.columns(); ++at) {
    if (x[at].tag != y[at].tag) return false;
    switch (x[at].tag) {
      case Cell::Tag::null:
        break;
      case Cell::Tag::integer:
      case Cell::Tag::unsigned_integer:
      case Cell::Tag::real:
        // Bit by bit: -0.0 is not 0.0, and NaN is NaN.
        if (x[at].integer != y[at].integer) return false;
        break;
      default:
        if (a.bytes_of(x[at]) != b.bytes_of(y[at])) return false;
    }
  }
  return true;
}

// Two sides' rows of a range in one wire form, side by side.
class StreamComparison {
 public:
  StreamComparison(RangeRows& source, RangeRows& target) : source_(source), target_(target) {}

  // False as soon as it is known. Counts rows and bytes.
  bool equal(RangeFindings& out) {
    bool more_a = fetch(source_, a_, out.rows_source, out);
    bool more_b = fetch(target_, b_, out.rows_target, out);
    std::size_t at_a = 0, at_b = 0;
    while (more_a && more_b) {
      const bool same = a_.columns() > 0 ? advance_cells(at_a, at_b) : advance_bytes(at_a, at_b);
      if (!same) return false;
      if (at_a == size(a_)) {
        more_a = fetch(source_, a_, out.rows_source, out);
        at_a = 0;
      }
      if (at_b == size(b_)) {
        more_b = fetch(target_, b_, out.rows_target, out);
        at_b = 0;
      }
    }
    return !more_a && !more_b;
  }

 private:
  static bool fetch(RangeRows& from, RowBatch& batch, std::uint64_t& rows, RangeFindings& out) {
    if (!from.next(batch)) return false;
    rows += batch.rows();
    out.bytes += batch.bytes();
    return true;
  }

  static std::size_t size(const RowBatch& batch) {
    return batch.columns() > 0 ? batch.rows() : batch.wire_bytes().size();
  }

  // Rows of one form end where their bytes say so: equal bytes are equal rows.
  bool advance_bytes(std::size_t& at_a, std::size_t& at_b) const {
    const std::string_view a = a_.wire_bytes().substr(at_a), b = b_.wire_bytes().substr(at_b);
    const std::size_t count = std::min(a.size(), b.size());
    at_a += count;
    at_b += count;
    return std::memcmp(a.data(), b.data(), count) == 0;
  }

  bool advance_cells(std::size_t& at_a, std::size_t& at_b) const {
    while (at_a < a_.rows() && at_b < b_.rows()) {
      if (!same_cells(a_, a_.row(at_a), b_, b_.row(at_b))) return false;
      ++at_a;
      ++at_b;
    }
    return true;
  }

  RangeRows &source_, &target_;
  RowBatch a_, b_;
};

}  // namespace

std::string_view name(CompareMode mode) {
  switch (mode) {
    case CompareMode::automatic:
      return "auto";
    case CompareMode::stream:
      return "stream";
    case CompareMode::digest:
      return "digest";
  }
  return "?";
}

// How ranges of a table can be compared as a whole, and how fast that has been. Threads: any.
struct Comparer::Ways {
  enum class Way { stream, digest, merge, count };

  // None of these changes while lanes are at work.
  std::optional<RowLayout> layout;
  std::optional<DigestForm> digest;
  // No SQL for that: the source's, the target's rows are reduced here.
  bool source_here = false, target_here = false;
  CompareMode mode = CompareMode::automatic;
  bool cuts = true;     // else the table is one range
  bool has_key = true;  // else rows have no order, and are counted

  Way next() {
    const std::lock_guard lock(mutex_);
    if (!has_key) {
      return digest && !no_digests_ && mode == CompareMode::digest ? Way::digest : Way::count;
    }
    if (differing_ >= kDifferingInARow && ++merged_ % kMergedBetween != 0) return Way::merge;
    const bool digests_left = digest && !no_digests_;
    // Of a whole table a digest is one statement, that is long and cannot be paced.
    const bool stream_only =
        mode == CompareMode::stream || (mode == CompareMode::automatic && !cuts);
    const Way rows = layout ? Way::stream : Way::merge;
    if (!digests_left || stream_only) return rows;
    if (mode == CompareMode::digest) return Way::digest;
    Speed &read = speeds_[0], &digests = speeds_[1];
    const bool known = read.ranges >= kRangesTried && digests.ranges >= kRangesTried;
    if (!known) return read.asked <= digests.asked ? ask(read, rows) : ask(digests, Way::digest);
    return read.rate() > digests.rate() * kStreamGain ? rows : Way::digest;
  }

  // One has failed: of this table none is asked for any more.
  void no_more_digests() {
    const std::lock_guard lock(mutex_);
    no_digests_ = true;
  }

  void learn(Way way, std::uint64_t rows, double seconds, bool equal) {
    const std::lock_guard lock(mutex_);
    // Rows that are merged at once say nothing of whether ranges are equal as a whole, and how fast
    // that was only where there is nothing faster.
    if (way != Way::merge) differing_ = equal ? 0 : differing_ + 1;
    if (!equal || (way == Way::merge && layout)) return;
    Speed& speed = speeds_[way == Way::digest ? 1 : 0];
    ++speed.ranges;
    speed.rows += rows;
    speed.seconds += seconds;
  }

 private:
  struct Speed {
    std::uint64_t asked = 0, ranges = 0, rows = 0;
    double seconds = 0;
    double rate() const { return static_cast<double>(rows) / std::max(seconds, 1e-9); }
  };
  static Way ask(Speed& speed, Way way) {
    ++speed.asked;
    return way;
  }

  std::mutex mutex_;
  std::array<Speed, 2> speeds_;
  bool no_digests_ = false;
  int differing_ = 0;  // ranges, in a row
  std::uint64_t merged_ = 0;
};

// What all lanes have found of a table. Threads: any.
class Comparer::Tally {
 public:
  Tally(std::size_t keep, const std::optional<EqualPart>& behind,
        const std::function<void(const EqualPart&)>& equal_part)
      : keep_(keep), equal_part_(equal_part) {
    if (!behind) return;
    equal_ = *behind;
    total_.rows_source = behind->rows_source;
    total_.rows_target = behind->rows_target;
  }

  void add(const VerifyRange& range, RangeFindings found, bool by_digest) {
    const std::lock_guard lock(mutex_);
    add_counts(total_, found);
    if (by_digest) total_.by_digest += found.rows_source;
    extend_equal_part(range, found);
    if (found.found.empty()) return;
    // The first ones by key are kept, whichever lane comes first.
    named_ += found.found.size();
    by_range_.emplace(range.number, std::move(found));
    while (named_ - by_range_.rbegin()->second.found.size() >= keep_) {
      named_ -= by_range_.rbegin()->second.found.size();
      by_range_.erase(std::prev(by_range_.end()));
    }
  }

  TableComparison so_far() const {
    const std::lock_guard lock(mutex_);
    TableComparison copy;
    add_counts(copy, total_);
    return copy;
  }

  TableComparison take() {
    const std::lock_guard lock(mutex_);
    TableComparison result;
    add_counts(result, total_);
    result.by_digest = total_.by_digest;
    for (auto& [number, found] : by_range_) {
      result.keys.set_columns(found.keys.columns());
      for (std::size_t at = 0; at < found.found.size() && result.found.size() < keep_; ++at) {
        result.found.push_back(std::move(found.found[at]));
        for (std::size_t part = 0; part < found.keys.columns(); ++part) {
          result.keys.push_cell(found.keys, found.keys.row(at)[part]);
        }
        result.keys.end_cell_row();
      }
    }
    return result;
  }

 private:
  template <typename From>
  static void add_counts(TableComparison& to, const From& from) {
    to.rows_source += from.rows_source;
    to.rows_target += from.rows_target;
    to.missing += from.missing;
    to.extra += from.extra;
    to.differing += from.differing;
    to.bytes += from.bytes;
  }

  void extend_equal_part(const VerifyRange& range, const RangeFindings& found) {
    if (!equal_part_) return;
    waiting_.emplace(range.number, Done{range.source.upper, found.rows_source, found.rows_target,
                                        found.differences() == 0});
    const std::uint64_t before = next_;
    for (auto at = waiting_.begin(); at != waiting_.end() && at->first == next_; ++next_) {
      if (!at->second.equal || !at->second.upper) break;  // it ends here
      equal_.upto = *at->second.upper;
      equal_.rows_source += at->second.rows_source;
      equal_.rows_target += at->second.rows_target;
      at = waiting_.erase(at);
    }
    if (next_ != before) equal_part_(equal_);
  }

  struct Done {
    std::optional<Key> upper;
    std::uint64_t rows_source = 0, rows_target = 0;
    bool equal = false;
  };

  const std::size_t keep_;
  const std::function<void(const EqualPart&)>& equal_part_;
  mutable std::mutex mutex_;
  TableComparison total_;
  std::map<std::uint64_t, RangeFindings> by_range_;
  std::uint64_t named_ = 0;
  std::map<std::uint64_t, Done> waiting_;
  std::uint64_t next_ = 0;
  EqualPart equal_;
};

// One worker: its sessions to both sides.
class Comparer::Lane {
 public:
  explicit Lane(Comparer& owner) : owner_(owner) {}

  void run(const ComparedTable& table, RangeCutter& cutter, Ways& ways, Tally& tally,
           const std::stop_token& stop) {
    stop_ = stop;
    cuts_ = cutter.cuts();
    Backoff backoff(RetryPolicy{}, owner_.interrupt_);
    std::optional<VerifyRange> range;
    while (true) {
      owner_.pacer_.between_chunks(stop);
      if (stop.stop_requested()) return;
      Way way = Way::merge;
      RangeFindings found;
      bool equal = false;
      try {
        if (!range) range = cutter.next();
        if (!range) return;
        way = ways.next();
        found = compare(table, *range, way, ways, equal);
      } catch (const Error& error) {
        close();
        // Another lane's error is no reason to try again, and neither is a stop.
        if (stop.stop_requested()) throw;
        if (way == Way::digest && can_do_without_digest(error)) {
          ways.no_more_digests();
        } else if (!backoff.again(error)) {
          throw;
        }
        continue;
      }
      backoff.reset();
      cutter.learn(*range, std::max(found.rows_source, found.rows_target));
      tally.add(*range, std::move(found), equal && way == Way::digest);
      range.reset();
    }
  }

  void close() {
    for (Opened<Source>& side : sides_) side.close();
  }

  Opened<Source> open(bool of_source) const {
    if (of_source) return open_source(owner_.endpoints_, owner_.interrupt_);
    Opened<Source> opened;
    const Endpoints& ends = owner_.endpoints_;
    opened.side = ends.target_adapter().open_source(ends.target_url, ends.target_options);
    opened.registration = owner_.interrupt_.watch(opened.session());
    return opened;
  }

 private:
  using Way = Ways::Way;

  // A value may be too large for it, say.
  static bool can_do_without_digest(const Error& error) {
    return error.kind() == ErrorKind::data || error.kind() == ErrorKind::permanent;
  }

  // equal: the whole range was, and no row of it was looked at.
  RangeFindings compare(const ComparedTable& table, const VerifyRange& range, Way way, Ways& ways,
                        bool& equal) {
    if (!sides_[0]) sides_[0] = open(true);
    if (!sides_[1]) sides_[1] = open(false);
    RangeFindings found;
    if (way == Way::stream || way == Way::digest) {
      const Time::time_point start = Time::now();
      equal = way == Way::stream ? equal_streams(table, range, *ways.layout, found)
                                 : equal_digests(table, range, ways, found);
      ways.learn(way, found.rows_source, seconds_since(start), equal);
    }
    if (equal) return found;
    const std::uint64_t bytes = found.bytes;
    const Time::time_point start = Time::now();
    found = table.has_key() ? merge(table, range) : count(table, range);
    if (way == Way::merge) {
      ways.learn(way, found.rows_source, seconds_since(start), found.differences() == 0);
    }
    found.bytes += bytes;
    return found;
  }

  RangeRows rows(const ComparedTable& table, const VerifyRange& range, bool of_source,
                 const RowLayout& layout, ReadOrder order = ReadOrder::canonical,
                 std::uint64_t* counted = nullptr) {
    const auto took = [this, of_source, counted](std::uint64_t rows, std::uint64_t bytes) {
      if (of_source) owner_.rows_read_ += rows;
      if (counted) *counted += bytes;
      // A table that is one range has no other place to wait.
      if (!cuts_) owner_.pacer_.between_chunks(stop_);
      owner_.pacer_.admit(of_source ? rows : 0, bytes, stop_);
      owner_.interrupt_.check();
      if (stop_.stop_requested()) throw Error(ErrorKind::cancelled, "stopped");
    };
    if (!of_source) return {*sides_[1], table.target, range.target, layout, nullptr, took, order};
    const bool as_targets = layout == cells_layout();
    return {
        *sides_[0], table.source, range.source, layout, as_targets ? &table.transcoder : nullptr,
        took,       order};
  }

  bool equal_streams(const ComparedTable& table, const VerifyRange& range, const RowLayout& layout,
                     RangeFindings& found) {
    RangeRows source = rows(table, range, true, layout), target = rows(table, range, false, layout);
    return StreamComparison(source, target).equal(found);
  }

  // Both servers at once: neither has anything to send before it is done.
  bool equal_digests(const ComparedTable& table, const VerifyRange& range, const Ways& ways,
                     RangeFindings& found) {
    std::uint64_t bytes_there = 0;
    std::future<RangeDigest> there = std::async(std::launch::async, [&] {
      return ways.target_here ? digest_here(table, range, false, bytes_there)
                              : sides_[1]->digest(table.target, range.target, *ways.digest);
    });
    const RangeDigest here = ways.source_here
                                 ? digest_here(table, range, true, found.bytes)
                                 : sides_[0]->digest(table.source, range.source, *ways.digest);
    const RangeDigest other = there.get();
    found.rows_source = here.rows;
    found.rows_target = other.rows;
    const std::uint64_t fetched = here.sum.size() + other.sum.size() + 2 * sizeof(here.rows);
    found.bytes += bytes_there + fetched;
    if (!ways.source_here) owner_.rows_read_ += here.rows;
    owner_.pacer_.admit(ways.source_here ? 0 : here.rows, fetched, stop_);
    return here == other;
  }

  RangeDigest digest_here(const ComparedTable& table, const VerifyRange& range, bool of_source,
                          std::uint64_t& bytes) {
    RangeRows read = rows(table, range, of_source, cells_layout(), ReadOrder::any, &bytes);
    return digest_of(read, table.target.columns);
  }

  RangeFindings merge(const ComparedTable& table, const VerifyRange& range) {
    RangeRows source = rows(table, range, true, cells_layout()),
              target = rows(table, range, false, cells_layout());
    return RowMerge(table, source, target, owner_.options_.keep_differences,
                    owner_.options_.keep_values)
        .run();
  }

  RangeFindings count(const ComparedTable& table, const VerifyRange& range) {
    return compare_multisets(
        table, [&](bool of_source) { return rows(table, range, of_source, cells_layout()); },
        owner_.options_.keep_values);
  }

  Comparer& owner_;
  std::array<Opened<Source>, 2> sides_;
  std::stop_token stop_;
  bool cuts_ = true;
};

Comparer::Comparer(const Endpoints& endpoints, Interrupt& interrupt, Pacer& pacer,
                   const CompareOptions& options)
    : endpoints_(endpoints),
      interrupt_(interrupt),
      pacer_(pacer),
      options_(options),
      workers_(options.workers) {}
Comparer::~Comparer() = default;

void Comparer::choose_digest(const ComparedTable& table, const std::vector<DigestForm>& source,
                             const std::vector<DigestForm>& target, Ways& ways) {
  ways.digest = first_common(source, target);
  if (ways.digest) return;
  const std::optional<DigestForm> form = canonical_digest(table.source.columns);
  if (!form || form != canonical_digest(table.target.columns)) return;
  const auto computes = [&](const std::vector<DigestForm>& forms) {
    return std::find(forms.begin(), forms.end(), *form) != forms.end();
  };
  ways.source_here = !computes(source);
  ways.target_here = !computes(target);
  if (!ways.source_here || !ways.target_here) ways.digest = form;
}

int Comparer::workers_for(const TableRoute& route, bool cuts) const {
  if (!cuts) return 1;
  const std::uint64_t ranges = route.source.rows_estimate / options_.range_rows + 1;
  return static_cast<int>(
      std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(workers_.load(), 1)), ranges));
}

TableComparison Comparer::compare(const TableRoute& route, const std::optional<EqualPart>& behind,
                                  const std::function<void(const TableComparison&)>& tick,
                                  const std::function<void(const EqualPart&)>& equal_part) {
  const Time::time_point start = Time::now();
  const ComparedTable table(route, endpoints_.source_url.engine() == endpoints_.target_url.engine(),
                            options_.words);
  if (lanes_.empty()) lanes_.push_back(std::make_unique<Lane>(*this));
  const auto open = [this](bool of_source) { return lanes_[0]->open(of_source); };
  Ways ways;
  ways.mode = options_.mode;
  retried(interrupt_, [&] {
    const Opened<Source> source = open(true), target = open(false);
    ways.layout = first_common(source->layouts(table.source), target->layouts(table.target));
    if (ways.layout == cells_layout()) ways.layout.reset();
    choose_digest(table, source->digest_forms(table.source), target->digest_forms(table.target),
                  ways);
  });
  std::optional<RangeCutter> cut;
  retried(interrupt_, [&] {
    cut.emplace(table, options_.range_rows, open,
                behind ? std::optional(behind->upto) : std::nullopt);
  });
  RangeCutter& cutter = *cut;
  ways.cuts = cutter.cuts();
  ways.has_key = table.has_key();
  rows_read_ = 0;
  Tally tally(options_.keep_differences, cutter.began_behind() ? behind : std::nullopt, equal_part);

  std::stop_source stop;
  std::mutex mutex;
  std::condition_variable ended;
  std::exception_ptr error;
  const int workers = workers_for(route, cutter.cuts());
  std::atomic<int> running = workers;
  while (lanes_.size() < static_cast<std::size_t>(workers)) {
    lanes_.push_back(std::make_unique<Lane>(*this));
  }
  std::vector<std::jthread> threads;
  for (int at = 0; at < workers; ++at) {
    threads.emplace_back([&, lane = lanes_[static_cast<std::size_t>(at)].get()] {
      try {
        lane->run(table, cutter, ways, tally, stop.get_token());
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        stop.request_stop();
        lane->close();
      }
      const std::lock_guard lock(mutex);
      --running;
      ended.notify_all();
    });
  }
  const auto ticked = [&] {
    if (!tick) return;
    TableComparison so_far = tally.so_far();
    so_far.table = route.name;
    so_far.held = pacer_.reason();
    if (!cutter.cuts()) so_far.rows_source = rows_read_;  // of the one range
    tick(so_far);
  };
  {
    std::unique_lock lock(mutex);
    while (!ended.wait_for(lock, std::chrono::milliseconds(100), [&] { return running == 0; })) {
      lock.unlock();
      ticked();
      lock.lock();
    }
  }
  threads.clear();
  if (error) std::rethrow_exception(error);
  interrupt_.check();
  TableComparison result = tally.take();
  result.table = route.name;
  result.complete = true;
  result.seconds = seconds_since(start);
  return result;
}

}  // namespace migrator
