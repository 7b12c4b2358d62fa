#include "adapters/mysql/target.h"

#include <algorithm>
#include <utility>

#include "adapters/codec.h"
#include "adapters/mysql/bulk_insert.h"
#include "adapters/mysql/codec.h"
#include "adapters/mysql/colocation.h"
#include "adapters/mysql/insert_rows.h"
#include "adapters/mysql/key_probe.h"
#include "adapters/mysql/load_data.h"

namespace migrator::mysql {
namespace {

class MysqlSink final : public RowSink {
 public:
  MysqlSink(MysqlSession& session, std::unique_ptr<RowLoader> loader,
            std::unique_ptr<KeyProbe> probe)
      : exclusive_(session), loader_(std::move(loader)), probe_(std::move(probe)) {}

  void write(const RowBatch& batch) override {
    use_client_library_in_this_thread();
    if (!probe_) {
      loader_->load(batch, RowSelection(batch.rows()));
      count_.inserted += batch.rows();
      return;
    }
    const std::vector<std::uint32_t> absent = probe_->absent_rows(batch);
    loader_->load(batch, RowSelection(absent));
    count_.inserted += absent.size();
    count_.present += batch.rows() - absent.size();
  }

  LoadCount finish() override {
    loader_->flush();
    return count_;
  }

 private:
  MysqlSession::Exclusive exclusive_;
  std::unique_ptr<RowLoader> loader_;
  std::unique_ptr<KeyProbe> probe_;
  LoadCount count_;
};

class Rehearsal final : public RowSink {
 public:
  Rehearsal(const WriteSpec& spec, const RowLayout& layout, bool negative_zero,
            std::size_t row_bytes_max)
      : encoder_(spec, layout, {.negative_zero = negative_zero}),
        table_(spec.table.text()),
        row_bytes_max_(row_bytes_max) {}

  void write(const RowBatch& batch) override {
    char scratch[kScratchBytes];
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < encoder_.columns(); ++i) {
        const Encoded value = encoder_.encode(i, batch, batch.row(row)[i], scratch);
        bytes += value.bytes.size();
        // The server would refuse it.
        if (encoder_.form(i) == Form::text && !is_valid_utf8(value.bytes)) {
          throw Error(ErrorKind::data,
                      "column " + encoder_.name(i) + " of " + table_ + ": text that is not UTF-8")
              .table(table_)
              .code("HY000/1366");
        }
      }
      if (bytes > row_bytes_max_) refuse_long_row(table_);
    }
    rows_ += batch.rows();
  }
  LoadCount finish() override { return {.inserted = rows_}; }

 private:
  const ValueEncoder encoder_;
  const std::string table_;
  const std::size_t row_bytes_max_;
  std::uint64_t rows_ = 0;
};

}  // namespace

void check_merge_key(TableKeys& keys, const WriteSpec& spec) {
  if (!spec.key.empty() && keys.is_unique(spec.table, spec.key)) return;
  throw Error(ErrorKind::permanent,
              "the target's " + spec.table.text() + " has no unique index on exactly the key")
      .table(spec.table.text())
      .remedy("make a primary key or unique index on it, or name another key in the plan");
}

MysqlTarget::MysqlTarget(ConnectionSettings settings, const SessionOptions& options)
    : session_(std::move(settings), options, Role::target), keys_(session_), path_(choose_path()) {}

LoadPath MysqlTarget::choose_path() const {
  const LoadPath asked = session_.settings().load;
  const bool bulk = client_has_bulk() && session_.facts().has_bulk();
  if (asked == LoadPath::bulk && !bulk) {
    throw Error(ErrorKind::usage,
                "load=bulk needs a MariaDB server from 10.2.7 on and MariaDB's client library")
        .remedy("leave `load` out of the URL");
  }
  if (asked != LoadPath::automatic) return asked;
  if (bulk) return LoadPath::bulk;
  return session_.facts().local_infile ? LoadPath::load_data : LoadPath::insert;
}

