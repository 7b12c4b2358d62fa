#include "adapters/sqlite/source.h"

#include <functional>
#include <utility>

#include <fmt/format.h>

#include "adapters/sqlite/codec.h"
#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/digest.h"
#include "adapters/sqlite/functions.h"
#include "adapters/sqlite/tokens.h"

namespace migrator::sqlite {
namespace {

class TableStream final : public RowStream {
 public:
  // bind: of the statement's parameters.
  TableStream(Session& session, const ReadSpec& spec, const std::string& sql, bool typed,
              const std::function<void(sqlite3_stmt*)>& bind)
      : session_(session),
        reservation_(session),
        activity_(session),
        table_(spec.table.name),
        columns_(spec.columns.size()),
        decoder_(spec.table, spec.columns, typed, spec.misfits),
        statement_(session.prepare(sql, table_)) {
    bind(statement_.get());
  }

  bool next(RowBatch& batch) override {
    batch.clear();
    batch.set_columns(columns_);
    // The end was met with the rows of the batch before.
    if (statement_ == nullptr) {
      if (std::exchange(over_, true)) throw Error(ErrorKind::invariant, "the stream has ended");
      return false;
    }
    try {
      session_.check_cancelled();  // SQLite forgets an interrupt that came before the first step
      while (batch.bytes() < kBatchBytesTarget) {
        if (!session_.step(statement_.get(), table_)) {
          // Ends the read transaction at once, also if the caller keeps the stream.
          statement_.reset();
          break;
        }
        decoder_.decode(statement_.get(), batch);
      }
    } catch (...) {
      over_ = true;
      statement_.reset();
      batch.clear();
      throw;
    }
    over_ = batch.empty();
    return !over_;
  }

