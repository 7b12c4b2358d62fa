#include "adapters/postgres/keys.h"

#include "adapters/codec.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {
namespace {

// "(a, b)" and "(x, y)", or without parentheses for one column: a row of one column is not compared
// by the planner as the column itself.
std::string tuple(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  std::string out = "(";
  for (std::size_t at = 0; at < parts.size(); ++at) {
    if (at != 0) out += ", ";
    out += parts[at];
  }
  return out + ")";
}

std::string bound_condition(const Connection& connection, const std::vector<Column>& key,
                            const Key& bound, bool lower) {
  if (bound.size() != key.size()) {
    throw Error(ErrorKind::invariant, "a bound has " + std::to_string(bound.size()) +
                                          " values for a key of " + std::to_string(key.size()));
  }
  std::vector<std::string> names, values;
  for (std::size_t at = 0; at < key.size(); ++at) {
    names.push_back(dialect().quote(key[at].name));
    values.push_back(key_literal(connection, key[at], bound[at]));
  }
  std::string sql = tuple(names) + (lower ? " > " : " <= ") + tuple(values);
  if (key.size() > 1) {
    // Implied by the comparison of rows, whose selectivity the planner cannot tell for both bounds
    // together; for a pair of bounds on one column it can.
    sql += " AND " + names.front() + (lower ? " >= " : " <= ") + values.front();
  }
  return sql;
}

}  // namespace

std::string key_text(const Column& column, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) return std::to_string(*natural);
  if (const auto* string = std::get_if<std::string>(&value)) return *string;
  std::string text;
  if (const auto* real = std::get_if<double>(&value)) {
    print_double(text, *real);
  } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
    if (column.type.kind == TypeKind::uuid && bytes->data.size() == 16) {
      print_uuid(text, bytes->data.data());
    } else {
      text = "\\x";
      print_hex(text, bytes->data);
    }
  } else {
    throw Error(ErrorKind::invariant, "a bound of column \"" + column.name + "\" is NULL");
  }
  return text;
}

std::string key_literal(const Connection& connection, const Column& column, const Value& value) {
  const std::string text = key_text(column, value);
  const bool given = std::holds_alternative<std::string>(value);
  return (given ? connection.literal(text) : "'" + text + "'") +
         "::" + literal_type(column.native_type);
}

std::string range_condition(const Connection& connection, const std::vector<Column>& key,
                            const KeyRange& range) {
  std::string sql;
  if (range.lower) sql = bound_condition(connection, key, *range.lower, true);
  if (range.upper) {
    if (!sql.empty()) sql += " AND ";
    sql += bound_condition(connection, key, *range.upper, false);
  }
  return sql;
}

std::string key_literals(const Connection& connection, const std::vector<Column>& key,
                         const Key& values) {
  if (values.size() != key.size()) {
    throw Error(ErrorKind::invariant, "a key has not as many values as columns");
  }
  std::string sql;
  for (std::size_t at = 0; at < key.size(); ++at) {
    if (at != 0) sql += ", ";
    sql += key_literal(connection, key[at], values[at]);
  }
  return sql;
}

std::string key_condition(const Connection& connection, const std::vector<Column>& key,
                          std::span<const Key> keys) {
  std::vector<std::string> names;
  for (const Column& column : key) names.push_back(dialect().quote(column.name));
  // A list of rows would be taken apart into as many alternatives, VALUES are looked up one by one.
  std::string sql = tuple(names) + (key.size() == 1 ? " IN (" : " IN (VALUES ");
  for (std::size_t at = 0; at < keys.size(); ++at) {
    if (at != 0) sql += ", ";
    const std::string literals = key_literals(connection, key, keys[at]);
    sql += key.size() == 1 ? literals : "(" + literals + ")";
  }
  return sql + ")";
}

std::string order_clause(const Connection& connection, const std::vector<Column>& key,
                         ReadOrder order, bool descending) {
  std::string sql;
  for (const Column& column : key) {
    sql += sql.empty() ? " ORDER BY " : ", ";
    const std::string name = dialect().quote(column.name);
    const bool textual = column.type.kind == TypeKind::text || column.type.kind == TypeKind::json ||
                         column.type.kind == TypeKind::opaque;
    if (order == ReadOrder::any || !textual) {
      sql += name;
    } else {
      // Enums and citext have an order of their own, which ::text takes off.
      const bool plain = parse_native_type(column.native_type).has_value() &&
                         column.type.kind == TypeKind::text && column.native_type != "citext";
      const std::string text = plain ? name : name + "::text";
      // "C" compares the bytes of the server's encoding.
      const std::string encoding = connection.parameter("server_encoding");
      const bool utf8_bytes = encoding == "UTF8" || encoding == "SQL_ASCII";
      sql += utf8_bytes ? text + " COLLATE \"C\"" : "convert_to(" + text + ", 'UTF8')";
    }
    if (descending) sql += " DESC";
  }
  return sql;
}

}  // namespace migrator::postgres
