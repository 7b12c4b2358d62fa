#include "adapters/mysql/result.h"

#include <cstring>
#include <string>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/mysql/connection.h"

namespace migrator::mysql {
namespace {

constexpr unsigned kBinaryCharset = 63;
// MySQL's JSON, which older client headers do not name. Its charset says "binary", and it is text.
constexpr int kTypeJson = 245;

enum class Shape { integer, unsigned_integer, real, bits, bytes, text };

Shape shape_of(const MYSQL_FIELD& field) {
  switch (field.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
      return (field.flags & UNSIGNED_FLAG) != 0 ? Shape::unsigned_integer : Shape::integer;
    case MYSQL_TYPE_YEAR:
      return Shape::integer;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
      return Shape::real;
    case MYSQL_TYPE_BIT:
      return Shape::bits;
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_GEOMETRY:
      return field.charsetnr == kBinaryCharset ? Shape::bytes : Shape::text;
    default:
      return Shape::text;
  }
}

Value value_of(Shape shape, std::string_view text) {
  switch (shape) {
    case Shape::integer: {
      std::int64_t value = 0;
      if (parse_int64(text, value)) return value;
      break;
    }
    case Shape::unsigned_integer: {
      std::uint64_t value = 0;
      if (parse_uint64(text, value)) return value;
      break;
    }
    case Shape::real: {
      double value = 0;
      if (parse_double(text, value)) return value;
      break;
    }
    case Shape::bits: {
      std::uint64_t value = 0;  // big-endian, at most 8 bytes
      for (const char c : text) value = value << 8 | static_cast<unsigned char>(c);
      return value;
    }
    case Shape::bytes:
      return Bytes{std::string(text)};
    case Shape::text:
      break;
  }
  return std::string(text);
}

std::vector<Shape> shapes_of(MYSQL_RES* result, std::vector<std::string>& names) {
  const unsigned count = mysql_num_fields(result);
  const MYSQL_FIELD* fields = mysql_fetch_fields(result);
  std::vector<Shape> shapes;
  for (unsigned i = 0; i < count; ++i) {
    const bool json = static_cast<int>(fields[i].type) == kTypeJson;
    shapes.push_back(json ? Shape::text : shape_of(fields[i]));
    names.emplace_back(fields[i].name, fields[i].name_length);
  }
  return shapes;
}

}  // namespace

Result read_text_result(MYSQL_RES* stored) {
  Result result;
  const std::vector<Shape> shapes = shapes_of(stored, result.columns);
  while (MYSQL_ROW row = mysql_fetch_row(stored)) {
    const unsigned long* lengths = mysql_fetch_lengths(stored);
    std::vector<Value>& values = result.rows.emplace_back();
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      values.push_back(row[i] == nullptr ? Value() : value_of(shapes[i], {row[i], lengths[i]}));
    }
  }
  return result;
}

