#include "adapters/postgres/target.h"

#include <algorithm>

#include "adapters/postgres/codec_binary.h"
#include "adapters/postgres/codec_text.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/source.h"
#include "adapters/postgres/stage.h"

namespace migrator::postgres {
namespace {

// What is sent in one piece. The server reads a message whole before it looks at its rows; larger
// ones gain nothing, smaller ones cost system calls.
constexpr std::size_t kPieceBytes = kBatchBytesTarget;

// Rows become bytes of a COPY here; what happens to the bytes is for the derived class.
class Encoding {
 public:
  Encoding(const std::vector<Column>& columns, const RowLayout& layout) {
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
    columns_ = columns.size();
  }

  bool binary() const { return binary_; }
  bool cells() const { return binary_encoder_ || text_encoder_; }

  void encode(const RowBatch& batch, std::size_t row, Slab& out) const {
    if (binary_encoder_) {
      binary_encoder_->encode(batch, batch.row(row), out);
    } else {
      text_encoder_->encode(batch, batch.row(row), out);
    }
  }

  void check(const RowBatch& batch) const {
    if (cells() && batch.columns() != columns_) {
      throw Error(ErrorKind::invariant, "a batch of " + std::to_string(batch.columns()) +
                                            " columns for " + std::to_string(columns_));
    }
  }

 private:
  std::optional<BinaryEncoder> binary_encoder_;
  std::optional<TextEncoder> text_encoder_;
  bool binary_ = false;
  std::size_t columns_ = 0;
};

class CopySink : public RowSink {
 public:
  CopySink(PgSession& session, const WriteSpec& spec, const RowLayout& layout, LoadMode mode)
      : connection_(session.connection()),
        table_(spec.table.text()),
        encoding_(spec.columns, layout) {
    std::string into = dialect().quote(spec.table);
    if (mode == LoadMode::merge) {
      stage_.emplace(session, spec);
      into = Stage::table();
    }
    connection_.copy_in_begin("COPY " + into + " (" + column_list(spec.columns) + ") FROM STDIN" +
                              (encoding_.binary() ? " (FORMAT binary)" : " (FORMAT text)"));
    open_ = true;
    if (encoding_.binary()) append(binary_header());
  }
  ~CopySink() override {
    if (open_) connection_.copy_in_abandon();
  }

  void write(const RowBatch& batch) override {
    require_open();
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

  LoadCount finish() override {
    require_open();
    LoadCount count;
    guarded([&] {
      if (encoding_.binary()) append(binary_trailer());
      flush();
      open_ = false;
      const std::uint64_t arrived = connection_.copy_in_end();
      if (arrived != rows_) {
        throw Error(ErrorKind::data, "of " + std::to_string(rows_) + " rows " +
                                         std::to_string(arrived) + " arrived in the table")
            .table(table_)
            .remedy("a trigger or rule of the target throws rows away: disable it for the load");
      }
      count.inserted = arrived;
      if (stage_) count = stage_->merge(arrived);
    });
    return count;
  }

 private:
  void append(std::string_view bytes) { buffer_.append(bytes.data(), bytes.size()); }
  void flush() {
    if (buffer_.size() != 0) connection_.copy_in_put(buffer_.data(), buffer_.size());
    buffer_.clear();
    // A huge row must not keep its memory for the rest of the table.
    if (buffer_.capacity() > 8 * kPieceBytes) buffer_.trim(2 * kPieceBytes);
  }
  void require_open() const {
    if (!open_) throw Error(ErrorKind::invariant, "the load has ended already");
  }
  // After an error nothing more can be written, and the session can be used to roll back. Errors
  // name the table as the caller does, and not the stage.
  template <typename Work>
  void guarded(const Work& work) {
    try {
      work();
    } catch (Error& error) {
      if (open_) connection_.copy_in_abandon();
      open_ = false;
      error.table(table_);
      throw;
    }
  }

  Connection& connection_;
  const std::string table_;
  const Encoding encoding_;
  std::optional<Stage> stage_;
  Slab buffer_;
  std::uint64_t rows_ = 0;
  bool open_ = false;
};

class RehearsalSink : public RowSink {
 public:
  RehearsalSink(const WriteSpec& spec, const RowLayout& layout)
      : table_(spec.table.text()), encoding_(spec.columns, layout) {}

  void write(const RowBatch& batch) override {
    encoding_.check(batch);
    count_.inserted += batch.rows();
    if (!encoding_.cells()) return;  // they came from a column of the same type
    try {
      for (std::size_t row = 0; row < batch.rows(); ++row) {
        encoding_.encode(batch, row, buffer_);
        buffer_.clear();
      }
    } catch (Error& error) {
      buffer_.clear();
      error.table(table_);
      throw;
    }
  }
  LoadCount finish() override { return count_; }

 private:
  const std::string table_;
  const Encoding encoding_;
  Slab buffer_;
  LoadCount count_;
};

void require_layout(const WriteSpec& spec, const RowLayout& layout) {
  const std::vector<RowLayout> known = copy_layouts(spec.columns);
  if (spec.columns.empty() || std::find(known.begin(), known.end(), layout) == known.end()) {
    throw Error(ErrorKind::invariant, "layout " + layout.format + " does not fit the columns");
  }
}

}  // namespace

std::vector<RowLayout> PgTarget::layouts(const WriteSpec& spec) const {
  return copy_layouts(spec.columns);
}

std::unique_ptr<RowSink> PgTarget::load(const WriteSpec& spec, const RowLayout& layout,
                                        LoadMode mode) {
  if (!session_.in_transaction()) {
    throw Error(ErrorKind::invariant, "rows are loaded in a transaction only");
  }
  require_layout(spec, layout);
  return std::make_unique<CopySink>(session_, spec, layout, mode);
}

std::unique_ptr<RowSink> PgTarget::rehearse(const WriteSpec& spec, const RowLayout& layout) {
  require_layout(spec, layout);
  return std::make_unique<RehearsalSink>(spec, layout);
}

std::unique_ptr<Colocation> PgTarget::colocate(Source& source) {
  auto* own = dynamic_cast<PgSource*>(&source);
  return own ? make_colocation(own->session(), session_) : nullptr;
}

}  // namespace migrator::postgres
