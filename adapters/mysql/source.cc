#include "adapters/mysql/source.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "adapters/canonical_digest.h"
#include "adapters/codec.h"
#include "adapters/key_cells.h"
#include "adapters/mysql/codec.h"
#include "adapters/mysql/digest.h"
#include "adapters/mysql/errors.h"
#include "adapters/mysql/key_range.h"
#include "adapters/mysql/row_stream.h"

namespace migrator::mysql {
namespace {

std::string order_by(const std::vector<KeyColumn>& key, bool descending) {
  std::string sql;
  for (std::size_t i = 0; i < key.size(); ++i) {
    sql += i == 0 ? " ORDER BY " : ", ";
    sql += key[i].sql;
    if (descending) sql += " DESC";
  }
  return sql;
}

// Collations that order text by its code points to the last one, which is the order of UTF-8's
// bytes. (utf8mb4_bin pads with spaces: there 'a' follows 'a\t'.)
bool orders_by_bytes(const Column& column) {
  return column.charset == "utf8mb4" &&
         (column.collation == "utf8mb4_nopad_bin" || column.collation == "utf8mb4_0900_bin");
}

std::string canonical_order(const std::vector<Column>& key, const std::vector<KeyColumn>& columns) {
  std::string sql;
  for (std::size_t i = 0; i < key.size(); ++i) {
    sql += i == 0 ? " ORDER BY " : ", ";
    const NativeType& native = columns[i].native;
    if (native.base == Base::uuid || (key[i].type.kind == TypeKind::uuid && native.is_text())) {
      sql += fmt::format("UNHEX(REPLACE(CAST({} AS CHAR), '-', ''))", columns[i].sql);
    } else if (native.is_text() && !orders_by_bytes(key[i])) {
      sql += fmt::format("CAST(CONVERT({} USING utf8mb4) AS BINARY)", columns[i].sql);
    } else {
      sql += columns[i].sql;
    }
  }
  return sql;
}

// Keys a statement of in_ranges(), and about how many bytes of it.
constexpr std::size_t kKeysPerQuestion = 400, kQuestionBytes = 256 * 1024;

// A BIT as the number that it is in a key.
Value bits_of(const Value& value) {
  std::uint64_t bits = 0;
  if (const auto* bytes = std::get_if<Bytes>(&value)) {
    for (const char c : bytes->data) bits = bits << 8 | static_cast<unsigned char>(c);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    bits = static_cast<std::uint64_t>(*integer);
  }
  return bits;
}

// The value as the server would print the column.
std::string wire_text(const Column& column, const Value& value) {
  const NativeType native = parse_native_type(column.native_type);
  if (native.base == Base::bit) {
    const auto* natural = std::get_if<std::uint64_t>(&value);
    std::string bytes;
    for (std::uint64_t width = (std::max<std::uint64_t>(native.length, 1) + 7) / 8; width-- > 0;) {
      bytes += static_cast<char>((natural == nullptr ? 0 : *natural) >> (8 * width) & 0xFF);
    }
    return bytes;
  }
  std::string text;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (native.base == Base::enumeration) {
      const bool valid =
          *integer >= 1 && *integer <= static_cast<std::int64_t>(native.values.size());
      return valid ? native.values[static_cast<std::size_t>(*integer) - 1] : "";
    }
    return native.base == Base::year ? fmt::format("{:04}", *integer) : std::to_string(*integer);
  }
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) return std::to_string(*natural);
  if (const auto* real = std::get_if<double>(&value)) {
    print_double(text, *real);
    return text;
  }
  if (const auto* bytes = std::get_if<Bytes>(&value)) return bytes->data;
  if (const auto* given = std::get_if<std::string>(&value)) return *given;
  throw Error(ErrorKind::invariant, "a key's column " + column.name + " is NULL");
}

