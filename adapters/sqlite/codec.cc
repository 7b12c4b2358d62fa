#include "adapters/sqlite/codec.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/sqlite/decimal.h"
#include "adapters/sqlite/errors.h"

namespace migrator::sqlite {

std::string_view bytes_of(sqlite3_value* value) {
  const void* bytes = sqlite3_value_blob(value);
  const auto size = static_cast<std::size_t>(sqlite3_value_bytes(value));
  if (bytes == nullptr && size > 0) {
    throw classify(SQLITE_NOMEM, "cannot read a value", "out of memory");
  }
  return {size == 0 ? "" : static_cast<const char*>(bytes), size};
}

std::string_view text_of(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (text == nullptr) throw classify(SQLITE_NOMEM, "cannot read a value", "out of memory");
  return {text, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

namespace {

// The years that an ISO text of four digits can name.
const std::int64_t kFirstDay = days_from_civil(1, 1, 1);
const std::int64_t kLastDay = days_from_civil(9999, 12, 31);

void decode_native(sqlite3_value* value, RowBatch& batch) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      return batch.push_integer(sqlite3_value_int64(value));
    case SQLITE_FLOAT:
      return batch.push_real(sqlite3_value_double(value));
    case SQLITE_TEXT:
      return batch.push_text(text_of(value));
    case SQLITE_BLOB:
      return batch.push_bytes(bytes_of(value));
    default:
      return batch.push_null();
  }
}

std::string_view storage_name(int type) {
  switch (type) {
    case SQLITE_INTEGER:
      return "an integer";
    case SQLITE_FLOAT:
      return "a real number";
    case SQLITE_TEXT:
      return "text";
    case SQLITE_BLOB:
      return "a blob";
    default:
      return "NULL";
  }
}

// A value with its storage class, so that two texts are the same only if the values are.
std::string exact_text(int storage, sqlite3_value* value) {
  std::string text(storage_name(storage));
  text += ' ';
  if (storage == SQLITE_FLOAT) {
    print_double(text, sqlite3_value_double(value));
  } else if (storage == SQLITE_BLOB) {
    print_hex(text, bytes_of(value));
  } else {
    text += text_of(value);
  }
  return text;
}

// Digits below the declared precision would be rounded away by a stricter engine.
bool has_finer_digits(std::int64_t micros, std::uint32_t digits) {
  std::int64_t unit = 1;
  for (std::uint32_t i = digits; i < 6; ++i) unit *= 10;
  return micros % unit != 0;
}

bool decode_instant(const Type& type, std::string_view text, RowBatch& batch) {
  std::int64_t value = 0;
  bool parsed = false;
  switch (type.kind) {
    case TypeKind::date:
      parsed = parse_date(text, value);
      break;
    case TypeKind::time:
      parsed = parse_time(text, value);
      break;
    case TypeKind::timestamp:
      parsed = parse_timestamp(text, value);
      break;
    default:
      parsed = parse_timestamptz(text, value);
      break;
  }
  if (!parsed) return false;
  if (type.kind != TypeKind::date && has_finer_digits(value, type.precision)) return false;
  batch.push_integer(value);
  return true;
}

bool decode_decimal(const Type& type, int storage, sqlite3_value* value, RowBatch& batch) {
  std::string text;
  if (storage == SQLITE_INTEGER) {
    text = std::to_string(sqlite3_value_int64(value));
  } else if (storage == SQLITE_FLOAT) {
    const double real = sqlite3_value_double(value);
    if (!std::isfinite(real)) return false;
    print_plain(text, real);
  } else if (storage == SQLITE_TEXT) {
    text = text_of(value);
    if (is_special_decimal(text)) {
      batch.push_text(text);
      return true;
    }
  } else {
    return false;
  }
  Decimal decimal;
  if (!Decimal::parse(text, decimal) || !decimal.fits(type.precision, type.scale)) return false;
  // An unbounded decimal is passed as written: its zeros are the user's.
  if (type.precision == 0 && storage == SQLITE_TEXT) {
    batch.push_text(text);
    return true;
  }
  std::string canonical;
  decimal.print(canonical, type.scale);
  batch.push_text(canonical);
  return true;
}

bool exact_double(std::int64_t integer) {
  const double real = static_cast<double>(integer);
  // 2^63 as a double is out of int64's range and must not be cast back.
  return real < 9223372036854775808.0 && static_cast<std::int64_t>(real) == integer;
}

bool decode_json(int storage, sqlite3_value* value, RowBatch& batch) {
  // A column declared JSON has numeric affinity: SQLite itself has made numbers of JSON numbers.
  std::string text;
  if (storage == SQLITE_INTEGER) {
    text = std::to_string(sqlite3_value_int64(value));
  } else if (storage == SQLITE_FLOAT) {
    const double real = sqlite3_value_double(value);
    if (!std::isfinite(real)) return false;
    print_double(text, real);
  } else if (storage == SQLITE_TEXT) {
    const std::string_view found = text_of(value);
    if (!is_valid_utf8(found)) return false;
    batch.push_text(found);
    return true;
  } else {
    return false;
  }
  batch.push_text(text);
  return true;
}

// False: the value is not one of the type.
bool decode_checked(const Type& type, int storage, sqlite3_value* value, RowBatch& batch) {
  switch (type.kind) {
    case TypeKind::boolean: {
      if (storage != SQLITE_INTEGER) return false;
      const std::int64_t integer = sqlite3_value_int64(value);
      if (integer != 0 && integer != 1) return false;
      batch.push_integer(integer);
      return true;
    }
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      if (storage != SQLITE_INTEGER) return false;
      batch.push_integer(sqlite3_value_int64(value));
      return true;
    case TypeKind::uint64:
      if (storage != SQLITE_INTEGER || sqlite3_value_int64(value) < 0) return false;
      batch.push_unsigned(static_cast<std::uint64_t>(sqlite3_value_int64(value)));
      return true;
    case TypeKind::decimal:
      return decode_decimal(type, storage, value, batch);
    case TypeKind::float32:
    case TypeKind::float64: {
      if (storage == SQLITE_INTEGER) {
        const std::int64_t integer = sqlite3_value_int64(value);
        if (!exact_double(integer)) return false;
        batch.push_real(static_cast<double>(integer));
        return true;
      }
      if (storage != SQLITE_FLOAT) return false;
      batch.push_real(sqlite3_value_double(value));
      return true;
    }
    case TypeKind::text: {
      if (storage != SQLITE_TEXT) return false;
      const std::string_view text = text_of(value);
      if (!is_valid_utf8(text)) return false;
      batch.push_text(text);
      return true;
    }
    case TypeKind::bytes:
      if (storage != SQLITE_BLOB) return false;
      batch.push_bytes(bytes_of(value));
      return true;
    case TypeKind::date:
    case TypeKind::time:
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      return storage == SQLITE_TEXT && decode_instant(type, text_of(value), batch);
    case TypeKind::json:
      return decode_json(storage, value, batch);
    case TypeKind::uuid: {
      char uuid[16];
      if (storage != SQLITE_TEXT || !parse_uuid(text_of(value), uuid)) return false;
      batch.push_bytes({uuid, sizeof uuid});
      return true;
    }
    case TypeKind::opaque:
      decode_native(value, batch);
      return true;
  }
  return false;
}

// ---- binding; a null statement only rehearses

void require_bound(int result) {
  if (result != SQLITE_OK) throw classify(result, "cannot bind a value", sqlite3_errstr(result));
}
void bind_null(sqlite3_stmt* statement, int position) {
  if (statement != nullptr) require_bound(sqlite3_bind_null(statement, position));
}
void bind_integer(sqlite3_stmt* statement, int position, std::int64_t value) {
  if (statement != nullptr) require_bound(sqlite3_bind_int64(statement, position, value));
}
void bind_real(sqlite3_stmt* statement, int position, double value) {
  if (statement != nullptr) require_bound(sqlite3_bind_double(statement, position, value));
}
// The pointer of an empty view may be null, and a null pointer binds NULL.
void bind_text(sqlite3_stmt* statement, int position, std::string_view value) {
  if (statement == nullptr) return;
  require_bound(sqlite3_bind_text64(statement, position, value.empty() ? "" : value.data(),
                                    value.size(), SQLITE_STATIC, SQLITE_UTF8));
}
void bind_bytes(sqlite3_stmt* statement, int position, std::string_view value) {
  if (statement == nullptr) return;
  require_bound(sqlite3_bind_blob64(statement, position, value.empty() ? "" : value.data(),
                                    value.size(), SQLITE_STATIC));
}

std::string_view bytes_of(const RowBatch& batch, const Cell& cell) {
  return cell.tag == Cell::Tag::text || cell.tag == Cell::Tag::bytes ? batch.bytes_of(cell)
                                                                     : std::string_view();
}

}  // namespace

bool looks_numeric(std::string_view text) {
  const auto is_space = [](char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
  };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  bool digits = false;
  std::size_t at = 0;
  const auto skip_digits = [&] {
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) digits = true;
  };
  skip_digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    skip_digits();
  }
  if (!digits) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    digits = false;
    skip_digits();
    if (!digits) return false;
  }
  return at == text.size();
}

