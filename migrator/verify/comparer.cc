#include "migrator/verify/comparer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "migrator/copy/transcoder.h"
#include "migrator/verify/json_form.h"

namespace migrator {
namespace {

using Tag = Cell::Tag;

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

// --- comparing cells

std::string_view unpadded(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Order of two decimals by value; NaN is above all, as PostgreSQL has it.
int compare_decimals(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  const auto special = [](std::string_view text) {
    if (text == "NaN") return 2;
    if (text == "Infinity") return 1;
    return text == "-Infinity" ? -1 : 0;
  };
  if (special(a) || special(b)) return special(a) - special(b);
  const auto parts = [](std::string_view text) {
    const bool negative = !text.empty() && text[0] == '-';
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    const std::size_t point = text.find('.');
    std::string_view whole = text.substr(0, point);
    std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
    while (!whole.empty() && whole[0] == '0') whole.remove_prefix(1);
    while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
    return std::tuple(negative && !(whole.empty() && fraction.empty()), whole, fraction);
  };
  const auto [a_negative, a_whole, a_fraction] = parts(a);
  const auto [b_negative, b_whole, b_fraction] = parts(b);
  if (a_negative != b_negative) return a_negative ? -1 : 1;
  int order = a_whole.size() != b_whole.size() ? (a_whole.size() < b_whole.size() ? -1 : 1)
                                               : a_whole.compare(b_whole);
  if (order == 0) order = a_fraction.compare(b_fraction);
  return a_negative ? -order : order;
}

int compare_reals(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return static_cast<int>(std::isnan(a)) - std::isnan(b);
  return a < b ? -1 : a > b;
}

// In the order of ReadOrder::canonical. NULL is below everything.
int compare_cells(const RowBatch& a_batch, const Cell& a, const RowBatch& b_batch, const Cell& b,
                  const Type& type) {
  if (a.tag == Tag::null || b.tag == Tag::null) {
    return static_cast<int>(a.tag != Tag::null) - static_cast<int>(b.tag != Tag::null);
  }
  if (a.tag != b.tag) return a.tag < b.tag ? -1 : 1;
  switch (a.tag) {
    case Tag::integer:
      return a.integer < b.integer ? -1 : a.integer > b.integer;
    case Tag::unsigned_integer:
      return a.unsigned_integer < b.unsigned_integer ? -1 : a.unsigned_integer > b.unsigned_integer;
    case Tag::real:
      return compare_reals(a.real, b.real);
    default:
      break;
  }
  std::string_view x = a_batch.bytes_of(a), y = b_batch.bytes_of(b);
  if (type.kind == TypeKind::decimal) return compare_decimals(x, y);
  if (type.kind == TypeKind::text && type.fixed) x = unpadded(x), y = unpadded(y);
  const int order = x.compare(y);
  return order < 0 ? -1 : order > 0;
}

// same_native: both columns have the same native type of the same engine.
bool same_value(const RowBatch& a_batch, const Cell& a, const RowBatch& b_batch, const Cell& b,
                const Type& type, bool same_native) {
  if (a.tag == Tag::misfit || b.tag == Tag::misfit) {
    // Between columns of the very same type even a value that the type "cannot hold" travels as it
    // is: an infinite timestamp of PostgreSQL, a zero date of MySQL, any text in SQLite. Otherwise
    // what has no form on the other side is equal to nothing there.
    return same_native && a.tag == b.tag && a_batch.bytes_of(a) == b_batch.bytes_of(b);
  }
  if (a.tag == Tag::real && b.tag == Tag::real) {
    // 0.0 and -0.0 are equal to SQL and different as values: they have to arrive as they were.
    return (std::isnan(a.real) && std::isnan(b.real)) ||
           (a.real == b.real && std::signbit(a.real) == std::signbit(b.real));
  }
  if (compare_cells(a_batch, a, b_batch, b, type) == 0) return true;
  if (type.kind != TypeKind::json || a.tag == Tag::null || b.tag == Tag::null) return false;
  const auto x = canonical_json(a_batch.bytes_of(a)), y = canonical_json(b_batch.bytes_of(b));
  return x && y && *x == *y;
}

Value value_of(const RowBatch& batch, const Cell& cell, const Type& type) {
  std::string text;
  switch (cell.tag) {
    case Tag::null:
      return {};
    case Tag::unsigned_integer:
      return cell.unsigned_integer;
    case Tag::real:
      return cell.real;
    case Tag::text:
    case Tag::misfit:
      return std::string(batch.bytes_of(cell));
    case Tag::bytes:
      if (type.kind != TypeKind::uuid) return Bytes{std::string(batch.bytes_of(cell))};
      print_uuid(text, batch.bytes_of(cell).data());
      return text;
    case Tag::integer:
      break;
  }
  switch (type.kind) {
    case TypeKind::date:
      print_date(text, cell.integer);
      return text;
    case TypeKind::time:
      print_time(text, cell.integer, type.precision);
      return text;
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      print_timestamp(text, cell.integer, type.precision);
      return text;
    default:
      return cell.integer;
  }
}

// Everything about one comparison.
class Merge {
 public:
  Merge(const TableRoute& route, RowReader& source, RowReader& target, std::size_t keep,
        const std::vector<Column>& columns, const std::vector<Column>& types, bool same_engine)
      : source_(source), target_(target), keep_(keep), columns_(columns), types_(types) {
    out.table = route.name;
    for (std::size_t at = 0; at < columns.size(); ++at) {
      same_native_.push_back(same_engine && columns[at].native_type == types[at].native_type);
    }
    for (const Column& key : route.read.key) {
      for (std::size_t at = 0; at < columns.size(); ++at) {
        if (columns[at].name == key.name) key_.push_back(at);
      }
    }
  }

  void run(const std::function<void(const TableComparison&)>& tick) {
    const Cell* a = next_source();
    const Cell* b = next_target();
    auto ticked = std::chrono::steady_clock::now();
    while (a || b) {
      const int order = !a ? 1 : !b ? -1 : compare_keys(source_.batch(), a, target_.batch(), b);
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
    while (row && has_misfit_key(row))
      missing(row), row = advance(source_, last_a_, out.rows_source);
    return row;
  }
  const Cell* next_target() {
    const Cell* row = advance(target_, last_b_, out.rows_target);
    while (row && has_misfit_key(row)) extra(row), row = advance(target_, last_b_, out.rows_target);
    return row;
  }
  bool has_misfit_key(const Cell* row) const {
    for (const std::size_t at : key_) {
      if (row[at].tag != Tag::misfit) continue;
      // Its like may well be on the other side, and no order is known by which to find it.
      if (same_native_[at]) {
        throw Error(ErrorKind::permanent,
                    fmt::format("{}: the key column `{}` ({}) holds a value that has no order here",
                                out.table, columns_[at].name, columns_[at].native_type))
            .table(out.table)
            .remedy(
                "name another unique key for this table with `key:`, or correct the value on both "
                "sides");
      }
      return true;
    }
    return false;
  }
  void missing(const Cell* row) {
    ++out.missing;
    note(DifferenceKind::missing, source_.batch(), row, {});
  }
  void extra(const Cell* row) {
    ++out.extra;
    note(DifferenceKind::extra, target_.batch(), row, {});
  }

  int compare_keys(const RowBatch& x, const Cell* a, const RowBatch& y, const Cell* b) const {
    for (const std::size_t at : key_) {
      if (const int order = compare_cells(x, a[at], y, b[at], types_[at].type)) return order;
    }
    return 0;
  }

  void compare_rows(const Cell* a, const Cell* b) {
    std::vector<std::string> differing;
    for (std::size_t at = 0; at < columns_.size(); ++at) {
      if (same_value(source_.batch(), a[at], target_.batch(), b[at], types_[at].type,
                     same_native_[at])) {
        continue;
      }
      differing.push_back(columns_[at].name);
    }
    if (differing.empty()) return;
    ++out.differing;
    note(DifferenceKind::differs, source_.batch(), a, std::move(differing));
  }

  void note(DifferenceKind kind, const RowBatch& batch, const Cell* row,
            std::vector<std::string> columns) {
    if (out.first.size() >= keep_) return;
    out.first.push_back({kind, key_of(batch, row), std::move(columns)});
  }

  Key key_of(const RowBatch& batch, const Cell* row) const {
    Key key;
    for (const std::size_t at : key_) key.push_back(value_of(batch, row[at], types_[at].type));
    return key;
  }

  // A merge of streams that are not in this order would report nonsense: so each row's key is
  // checked to come after the one before.
  const Cell* advance(RowReader& side, RowBatch& last, std::uint64_t& rows) {
    const Cell* row = side.next();
    if (!row) return nullptr;
    if (has_misfit_key(row)) {
      ++rows;
      return row;
    }
    if (last.rows() > 0 && compare_keys(last, last.row(0), side.batch(), row) >= 0) {
      throw Error(ErrorKind::permanent,
                  fmt::format("{}: the {} does not give its rows in the order of their keys",
                              out.table, &side == &source_ ? "source" : "target"))
          .table(out.table)
          .remedy("name another unique key for this table with `key:`");
    }
    last.clear();
    last.set_columns(columns_.size());
    for (std::size_t at = 0; at < columns_.size(); ++at) {
      const bool is_key = std::find(key_.begin(), key_.end(), at) != key_.end();
      is_key ? keep_cell(last, side.batch(), row[at]) : last.push_null();
    }
    last.end_cell_row();
    ++rows;
    return row;
  }

  static void keep_cell(RowBatch& to, const RowBatch& from, const Cell& cell) {
    switch (cell.tag) {
      case Tag::null:
        to.push_null();
        break;
      case Tag::integer:
        to.push_integer(cell.integer);
        break;
      case Tag::unsigned_integer:
        to.push_unsigned(cell.unsigned_integer);
        break;
      case Tag::real:
        to.push_real(cell.real);
        break;
      case Tag::text:
        to.push_text(from.bytes_of(cell));
        break;
      case Tag::bytes:
        to.push_bytes(from.bytes_of(cell));
        break;
      case Tag::misfit:
        to.push_misfit(from.bytes_of(cell));
        break;
    }
  }

  RowReader &source_, &target_;
  const std::size_t keep_;
  const std::vector<Column>& columns_;  // of the source
  const std::vector<Column>& types_;    // in whose types both sides' cells are
  std::vector<std::size_t> key_;        // positions of the key's columns
  std::vector<bool> same_native_;       // per column
  RowBatch last_a_, last_b_;            // each side's last key
};

}  // namespace

std::string_view name(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::missing:
      return "missing";
    case DifferenceKind::extra:
      return "extra";
    case DifferenceKind::differs:
      return "differs";
  }
  return "?";
}

TableComparison Comparer::compare(const TableRoute& route,
                                  const std::function<void(const TableComparison&)>& tick) {
  const auto start = std::chrono::steady_clock::now();
  ReadSpec source = route.read;
  source.misfits = Misfits::mark;
  ReadSpec target{route.write.table, route.write.columns, route.write.key, "", Misfits::mark};
  for (const auto& [from, to] : route.computed) {
    source.columns.push_back(from);
    target.columns.push_back(to);
  }
  // The source's rows are turned into the target's types, as the copy would have.
  const Transcoder transcoder(source.columns, target.columns, route.name);
  RowReader source_rows(endpoints_.source_url, endpoints_.source_options, source, interrupt_,
                        &transcoder);
  RowReader target_rows(endpoints_.target_url, endpoints_.target_options, target, interrupt_,
                        nullptr);
  Merge merge(route, source_rows, target_rows, keep_, source.columns, target.columns,
              endpoints_.source_url.engine() == endpoints_.target_url.engine());
  merge.run(tick);
  merge.out.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::move(merge.out);
}

}  // namespace migrator
