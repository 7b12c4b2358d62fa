#include "adapters/key_cells.h"

#include <fmt/format.h>

#include "adapters/codec.h"
#include "migrator/include/migrator/error.h"

namespace migrator {
namespace {

// True if the value was pushed.
bool push_integer(const Value& value, RowBatch& batch) {
  std::int64_t integer = 0;
  if (const auto* given = std::get_if<std::int64_t>(&value)) {
    integer = *given;
  } else if (const auto* natural = std::get_if<std::uint64_t>(&value)) {
    if (*natural > INT64_MAX) return false;
    integer = static_cast<std::int64_t>(*natural);
  } else if (const auto* text = std::get_if<std::string>(&value);
             text == nullptr || !parse_int64(*text, integer)) {
    return false;
  }
  batch.push_integer(integer);
  return true;
}

bool push_unsigned(const Value& value, RowBatch& batch) {
  std::uint64_t natural = 0;
  if (const auto* given = std::get_if<std::uint64_t>(&value)) {
    natural = *given;
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (*integer < 0) return false;
    natural = static_cast<std::uint64_t>(*integer);
  } else if (const auto* text = std::get_if<std::string>(&value);
             text == nullptr || !parse_uint64(*text, natural)) {
    return false;
  }
  batch.push_unsigned(natural);
  return true;
}

bool push_real(const Value& value, bool single, RowBatch& batch) {
  double real = 0;
  if (const auto* given = std::get_if<double>(&value)) {
    real = *given;
  } else if (const auto* text = std::get_if<std::string>(&value);
             text == nullptr || !parse_double(*text, real)) {
    return false;
  }
  // A float's row has the double of that float.
  batch.push_real(single ? static_cast<double>(static_cast<float>(real)) : real);
  return true;
}

using Parse = bool (*)(std::string_view text, std::int64_t& value);

bool push_parsed(const Value& value, Parse parse, RowBatch& batch) {
  std::int64_t integer = 0;
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || !parse(*text, integer)) return false;
  batch.push_integer(integer);
  return true;
}

// MySQL gives moments without a zone, as its session is in UTC.
bool parse_moment(std::string_view text, std::int64_t& micros) {
  return parse_timestamptz(text, micros) || parse_timestamp(text, micros);
}

bool push_uuid(const Value& value, RowBatch& batch) {
  char bytes[16];
  const auto* text = std::get_if<std::string>(&value);
  if (const auto* given = std::get_if<Bytes>(&value); given && given->data.size() == sizeof bytes) {
    batch.push_bytes(given->data);
    return true;
  }
  if (text == nullptr || !parse_uuid(*text, bytes)) return false;
  batch.push_bytes({bytes, sizeof bytes});
  return true;
}

// Of an ENUM, whose keys are its numbers, the label; 0 is its invalid value, an empty text.
const std::string* label(const Column& column, const Value& value) {
  static const std::string invalid;
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr || column.enum_values.empty() || *number < 0 ||
      *number > static_cast<std::int64_t>(column.enum_values.size())) {
    return nullptr;
  }
  if (*number == 0) return &invalid;
  return &column.enum_values[static_cast<std::size_t>(*number) - 1];
}

bool push_text(const Column& column, const Value& value, RowBatch& batch) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    batch.push_text(*text);
  } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
    batch.push_bytes(bytes->data);
  } else if (const std::string* name = label(column, value)) {
    batch.push_text(*name);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    batch.push_text(std::to_string(*integer));
  } else if (const auto* natural = std::get_if<std::uint64_t>(&value)) {
    batch.push_text(std::to_string(*natural));
  } else {
    return false;
  }
  return true;
}

bool push_bytes(const Value& value, RowBatch& batch) {
  const auto* bytes = std::get_if<Bytes>(&value);
  const auto* text = std::get_if<std::string>(&value);
  if (bytes == nullptr && text == nullptr) return false;
  batch.push_bytes(bytes ? bytes->data : *text);
  return true;
}