 private:
  Session& session_;
  const Session::Reservation reservation_;
  const Session::Activity activity_;
  const std::string table_;
  const std::size_t columns_;
  const RowDecoder decoder_;
  Statement statement_;
  bool over_ = false;  // false was returned, or an error thrown
};

// SQLITE_MAX_VARIABLE_NUMBER, as Debian builds it; the library's own default is 32766.
constexpr std::size_t kParametersMax = 32'766;

void require_key(const ReadSpec& spec, const Key& key) {
  if (key.size() == spec.key.size()) return;
  throw Error(ErrorKind::invariant, "a key has another number of values than columns");
}

}  // namespace

std::string column_list(const std::vector<Column>& columns) {
  std::string result;
  for (const Column& column : columns) {
    if (!result.empty()) result += ", ";
    result += dialect().quote(column.name);
  }
  return result;
}

std::string where_clause(const KeyWalk& walk, const KeyRange& range, const std::string& filter) {
  std::string result = walk.condition(range);
  if (!filter.empty()) {
    if (!result.empty()) result += " AND ";
    // The line break ends a comment at the filter's end.
    result += "(" + filter + "\n)";
  }
  return result.empty() ? result : " WHERE " + result;
}

RowLayout native_layout(Session& session, const std::string& schema, const TableName& table,
                        const std::vector<Column>& columns) {
  RowLayout layout{kNativeFormat, {}};
  const std::vector<Value> parameters{schema, table.name};
  const Result strict = session.ask(
      "SELECT strict FROM pragma_table_list WHERE schema = ?1 COLLATE NOCASE AND name = ?2 COLLATE "
      "NOCASE",
      parameters);
  const bool is_strict = !strict.empty() && as_integer(strict.rows[0][0]) != 0;
  for (const Column& column : columns) {
    std::string type = upper(column.native_type);
    if (is_strict && type == "ANY") type = "ANY STRICT";
    layout.column_types.push_back(std::move(type));
  }
  return layout;
}

const KeyWalk& Source::walk(const ReadSpec& spec) {
  std::string id = spec.table.name;
  for (const Column& column : spec.key) id.append(1, '\0').append(column.name);
  const auto found = walks_.find(id);
  if (found != walks_.end()) return found->second;
  return walks_.emplace(id, KeyWalk::find(*session_, "main", spec.table.name, spec.key))
      .first->second;
}

std::vector<RowLayout> Source::layouts(const ReadSpec& spec) const {
  return {native_layout(*session_, "main", spec.table, spec.columns), cells_layout()};
}

std::optional<Key> Source::one_key(const ReadSpec& spec, const KeyWalk& key_walk,
                                   const std::string& sql, const KeyRange& range,
                                   std::optional<std::int64_t> offset) {
  const Session::Activity activity(*session_);
  const Statement statement = session_->prepare(sql, spec.table.name);
  const int position = key_walk.bind(statement.get(), range);
  if (offset) sqlite3_bind_int64(statement.get(), position, *offset);
  if (!session_->step(statement.get(), spec.table.name)) return std::nullopt;
  Key key;
  for (int i = 0; i < static_cast<int>(spec.key.size()); ++i) {
    key.push_back(column_value(statement.get(), i));
  }
  return key;
}

std::optional<Key> Source::nth_key(const ReadSpec& spec, const KeyRange& range, std::uint64_t n) {
  session_->require_free();
  if (n == 0) throw Error(ErrorKind::invariant, "keys are counted from 1");
  if (n > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  const KeyWalk& key_walk = walk(spec);
  const std::string where = where_clause(key_walk, range, "");
  const std::size_t bounds =
      (range.lower ? spec.key.size() : 0) + (range.upper ? spec.key.size() : 0);
  return one_key(spec, key_walk,
                 fmt::format("SELECT {} FROM {} {}{}{} LIMIT 1 OFFSET ?{}", key_walk.columns(),
                             dialect().quote(spec.table.name), key_walk.hint(), where,
                             key_walk.order(), bounds + 1),
                 range, static_cast<std::int64_t>(n - 1));
}

std::optional<Key> Source::last_key(const ReadSpec& spec) {
  session_->require_free();
  const KeyWalk& key_walk = walk(spec);
  return one_key(
      spec, key_walk,
      fmt::format("SELECT {} FROM {} {}{} LIMIT 1", key_walk.columns(),
                  dialect().quote(spec.table.name), key_walk.hint(), key_walk.order(true)),
      {}, std::nullopt);
}

std::uint64_t Source::null_keys(const ReadSpec& spec) {
  session_->require_free();
  const KeyWalk& key_walk = walk(spec);
  if (key_walk.nullable().empty()) return 0;
  std::string condition;
  for (const std::string& column : key_walk.nullable()) {
    if (!condition.empty()) condition += " OR ";
    condition += dialect().quote(column) + " IS NULL";
  }
  return static_cast<std::uint64_t>(
      as_integer(session_
                     ->ask(fmt::format("SELECT count(*) FROM {} WHERE {}",
                                       dialect().quote(spec.table.name), condition))
                     .rows[0][0]));
}

std::uint64_t Source::count(const ReadSpec& spec, const KeyRange& range) {
  session_->require_free();
  const KeyWalk& key_walk = walk(spec);
  const Session::Activity activity(*session_);
  // Without a range SQLite knows best: it counts the smallest index, row by row unseen.
  const bool hinted = range.lower || range.upper;
  const Statement statement = session_->prepare(
      fmt::format("SELECT count(*) FROM {} {}{}", dialect().quote(spec.table.name),
                  hinted ? key_walk.hint() : "", where_clause(key_walk, range, spec.where)),
      spec.table.name);
  key_walk.bind(statement.get(), range);
  session_->step(statement.get(), spec.table.name);
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement.get(), 0));
}

// Dates, times and UUIDs are kept as they were written: as texts, or as numbers.
std::string Source::range_order(const ReadSpec& spec) {
  session_->require_free();
  const bool canonical = std::all_of(spec.key.begin(), spec.key.end(), [&](const Column& column) {
    switch (column.type.kind) {
      case TypeKind::boolean:
      case TypeKind::int16:
      case TypeKind::int32:
      case TypeKind::int64:
      case TypeKind::float32:
      case TypeKind::float64:
      case TypeKind::bytes:
        return true;
      case TypeKind::decimal:
        return affinity_of(column.native_type) != Affinity::text;
      case TypeKind::text:
        return session_->utf8();
      default:
        return false;
    }
  });
  if (canonical && walk(spec).plain()) return kCanonicalOrder;
  // Collations of the application's own are not there, so these are SQLite's: the same everywhere.
  return fmt::format("sqlite {} {}", session_->utf8() ? "utf8" : "utf16", walk(spec).fingerprint());
}

std::vector<DigestForm> Source::digest_forms(const ReadSpec& spec) {
  return {{kStoredDigest, native_layout(*session_, "main", spec.table, spec.columns).column_types}};
}