// ---- decoding

RowDecoder::RowDecoder(const TableName& table, const std::vector<Column>& columns, bool typed,
                       Misfits misfits)
    : table_(table.name), columns_(columns), typed_(typed), misfits_(misfits) {}

void RowDecoder::decode(sqlite3_stmt* statement, RowBatch& batch) const {
  const int count = static_cast<int>(columns_.size());
  if (typed_) {
    for (int i = 0; i < count; ++i) decode_typed(sqlite3_column_value(statement, i), i, batch);
  } else {
    for (int i = 0; i < count; ++i) decode_native(sqlite3_column_value(statement, i), batch);
  }
  batch.end_cell_row();
}

void RowDecoder::decode_typed(sqlite3_value* value, int index, RowBatch& batch) const {
  const int storage = sqlite3_value_type(value);
  if (storage == SQLITE_NULL) return batch.push_null();
  const Column& column = columns_[static_cast<std::size_t>(index)];
  if (decode_checked(column.type, storage, value, batch)) return;
  if (misfits_ == Misfits::mark) return batch.push_misfit(exact_text(storage, value));
  throw Error(ErrorKind::data,
              fmt::format("column \"{}\" of {} holds {} that is no {} as SQLite's {} means it",
                          column.name, table_, storage_name(storage), describe(column.type),
                          column.native_type.empty() ? "(no type)" : column.native_type))
      .code(std::to_string(SQLITE_MISMATCH))
      .table(table_)
      .remedy(fmt::format(
          "find such rows with: SELECT typeof(\"{0}\"), count(*) FROM \"{1}\" GROUP BY 1; "
          "then correct them, or give the column another type",
          column.name, table_));
}

