#include "migrator/verify/range_cutter.h"

#include <algorithm>
#include <random>

namespace migrator {
namespace {

constexpr double kFirstGuess = 0.5;  // of the rows wanted: the estimate of a catalog may be far off
constexpr double kGrowthMax = 4;     // from one range to the next

bool whole_number(const Column& column) {
  const TypeKind kind = column.type.kind;
  return kind == TypeKind::int16 || kind == TypeKind::int32 || kind == TypeKind::int64;
}

const std::int64_t* integer_of(const std::optional<Key>& key) {
  return key && key->size() == 1 ? std::get_if<std::int64_t>(&key->front()) : nullptr;
}

bool has_nullable(const std::vector<Column>& key) {
  return std::any_of(key.begin(), key.end(), [](const Column& column) { return column.nullable; });
}

}  // namespace

RangeCutter::RangeCutter(const ComparedTable& table, std::uint64_t rows, const Open& open,
                         const std::optional<Key>& behind)
    : table_(table), rows_(rows), open_(open) {
  connect();
  cuts_ = can_cut();
  if (!cuts_) return;
  if (behind) {
    target_frontier_ = translate(*behind);
    if (target_frontier_) frontier_ = behind;
    began_behind_ = target_frontier_.has_value();
  }
  const TableSchema& schema = table.route.source;
  if (table.source.key.size() != 1 || !whole_number(table.source.key[0])) return;
  const auto lowest = source_->nth_key(table.source, {}, 1),
             highest = source_->last_key(table.source);
  const std::int64_t *low = integer_of(lowest), *high = integer_of(highest);
  if (!low || !high || schema.rows_estimate == 0) return;
  integers_ = true;
  highest_ = *high;
  const double span = static_cast<double>(*high) - static_cast<double>(*low) + 1;
  width_ =
      span / static_cast<double>(schema.rows_estimate) * static_cast<double>(rows_) * kFirstGuess;
  // At other keys each time.
  std::minstd_rand random(std::random_device{}());
  width_ *= std::uniform_real_distribution<double>(0.8, 1.2)(random);
}

void RangeCutter::connect() {
  if (!source_) source_ = open_(true);
  if (!target_) target_ = open_(false);
}

bool RangeCutter::can_cut() {
  if (table_.source.key.empty()) return false;
  const std::string order = source_->range_order(table_.source);
  if (order.empty() || order != target_->range_order(table_.target)) return false;
  for (std::size_t at = 0; at < table_.source.key.size(); ++at) {
    if (!Transcoder::refusal(table_.source.key[at], table_.target.key[at]).empty()) return false;
  }
  to_target_.emplace(table_.source.key, table_.target.key, table_.route.name);
  // No range holds a NULL.
  if (has_nullable(table_.source.key) && source_->null_keys(table_.source) > 0) return false;
  return !has_nullable(table_.target.key) || target_->null_keys(table_.target) == 0;
}

std::optional<Key> RangeCutter::translate(const Key& key) {
  try {
    RowBatch cells;
    source_->key_cells(table_.source, {&key, 1}, cells_layout(), cells);
    to_target_->apply(cells, Misfits::mark);
    const Cell* row = cells.row(0);
    if (std::any_of(row, row + cells.columns(),
                    [](const Cell& cell) { return cell.tag == Cell::Tag::misfit; })) {
      return std::nullopt;
    }
    return target_->keys_of(table_.target, cells).at(0);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data || error.scope() == ErrorScope::session) throw;
    return std::nullopt;
  }
}

std::optional<Key> RangeCutter::integer_boundary() {
  const std::int64_t* from = integer_of(frontier_);
  std::optional<Key> first;
  if (!from || empty_) {
    // Over a gap in one step.
    first = source_->nth_key(table_.source, {frontier_, std::nullopt}, 1);
    from = integer_of(first);
    if (!from) return std::nullopt;
    empty_ = false;
  }
  if (*from >= highest_) return std::nullopt;
  const auto left = static_cast<std::uint64_t>(highest_) - static_cast<std::uint64_t>(*from);
  constexpr double kWidest = 9e18;  // an int64 holds that
  const auto width = static_cast<std::uint64_t>(std::clamp(width_, 1.0, kWidest));
  if (width >= left) return std::nullopt;
  return Key{static_cast<std::int64_t>(static_cast<std::uint64_t>(*from) + width)};
}

std::optional<Key> RangeCutter::boundary() {
  if (integers_) return integer_boundary();
  return source_->nth_key(table_.source, {frontier_, std::nullopt}, rows_);
}

std::optional<VerifyRange> RangeCutter::next() {
  const std::lock_guard lock(mutex_);
  if (over_) return std::nullopt;
  VerifyRange range;
  range.number = number_;
  range.source.lower = frontier_;
  range.target.lower = target_frontier_;
  std::optional<Key> upper, there;
  try {
    if (cuts_) {
      connect();
      upper = boundary();
    }
    if (upper) there = translate(*upper);
  } catch (const Error&) {
    // Nothing is cut: it may be asked again, over new sessions.
    source_.close();
    target_.close();
    throw;
  }
  ++number_;
  if (there) {
    range.source.upper = frontier_ = std::move(upper);
    range.target.upper = target_frontier_ = std::move(there);
  } else {
    over_ = true;  // the rest
  }
  return range;
}

void RangeCutter::learn(const VerifyRange& range, std::uint64_t rows) {
  const std::lock_guard lock(mutex_);
  if (!integers_) return;
  const std::int64_t *from = integer_of(range.source.lower), *to = integer_of(range.source.upper);
  if (!from || !to) return;
  empty_ = rows == 0;
  const double had = static_cast<double>(*to) - static_cast<double>(*from);
  const double wanted =
      had * static_cast<double>(rows_) / static_cast<double>(std::max<std::uint64_t>(rows, 1));
  width_ = std::clamp(wanted, had / kGrowthMax, had * kGrowthMax);
}

}  // namespace migrator