RangeDigest Source::digest(const ReadSpec& spec, const KeyRange& range, const DigestForm& form) {
  session_->require_free();
  if (digest_forms(spec) != std::vector{form}) {
    return migrator::Source::digest(spec, range, form);
  }
  const KeyWalk& key_walk = walk(spec);
  const Session::Activity activity(*session_);
  const Statement statement =
      session_->prepare(fmt::format("SELECT {} FROM {} {}{}", column_list(spec.columns),
                                    dialect().quote(spec.table.name), key_walk.hint(),
                                    where_clause(key_walk, range, spec.where)),
                        spec.table.name);
  key_walk.bind(statement.get(), range);
  session_->check_cancelled();
  RowDigest digest;
  while (session_->step(statement.get(), spec.table.name)) {
    digest.add(statement.get(), static_cast<int>(spec.columns.size()));
  }
  return digest.result();
}

std::string Source::canonical_order(const ReadSpec& spec) const {
  std::string result;
  for (const Column& column : spec.key) {
    result += result.empty() ? " ORDER BY " : ", ";
    const std::string name = dialect().quote(column.name);
    switch (column.type.kind) {
      case TypeKind::text:
      case TypeKind::json:
        // A UTF-16 file compares BINARY by its own bytes, which sort otherwise than those of UTF-8.
        result += session_->utf8() ? name + " COLLATE BINARY"
                                   : fmt::format("{}({}, {})", kOrderFunction, name,
                                                 static_cast<int>(TypeKind::text));
        break;
      case TypeKind::decimal:
        // Only texts are compared by a collation: numbers stay in their own order.
        result += affinity_of(column.native_type) == Affinity::text
                      ? name + " COLLATE " + kDecimalCollation
                      : name;
        break;
      case TypeKind::date:
      case TypeKind::time:
      case TypeKind::timestamp:
      case TypeKind::timestamptz:
      case TypeKind::uuid:
        result +=
            fmt::format("{}({}, {})", kOrderFunction, name, static_cast<int>(column.type.kind));
        break;
      default:
        result += name;
        break;
    }
  }
  return result;
}

std::unique_ptr<RowStream> Source::read(const ReadSpec& spec, const KeyRange& range,
                                        const RowLayout& layout, ReadOrder order) {
  session_->require_free();
  const bool typed = layout == cells_layout();
  if (!typed && layout.format != kNativeFormat) {
    throw Error(ErrorKind::invariant, "SQLite cannot read the layout " + layout.format);
  }
  const KeyWalk& key_walk = walk(spec);
  const bool canonical = order == ReadOrder::canonical;
  const std::string sql = fmt::format(
      "SELECT {} FROM {} {}{}{}", column_list(spec.columns), dialect().quote(spec.table.name),
      canonical ? "" : key_walk.hint(), where_clause(key_walk, range, spec.where),
      canonical ? canonical_order(spec) : key_walk.order());
  return std::make_unique<TableStream>(*session_, spec, sql, typed, [&](sqlite3_stmt* statement) {
    key_walk.bind(statement, range);
  });
}

std::unique_ptr<RowStream> Source::read_keys(const ReadSpec& spec, std::span<const Key> keys,
                                             const RowLayout& layout) {
  session_->require_free();
  const bool typed = layout == cells_layout();
  if (!typed && layout.format != kNativeFormat) {
    throw Error(ErrorKind::invariant, "SQLite cannot read the layout " + layout.format);
  }
  if (keys.size() * spec.key.size() > kParametersMax || keys.empty()) {
    throw Error(ErrorKind::invariant, "SQLite cannot look for so many keys at once");
  }
  const KeyWalk& key_walk = walk(spec);
  std::string places;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    places += at == 0 ? "(" : ", (";
    for (std::size_t part = 0; part < spec.key.size(); ++part) places += part == 0 ? "?" : ", ?";
    places += ")";
  }
  // A join, key by key: of a row value in a list SQLite may look at the first column alone.
  std::string sql = fmt::format(
      "SELECT {} FROM (SELECT DISTINCT {} FROM (VALUES {})) CROSS JOIN {} {} WHERE {}",
      column_list(spec.columns), key_walk.distinct_values(), places,
      dialect().quote(spec.table.name), key_walk.hint(), key_walk.equality("_migrator_"));
  if (!spec.where.empty()) sql += " AND (" + spec.where + "\n)";
  return std::make_unique<TableStream>(*session_, spec, sql, typed, [&](sqlite3_stmt* statement) {
    int position = 1;
    for (const Key& key : keys) {
      require_key(spec, key);
      for (const Value& value : key) bind_value(statement, position++, value);
    }
  });
}

