#include "adapters/sqlite/target.h"

#include <fmt/format.h>

#include "adapters/sqlite/codec.h"
#include "adapters/sqlite/colocation.h"
#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/key_walk.h"
#include "adapters/sqlite/source.h"

namespace migrator::sqlite {
namespace {

// Rows between two looks at the cancel flag: well below a second, whatever a row holds.
constexpr std::size_t kRowsPerCheck = 64;

void require_layout(const RowLayout& layout) {
  if (layout != cells_layout() && layout.format != kNativeFormat) {
    throw Error(ErrorKind::invariant, "SQLite cannot load the layout " + layout.format);
  }
}

void require_columns(const RowBatch& batch, const WriteSpec& spec) {
  if (!batch.empty() && batch.columns() != spec.columns.size()) {
    throw Error(ErrorKind::invariant, "a batch has another number of columns than the load");
  }
}

std::string insert_sql(Session& session, const WriteSpec& spec, LoadMode mode) {
  std::string places;
  for (std::size_t i = 0; i < spec.columns.size(); ++i) places += i == 0 ? "?" : ", ?";
  return fmt::format("{} VALUES({}){}", insert_head(spec), places,
                     conflict_clause(session, spec, mode));
}

// One prepared INSERT, bound straight from the batch's slab.
class InsertSink final : public RowSink {
 public:
  InsertSink(Session& session, const WriteSpec& spec, const RowLayout& layout, LoadMode mode)
      : session_(session),
        reservation_(session),
        triggers_(session),
        spec_(spec),
        mode_(mode),
        encoder_(spec.table, spec.columns, layout == cells_layout()),
        statement_(session.prepare(insert_sql(session, spec, mode), spec.table.name, true)) {}

  void write(const RowBatch& batch) override {
    require_columns(batch, spec_);
    // After SQLite's own rollback the rows would be committed one by one.
    if (!session_.in_transaction()) {
      throw Error(ErrorKind::invariant, "a load outside of a transaction")
          .scope(ErrorScope::transaction);
    }
    const Session::Activity activity(session_);
    sqlite3_stmt* statement = statement_.get();
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      if (row % kRowsPerCheck == 0) session_.check_cancelled();
      encoder_.encode(batch, row, statement);
      const int result = sqlite3_step(statement);
      if (result != SQLITE_DONE) fail(result);
      written_ += 1;
      inserted_ += static_cast<std::uint64_t>(sqlite3_changes64(session_.handle()));
      sqlite3_reset(statement);
    }
  }

  LoadCount finish() override {
    const std::uint64_t present = written_ - inserted_;
    if (inserted_ > written_ || (mode_ == LoadMode::direct && present > 0)) {
      throw Error(ErrorKind::data, fmt::format("{} rows were loaded into {} and {} of them arrived",
                                               written_, spec_.table.name, inserted_))
          .table(spec_.table.name);
    }
    return {inserted_, present};
  }

 private:
  [[noreturn]] void fail(int result) {
    try {
      session_.fail(result, "table " + spec_.table.name, spec_.table.name);
    } catch (...) {
      sqlite3_reset(statement_.get());
      throw;
    }
  }

  Session& session_;
  const Session::Reservation reservation_;
  const TriggersOff triggers_;
  const WriteSpec spec_;
  const LoadMode mode_;
  RowEncoder encoder_;
  const Statement statement_;
  std::uint64_t written_ = 0, inserted_ = 0;
};

class RehearsalSink final : public RowSink {
 public:
  RehearsalSink(const WriteSpec& spec, const RowLayout& layout)
      : spec_(spec), encoder_(spec.table, spec.columns, layout == cells_layout()) {}

  void write(const RowBatch& batch) override {
    require_columns(batch, spec_);
    for (std::size_t row = 0; row < batch.rows(); ++row) encoder_.encode(batch, row, nullptr);
    written_ += batch.rows();
  }
  LoadCount finish() override { return {written_, 0}; }

 private:
  const WriteSpec spec_;
  RowEncoder encoder_;
  std::uint64_t written_ = 0;
};

}  // namespace