// The value as an expression that compares as the column does.
std::string as_column(const KeyColumn& key, const Column& column, const Value& value) {
  std::string literal;
  append_literal(literal, key, value);
  switch (key.native.base) {
    case Base::character:
    case Base::varchar:
    case Base::text:
      return fmt::format("CONVERT({} USING {}) COLLATE {}", literal, column.charset,
                         column.collation);
    case Base::time:
      return fmt::format("CAST({} AS TIME(6))", literal);
    case Base::uuid:
      return fmt::format("CAST({} AS UUID)", literal);
    case Base::binary:
    case Base::varbinary:
    case Base::blob:
      return fmt::format("CAST({} AS BINARY)", literal);
    default:
      return literal;
  }
}

}  // namespace

std::string where_clause(const std::string& range, const std::string& where) {
  if (range.empty() && where.empty()) return {};
  if (where.empty()) return " WHERE " + range;
  // In parentheses and with a line break before the last one: a comment in `where` must not swallow
  // it.
  const std::string own = "(" + where + "\n)";
  return " WHERE " + (range.empty() ? own : own + " AND " + range);
}

MysqlSource::MysqlSource(ConnectionSettings settings, const SessionOptions& options)
    : session_(std::move(settings), options, Role::source), keys_(session_) {}

std::vector<RowLayout> MysqlSource::layouts(const ReadSpec& spec) const {
  return {wire_layout(spec.columns), cells_layout()};
}

std::string MysqlSource::from(const ReadSpec& spec) {
  std::string sql = " FROM " + quote_name(spec.table);
  const std::string index = spec.key.empty() ? "" : keys_.index_for(spec.table, spec.key);
  if (!index.empty()) sql += " FORCE INDEX (" + quote_name(index) + ")";
  return sql;
}

std::optional<Key> MysqlSource::one_key(const ReadSpec& spec, const std::string& tail) {
  const std::vector<KeyColumn> key = key_columns(spec.key);
  if (key.empty()) throw Error(ErrorKind::invariant, "a key of a table without one");
  std::string sql = "SELECT ";
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (i != 0) sql += ", ";
    sql += key[i].native.is_text() && key[i].native.base != Base::enumeration
               ? unicode_expression(key[i].sql, key[i].charset)
               : key_expression(key[i]);
  }
  sql += from(spec) + tail;
  session_.prepare_for_read(false);
  const ResultHandle result = session_.run_stored(sql, "reading keys of " + spec.table.text());
  MYSQL_ROW row = mysql_fetch_row(result.get());
  if (row == nullptr) return std::nullopt;
  const unsigned long* lengths = mysql_fetch_lengths(result.get());
  Key values;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (key[i].native.is_text() && lengths[i] > 0 && *row[i] == kNoUnicode) {
      throw Error(ErrorKind::data,
                  "column " + spec.key[i].name + " of " + spec.table.text() +
                      " is part of the key, and has characters that Unicode does not have")
          .table(spec.table.text())
          .remedy("name another unique key in the plan, or correct the rows");
    }
    values.push_back(row[i] == nullptr ? Value() : key_value(key[i], {row[i], lengths[i]}));
  }
  return values;
}

std::optional<Key> MysqlSource::nth_key(const ReadSpec& spec, const KeyRange& range,
                                        std::uint64_t n) {
  if (n == 0) throw Error(ErrorKind::invariant, "rows are counted from 1");
  const std::vector<KeyColumn> key = key_columns(spec.key);
  return one_key(spec, where_clause(range_condition(key, range), "") + order_by(key, false) +
                           fmt::format(" LIMIT {}, 1", n - 1));
}

std::optional<Key> MysqlSource::last_key(const ReadSpec& spec) {
  return one_key(spec, order_by(key_columns(spec.key), true) + " LIMIT 1");
}

std::uint64_t MysqlSource::null_keys(const ReadSpec& spec) {
  std::string condition;
  for (const Column& column : spec.key) {
    if (!column.nullable) continue;
    if (!condition.empty()) condition += " OR ";
    condition += quote_name(column.name) + " IS NULL";
  }
  if (condition.empty()) return 0;
  const Result result =
      session_.query("SELECT COUNT(*) FROM " + quote_name(spec.table) + " WHERE " + condition);
  return static_cast<std::uint64_t>(as_integer(result.rows.at(0).at(0)));
}

