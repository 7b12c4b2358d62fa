// Rows that a comparison found, looked for again by their keys, on either side.
//
// Threads: none of its own.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "migrator/copy/endpoints.h"
#include "migrator/verify/compared_table.h"

namespace migrator {

// Appends a row of `from` to `to`, which has as many columns.
void push_row(const RowBatch& from, std::size_t row, RowBatch& to);

// The keys of rows that were found, in the words of both sides.
class FoundKeys {
 public:
  // found: keys in the target's types, a row each, in the layout "cells"; it has to outlive this.
  FoundKeys(const TableRoute& route, const Endpoints& endpoints, const RowBatch& found);

  // Whether both sides can be asked for it: the key, as the comparison has it, is spelled so on
  // either side, or found by its value.
  bool has(std::size_t row) const;
  // Of these rows, in their order.
  RowBatch of_target(std::span<const std::size_t> rows) const;
  RowBatch of_source(std::span<const std::size_t> rows) const;

 private:
  const RowBatch& found_;
  RowBatch back_;  // in the source's types; none where they do not find the rows
};

// The rows of some keys, of one side.
class RowSet {
 public:
  struct Row {
    const RowBatch* batch = nullptr;
    const Cell* cells = nullptr;
  };

  // Reads the stream to its end. transcoder: into the target's types; null for rows in these.
  RowSet(const ComparedTable& table, RowStream& stream, const Transcoder* transcoder);

  std::size_t bytes() const;
  // The row of that key; `cells` is null if there is none.
  Row find(const Row& key) const;

 private:
  bool less(const Row& a, const Row& b) const;

  const ComparedTable& table_;
  std::vector<std::unique_ptr<RowBatch>> batches_;
  std::vector<Row> rows_;
};

}  // namespace migrator
