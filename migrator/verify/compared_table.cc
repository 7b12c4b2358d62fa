#include "migrator/verify/compared_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "migrator/verify/cell_comparison.h"

namespace migrator {
namespace {

ReadSpec source_spec(const TableRoute& route) {
  ReadSpec spec = route.read;
  spec.misfits = Misfits::mark;
  for (const auto& [from, to] : route.computed) spec.columns.push_back(from);
  return spec;
}

ReadSpec target_spec(const TableRoute& route) {
  ReadSpec spec{route.write.table, route.write.columns, route.write.key, "", Misfits::mark};
  for (const auto& [from, to] : route.computed) spec.columns.push_back(to);
  return spec;
}

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

ComparedTable::ComparedTable(const TableRoute& compared, bool same_engine, const ValueWords* words)
    : route(compared),
      source(source_spec(compared)),
      target(target_spec(compared)),
      transcoder(source.columns, target.columns, compared.name),
      words_(words) {
  for (std::size_t at = 0; at < source.columns.size(); ++at) {
    same_native_.push_back(same_engine &&
                           source.columns[at].native_type == target.columns[at].native_type);
  }
  for (const Column& key : source.key) {
    for (std::size_t at = 0; at < source.columns.size(); ++at) {
      if (source.columns[at].name == key.name) key_.push_back(at);
    }
  }
}

int ComparedTable::compare_keys(const RowBatch& a_batch, const Cell* a, const RowBatch& b_batch,
                                const Cell* b) const {
  for (const std::size_t at : key_) {
    if (const int order = compare_cells(a_batch, a[at], b_batch, b[at], target.columns[at].type)) {
      return order;
    }
  }
  return 0;
}

std::vector<std::size_t> ComparedTable::differing(const RowBatch& source_batch,
                                                  const Cell* source_row,
                                                  const RowBatch& target_batch,
                                                  const Cell* target_row) const {
  std::vector<std::size_t> columns;
  for (std::size_t at = 0; at < source.columns.size(); ++at) {
    if (same_value(source_batch, source_row[at], target_batch, target_row[at],
                   target.columns[at].type, same_native_[at])) {
      continue;
    }
    columns.push_back(at);
  }
  return columns;
}

void ComparedTable::describe(const std::vector<std::size_t>& columns, bool values,
                             const RowBatch& source_batch, const Cell* source_row,
                             const RowBatch& target_batch, const Cell* target_row,
                             Difference& difference) const {
  difference.columns.clear();
  difference.values.clear();
  for (const std::size_t at : columns) {
    difference.columns.push_back(source.columns[at].name);
    if (!values || !words_) continue;
    const Type& type = target.columns[at].type;
    difference.values.push_back({words_->of(source_batch, source_row[at], type),
                                 words_->of(target_batch, target_row[at], type)});
  }
}

bool ComparedTable::same_source_row(const RowBatch& a_batch, const Cell* a, const RowBatch& b_batch,
                                    const Cell* b) const {
  for (std::size_t at = 0; at < source.columns.size(); ++at) {
    if (!same_value(a_batch, a[at], b_batch, b[at], target.columns[at].type, true)) return false;
  }
  return true;
}

bool ComparedTable::has_misfit_key(const Cell* row) const {
  for (const std::size_t at : key_) {
    if (row[at].tag != Cell::Tag::misfit) continue;
    // Its like may well be on the other side, and no order is known by which to find it.
    if (same_native_[at]) {
      throw Error(ErrorKind::permanent,
                  fmt::format("{}: the key column `{}` ({}) holds a value that has no order here",
                              route.name, source.columns[at].name, source.columns[at].native_type))
          .table(route.name)
          .remedy(
              "name another unique key for this table with `key:`, or correct the value on both "
              "sides");
    }
    return true;
  }
  return false;
}

Key ComparedTable::key_of(const RowBatch& batch, const Cell* row) const {
  Key key;
  for (const std::size_t at : key_) {
    key.push_back(value_of(batch, row[at], target.columns[at].type));
  }
  return key;
}

Key ComparedTable::name_of(const RowBatch& batch, const Cell* row) const {
  Key values;
  for (std::size_t at = 0; at < source.columns.size(); ++at) {
    values.push_back(value_of(batch, row[at], target.columns[at].type));
  }
  return {words_ ? words_->of_row(values) : "a row"};
}

void ComparedTable::append_canonical(std::string& out, const RowBatch& batch, const Cell* row,
                                     bool of_source) const {
  for (std::size_t at = 0; at < source.columns.size(); ++at) {
    migrator::append_canonical(out, batch, row[at], target.columns[at].type, same_native_[at],
                               of_source);
  }
}

void ComparedTable::push_key(const RowBatch& batch, const Cell* row, RowBatch& keys) const {
  keys.set_columns(key_.size());
  for (const std::size_t at : key_) keys.push_cell(batch, row[at]);
  keys.end_cell_row();
}

void ComparedTable::push_key_row(const RowBatch& batch, const Cell* row, RowBatch& rows) const {
  rows.set_columns(source.columns.size());
  for (std::size_t at = 0; at < source.columns.size(); ++at) {
    const bool is_key = std::find(key_.begin(), key_.end(), at) != key_.end();
    is_key ? rows.push_cell(batch, row[at]) : rows.push_null();
  }
  rows.end_cell_row();
}

void ComparedTable::spread_key(const RowBatch& keys, const Cell* key, RowBatch& rows) const {
  rows.set_columns(source.columns.size());
  for (std::size_t at = 0; at < source.columns.size(); ++at) {
    const auto part = std::find(key_.begin(), key_.end(), at);
    if (part == key_.end()) {
      rows.push_null();
    } else {
      rows.push_cell(keys, key[part - key_.begin()]);
    }
  }
  rows.end_cell_row();
}

}  // namespace migrator
