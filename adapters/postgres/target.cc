#include "adapters/postgres/target.h"

#include <algorithm>

#include "adapters/postgres/codec_binary.h"
#include "adapters/postgres/copy_encoding.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/source.h"
#include "adapters/postgres/stage.h"

namespace migrator::postgres {
namespace {

class CopySink : public RowSink {
 public:
  CopySink(PgSession& session, const WriteSpec& spec, const RowLayout& layout, LoadMode mode)
      : table_(spec.table.text()) {
    std::string into = dialect().quote(spec.table);
    if (mode == LoadMode::merge) {
      stage_.emplace(session, spec);
      into = Stage::table();
    }
    copy_.emplace(session.connection(), into, spec.columns, layout);
  }

  void write(const RowBatch& batch) override {
    named([&] { copy_->write(batch); });
  }

  LoadCount finish() override {
    LoadCount count;
    named([&] {
      const std::uint64_t arrived = copy_->finish();
      if (arrived != copy_->rows()) {
        throw Error(ErrorKind::data, "of " + std::to_string(copy_->rows()) + " rows " +
                                         std::to_string(arrived) + " arrived in the table")
            .remedy("a trigger or rule of the target throws rows away: disable it for the load");
      }
      count.inserted = arrived;
      if (stage_) count = stage_->merge(arrived);
    });
    return count;
  }

 private:
  // Errors name the table as the caller does, and not the stage.
  template <typename Work>
  void named(const Work& work) {
    try {
      work();
    } catch (Error& error) {
      error.table(table_);
      throw;
    }
  }

  const std::string table_;
  std::optional<Stage> stage_;
  std::optional<CopyIn> copy_;
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
  const CopyEncoding encoding_;
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

std::unique_ptr<RowSink> PgTarget::replace(const WriteSpec& spec, const RowBatch& keys,
                                           const RowLayout& key_layout, const RowLayout& layout) {
  if (!session_.in_transaction()) {
    throw Error(ErrorKind::invariant, "rows are replaced in a transaction only");
  }
  require_layout(spec, layout);
  require_layout({spec.table, spec.key, spec.key}, key_layout);
  return std::make_unique<Replacement>(session_, spec, upsert_form(spec), keys, key_layout, layout);
}

const UpsertForm& PgTarget::upsert_form(const WriteSpec& spec) {
  std::pair<TableName, std::string> name{spec.table, column_list(spec.columns)};
  const auto known = upserts_.find(name);
  if (known != upserts_.end()) return known->second;
  return upserts_[std::move(name)] = postgres::upsert_form(session_, spec);
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