bool read_prepared_result(MYSQL_STMT* statement, Result& result) {
  struct FreeMetadata {
    void operator()(MYSQL_RES* r) const noexcept { mysql_free_result(r); }
  };
  const std::unique_ptr<MYSQL_RES, FreeMetadata> metadata(mysql_stmt_result_metadata(statement));
  if (!metadata) return false;
  const std::vector<Shape> shapes = shapes_of(metadata.get(), result.columns);

  // Fixed-size values land at once; the others are measured first and fetched by column, whatever
  // their size.
  struct Slot {
    std::int64_t integer = 0;
    double real = 0;
    unsigned long length = 0;
    Flag null = 0, cut = 0;
  };
  std::vector<Slot> slots(shapes.size());
  std::vector<MYSQL_BIND> binds(shapes.size());
  std::memset(binds.data(), 0, binds.size() * sizeof(MYSQL_BIND));
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    binds[i].length = &slots[i].length;
    binds[i].is_null = &slots[i].null;
    binds[i].error = &slots[i].cut;
    if (shapes[i] == Shape::integer || shapes[i] == Shape::unsigned_integer) {
      binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
      binds[i].buffer = &slots[i].integer;
      binds[i].is_unsigned = shapes[i] == Shape::unsigned_integer ? 1 : 0;
    } else if (shapes[i] == Shape::real) {
      binds[i].buffer_type = MYSQL_TYPE_DOUBLE;
      binds[i].buffer = &slots[i].real;
    } else {
      const bool raw = shapes[i] == Shape::bytes || shapes[i] == Shape::bits;
      binds[i].buffer_type = raw ? MYSQL_TYPE_BLOB : MYSQL_TYPE_STRING;
    }
  }
  if (mysql_stmt_bind_result(statement, binds.data()) != 0) return false;
  if (mysql_stmt_store_result(statement) != 0) return false;
  for (;;) {
    const int fetched = mysql_stmt_fetch(statement);
    if (fetched == MYSQL_NO_DATA) return true;
    if (fetched == 1) return false;
    std::vector<Value>& values = result.rows.emplace_back();
    for (unsigned i = 0; i < shapes.size(); ++i) {
      if (slots[i].null) {
        values.emplace_back();
      } else if (shapes[i] == Shape::integer) {
        values.emplace_back(slots[i].integer);
      } else if (shapes[i] == Shape::unsigned_integer) {
        values.emplace_back(static_cast<std::uint64_t>(slots[i].integer));
      } else if (shapes[i] == Shape::real) {
        values.emplace_back(slots[i].real);
      } else {
        std::string text(slots[i].length, '\0');
        MYSQL_BIND whole = binds[i];
        whole.buffer = text.data();
        whole.buffer_length = text.size();
        if (!text.empty() && mysql_stmt_fetch_column(statement, &whole, i, 0) != 0) return false;
        values.push_back(value_of(shapes[i], text));
      }
    }
  }
}

ParameterBinds::ParameterBinds(std::span<const Value> values)
    : binds_(values.size()), lengths_(values.size()) {
  std::memset(binds_.data(), 0, binds_.size() * sizeof(MYSQL_BIND));
  for (std::size_t i = 0; i < values.size(); ++i) {
    MYSQL_BIND& bind = binds_[i];
    const auto point_at = [&](const auto* value, enum_field_types type) {
      bind.buffer_type = type;
      bind.buffer = const_cast<void*>(static_cast<const void*>(value));
    };
    const auto point_at_bytes = [&](const std::string& bytes, enum_field_types type) {
      point_at(bytes.data(), type);
      lengths_[i] = bytes.size();
      bind.buffer_length = bytes.size();
      bind.length = &lengths_[i];
    };
    if (const auto* integer = std::get_if<std::int64_t>(&values[i])) {
      point_at(integer, MYSQL_TYPE_LONGLONG);
    } else if (const auto* big = std::get_if<std::uint64_t>(&values[i])) {
      point_at(big, MYSQL_TYPE_LONGLONG);
      bind.is_unsigned = 1;
    } else if (const auto* real = std::get_if<double>(&values[i])) {
      point_at(real, MYSQL_TYPE_DOUBLE);
    } else if (const auto* text = std::get_if<std::string>(&values[i])) {
      point_at_bytes(*text, MYSQL_TYPE_STRING);
    } else if (const auto* bytes = std::get_if<Bytes>(&values[i])) {
      point_at_bytes(bytes->data, MYSQL_TYPE_BLOB);
    } else {
      bind.buffer_type = MYSQL_TYPE_NULL;
    }
  }
}

Result run_prepared(MYSQL_STMT* statement, std::span<const Value> parameters) {
  if (mysql_stmt_param_count(statement) != parameters.size()) {
    throw Error(ErrorKind::invariant,
                fmt::format("a statement has {} placeholders and {} parameters",
                            mysql_stmt_param_count(statement), parameters.size()));
  }
  const ParameterBinds binds(parameters);
  if (mysql_stmt_bind_param(statement, binds.data()) != 0) throw_error(statement);
  if (mysql_stmt_execute(statement) != 0) throw_error(statement);
  Result result;
  if (mysql_stmt_field_count(statement) == 0) {
    result.affected = mysql_stmt_affected_rows(statement);
  } else if (!read_prepared_result(statement, result)) {
    throw_error(statement);
  }
  return result;
}

}  // namespace migrator::mysql
