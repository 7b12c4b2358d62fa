#include "adapters/postgres/copy_encoding.h"

#include "adapters/postgres/dialect.h"
#include "adapters/postgres/source.h"

namespace migrator::postgres {
namespace {

// What is sent in one piece. The server reads a message whole before it looks at its rows; larger
// ones gain nothing, smaller ones cost system calls.
constexpr std::size_t kPieceBytes = kBatchBytesTarget;

}  // namespace

CopyEncoding::CopyEncoding(const std::vector<Column>& columns, const RowLayout& layout)
    : columns_(columns.size()) {
  if (layout == cells_layout()) {
    if (can_encode_binary(columns)) {
      binary_encoder_.emplace(columns);
    } else {
      text_encoder_.emplace(columns);
    }
    binary_ = binary_encoder_.has_value();
  } else {
    binary_ = layout.format == kBinaryFormat;
  }
}

void CopyEncoding::encode(const RowBatch& batch, std::size_t row, Slab& out) const {
  if (binary_encoder_) {
    binary_encoder_->encode(batch, batch.row(row), out);
  } else {
    text_encoder_->encode(batch, batch.row(row), out);
  }
}

void CopyEncoding::check(const RowBatch& batch) const {
  if (cells() && batch.columns() != columns_) {
    throw Error(ErrorKind::invariant, "a batch of " + std::to_string(batch.columns()) +
                                          " columns for " + std::to_string(columns_));
  }
}

CopyIn::CopyIn(Connection& connection, const std::string& into, const std::vector<Column>& columns,
               const RowLayout& layout)
    : connection_(connection), encoding_(columns, layout) {
  connection_.copy_in_begin("COPY " + into + " (" + column_list(columns) + ") FROM STDIN" +
                            (encoding_.binary() ? " (FORMAT binary)" : " (FORMAT text)"));
  open_ = true;
  if (encoding_.binary()) buffer_.append(binary_header().data(), binary_header().size());
}

CopyIn::~CopyIn() {
  if (open_) connection_.copy_in_abandon();
}

// After an error nothing more can be written.
template <typename Work>
void CopyIn::guarded(const Work& work) {
  if (!open_) throw Error(ErrorKind::invariant, "the load has ended already");
  try {
    work();
  } catch (...) {
    if (open_) connection_.copy_in_abandon();
    open_ = false;
    throw;
  }
}

void CopyIn::write(const RowBatch& batch) {
  encoding_.check(batch);
  guarded([&] {
    if (encoding_.cells()) {
      for (std::size_t row = 0; row < batch.rows(); ++row) {
        encoding_.encode(batch, row, buffer_);
        if (buffer_.size() >= kPieceBytes) flush();
      }
    } else {
      flush();  // wire rows go out as they lie
      connection_.copy_in_put(batch.wire_bytes().data(), batch.wire_bytes().size());
    }
    rows_ += batch.rows();
  });
}

std::uint64_t CopyIn::finish() {
  std::uint64_t arrived = 0;
  guarded([&] {
    if (encoding_.binary()) buffer_.append(binary_trailer().data(), binary_trailer().size());
    flush();
    open_ = false;
    arrived = connection_.copy_in_end();
  });
  return arrived;
}

void CopyIn::flush() {
  if (buffer_.size() != 0) connection_.copy_in_put(buffer_.data(), buffer_.size());
  buffer_.clear();
  // A huge row must not keep its memory for the rest of the table.
  if (buffer_.capacity() > 8 * kPieceBytes) buffer_.trim(2 * kPieceBytes);
}

}  // namespace migrator::postgres