std::vector<bool> Source::in_ranges(const ReadSpec& spec, std::span<const Key> keys,
                                    std::span<const KeyRange> ranges) {
  session_->require_free();
  const KeyWalk& key_walk = walk(spec);
  std::vector<bool> inside(keys.size());
  const Session::Activity activity(*session_);
  for (const KeyRange& range : ranges) {
    const Statement statement =
        session_->prepare("SELECT " + key_walk.condition_on_values(range), spec.table.name);
    const int first = key_walk.bind(statement.get(), range);
    for (std::size_t at = 0; at < keys.size(); ++at) {
      if (inside[at]) continue;
      require_key(spec, keys[at]);
      int position = first;
      for (const Value& value : keys[at]) {
        // An unbounded range looks at no value.
        if (range.lower || range.upper) bind_value(statement.get(), position++, value);
      }
      session_->step(statement.get(), spec.table.name);
      inside[at] = sqlite3_column_int(statement.get(), 0) != 0;
      sqlite3_reset(statement.get());
    }
  }
  return inside;
}

std::vector<RowLayout> Source::key_layouts(const ReadSpec& spec) const {
  return {native_layout(*session_, "main", spec.table, spec.key), cells_layout()};
}

// By the decoder of rows, which takes what a statement gives.
void Source::key_cells(const ReadSpec& spec, std::span<const Key> keys, const RowLayout& layout,
                       RowBatch& batch) {
  session_->require_free();
  const Session::Activity activity(*session_);
  const RowDecoder decoder(spec.table, spec.key, layout == cells_layout());
  std::string places;
  for (std::size_t part = 0; part < spec.key.size(); ++part) places += part == 0 ? "?" : ", ?";
  const Statement statement = session_->prepare("SELECT " + places, spec.table.name);
  batch.set_columns(spec.key.size());
  for (const Key& key : keys) {
    require_key(spec, key);
    int position = 1;
    for (const Value& value : key) bind_value(statement.get(), position++, value);
    session_->step(statement.get(), spec.table.name);
    decoder.decode(statement.get(), batch);
    sqlite3_reset(statement.get());
  }
}

// By the encoder of rows: as the columns would store them.
std::vector<Key> Source::keys_of(const ReadSpec& spec, const RowBatch& batch) {
  session_->require_free();
  const Session::Activity activity(*session_);
  RowEncoder encoder(spec.table, spec.key, true);
  std::string places;
  for (std::size_t part = 0; part < spec.key.size(); ++part) places += part == 0 ? "?" : ", ?";
  const Statement statement = session_->prepare("SELECT " + places, spec.table.name);
  std::vector<Key> keys;
  for (std::size_t row = 0; row < batch.rows(); ++row) {
    encoder.encode(batch, row, statement.get());
    session_->step(statement.get(), spec.table.name);
    Key& key = keys.emplace_back();
    for (int part = 0; part < static_cast<int>(spec.key.size()); ++part) {
      key.push_back(column_value(statement.get(), part));
    }
    sqlite3_reset(statement.get());
  }
  return keys;
}

AccessPath Source::explain(const ReadSpec& spec) {
  session_->require_free();
  const KeyWalk& key_walk = walk(spec);
  // Any bounds will do: EXPLAIN runs nothing.
  const Key bound(spec.key.size(), Value(std::int64_t{0}));
  const KeyRange range{bound, bound};
  const Statement statement = session_->prepare(
      fmt::format("EXPLAIN QUERY PLAN SELECT {} FROM {} {}{}{}", column_list(spec.columns),
                  dialect().quote(spec.table.name), key_walk.hint(),
                  where_clause(key_walk, range, spec.where), key_walk.order()),
      spec.table.name);
  AccessPath path;
  bool searched = false, sorted = false;
  while (session_->step(statement.get(), spec.table.name)) {
    const std::string detail = as_text(column_value(statement.get(), 3));
    searched |= detail.starts_with("SEARCH ");
    sorted |= detail.find("TEMP B-TREE") != std::string::npos || detail.starts_with("SCAN ");
    if (!path.description.empty()) path.description += "; ";
    path.description += detail;
  }
  path.by_index = searched && !sorted;
  return path;
}

}  // namespace migrator::sqlite
