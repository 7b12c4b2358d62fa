#include "adapters/postgres/source.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "adapters/canonical_digest.h"
#include "adapters/key_cells.h"
#include "adapters/postgres/codec_binary.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/digest.h"
#include "adapters/postgres/keys.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {
namespace {

// How far into the table explain() looks for a bound: far enough for a plan that would scan from
// the start to cost more, near enough to be found at once.
constexpr std::uint64_t kExplainRows = 1000;
// Keys a statement of in_ranges().
constexpr std::size_t kKeysPerQuestion = 1000;

// Types whose binary form the decoder does not know come as the text that the server prints.
bool read_as_text(const Column& column) {
  if (column.type.kind == TypeKind::opaque) return true;
  // A domain on json or jsonb: which of the two is not to be seen.
  return column.type.kind == TypeKind::json && column.native_type != "json" &&
         column.native_type != "jsonb";
}

// The messages of a COPY as they come. COPY takes its snapshot before it waits for the table's
// lock, and a table that was rewritten in between (ALTER ... TYPE, SET LOGGED) is empty for it: so
// the lock is taken first, in a transaction around the COPY.
class CopyStream : public RowStream {
 public:
  CopyStream(Connection& connection, const std::string& table, const std::string& select,
             bool binary)
      : connection_(connection), binary_(binary), own_(!connection.in_transaction()) {
    try {
      if (own_) {
        connection.run("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; LOCK TABLE " + table +
                       " IN ACCESS SHARE MODE");
      }
      connection.copy_out_begin("COPY (" + select + ") TO STDOUT" +
                                (binary ? " (FORMAT binary)" : " (FORMAT text)"));
    } catch (...) {
      leave();
      throw;
    }
  }
  ~CopyStream() override {
    if (!over_) connection_.copy_out_abandon();
    leave();
  }

  bool next(RowBatch& batch) override {
    batch.clear();
    prepare(batch);
    if (ended_) throw Error(ErrorKind::invariant, "the stream has ended already");
    if (over_) {
      ended_ = true;
      return false;
    }
    try {
      return fill(batch);
    } catch (const Error&) {
      // What it read so far is not to be used.
      batch.clear();
      if (!over_) connection_.copy_out_abandon();
      over_ = ended_ = true;
      leave();
      throw;
    }
  }

 protected:
  virtual void prepare(RowBatch&) {}
  virtual void take(std::string_view row, RowBatch& batch) {
    batch.slab().append(row.data(), row.size());
    batch.end_wire_row();
  }

 private:
  bool fill(RowBatch& batch) {
    LibpqMemory message;
    std::size_t size = 0;
    while (batch.bytes() < kBatchBytesTarget) {
      if (!connection_.copy_out_next(message, size)) {
        over_ = true;
        leave();
        check_end();
        ended_ = batch.empty();
        return !ended_;
      }
      std::string_view row(message.get(), size);
      if (binary_) {
        if (!seen_header_) {
          row = without_header(row);
          seen_header_ = true;
          if (row.empty()) continue;  // a server that sends the header by itself
        }
        if (is_trailer(row)) {
          seen_trailer_ = true;
          continue;
        }
      }
      take(row, batch);
      ++rows_;
    }
    return true;
  }

  void leave() noexcept {
    if (!own_) return;
    own_ = false;
    try {
      // It has only read. COMMIT of a transaction that failed is a rollback.
      if (connection_.usable() && connection_.in_transaction()) connection_.run("COMMIT");
    } catch (const Error&) {
      // The next statement says what is wrong with the connection.
    }
  }

  void check_end() const {
    if (binary_ && !seen_trailer_) {
      throw Error(ErrorKind::invariant, "a binary COPY ended without its trailer");
    }
    if (connection_.copy_rows() != rows_) {
      throw Error(ErrorKind::invariant, "the server counts " +
                                            std::to_string(connection_.copy_rows()) +
                                            " rows of a COPY, but sent " + std::to_string(rows_));
    }
  }

  Connection& connection_;
  const bool binary_;
  bool own_;            // the transaction is
  bool over_ = false;   // the COPY is
  bool ended_ = false;  // and the caller knows
  bool seen_header_ = false, seen_trailer_ = false;
  std::uint64_t rows_ = 0;
};

class CellStream : public CopyStream {
 public:
  CellStream(Connection& connection, const std::string& table, const std::string& select,
             const ReadSpec& spec)
      : CopyStream(connection, table, select, true),
        decoder_(spec.columns, connection.parameter("server_encoding") == "SQL_ASCII",
                 spec.misfits),
        columns_(spec.columns.size()) {}