TriggersOff::TriggersOff(Session& session) : session_(session) {
  sqlite3_db_config(session_.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
}

TriggersOff::~TriggersOff() {
  sqlite3_db_config(session_.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, nullptr);
}

std::string insert_head(const WriteSpec& spec) {
  return fmt::format("INSERT OR ABORT INTO main.{}({})", dialect().quote(spec.table.name),
                     column_list(spec.columns));
}

KeyWalk unique_key(Session& session, const WriteSpec& spec) {
  KeyWalk walk = KeyWalk::find(session, "main", spec.table.name, spec.key);
  if (walk.conflict_target().empty()) {
    throw Error(ErrorKind::permanent,
                fmt::format("table {} of the target has no unique index on exactly the key ({})",
                            spec.table.name, column_list(spec.key)))
        .table(spec.table.name)
        .remedy(fmt::format("make one before the copy: CREATE UNIQUE INDEX \"{0}_key\" ON {1}({2})",
                            spec.table.name, dialect().quote(spec.table.name),
                            column_list(spec.key)));
  }
  return walk;
}

std::string conflict_clause(Session& session, const WriteSpec& spec, LoadMode mode) {
  if (mode == LoadMode::direct) return "";
  return fmt::format(" ON CONFLICT({}) DO NOTHING", unique_key(session, spec).conflict_target());
}

std::vector<RowLayout> Target::layouts(const WriteSpec& spec) const {
  return {native_layout(*session_, "main", spec.table, spec.columns), cells_layout()};
}

std::unique_ptr<RowSink> Target::load(const WriteSpec& spec, const RowLayout& layout,
                                      LoadMode mode) {
  require_layout(layout);
  session_->require_free();
  if (!session_->in_transaction()) {
    throw Error(ErrorKind::invariant, "a load outside of a transaction");
  }
  return std::make_unique<InsertSink>(*session_, spec, layout, mode);
}

// Foreign keys are not enforced in these sessions, and triggers are off: to delete a row and insert
// it anew changes no other one.
std::unique_ptr<RowSink> Target::replace(const WriteSpec& spec, const RowBatch& keys,
                                         const RowLayout& key_layout, const RowLayout& layout) {
  session_->require_free();
  return replace_by(unique_key(*session_, spec), spec, keys, key_layout, layout);
}

void Target::prepare_single(const WriteSpec& spec) {
  singles_.insert_or_assign(spec.table.name, unique_key(*session_, spec));
}

void Target::send_replace(const WriteSpec& spec, const RowBatch& key, const RowLayout& key_layout,
                          const RowBatch& row, const RowLayout& layout) {
  session_->send_work([&] {
    if (!singles_.contains(spec.table.name)) prepare_single(spec);
    const auto sink = replace_by(singles_.at(spec.table.name), spec, key, key_layout, layout);
    if (!row.empty()) sink->write(row);
    sink->finish();
    return Result{};
  });
}

std::unique_ptr<RowSink> Target::replace_by(const KeyWalk& walk, const WriteSpec& spec,
                                            const RowBatch& keys, const RowLayout& key_layout,
                                            const RowLayout& layout) {
  require_layout(layout);
  require_layout(key_layout);
  session_->require_free();
  if (!session_->in_transaction()) {
    throw Error(ErrorKind::invariant, "rows are replaced outside of a transaction");
  }
  const WriteSpec key_spec{spec.table, spec.key, spec.key};
  require_columns(keys, key_spec);
  {
    const TriggersOff triggers(*session_);
    const Session::Activity activity(*session_);
    // Equal is not yet the same: the collation may take 'a' for 'A'.
    std::string condition = walk.equality();
    for (std::size_t at = 0; at < spec.key.size(); ++at) {
      condition +=
          fmt::format(" AND {} COLLATE BINARY = ?{}", dialect().quote(spec.key[at].name), at + 1);
    }
    const Statement statement = session_->prepare(
        fmt::format("DELETE FROM main.{} WHERE {}", dialect().quote(spec.table.name), condition),
        spec.table.name, true);
    RowEncoder encoder(spec.table, spec.key, key_layout == cells_layout());
    for (std::size_t row = 0; row < keys.rows(); ++row) {
      if (row % kRowsPerCheck == 0) session_->check_cancelled();
      encoder.encode(keys, row, statement.get());
      session_->step(statement.get(), spec.table.name);
      sqlite3_reset(statement.get());
    }
  }
  return std::make_unique<InsertSink>(*session_, spec, layout, LoadMode::direct);
}

std::unique_ptr<RowSink> Target::rehearse(const WriteSpec& spec, const RowLayout& layout) {
  require_layout(layout);
  return std::make_unique<RehearsalSink>(spec, layout);
}

std::unique_ptr<Colocation> Target::colocate(migrator::Source& source) {
  auto* other = dynamic_cast<Source*>(&source);
  return other == nullptr ? nullptr : attach(*session_, other->session());
}

}  // namespace migrator::sqlite
