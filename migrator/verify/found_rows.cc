#include "migrator/verify/found_rows.h"

#include <algorithm>

namespace migrator {
namespace {

// Whether the key that a comparison has of a row finds it on both sides: values that are printed in
// one way only, or are compared by value and not by their text. SQLite keeps what was written.
bool finds_its_row(const Column& source, const Column& target, bool any_sqlite) {
  const auto whole = [](TypeKind kind) {
    return kind == TypeKind::int16 || kind == TypeKind::int32 || kind == TypeKind::int64 ||
           kind == TypeKind::uint64;
  };
  const TypeKind kind = source.type.kind;
  if (whole(kind) && whole(target.type.kind)) return true;
  if (kind != target.type.kind) return false;
  switch (kind) {
    case TypeKind::bytes:
      return true;
    case TypeKind::text:
      return !source.type.fixed && !target.type.fixed;
    case TypeKind::boolean:
    case TypeKind::decimal:
    case TypeKind::uuid:
    case TypeKind::date:
    case TypeKind::time:
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      return !any_sqlite;
    default:
      return false;
  }
}

bool fits(const RowBatch& batch, std::size_t row) {
  const Cell* cells = batch.row(row);
  return std::none_of(cells, cells + batch.columns(),
                      [](const Cell& cell) { return cell.tag == Cell::Tag::misfit; });
}

RowBatch some(const RowBatch& from, std::span<const std::size_t> rows) {
  RowBatch result;
  result.set_columns(from.columns());
  for (const std::size_t row : rows) push_row(from, row, result);
  return result;
}

}  // namespace

void push_row(const RowBatch& from, std::size_t row, RowBatch& to) {
  for (std::size_t at = 0; at < from.columns(); ++at) to.push_cell(from, from.row(row)[at]);
  to.end_cell_row();
}

FoundKeys::FoundKeys(const TableRoute& route, const Endpoints& endpoints, const RowBatch& found)
    : found_(found) {
  const bool any_sqlite = endpoints.source_url.engine() == Engine::sqlite ||
                          endpoints.target_url.engine() == Engine::sqlite;
  for (std::size_t at = 0; at < route.write.key.size(); ++at) {
    const Column &source = route.read.key[at], &target = route.write.key[at];
    if (!finds_its_row(source, target, any_sqlite)) return;
    if (!Transcoder::refusal(target, source).empty()) return;
  }
  back_.set_columns(found.columns());
  for (std::size_t row = 0; row < found.rows(); ++row) push_row(found, row, back_);
  Transcoder(route.write.key, route.read.key, route.name).apply(back_, Misfits::mark);
}

bool FoundKeys::has(std::size_t row) const {
  return row < back_.rows() && fits(found_, row) && fits(back_, row);
}

RowBatch FoundKeys::of_target(std::span<const std::size_t> rows) const {
  return some(found_, rows);
}

RowBatch FoundKeys::of_source(std::span<const std::size_t> rows) const { return some(back_, rows); }

RowSet::RowSet(const ComparedTable& table, RowStream& stream, const Transcoder* transcoder)
    : table_(table) {
  RowBatch batch;
  while (stream.next(batch)) {
    if (transcoder) transcoder->apply(batch, Misfits::mark);
    batches_.push_back(std::make_unique<RowBatch>(std::move(batch)));
    batch = {};
  }
  for (const auto& held : batches_) {
    for (std::size_t row = 0; row < held->rows(); ++row) {
      if (!table.has_misfit_key(held->row(row))) rows_.push_back({held.get(), held->row(row)});
    }
  }
  std::sort(rows_.begin(), rows_.end(), [&](const Row& a, const Row& b) { return less(a, b); });
}

std::size_t RowSet::bytes() const {
  std::size_t sum = 0;
  for (const auto& held : batches_) sum += held->bytes();
  return sum;
}

RowSet::Row RowSet::find(const Row& key) const {
  const auto at = std::lower_bound(rows_.begin(), rows_.end(), key,
                                   [&](const Row& a, const Row& b) { return less(a, b); });
  if (at == rows_.end() || less(key, *at)) return {};
  return *at;
}

bool RowSet::less(const Row& a, const Row& b) const {
  return table_.compare_keys(*a.batch, a.cells, *b.batch, b.cells) < 0;
}

}  // namespace migrator