// ---- encoding

RowEncoder::RowEncoder(const TableName& table, const std::vector<Column>& columns, bool typed)
    : table_(table.name), typed_(typed) {
  for (const Column& column : columns) {
    targets_.push_back({column, affinity_of(column.native_type), ""});
  }
}

void RowEncoder::refuse(const Target& target, std::string_view what) const {
  throw Error(ErrorKind::data,
              fmt::format("column \"{}\" of {} ({}) cannot hold {}", target.column.name, table_,
                          target.column.native_type, what))
      .code(std::to_string(SQLITE_MISMATCH))
      .table(table_)
      .remedy("give the column another type in the plan, or correct the row in the source");
}

void RowEncoder::encode(const RowBatch& batch, std::size_t row, sqlite3_stmt* statement) {
  const Cell* cells = batch.row(row);
  const int count = static_cast<int>(targets_.size());
  for (int i = 0; i < count; ++i) {
    const Cell& cell = cells[i];
    Target& target = targets_[static_cast<std::size_t>(i)];
    if (cell.tag == Cell::Tag::null) {
      bind_null(statement, i + 1);
    } else if (typed_) {
      encode_typed(target, i + 1, cell, bytes_of(batch, cell), statement);
    } else {
      encode_native(target, i + 1, cell, bytes_of(batch, cell), statement);
    }
  }
}

