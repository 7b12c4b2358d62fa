// Rows of any layout as the bytes of a COPY: wire rows as they lie, cells encoded, in binary where
// every column can be.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adapters/postgres/codec_binary.h"
#include "adapters/postgres/codec_text.h"
#include "adapters/postgres/connection.h"

namespace migrator::postgres {

class CopyEncoding {
 public:
  CopyEncoding(const std::vector<Column>& columns, const RowLayout& layout);

  bool binary() const { return binary_; }
  bool cells() const { return binary_encoder_ || text_encoder_; }

  // One row of cells. Throws Error(data) for a value that has no form here.
  void encode(const RowBatch& batch, std::size_t row, Slab& out) const;
  // Throws Error(invariant) if the batch has not the columns of this encoding.
  void check(const RowBatch& batch) const;

 private:
  std::optional<BinaryEncoder> binary_encoder_;
  std::optional<TextEncoder> text_encoder_;
  bool binary_ = false;
  std::size_t columns_ = 0;
};

// A COPY ... FROM STDIN under way. After an error the session can be used to roll back.
class CopyIn {
 public:
  CopyIn(Connection& connection, const std::string& into, const std::vector<Column>& columns,
         const RowLayout& layout);
  ~CopyIn();
  CopyIn(const CopyIn&) = delete;
  CopyIn& operator=(const CopyIn&) = delete;

  void write(const RowBatch& batch);
  // Ends it. Returns how many rows arrived, which the caller compares with rows().
  std::uint64_t finish();
  std::uint64_t rows() const { return rows_; }

 private:
  void flush();
  template <typename Work>
  void guarded(const Work& work);

  Connection& connection_;
  const CopyEncoding encoding_;
  Slab buffer_;
  std::uint64_t rows_ = 0;
  bool open_ = false;
};

}  // namespace migrator::postgres