std::uint64_t MysqlSource::count(const ReadSpec& spec, const KeyRange& range) {
  const std::string condition = range_condition(key_columns(spec.key), range);
  const Result result =
      session_.query("SELECT COUNT(*)" + from(spec) + where_clause(condition, spec.where));
  return static_cast<std::uint64_t>(as_integer(result.rows.at(0).at(0)));
}

std::string MysqlSource::range_order(const ReadSpec& spec) {
  std::string order = kCanonicalOrder;
  for (std::size_t at = 0; at < spec.key.size(); ++at) {
    const Column& column = spec.key[at];
    const NativeType native = parse_native_type(column.native_type);
    // Of these the server's order is that of their position, or of other bytes than their text's.
    const bool own = native.base == Base::enumeration || native.base == Base::set ||
                     native.base == Base::uuid || native.base == Base::inet;
    const bool text = native.is_text() || native.base == Base::json;
    if (!own && (!text || (orders_by_bytes(column) && column.type.kind == TypeKind::text))) {
      continue;
    }
    if (native.base == Base::geometry || native.base == Base::unknown) return "";
    // A collation's name says how it orders, on every version of the server.
    order += fmt::format(" {}:{}:{}", at, column.native_type, column.collation);
  }
  return order;
}

std::vector<DigestForm> MysqlSource::digest_forms(const ReadSpec& spec) {
  std::vector<DigestForm> forms;
  if (has_digest(spec.columns)) {
    forms.push_back({kSha1Digest, wire_layout(spec.columns).column_types});
  }
  if (has_canonical_form(spec.columns)) {
    if (auto form = canonical_digest(spec.columns)) forms.push_back(std::move(*form));
  }
  return forms;
}

// The variable, so that the hash is computed once a row: of a derived table's column the server
// makes its expression again, once for each use.
RangeDigest MysqlSource::digest(const ReadSpec& spec, const KeyRange& range,
                                const DigestForm& form) {
  const std::vector<DigestForm> forms = digest_forms(spec);
  if (std::find(forms.begin(), forms.end(), form) == forms.end()) {
    return Source::digest(spec, range, form);
  }
  const bool canonical = form.algorithm == kCanonicalDigest;
  session_.prepare_for_read(false);
  const std::string hash = canonical ? "SHA2(" + canonical_form(spec.columns) + ", 256)"
                                     : "SHA1(" + digest_form(spec.columns) + ")";
  constexpr std::string_view kHash = "@_migrator_digest";
  const Result result = session_.query(
      fmt::format("SELECT COUNT(*), COUNT({} := {}), {}", kHash, hash,
                  canonical ? canonical_sums(kHash) : digest_sums(kHash)) +
      from(spec) + where_clause(range_condition(key_columns(spec.key), range), spec.where));
  const std::vector<Value>& row = result.rows.at(0);
  RangeDigest digest{static_cast<std::uint64_t>(as_integer(row[0])), ""};
  if (as_integer(row[1]) != as_integer(row[0])) {
    throw Error(ErrorKind::data,
                "rows of " + spec.table.text() + " are larger than the server lets a value be")
        .table(spec.table.text())
        .remedy("raise max_allowed_packet, or verify with --mode stream");
  }
  if (digest.rows > 0) digest.sum = as_text(row[2]) + " " + as_text(row[3]);
  return digest;
}

std::unique_ptr<RowStream> MysqlSource::read(const ReadSpec& spec, const KeyRange& range,
                                             const RowLayout& layout, ReadOrder order) {
  const std::vector<KeyColumn> key = key_columns(spec.key);
  return stream(
      spec, range_condition(key, range),
      order == ReadOrder::canonical ? canonical_order(spec.key, key) : order_by(key, false),
      layout);
}