 protected:
  void prepare(RowBatch& batch) override { batch.set_columns(columns_); }
  void take(std::string_view row, RowBatch& batch) override { decoder_.decode(row, batch); }

 private:
  BinaryDecoder decoder_;
  std::size_t columns_;
};

// What a plan in JSON does, gathered from its nodes.
struct PlanFacts {
  bool index = false, full_scan = false, sort = false;
  std::string description;
};

void gather(const nlohmann::json& node, bool bounded, PlanFacts& facts) {
  const std::string type = node.value("Node Type", "");
  std::string words = type;
  if (node.contains("Index Name")) words += " using " + node.value("Index Name", "");
  if (node.contains("Relation Name")) words += " on " + node.value("Relation Name", "");
  const bool by_index =
      type == "Index Scan" || type == "Index Only Scan" || type == "Bitmap Index Scan";
  // A whole index that is walked and filtered is no better than a whole table.
  if (by_index && (!bounded || node.contains("Index Cond"))) facts.index = true;
  if (by_index && bounded && !node.contains("Index Cond")) facts.full_scan = true;
  if (type == "Seq Scan") facts.full_scan = true;
  if (type == "Sort" || type == "Incremental Sort") facts.sort = true;
  // Of many partitions the first says enough.
  if ((by_index || type == "Seq Scan" || type == "Sort") && facts.description.size() < 200) {
    if (!facts.description.empty()) facts.description += "; ";
    facts.description += words;
  }
  if (node.contains("Plans")) {
    for (const nlohmann::json& child : node["Plans"]) gather(child, bounded, facts);
  }
}

PlanFacts facts_of(PgSession& session, const std::string& select, bool bounded) {
  PlanFacts facts;
  const Result plan = session.query("EXPLAIN (FORMAT JSON, COSTS OFF) " + select);
  const nlohmann::json json = nlohmann::json::parse(as_text(plan.rows.at(0).at(0)), nullptr, false);
  if (json.is_array() && !json.empty() && json[0].contains("Plan")) {
    gather(json[0]["Plan"], bounded, facts);
  }
  return facts;
}

// A value of a key as a field of a text COPY: the text that a literal of it has, escaped.
void append_copy_field(std::string& line, const Column& column, const Value& value) {
  const std::string text = key_text(column, value);
  for (const char c : text) {
    switch (c) {
      case '\\':
        line += "\\\\";
        break;
      case '\t':
        line += "\\t";
        break;
      case '\n':
        line += "\\n";
        break;
      case '\r':
        line += "\\r";
        break;
      default:
        line += c;
    }
  }
}

// To so many characters of UTF-8.
void pad(std::string& text, std::uint64_t length) {
  std::uint64_t characters = 0;
  for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  if (characters < length) text.append(length - characters, ' ');
}

}  // namespace

std::vector<RowLayout> copy_layouts(const std::vector<Column>& columns) {
  std::vector<RowLayout> layouts;
  std::vector<std::string> types;
  bool stable = true;
  for (const Column& column : columns) {
    types.push_back(column.native_type);
    stable = stable && has_stable_binary_format(column.native_type);
  }
  if (stable) layouts.push_back({kBinaryFormat, types});
  layouts.push_back({kTextFormat, std::move(types)});
  layouts.push_back(cells_layout());
  return layouts;
}

std::string from_clause(const PgSession::Table& table, const TableName& name) {
  return (table.partitioned ? " FROM " : " FROM ONLY ") + dialect().quote(name);
}

std::string where_clause(const Connection& connection, const ReadSpec& spec, const KeyRange& range,
                         bool with_condition) {
  std::string sql = range_condition(connection, spec.key, range);
  if (with_condition && !spec.where.empty()) {
    // The line break ends a comment that the condition may end with.
    sql += (sql.empty() ? "(" : " AND (") + spec.where + "\n)";
  }
  return sql.empty() ? "" : " WHERE " + sql;
}

std::vector<RowLayout> PgSource::layouts(const ReadSpec& spec) const {
  return copy_layouts(spec.columns);
}