std::vector<RowLayout> MysqlTarget::layouts(const WriteSpec& spec) const {
  return {wire_layout(spec.columns), cells_layout()};
}

void MysqlTarget::check_layout(const WriteSpec& spec, const RowLayout& layout) const {
  if (layout == cells_layout() || layout == wire_layout(spec.columns)) return;
  throw Error(ErrorKind::invariant, "a layout is to be loaded that the target does not list");
}

std::unique_ptr<RowSink> MysqlTarget::load(const WriteSpec& spec, const RowLayout& layout,
                                           LoadMode mode) {
  use_client_library_in_this_thread();
  if (!session_.in_transaction())
    throw Error(ErrorKind::invariant, "rows are loaded outside of a transaction");
  check_layout(spec, layout);
  std::unique_ptr<KeyProbe> probe;
  if (mode == LoadMode::merge) {
    check_merge_key(keys_, spec);
    probe = std::make_unique<KeyProbe>(session_, spec, layout);
  }
  session_.prepare_for_load();
  return std::make_unique<MysqlSink>(session_, make_loader(spec, layout), std::move(probe));
}

// The session checks no foreign keys: to delete a row and insert it anew changes no other one.
std::unique_ptr<RowSink> MysqlTarget::replace(const WriteSpec& spec, const RowBatch& keys,
                                              const RowLayout& key_layout,
                                              const RowLayout& layout) {
  use_client_library_in_this_thread();
  check_merge_key(keys_, spec);
  return replace_by_key(spec, keys, key_layout, layout);
}

void MysqlTarget::prepare_single(const WriteSpec& spec) { check_merge_key(keys_, spec); }

void MysqlTarget::send_replace(const WriteSpec& spec, const RowBatch& key,
                               const RowLayout& key_layout, const RowBatch& row,
                               const RowLayout& layout) {
  session_.send_work([&] {
    use_client_library_in_this_thread();
    const auto sink = replace_by_key(spec, key, key_layout, layout);
    if (!row.empty()) sink->write(row);
    sink->finish();
    return Result{};
  });
}

std::unique_ptr<RowSink> MysqlTarget::replace_by_key(const WriteSpec& spec, const RowBatch& keys,
                                                     const RowLayout& key_layout,
                                                     const RowLayout& layout) {
  if (!session_.in_transaction())
    throw Error(ErrorKind::invariant, "rows are replaced outside of a transaction");
  const WriteSpec key_spec{spec.table, spec.key, spec.key};
  check_layout(spec, layout);
  check_layout(key_spec, key_layout);
  session_.prepare_for_load();
  KeyProbe(session_, key_spec, key_layout).erase(keys);
  return std::make_unique<MysqlSink>(session_, make_loader(spec, layout), nullptr);
}

std::unique_ptr<RowLoader> MysqlTarget::make_loader(const WriteSpec& spec,
                                                    const RowLayout& layout) {
  switch (path_) {
    case LoadPath::bulk:
      return std::make_unique<BulkInsert>(session_, spec, layout);
    case LoadPath::load_data:
      return std::make_unique<LoadData>(session_, spec, layout);
    case LoadPath::automatic:
    case LoadPath::insert:
      break;
  }
  return std::make_unique<InsertRows>(session_, spec, layout);
}

std::unique_ptr<RowSink> MysqlTarget::rehearse(const WriteSpec& spec, const RowLayout& layout) {
  check_layout(spec, layout);
  // LOAD DATA streams, and is not held to the packet.
  const std::size_t limit =
      path_ == LoadPath::load_data ? SIZE_MAX : session_.facts().max_allowed_packet;
  return std::make_unique<Rehearsal>(spec, layout, !session_.facts().mariadb, limit);
}

std::unique_ptr<Colocation> MysqlTarget::colocate(Source& source) {
  return make_colocation(session_, keys_, source);
}

}  // namespace migrator::mysql