// One alternative a key: the optimiser makes a range of the index of each, also where it does not
// look into lists of rows. Integers alone may share a list.
std::unique_ptr<RowStream> MysqlSource::read_keys(const ReadSpec& spec, std::span<const Key> keys,
                                                  const RowLayout& layout) {
  const std::vector<KeyColumn> key = key_columns(spec.key);
  if (keys.empty()) throw Error(ErrorKind::invariant, "rows are asked for without a key");
  std::string condition;
  if (key.size() == 1 && key[0].native.is_integer()) {
    for (const Key& one : keys) {
      condition += condition.empty() ? key[0].sql + " IN (" : ",";
      append_literal(condition, key[0], one.at(0));
    }
    condition += ')';
  } else {
    for (const Key& one : keys) {
      condition += (condition.empty() ? "((" : " OR (") + equality_condition(key, one) + ")";
    }
    condition += ')';
  }
  // One row is found by its key without being told, and without asking for the index's name first.
  return stream(spec, condition, "", layout, keys.size() > 1);
}

// A literal stands for the column: it is given the column's type and collation, as far as that
// changes how it is compared.
std::vector<bool> MysqlSource::in_ranges(const ReadSpec& spec, std::span<const Key> keys,
                                         std::span<const KeyRange> ranges) {
  std::vector<bool> inside(keys.size());
  if (ranges.empty()) return inside;
  const std::vector<KeyColumn> key = key_columns(spec.key);
  std::string sql;
  std::size_t asked = 0;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    std::vector<KeyColumn> values = key;
    for (std::size_t part = 0; part < key.size(); ++part) {
      values[part].sql = as_column(key[part], spec.key[part], keys[at].at(part));
    }
    std::string condition;
    for (const KeyRange& range : ranges) {
      const std::string one = range_condition(values, range);
      condition += condition.empty() ? "" : " OR ";
      condition += one.empty() ? "TRUE" : "(" + one + ")";
    }
    sql += fmt::format("{}SELECT {} FROM DUAL WHERE {}", sql.empty() ? "" : " UNION ALL ", at,
                       condition);
    const bool enough = ++asked == kKeysPerQuestion || sql.size() >= kQuestionBytes;
    if (!enough && at + 1 != keys.size()) continue;
    for (const auto& row : session_.query(sql).rows) {
      inside.at(static_cast<std::size_t>(as_integer(row[0]))) = true;
    }
    sql.clear();
    asked = 0;
  }
  return inside;
}

std::vector<RowLayout> MysqlSource::key_layouts(const ReadSpec& spec) const {
  // Of text in another character set the wire layout has that one's bytes, and a key has UTF-8.
  for (const Column& column : spec.key) {
    if (is_raw_text(column, parse_native_type(column.native_type))) return {cells_layout()};
  }
  return {wire_layout(spec.key), cells_layout()};
}

void MysqlSource::key_cells(const ReadSpec& spec, std::span<const Key> keys,
                            const RowLayout& layout, RowBatch& batch) {
  batch.set_columns(spec.key.size());
  const bool wire = layout.format == kWireFormat;
  for (const Key& key : keys) {
    if (key.size() != spec.key.size())
      throw Error(ErrorKind::invariant, "a key has not as many values as columns");
    if (wire) {
      for (std::size_t at = 0; at < key.size(); ++at) {
        batch.push_text(wire_text(spec.key[at], key[at]));
      }
    } else {
      push_key_cells(spec.table, spec.key, key, batch);
    }
    batch.end_cell_row();
  }
}