// A chunk has no more than a small part of its table, whatever the planner believes of a table
// without or with old statistics: it is always read by the key's index (a bitmap over it included),
// never by a scan of all rows a chunk. A read of the whole table is better off with the scan.
// Turning sequential scans off only raises their price: where there is no index, they are still
// what is done, and explain() says so.
void PgSource::plan_for(const KeyRange& range) {
  session_.set_sequential_scans(!range.lower && !range.upper);
}

std::optional<Key> PgSource::nth_key(const ReadSpec& spec, const KeyRange& range, std::uint64_t n) {
  if (n == 0) throw Error(ErrorKind::invariant, "rows are counted from 1");
  const PgSession::Table& table = session_.table(spec.table);
  session_.set_sequential_scans(false);
  const Connection& connection = session_.connection();
  const Result result =
      session_.query("SELECT " + column_list(spec.key) + from_clause(table, spec.table) +
                     where_clause(connection, spec, range, false) +
                     order_clause(connection, spec.key, ReadOrder::any) + " OFFSET " +
                     std::to_string(n - 1) + " LIMIT 1");
  if (result.empty()) return {};
  return result.rows.front();
}

std::optional<Key> PgSource::last_key(const ReadSpec& spec) {
  const PgSession::Table& table = session_.table(spec.table);
  session_.set_sequential_scans(false);
  const Result result = session_.query(
      "SELECT " + column_list(spec.key) + from_clause(table, spec.table) +
      order_clause(session_.connection(), spec.key, ReadOrder::any, true) + " LIMIT 1");
  if (result.empty()) return {};
  return result.rows.front();
}

std::uint64_t PgSource::null_keys(const ReadSpec& spec) {
  std::string condition;
  for (const Column& column : spec.key) {
    if (!column.nullable) continue;
    if (!condition.empty()) condition += " OR ";
    condition += dialect().quote(column.name) + " IS NULL";
  }
  if (condition.empty()) return 0;
  const PgSession::Table& table = session_.table(spec.table);
  const Result result =
      session_.query("SELECT count(*)" + from_clause(table, spec.table) + " WHERE " + condition);
  return static_cast<std::uint64_t>(as_integer(result.rows.at(0).at(0)));
}

std::uint64_t PgSource::count(const ReadSpec& spec, const KeyRange& range) {
  const PgSession::Table& table = session_.table(spec.table);
  plan_for(range);
  const Result result = session_.query("SELECT count(*)" + from_clause(table, spec.table) +
                                       where_clause(session_.connection(), spec, range, true));
  return static_cast<std::uint64_t>(as_integer(result.rows.at(0).at(0)));
}

void PgSource::check_columns(const ReadSpec& spec, const PgSession::Table& table) const {
  for (const Column& column : spec.columns) {
    const auto found = table.column_types.find(column.name);
    if (found == table.column_types.end()) {
      throw Error(ErrorKind::permanent, "column \"" + column.name + "\" of table \"" +
                                            spec.table.text() + "\" does not exist")
          .code("42703")
          .table(spec.table.text())
          .remedy("the table has changed: run `migrate plan` again");
    }
    // The bytes of a column are read by the type it is said to have.
    if (found->second != column.native_type) {
      throw Error(ErrorKind::permanent, "column \"" + column.name + "\" of table \"" +
                                            spec.table.text() + "\" is of type " + found->second +
                                            " and not " + column.native_type)
          .code("42804")
          .table(spec.table.text())
          .remedy("the table has changed: run `migrate plan` again");
    }
  }
}

std::string PgSource::range_order(const ReadSpec& spec) {
  const std::string encoding = session_.connection().parameter("server_encoding");
  std::string order = kCanonicalOrder;
  for (std::size_t at = 0; at < spec.key.size(); ++at) {
    const Column& column = spec.key[at];
    if (column.type.kind == TypeKind::opaque || column.type.kind == TypeKind::json) return "";
    if (column.type.kind != TypeKind::text) continue;
    const auto native = parse_native_type(column.native_type);
    if (!native || native->array || column.native_type == "citext") return "";
    // Its own collation is its type's.
    const bool is_name = native->base == "name";
    const std::string collation =
        session_.collation(is_name && column.collation.empty() ? "C" : column.collation);
    const bool by_bytes = collation == "C" || collation == "POSIX" || collation == "ucs_basic";
    if (by_bytes && (encoding == "UTF8" || encoding == "SQL_ASCII")) continue;
    if (collation.empty()) return "";
    order += " " + std::to_string(at) + ":" + encoding + ":" + collation;
  }
  return order;
}

