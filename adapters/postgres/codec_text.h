// Text COPY from cells, for tables with columns whose binary form is not known here: enough that
// their input function reads the text. Format: the PostgreSQL manual, COPY, "Text Format".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/row_batch.h"
#include "adapters/schema.h"

namespace migrator::postgres {

class TextEncoder {
 public:
  explicit TextEncoder(const std::vector<Column>& columns);
  // Appends one row as a line. Throws Error(data) as BinaryEncoder does.
  void encode(const RowBatch& batch, const Cell* row, Slab& out) const;

 private:
  using Encode = void (*)(const Column&, const RowBatch&, const Cell&, std::string&);
  struct Encoders;
  struct Target {
    Encode encode;
    Column column;
    bool escaped;  // may hold what the format must escape
  };
  std::vector<Target> columns_;
};

// Appends the text with backslash, newline, carriage return and tab escaped.
void append_escaped(std::string_view text, Slab& out);

}  // namespace migrator::postgres