std::unique_ptr<RowStream> MysqlSource::stream(const ReadSpec& spec, const std::string& condition,
                                               const std::string& order, const RowLayout& layout,
                                               bool by_index) {
  use_client_library_in_this_thread();
  const bool wire = layout.format == kWireFormat;
  if (wire ? layout != wire_layout(spec.columns) : layout != cells_layout()) {
    throw Error(ErrorKind::invariant, "a layout was asked for that the source does not list");
  }
  std::string sql = "SELECT ";
  bool raw = false;
  for (std::size_t i = 0; i < spec.columns.size(); ++i) {
    if (i != 0) sql += ", ";
    sql += select_expression(spec.columns[i], wire);
    raw = raw ||
          (wire && is_raw_text(spec.columns[i], parse_native_type(spec.columns[i].native_type)));
  }
  sql += by_index ? from(spec) : " FROM " + quote_name(spec.table);
  sql += where_clause(condition, spec.where) + order;
  session_.prepare_for_read(raw);
  auto exclusive = std::make_unique<MysqlSession::Exclusive>(session_);
  return std::make_unique<MysqlRowStream>(session_, std::move(exclusive), spec, sql, wire);
}

std::vector<Key> MysqlSource::keys_of(const ReadSpec& spec, const RowBatch& batch) {
  std::vector<Key> keys = keys_of_cells(spec.table, spec.key, batch);
  // An ENUM's keys are its numbers.
  for (std::size_t at = 0; at < spec.key.size(); ++at) {
    const std::vector<std::string>& labels = spec.key[at].enum_values;
    const Base base = parse_native_type(spec.key[at].native_type).base;
    if (base == Base::bit) {
      for (Key& key : keys) key[at] = bits_of(key[at]);
    }
    if (base != Base::enumeration) continue;
    for (Key& key : keys) {
      const auto found = std::find(labels.begin(), labels.end(), std::get<std::string>(key[at]));
      key[at] = found == labels.end() ? std::int64_t{0} : std::int64_t{found - labels.begin() + 1};
    }
  }
  return keys;
}

// Explains the statement that a chunk is read by, from the first key on.
AccessPath MysqlSource::explain(const ReadSpec& spec) {
  const std::string index = keys_.index_for(spec.table, spec.key);
  if (index.empty())
    return {false, "no index is on exactly the columns of the key: each chunk would scan and sort"};
  // Rows of the chunk: few enough for a range to be the plain choice in any table that is worth
  // walking.
  constexpr std::uint64_t kChunkRows = 1000;
  KeyRange range{nth_key(spec, {}, 1), std::nullopt};
  if (!range.lower) return {true, "an empty table"};
  range.upper = nth_key(spec, range, kChunkRows);
  const bool small = !range.upper.has_value();
  const std::vector<KeyColumn> key = key_columns(spec.key);
  std::string sql = "EXPLAIN SELECT ";
  for (std::size_t i = 0; i < spec.columns.size(); ++i) {
    sql += (i == 0 ? "" : ", ") + quote_name(spec.columns[i].name);
  }
  sql += from(spec) + where_clause(range_condition(key, range), spec.where) + order_by(key, false);
  const Result plan = session_.query(sql);
  std::string type, used, extra;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    if (plan.rows.empty() || is_null(plan.rows[0][i])) continue;
    if (plan.columns[i] == "type") type = as_text(plan.rows[0][i]);
    if (plan.columns[i] == "key") used = as_text(plan.rows[0][i]);
    if (plan.columns[i] == "Extra") extra = as_text(plan.rows[0][i]);
  }
  const bool sorts =
      extra.find("filesort") != std::string::npos || extra.find("temporary") != std::string::npos;
  const bool ranges = type == "range" || type == "ref" || type == "eq_ref" || type == "const";
  AccessPath path;
  // Of a table smaller than a chunk the whole index may be read, in its order; or nothing, where
  // the optimiser sees at once that no row is left.
  path.by_index =
      !sorts && ((ranges && used == index) || (small && (type == "index" || type.empty())));
  path.description =
      fmt::format("{} on {}{}", type.empty() ? "no access" : type, used.empty() ? "no index" : used,
                  extra.empty() ? "" : " (" + extra + ")");
  return path;
}

}  // namespace migrator::mysql