std::vector<DigestForm> PgSource::digest_forms(const ReadSpec& spec) {
  std::vector<DigestForm> forms;
  if (session_.server().version >= kRecordDigestSince) {
    DigestForm& form = forms.emplace_back(kRecordDigest);
    for (const Column& column : spec.columns) form.column_types.push_back(column.native_type);
  }
  if (session_.server().version >= kCanonicalDigestSince &&
      session_.connection().parameter("server_encoding") == "UTF8") {
    if (auto form = canonical_digest(spec.columns)) forms.push_back(std::move(*form));
  }
  return forms;
}

// OFFSET 0 keeps what is hashed from being made twice. The hash of PostgreSQL's own is taken twice,
// with different seeds: 128 bits.
RangeDigest PgSource::digest(const ReadSpec& spec, const KeyRange& range, const DigestForm& form) {
  const std::vector<DigestForm> forms = digest_forms(spec);
  if (std::find(forms.begin(), forms.end(), form) == forms.end()) {
    return Source::digest(spec, range, form);
  }
  const bool canonical = form.algorithm == kCanonicalDigest;
  const PgSession::Table& table = session_.table(spec.table);
  check_columns(spec, table);
  plan_for(range);
  const Result result = session_.query(
      "SELECT count(*), " +
      std::string(canonical ? "sum(('x' || left(r, 16))::bit(64)::bigint), "
                              "sum(('x' || substr(r, 17, 16))::bit(64)::bigint)"
                            : "sum(hash_record_extended(ROW(r), 1)), "
                              "sum(hash_record_extended(ROW(r), 2))") +
      " FROM (SELECT " +
      (canonical ? "encode(sha256(convert_to(" + canonical_form(spec.columns) + ", 'UTF8')), 'hex')"
                 : digest_bytes(spec.columns)) +
      " AS r" + from_clause(table, spec.table) +
      where_clause(session_.connection(), spec, range, true) + " OFFSET 0) s");
  const std::vector<Value>& row = result.rows.at(0);
  RangeDigest digest{static_cast<std::uint64_t>(as_integer(row[0])), ""};
  if (digest.rows > 0) digest.sum = as_text(row[1]) + " " + as_text(row[2]);
  return digest;
}

std::string PgSource::select(const ReadSpec& spec, bool cells) {
  const PgSession::Table& table = session_.table(spec.table);
  check_columns(spec, table);
  std::string sql = "SELECT ";
  const char* separator = "";
  for (const Column& column : spec.columns) {
    sql += separator + dialect().quote(column.name);
    if (cells && read_as_text(column)) sql += "::text";
    separator = ", ";
  }
  return sql + from_clause(table, spec.table);
}

std::unique_ptr<RowStream> PgSource::stream(const ReadSpec& spec, const std::string& sql,
                                            const RowLayout& layout) {
  if (spec.columns.empty()) throw Error(ErrorKind::invariant, "no columns to be read");
  const std::vector<RowLayout> known = copy_layouts(spec.columns);
  if (std::find(known.begin(), known.end(), layout) == known.end()) {
    throw Error(ErrorKind::invariant, "layout " + layout.format + " does not fit the columns");
  }
  Connection& connection = session_.connection();
  const std::string table = dialect().quote(spec.table);
  if (layout == cells_layout()) return std::make_unique<CellStream>(connection, table, sql, spec);
  return std::make_unique<CopyStream>(connection, table, sql, layout.format == kBinaryFormat);
}

std::unique_ptr<RowStream> PgSource::read(const ReadSpec& spec, const KeyRange& range,
                                          const RowLayout& layout, ReadOrder order) {
  plan_for(range);
  std::string sql = select(spec, layout == cells_layout()) +
                    where_clause(session_.connection(), spec, range, true);
  if (order == ReadOrder::canonical) sql += order_clause(session_.connection(), spec.key, order);
  return stream(spec, sql, layout);
}

std::unique_ptr<RowStream> PgSource::read_keys(const ReadSpec& spec, std::span<const Key> keys,
                                               const RowLayout& layout) {
  session_.set_sequential_scans(false);
  std::string sql = select(spec, layout == cells_layout()) + " WHERE " +
                    key_condition(session_.connection(), spec.key, keys);
  if (!spec.where.empty()) sql += " AND (" + spec.where + "\n)";
  return stream(spec, sql, layout);
}

