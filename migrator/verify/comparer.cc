#include "migrator/verify/comparer.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <fmt/format.h>

namespace migrator {
namespace {

// Batches a side may be ahead of the merge.
constexpr std::size_t kBatchesAhead = 8;

// The rows of one side, read ahead by a thread.
class RowReader {
 public:
  // transcoder: turns the rows into the other side's types; null if they are already.
  RowReader(const Url& url, const SessionOptions& options, const ReadSpec& spec,
            Interrupt& interrupt, const Transcoder* transcoder)
      : interrupt_(interrupt) {
    source_.side = adapter_for(url.engine()).open_source(url, options);
    source_.registration = interrupt.watch(source_.session());
    canceller_ = source_.session().canceller();
    thread_ = std::jthread(
        [this, spec, transcoder](const std::stop_token& stop) { run(spec, transcoder, stop); });
  }

  ~RowReader() {
    thread_.request_stop();
    std::unique_lock lock(mutex_);
    while (!ended_) {
      canceller_->cancel();
      changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return ended_; });
    }
  }

  // The next row's cells, or nullptr at the end. batch() is what they lie in until the next call.
  const Cell* next() {
    ++row_;
    while (row_ >= batch_.rows()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, interrupt_.token(), [this] { return !queue_.empty() || ended_; });
      interrupt_.check();
      if (queue_.empty()) {
        if (error_) std::rethrow_exception(error_);
        return nullptr;
      }
      batch_ = std::move(queue_.front());
      queue_.pop_front();
      row_ = 0;
      changed_.notify_all();
    }
    ++rows_;
    return batch_.row(row_);
  }
  const RowBatch& batch() const { return batch_; }
  std::uint64_t rows() const { return rows_; }

 private:
  void run(const ReadSpec& spec, const Transcoder* transcoder, const std::stop_token& stop) {
    try {
      const auto stream = source_->read(spec, {}, cells_layout(), ReadOrder::canonical);
      while (!stop.stop_requested()) {
        RowBatch batch;
        if (!stream->next(batch)) break;
        if (transcoder) transcoder->apply(batch, Misfits::mark);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, stop, [this] { return queue_.size() < kBatchesAhead; });
        queue_.push_back(std::move(batch));
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  Interrupt& interrupt_;
  Opened<Source> source_;
  std::shared_ptr<Canceller> canceller_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<RowBatch> queue_;
  std::exception_ptr error_;
  bool ended_ = false;
  RowBatch batch_;
  std::size_t row_ = static_cast<std::size_t>(-1);
  std::uint64_t rows_ = 0;
  std::jthread thread_;
};

// Everything about one comparison.
class Merge {
 public:
  Merge(const ComparedTable& table, RowReader& source, RowReader& target, std::size_t keep)
      : table_(table), source_(source), target_(target), keep_(keep) {
    out.table = table.route.name;
  }

  void run(const std::function<void(const TableComparison&)>& tick) {
    const Cell* a = next_source();
    const Cell* b = next_target();
    auto ticked = std::chrono::steady_clock::now();
    while (a || b) {
      const int order = !a   ? 1
                        : !b ? -1
                             : table_.compare_keys(source_.batch(), a, target_.batch(), b);
      if (order < 0) {
        missing(a);
      } else if (order > 0) {
        extra(b);
      } else {
        compare_rows(a, b);
      }
      if (order <= 0) a = next_source();
      if (order >= 0) b = next_target();
      if (((out.rows_source + out.rows_target) & 0xfff) != 0 || !tick) continue;
      const auto now = std::chrono::steady_clock::now();
      if (now - ticked < std::chrono::milliseconds(100)) continue;
      ticked = now;
      tick(out);
    }
    out.complete = true;
  }

  TableComparison out;

 private:
  // A row whose key has no form on the other side cannot have its like there.
  const Cell* next_source() {
    const Cell* row = advance(source_, last_a_, out.rows_source);
    while (row && table_.has_misfit_key(row)) {
      missing(row);
      row = advance(source_, last_a_, out.rows_source);
    }
    return row;
  }
  const Cell* next_target() {
    const Cell* row = advance(target_, last_b_, out.rows_target);
    while (row && table_.has_misfit_key(row)) {
      extra(row);
      row = advance(target_, last_b_, out.rows_target);
    }
    return row;
  }
  void missing(const Cell* row) {
    ++out.missing;
    note(DifferenceKind::missing, source_.batch(), row, {});
  }
  void extra(const Cell* row) {
    ++out.extra;
    note(DifferenceKind::extra, target_.batch(), row, {});
  }

  void compare_rows(const Cell* a, const Cell* b) {
    std::vector<std::string> differing = table_.differing(source_.batch(), a, target_.batch(), b);
    if (differing.empty()) return;
    ++out.differing;
    note(DifferenceKind::differs, source_.batch(), a, std::move(differing));
  }

  void note(DifferenceKind kind, const RowBatch& batch, const Cell* row,
            std::vector<std::string> columns) {
    if (out.found.size() >= keep_) return;
    out.found.push_back({kind, table_.key_of(batch, row), std::move(columns)});
    table_.push_key(batch, row, out.keys);
  }

  // A merge of streams that are not in this order would report nonsense: so each row's key is
  // checked to come after the one before.
  const Cell* advance(RowReader& side, RowBatch& last, std::uint64_t& rows) {
    const Cell* row = side.next();
    if (!row) return nullptr;
    if (table_.has_misfit_key(row)) {
      ++rows;
      return row;
    }
    if (last.rows() > 0 && table_.compare_keys(last, last.row(0), side.batch(), row) >= 0) {
      throw Error(ErrorKind::permanent,
                  fmt::format("{}: the {} does not give its rows in the order of their keys",
                              out.table, &side == &source_ ? "source" : "target"))
          .table(out.table)
          .remedy("name another unique key for this table with `key:`");
    }
    last.clear();
    table_.push_key_row(side.batch(), row, last);
    ++rows;
    return row;
  }

  const ComparedTable& table_;
  RowReader &source_, &target_;
  const std::size_t keep_;
  RowBatch last_a_, last_b_;  // each side's last key
};

}  // namespace

TableComparison Comparer::compare(const TableRoute& route,
                                  const std::function<void(const TableComparison&)>& tick) {
  const auto start = std::chrono::steady_clock::now();
  const ComparedTable table(route,
                            endpoints_.source_url.engine() == endpoints_.target_url.engine());
  RowReader source_rows(endpoints_.source_url, endpoints_.source_options, table.source, interrupt_,
                        &table.transcoder);
  RowReader target_rows(endpoints_.target_url, endpoints_.target_options, table.target, interrupt_,
                        nullptr);
  Merge merge(table, source_rows, target_rows, keep_);
  merge.run(tick);
  merge.out.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::move(merge.out);
}

}  // namespace migrator
