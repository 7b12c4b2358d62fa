#include "adapters/mysql/key_probe.h"

#include <algorithm>
#include <unordered_set>

#include "adapters/codec.h"

namespace migrator::mysql {
namespace {

// Keys a statement. Each costs the server a lookup of its own and some parsing: a few hundred keep
// a statement in the milliseconds and within any max_allowed_packet.
constexpr std::size_t kKeysPerStatement = 400;

}  // namespace

KeyProbe::KeyProbe(MysqlSession& session, const WriteSpec& spec, const RowLayout& layout)
    : session_(session),
      encoder_(spec, layout, {.negative_zero = !session.facts().mariadb}),
      table_(quote_name(spec.table)),
      doing_("looking for keys in " + spec.table.text()),
      key_(key_columns(spec.key)) {
  for (const Column& part : spec.key) {
    const auto at = std::find_if(spec.columns.begin(), spec.columns.end(),
                                 [&](const Column& c) { return c.name == part.name; });
    if (at == spec.columns.end()) {
      throw Error(ErrorKind::invariant,
                  "the key column " + part.name + " is not among the columns that are loaded");
    }
    columns_.push_back(static_cast<std::size_t>(at - spec.columns.begin()));
  }
}

Value KeyProbe::key_part(const RowBatch& batch, std::size_t row, std::size_t part) {
  const std::size_t column = columns_[part];
  char scratch[kScratchBytes];
  const Encoded value = encoder_.encode(column, batch, batch.row(row)[column], scratch);
  if (value.null) {
    throw Error(ErrorKind::data, "column " + encoder_.name(column) + " of " + table_ +
                                     " is part of the key and NULL");
  }
  switch (encoder_.form(column)) {
    case Form::integer:
      return value.integer;
    case Form::unsigned_integer:
      return static_cast<std::uint64_t>(value.integer);
    case Form::real:
      return value.real;
    case Form::text: {
      const Base base = key_[part].native.base;
      double real = 0;
      if (base == Base::real64 && parse_double(value.bytes, real)) return real;
      return std::string(value.bytes);
    }
    case Form::bytes:
    case Form::datetime:
      break;
  }
  if (key_[part].native.base == Base::bit) {
    std::uint64_t bits = 0;
    for (const char c : value.bytes) bits = bits << 8 | static_cast<unsigned char>(c);
    return bits;
  }
  return Bytes{std::string(value.bytes)};
}

std::vector<std::uint32_t> KeyProbe::absent_rows(const RowBatch& batch) {
  std::vector<bool> present(batch.rows());
  const bool integers = key_.size() == 1 && key_[0].native.is_integer();
  for (std::size_t begin = 0; begin < batch.rows(); begin += kKeysPerStatement) {
    const std::size_t end = std::min(batch.rows(), begin + kKeysPerStatement);
    integers ? probe_integers(batch, begin, end, present) : probe_any(batch, begin, end, present);
  }
  std::vector<std::uint32_t> absent;
  for (std::size_t row = 0; row < batch.rows(); ++row) {
    if (!present[row]) absent.push_back(static_cast<std::uint32_t>(row));
  }
  return absent;
}

Key KeyProbe::key_of(const RowBatch& batch, std::size_t row) {
  Key key;
  for (std::size_t part = 0; part < key_.size(); ++part) key.push_back(key_part(batch, row, part));
  return key;
}

// Equal is not yet the same: by the collation 'a' may be 'A', and with a space behind it, too.
std::string KeyProbe::same_bytes(const Key& key) const {
  std::string sql;
  for (std::size_t part = 0; part < key_.size(); ++part) {
    const auto* text = std::get_if<std::string>(&key[part]);
    if (text == nullptr || !key_[part].native.is_text() ||
        key_[part].native.base == Base::enumeration) {
      continue;
    }
    sql += " AND CAST(CONVERT(" + key_[part].sql + " USING utf8mb4) AS BINARY) = ";
    if (text->empty()) {
      sql += "''";
    } else {
      sql += "0x";
      print_hex(sql, *text);
    }
  }
  return sql;
}

void KeyProbe::erase(const RowBatch& batch) {
  for (std::size_t begin = 0; begin < batch.rows(); begin += kKeysPerStatement) {
    const std::size_t end = std::min(batch.rows(), begin + kKeysPerStatement);
    std::string sql = "DELETE FROM " + table_ + " WHERE ";
    for (std::size_t row = begin; row < end; ++row) {
      const Key key = key_of(batch, row);
      sql += (row == begin ? "(" : " OR (") + equality_condition(key_, key) + same_bytes(key) + ")";
    }
    session_.run(sql, doing_);
  }
}

// Integers are equal here exactly if they are for the server, so one list serves them all.
void KeyProbe::probe_integers(const RowBatch& batch, std::size_t begin, std::size_t end,
                              std::vector<bool>& present) {
  const auto number = [&](std::string_view text) {
    std::int64_t integer = 0;
    std::uint64_t big = 0;
    if (key_[0].native.is_unsigned) {
      if (!parse_uint64(text, big))
        throw Error(ErrorKind::data, doing_ + ": a key that is not an integer");
      return big;
    }
    if (!parse_int64(text, integer))
      throw Error(ErrorKind::data, doing_ + ": a key that is not an integer");
    return static_cast<std::uint64_t>(integer);
  };
  std::string sql = "SELECT " + key_[0].sql + " FROM " + table_ + " WHERE " + key_[0].sql + " IN (";
  std::vector<std::uint64_t> asked;
  for (std::size_t row = begin; row < end; ++row) {
    std::string literal;
    append_literal(literal, key_[0], key_part(batch, row, 0));
    asked.push_back(number(literal));
    if (row != begin) sql += ',';
    sql += literal;
  }
  const ResultHandle result = session_.run_stored(sql + ")", doing_);
  std::unordered_set<std::uint64_t> found;
  while (MYSQL_ROW row = mysql_fetch_row(result.get())) found.insert(number(row[0]));
  for (std::size_t row = begin; row < end; ++row) present[row] = found.contains(asked[row - begin]);
}

// Whether two texts are equal is for the column's collation to say, so each row asks for itself.
void KeyProbe::probe_any(const RowBatch& batch, std::size_t begin, std::size_t end,
                         std::vector<bool>& present) {
  std::string sql;
  for (std::size_t row = begin; row < end; ++row) {
    if (row != begin) sql += " UNION ALL ";
    sql += "SELECT " + std::to_string(row) + " FROM " + table_ + " WHERE " +
           equality_condition(key_, key_of(batch, row));
  }
  const ResultHandle result = session_.run_stored(sql, doing_);
  while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
    std::uint64_t found = 0;
    if (parse_uint64(row[0], found) && found < present.size()) present[found] = true;
  }
}

}  // namespace migrator::mysql