bool push(const Column& column, const Value& value, RowBatch& batch) {
  switch (column.type.kind) {
    case TypeKind::boolean:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      return push_integer(value, batch);
    case TypeKind::uint64:
      return push_unsigned(value, batch);
    case TypeKind::float32:
    case TypeKind::float64:
      return push_real(value, column.type.kind == TypeKind::float32, batch);
    case TypeKind::date:
      return push_parsed(value, parse_date, batch);
    case TypeKind::time:
      return push_parsed(value, parse_time, batch);
    case TypeKind::timestamp:
      return push_parsed(value, parse_timestamp, batch);
    case TypeKind::timestamptz:
      return push_parsed(value, parse_moment, batch);
    case TypeKind::uuid:
      return push_uuid(value, batch);
    case TypeKind::bytes:
      return push_bytes(value, batch);
    case TypeKind::decimal:
    case TypeKind::text:
    case TypeKind::json:
    case TypeKind::opaque:
      return push_text(column, value, batch);
  }
  return false;
}

}  // namespace

void push_key_cells(const TableName& table, const std::vector<Column>& columns, const Key& key,
                    RowBatch& batch) {
  if (key.size() != columns.size()) {
    throw Error(ErrorKind::invariant, fmt::format("{}: a key has {} values for {} columns",
                                                  table.text(), key.size(), columns.size()));
  }
  for (std::size_t at = 0; at < columns.size(); ++at) {
    if (push(columns[at], key[at], batch)) continue;
    throw Error(ErrorKind::data,
                fmt::format("column {} of {}: a key whose value is not of type {}",
                            columns[at].name, table.text(), describe(columns[at].type)))
        .table(table.text())
        .remedy("correct the row, or leave it out by `where` in the plan");
  }
}

Value key_value_of(const Column& column, const RowBatch& batch, const Cell& cell) {
  const std::string_view bytes = cell.tag == Cell::Tag::text || cell.tag == Cell::Tag::bytes
                                     ? batch.bytes_of(cell)
                                     : std::string_view();
  std::string text;
  switch (column.type.kind) {
    case TypeKind::boolean:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      return cell.integer;
    case TypeKind::uint64:
      return cell.unsigned_integer;
    case TypeKind::float32:
    case TypeKind::float64:
      return cell.real;
    case TypeKind::date:
      print_date(text, cell.integer);
      return text;
    case TypeKind::time:
      print_time(text, cell.integer, column.type.precision);
      return text;
    case TypeKind::timestamp:
      print_timestamp(text, cell.integer, column.type.precision);
      return text;
    case TypeKind::timestamptz:
      print_timestamp(text, cell.integer, column.type.precision);
      return text;
    case TypeKind::uuid:
      print_uuid(text, bytes.data());
      return text;
    case TypeKind::bytes:
      return Bytes{std::string(bytes)};
    case TypeKind::decimal:
    case TypeKind::text:
    case TypeKind::json:
    case TypeKind::opaque:
      break;
  }
  if (cell.tag == Cell::Tag::bytes) return Bytes{std::string(bytes)};
  return std::string(bytes);
}

std::vector<Key> keys_of_cells(const TableName& table, const std::vector<Column>& columns,
                               const RowBatch& batch) {
  std::vector<Key> keys;
  for (std::size_t row = 0; row < batch.rows(); ++row) {
    Key& key = keys.emplace_back();
    for (std::size_t at = 0; at < columns.size(); ++at) {
      const Cell& cell = batch.row(row)[at];
      if (cell.tag == Cell::Tag::null || cell.tag == Cell::Tag::misfit) {
        throw Error(ErrorKind::data, fmt::format("column {} of {}: no key has this value",
                                                 columns[at].name, table.text()))
            .table(table.text());
      }
      key.push_back(key_value_of(columns[at], batch, cell));
    }
  }
  return keys;
}

}  // namespace migrator
