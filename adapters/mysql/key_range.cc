#include "adapters/mysql/key_range.h"

#include <algorithm>
#include <charconv>

#include "adapters/codec.h"
#include "migrator/include/migrator/error.h"

namespace migrator::mysql {
namespace {

[[noreturn]] void refuse_value(const KeyColumn& column) {
  throw Error(ErrorKind::invariant, "a key value does not fit its column " + column.sql);
}

void append_hex(std::string& sql, std::string_view prefix, std::string_view bytes) {
  sql += prefix;
  if (bytes.empty()) {
    sql += "''";
    return;
  }
  sql += "0x";
  print_hex(sql, bytes);
}

bool only_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

void append_number(std::string& sql, const KeyColumn& column, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    sql += std::to_string(*integer);
  } else if (const auto* big = std::get_if<std::uint64_t>(&value)) {
    sql += std::to_string(*big);
  } else if (const auto* text = std::get_if<std::string>(&value);
             text != nullptr && is_plain_decimal(*text)) {
    sql += *text;
  } else {
    refuse_value(column);
  }
}

// An ENUM is compared with text by text, and ordered by number: so ranges are lists of numbers,
// which the index answers ("e > 2" it does not).
std::string enum_condition(const KeyColumn& column, std::string_view op, const Value& value) {
  std::string text;
  append_literal(text, column, value);
  if (op == "=") return column.sql + " = " + text;
  std::int64_t number = 0;
  const auto last = static_cast<std::int64_t>(column.native.values.size());
  if (!parse_int64(text, number) || number < 0 || number > last) refuse_value(column);
  const bool upward = op.front() == '>';
  const bool inclusive = op.size() == 2;
  const std::int64_t from = upward ? (inclusive ? number : number + 1) : 0;
  const std::int64_t to = upward ? last : (inclusive ? number : number - 1);
  if (from > to) return "FALSE";
  std::string sql = column.sql + " IN (";
  for (std::int64_t i = from; i <= to; ++i) {
    if (i != from) sql += ',';
    sql += std::to_string(i);
  }
  return sql += ')';
}

std::string condition(const KeyColumn& column, std::string_view op, const Value& value) {
  if (column.native.base == Base::enumeration) return enum_condition(column, op, value);
  std::string sql = column.sql;
  sql.append(" ").append(op).append(" ");
  append_literal(sql, column, value);
  return sql;
}

// strict is "<" or ">", last the operator for the last column: "<=" or ">".
std::string bound_condition(const std::vector<KeyColumn>& key, const Key& bound,
                            std::string_view strict, std::string_view last) {
  if (bound.size() != key.size())
    throw Error(ErrorKind::invariant, "a bound has not as many values as the key");
  std::string sql = condition(key.back(), last, bound.back());
  for (std::size_t i = key.size() - 1; i-- > 0;) {
    sql = "(" + condition(key[i], strict, bound[i]) + " OR (" + condition(key[i], "=", bound[i]) +
          " AND " + sql + "))";
  }
  if (key.size() == 1) return sql;
  // Says nothing new, but gives the optimiser the start of the range at once.
  return condition(key[0], std::string(strict) + "=", bound[0]) + " AND " + sql;
}

}  // namespace

KeyColumn key_column(const Column& column, std::string_view alias) {
  NativeType native = parse_native_type(column.native_type);
  switch (native.base) {
    case Base::real32:
    case Base::set:
    case Base::json:
    case Base::geometry:
    case Base::inet:
    case Base::unknown:
      throw Error(ErrorKind::permanent, "column " + column.name + " of type " + column.native_type +
                                            " cannot be part of the key that rows are read by")
          .remedy("name another unique key in the plan");
    default:
      break;
  }
  std::string sql = quote_name(column.name);
  if (!alias.empty()) sql = std::string(alias) + "." + sql;
  return {std::move(sql), std::move(native), column.charset};
}

std::vector<KeyColumn> key_columns(const std::vector<Column>& key, std::string_view alias) {
  std::vector<KeyColumn> columns;
  for (const Column& column : key) columns.push_back(key_column(column, alias));
  return columns;
}

std::string key_expression(const KeyColumn& column) {
  const bool numbered = column.native.base == Base::enumeration || column.native.base == Base::bit;
  return numbered ? column.sql + "+0" : column.sql;
}