void RowEncoder::encode_native(const Target& target, int position, const Cell& cell,
                               std::string_view bytes, sqlite3_stmt* statement) {
  switch (cell.tag) {
    case Cell::Tag::null:
      return bind_null(statement, position);
    case Cell::Tag::integer:
      return bind_integer(statement, position, cell.integer);
    case Cell::Tag::unsigned_integer:
      if (cell.unsigned_integer > static_cast<std::uint64_t>(INT64_MAX)) {
        refuse(target, "an integer above 9223372036854775807");
      }
      return bind_integer(statement, position, static_cast<std::int64_t>(cell.unsigned_integer));
    case Cell::Tag::real:
      // SQLite would store NULL.
      if (std::isnan(cell.real)) refuse(target, "NaN");
      return bind_real(statement, position, cell.real);
    case Cell::Tag::text:
      return bind_text(statement, position, bytes);
    case Cell::Tag::bytes:
      return bind_bytes(statement, position, bytes);
    case Cell::Tag::misfit:
      refuse(target, "a value that its own column could not");
  }
}

void RowEncoder::encode_typed(Target& target, int position, const Cell& cell,
                              std::string_view bytes, sqlite3_stmt* statement) {
  switch (target.column.type.kind) {
    case TypeKind::boolean:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint64:
    case TypeKind::float32:
    case TypeKind::float64:
      return encode_number(target, position, cell, bytes, statement);
    case TypeKind::decimal:
      return encode_decimal(target, position, cell, bytes, statement);
    case TypeKind::text:
    case TypeKind::json:
      return encode_text(target, position, cell, bytes, statement);
    case TypeKind::bytes:
      if (cell.tag != Cell::Tag::bytes) refuse(target, "a value that is not bytes");
      return bind_bytes(statement, position, bytes);
    case TypeKind::date:
    case TypeKind::time:
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      return encode_time(target, position, cell, statement);
    case TypeKind::uuid:
      if (cell.tag != Cell::Tag::bytes || cell.size != 16)
        refuse(target, "a value that is no UUID");
      target.text.clear();
      print_uuid(target.text, bytes.data());
      return bind_text(statement, position, target.text);
    case TypeKind::opaque:
      return encode_native(target, position, cell, bytes, statement);
  }
}

void RowEncoder::encode_number(const Target& target, int position, const Cell& cell,
                               std::string_view bytes, sqlite3_stmt* statement) {
  const TypeKind kind = target.column.type.kind;
  std::int64_t integer = 0;
  if (cell.tag == Cell::Tag::integer) {
    integer = cell.integer;
  } else if (cell.tag == Cell::Tag::unsigned_integer) {
    if (cell.unsigned_integer > static_cast<std::uint64_t>(INT64_MAX)) {
      refuse(target, "an integer above 9223372036854775807");
    }
    integer = static_cast<std::int64_t>(cell.unsigned_integer);
  } else if (cell.tag == Cell::Tag::real &&
             (kind == TypeKind::float32 || kind == TypeKind::float64)) {
    if (std::isnan(cell.real)) refuse(target, "NaN");
    // SQLite writes a whole number of a REAL column as an integer, and there is no -0 among those.
    if (cell.real == 0 && std::signbit(cell.real)) refuse(target, "-0.0: it would become 0.0");
    return bind_real(statement, position, cell.real);
  } else if (cell.tag == Cell::Tag::text && kind == TypeKind::int64 &&
             parse_int64(bytes, integer)) {
    // A decimal without a fraction, where the plan says so.
  } else {
    refuse(target, "a value of another kind");
  }
  if (kind == TypeKind::boolean && integer != 0 && integer != 1) {
    refuse(target, "an integer other than 0 and 1");
  }
  if (kind == TypeKind::float32 || kind == TypeKind::float64) {
    if (!exact_double(integer)) refuse(target, "an integer that no double is equal to");
    return bind_real(statement, position, static_cast<double>(integer));
  }
  bind_integer(statement, position, integer);
}