// The keys take on the type and the collation of the table's columns as the later rows of a union
// whose first part is the table without a row.
std::vector<bool> PgSource::in_ranges(const ReadSpec& spec, std::span<const Key> keys,
                                      std::span<const KeyRange> ranges) {
  std::vector<bool> inside(keys.size());
  if (keys.empty() || ranges.empty()) return inside;
  const Connection& connection = session_.connection();
  std::string columns = column_list(spec.key), condition;
  for (const KeyRange& range : ranges) {
    const std::string one = range_condition(connection, spec.key, range);
    if (!condition.empty()) condition += " OR ";
    condition += one.empty() ? "TRUE" : "(" + one + ")";
  }
  std::string values;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    values += (at == 0 ? "(" : ", (") + std::to_string(at) + ", " +
              key_literals(connection, spec.key, keys[at]) + ")";
  }
  const Result found =
      session_.query("SELECT \"_migrator_at\" FROM (SELECT 0 AS \"_migrator_at\", " + columns +
                     from_clause(session_.table(spec.table), spec.table) +
                     " WHERE FALSE UNION ALL VALUES " + values + ") k WHERE " + condition);
  for (const auto& row : found.rows) {
    inside.at(static_cast<std::size_t>(as_integer(row[0]))) = true;
  }
  return inside;
}

std::vector<RowLayout> PgSource::key_layouts(const ReadSpec& spec) const {
  RowLayout text{kTextFormat, {}};
  for (const Column& column : spec.key) text.column_types.push_back(column.native_type);
  return {std::move(text), cells_layout()};
}

void PgSource::key_cells(const ReadSpec& spec, std::span<const Key> keys, const RowLayout& layout,
                         RowBatch& batch) {
  if (!(layout == cells_layout())) {
    for (const Key& key : keys) {
      if (key.size() != spec.key.size()) {
        throw Error(ErrorKind::invariant, "a key has not as many values as columns");
      }
      std::string line;
      for (std::size_t at = 0; at < key.size(); ++at) {
        if (at != 0) line += '\t';
        append_copy_field(line, spec.key[at], key[at]);
      }
      line += '\n';
      batch.slab().append(line.data(), line.size());
      batch.end_wire_row();
    }
    return;
  }
  batch.set_columns(spec.key.size());
  for (const Key& key : keys) {
    Key padded = key;
    for (std::size_t at = 0; at < spec.key.size() && at < key.size(); ++at) {
      const Type& type = spec.key[at].type;
      auto* text = std::get_if<std::string>(&padded[at]);
      // character(n) as text is without its padding; as a row has it, it is with.
      if (text != nullptr && type.fixed && type.kind == TypeKind::text) pad(*text, type.length);
    }
    push_key_cells(spec.table, spec.key, padded, batch);
    batch.end_cell_row();
  }
}

std::vector<Key> PgSource::keys_of(const ReadSpec& spec, const RowBatch& batch) {
  std::vector<Key> keys = keys_of_cells(spec.table, spec.key, batch);
  for (std::size_t at = 0; at < spec.key.size(); ++at) {
    if (spec.key[at].type.kind != TypeKind::timestamptz) continue;
    for (Key& key : keys) std::get<std::string>(key[at]) += "+00";
  }
  return keys;
}

AccessPath PgSource::explain(const ReadSpec& spec) {
  const PgSession::Table& table = session_.table(spec.table);
  const Connection& connection = session_.connection();
  KeyRange range;
  range.lower = nth_key(spec, {}, 1);
  if (range.lower) {
    range.upper = nth_key(spec, {range.lower, {}}, kExplainRows);
    if (!range.upper) range.upper = last_key(spec);
  }
  session_.set_sequential_scans(false);
  // How a key is looked for, and how the rows of a range are read; both without a sort.
  const PlanFacts walk =
      facts_of(session_,
               "SELECT " + column_list(spec.key) + from_clause(table, spec.table) +
                   where_clause(connection, spec, range, false) +
                   order_clause(connection, spec.key, ReadOrder::any) + " LIMIT 1",
               range.lower.has_value());
  AccessPath path;
  path.by_index = walk.index && !walk.full_scan && !walk.sort;
  path.description = walk.description;
  if (!range.lower) return path;  // an empty table: the order alone is known
  const PlanFacts read =
      facts_of(session_, select(spec, false) + where_clause(connection, spec, range, true), true);
  path.by_index = path.by_index && read.index && !read.full_scan && !read.sort;
  path.description = read.description;
  return path;
}

}  // namespace migrator::postgres