Value key_value(const KeyColumn& column, std::string_view text) {
  const NativeType& native = column.native;
  if (native.is_integer() || native.base == Base::year || native.base == Base::enumeration ||
      native.base == Base::bit) {
    std::int64_t integer = 0;
    std::uint64_t big = 0;
    const bool wide =
        (native.base == Base::bigint && native.is_unsigned) || native.base == Base::bit;
    if (wide ? parse_uint64(text, big) : parse_int64(text, integer))
      return wide ? Value(big) : Value(integer);
    refuse_value(column);
  }
  if (native.base == Base::real64) {
    double real = 0;
    if (!parse_double(text, real)) refuse_value(column);
    return real;
  }
  if (native.is_binary()) return Bytes{std::string(text)};
  return std::string(text);
}

void append_literal(std::string& sql, const KeyColumn& column, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  const auto* bytes = std::get_if<Bytes>(&value);
  switch (column.native.base) {
    case Base::tinyint:
    case Base::smallint:
    case Base::mediumint:
    case Base::integer:
    case Base::bigint:
    case Base::decimal:
    case Base::year:
    case Base::bit:
      append_number(sql, column, value);
      return;
    case Base::enumeration:
      // A number, or a label: the two compare differently, and the caller knows which it has.
      if (text != nullptr) {
        append_hex(sql, "_utf8mb4 ", *text);
      } else if (bytes != nullptr) {
        append_hex(sql, "_" + column.charset + " ", bytes->data);
      } else {
        append_number(sql, column, value);
      }
      return;
    case Base::real64:
      if (const auto* real = std::get_if<double>(&value)) {
        std::string digits;
        print_double(digits, *real);
        // With an exponent it is a DOUBLE; without one it would be a DECIMAL.
        if (digits.find_first_of("eE") == std::string::npos) digits += "e0";
        sql += digits;
      } else {
        append_number(sql, column, value);
      }
      return;
    case Base::character:
    case Base::varchar:
    case Base::text:
      if (text != nullptr) {
        append_hex(sql, "_utf8mb4 ", *text);
      } else if (bytes != nullptr && !column.charset.empty()) {
        append_hex(sql, "_" + column.charset + " ",
                   bytes->data);  // in the column's own character set
      } else {
        refuse_value(column);
      }
      return;
    case Base::binary:
    case Base::varbinary:
    case Base::blob:
      if (bytes != nullptr) {
        append_hex(sql, "", bytes->data);
      } else if (text != nullptr) {
        append_hex(sql, "", *text);
      } else {
        refuse_value(column);
      }
      return;
    case Base::date:
    case Base::time:
    case Base::datetime:
    case Base::timestamp:
    case Base::uuid:
      if (text == nullptr || !only_of(*text, "0123456789abcdefABCDEF:-. ")) refuse_value(column);
      sql.append("'").append(*text).append("'");
      return;
    default:
      refuse_value(column);
  }
}

std::string range_condition(const std::vector<KeyColumn>& key, const KeyRange& range) {
  std::string sql;
  if (range.lower) sql = bound_condition(key, *range.lower, ">", ">");
  if (range.upper) {
    if (!sql.empty()) sql += " AND ";
    sql += bound_condition(key, *range.upper, "<", "<=");
  }
  return sql;
}

std::string equality_condition(const std::vector<KeyColumn>& key, const Key& values) {
  std::string sql;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (i != 0) sql += " AND ";
    sql += condition(key[i], "=", values[i]);
  }
  return sql;
}

std::string quote_name(std::string_view identifier) {
  if (identifier.empty())
    throw Error(ErrorKind::usage, "a name is empty").remedy("give every table and column a name");
  if (identifier.find('\0') != std::string_view::npos) {
    throw Error(ErrorKind::usage, "a name contains a NUL byte").remedy("rename it");
  }
  std::string quoted = "`";
  for (const char c : identifier) {
    if (c == '`') quoted += c;
    quoted += c;
  }
  return quoted += '`';
}

std::string quote_name(const TableName& table) {
  if (table.schema.empty()) return quote_name(table.name);
  return quote_name(table.schema) + "." + quote_name(table.name);
}

}  // namespace migrator::mysql