void RowEncoder::encode_decimal(Target& target, int position, const Cell& cell,
                                std::string_view bytes, sqlite3_stmt* statement) {
  std::string digits;
  if (cell.tag == Cell::Tag::integer) {
    digits = std::to_string(cell.integer);
    bytes = digits;
  } else if (cell.tag == Cell::Tag::unsigned_integer) {
    digits = std::to_string(cell.unsigned_integer);
    bytes = digits;
  } else if (cell.tag != Cell::Tag::text) {
    refuse(target, "a value that is no decimal");
  }
  const Type& type = target.column.type;
  const bool as_text = target.affinity == Affinity::text;
  if (is_special_decimal(bytes)) {
    if (!as_text) refuse(target, "NaN or Infinity");
    target.text = bytes;
    return bind_text(statement, position, target.text);
  }
  Decimal decimal;
  if (!Decimal::parse(bytes, decimal)) refuse(target, "a value that is no plain decimal");
  if (!decimal.fits(type.precision, type.scale)) refuse(target, "that many digits");
  target.text.clear();
  if (as_text) {
    // One text for one value, so that keys compare; an unbounded decimal keeps the source's own
    // zeros.
    if (type.precision == 0) {
      target.text = bytes;
    } else {
      decimal.print(target.text, type.scale);
    }
    return bind_text(statement, position, target.text);
  }
  decimal.print(target.text, 0);
  std::int64_t integer = 0;
  if (decimal.fraction.empty() && parse_int64(target.text, integer)) {
    return bind_integer(statement, position, integer);
  }
  // It must read back as the very same decimal.
  double real = 0;
  const char* end = target.text.data() + target.text.size();
  const auto parsed = std::from_chars(target.text.data(), end, real);
  std::string back;
  if (parsed.ec == std::errc() && parsed.ptr == end) print_plain(back, real);
  Decimal again;
  if (!Decimal::parse(back, again) || again.negative != decimal.negative ||
      again.whole != decimal.whole || again.fraction != decimal.fraction) {
    refuse(target, "a decimal of more digits than a double keeps; DECIMAL_TEXT can");
  }
  bind_real(statement, position, real);
}

void RowEncoder::encode_time(Target& target, int position, const Cell& cell,
                             sqlite3_stmt* statement) {
  if (cell.tag != Cell::Tag::integer) refuse(target, "a value of another kind");
  const Type& type = target.column.type;
  const std::int64_t value = cell.integer;
  target.text.clear();
  if (type.kind == TypeKind::date) {
    if (value < kFirstDay || value > kLastDay) refuse(target, "a year outside 1 to 9999");
    print_date(target.text, value);
    return bind_text(statement, position, target.text);
  }
  if (has_finer_digits(value, type.precision)) refuse(target, "a fraction of so many digits");
  // Whole seconds are written without a fraction where the column does not say how many digits it
  // has.
  const unsigned digits = type.precision == 6 && value % kMicrosPerSecond == 0 ? 0 : type.precision;
  if (type.kind == TypeKind::time) {
    if (value < 0 || value > kMicrosPerDay) refuse(target, "a time outside 00:00:00 to 24:00:00");
    print_time(target.text, value, digits);
  } else {
    if (value < kFirstDay * kMicrosPerDay || value >= (kLastDay + 1) * kMicrosPerDay) {
      refuse(target, "a year outside 1 to 9999");
    }
    print_timestamp(target.text, value, digits);
    if (type.kind == TypeKind::timestamptz) target.text += "+00:00";
  }
  bind_text(statement, position, target.text);
}

void RowEncoder::encode_text(const Target& target, int position, const Cell& cell,
                             std::string_view bytes, sqlite3_stmt* statement) {
  if (cell.tag != Cell::Tag::text) refuse(target, "a value that is not text");
  // A column of numeric affinity (declared JSON, say) would make a number of it, digits lost.
  if (target.affinity != Affinity::text && target.affinity != Affinity::blob &&
      looks_numeric(bytes)) {
    refuse(target, "a text that looks like a number without altering it; JSON_TEXT can");
  }
  bind_text(statement, position, bytes);
}

}  // namespace migrator::sqlite
