#include "adapters/mysql/value_encoder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#include <mysql.h>

#include "adapters/codec.h"
#include "adapters/mysql/codec.h"

namespace migrator::mysql {
namespace {

using Tag = Cell::Tag;

std::string_view keep(const MYSQL_TIME& time, char* scratch) {
  static_assert(sizeof(MYSQL_TIME) <= kScratchBytes);
  std::memcpy(scratch, &time, sizeof time);
  return {scratch, sizeof time};
}

// The digits of a fixed place; false if one is none.
bool read_digits(std::string_view text, std::size_t at, std::size_t count, unsigned long& value) {
  value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + static_cast<unsigned long>(text[i] - '0');
  }
  return true;
}

// "2024-02-29 13:05:09" with up to six digits of fraction, as the server prints it; zero parts and
// all.
bool read_datetime(std::string_view text, MYSQL_TIME& time) {
  if (text.size() < 19 || text.size() > 26 || text.size() == 20) return false;
  if (text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[13] != ':' || text[16] != ':') {
    return false;
  }
  std::memset(&time, 0, sizeof time);
  unsigned long year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0;
  if (!read_digits(text, 0, 4, year) || !read_digits(text, 5, 2, month) ||
      !read_digits(text, 8, 2, day) || !read_digits(text, 11, 2, hour) ||
      !read_digits(text, 14, 2, minute) || !read_digits(text, 17, 2, second)) {
    return false;
  }
  if (text.size() > 19) {
    if (text[19] != '.' || !read_digits(text, 20, text.size() - 20, fraction)) return false;
    for (std::size_t digits = text.size() - 20; digits < 6; ++digits) fraction *= 10;
  }
  time.year = static_cast<unsigned>(year);
  time.month = static_cast<unsigned>(month);
  time.day = static_cast<unsigned>(day);
  time.hour = static_cast<unsigned>(hour);
  time.minute = static_cast<unsigned>(minute);
  time.second = static_cast<unsigned>(second);
  time.second_part = fraction;
  time.time_type = MYSQL_TIMESTAMP_DATETIME;
  return true;
}

// "-0", and "-0.00" of a double(10,2).
bool is_negative_zero(std::string_view text) {
  return text.starts_with('-') && text.find_first_not_of("0.", 1) == std::string_view::npos;
}

std::string_view keep(const std::string& text, char* scratch) {
  std::memcpy(scratch, text.data(), text.size());
  return {scratch, text.size()};
}

}  // namespace

ValueEncoder::Way ValueEncoder::way_of(TypeKind kind, const NativeType& native) {
  switch (kind) {
    case TypeKind::boolean:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint64:
      return native.base == Base::year ? Way::year : Way::number;
    case TypeKind::decimal:
      return Way::decimal;
    case TypeKind::float32:
    case TypeKind::float64:
      return Way::real;
    case TypeKind::text:
    case TypeKind::json:
      return Way::text;
    case TypeKind::bytes:
      return Way::bytes;
    case TypeKind::date:
      return Way::date;
    case TypeKind::time:
      return Way::time;
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      return Way::timestamp;
    case TypeKind::uuid:
      return Way::uuid;
    case TypeKind::opaque:
      break;
  }
  return Way::either;
}

Form ValueEncoder::form_of(Way way, TypeKind kind, const NativeType& native, bool raw_text) {
  switch (way) {
    case Way::wire:
    case Way::either:
      return native.is_binary() || raw_text ? Form::bytes : Form::text;
    case Way::number:
      return kind == TypeKind::uint64 ? Form::unsigned_integer : Form::integer;
    case Way::year:
      return Form::integer;
    case Way::wire_datetime:
      return Form::datetime;
    case Way::real:
      return Form::real;
    case Way::bytes:
      return Form::bytes;
    default:
      return Form::text;
  }
}

// Wire values are texts that the server has printed for a column of the very same type.
void ValueEncoder::make_binary(Field& field) {
  const bool datetime = field.native.base == Base::datetime || field.native.base == Base::timestamp;
  if (field.way == Way::wire && field.native.is_integer()) {
    field.way = Way::number;
    field.kind = field.native.is_unsigned ? TypeKind::uint64 : TypeKind::int64;
  } else if (field.way == Way::wire && datetime) {
    field.way = Way::wire_datetime;
    field.scratch = true;
  }
}

ValueEncoder::ValueEncoder(const WriteSpec& spec, const RowLayout& layout,
                           const EncoderOptions& options)
    : table_(spec.table.text()) {
  const bool wire = layout.format == kWireFormat;
  for (const Column& column : spec.columns) {
    Field field;
    field.name = column.name;
    field.native = parse_native_type(column.native_type);
    field.kind = column.type.kind;
    field.way = wire ? Way::wire : way_of(column.type.kind, field.native);
    field.nullable = column.nullable;
    field.negative_zero = options.negative_zero ||
                          (field.native.base != Base::real32 && field.native.base != Base::real64);
    field.raw_text = wire && is_raw_text(column, field.native);
    field.exact_json = !wire && field.native.base == Base::json;
    field.scratch = field.way == Way::decimal || field.way == Way::date || field.way == Way::time ||
                    field.way == Way::timestamp || field.way == Way::uuid;
    if (options.encoding == Encoding::binary) make_binary(field);
    field.form = form_of(field.way, field.kind, field.native, field.raw_text);
    field.digits = column.type.precision;
    fields_.push_back(std::move(field));
  }
}

namespace {

// Whether a column with so many digits behind the point would store another number.
bool is_rounded(double value, std::uint32_t digits, bool narrow) {
  double again = 0;
  if (!parse_double(fmt::format("{:.{}f}", value, digits), again)) return true;
  return narrow ? static_cast<float>(again) != static_cast<float>(value) : again != value;
}

// MySQL keeps a JSON number as an integer of 64 bits or as a double: with up to 15 significant
// digits a double gives every decimal back (DBL_DIG).
bool has_exact_numbers(std::string_view json) {
  bool in_text = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (in_text && c == '\\') {
      ++at;
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == '-' || (c >= '0' && c <= '9'))) {
      const std::size_t end = std::min(json.find_first_not_of("+-.eE0123456789", at), json.size());
      const std::string_view number = json.substr(at, end - at);
      std::int64_t integer = 0;
      std::uint64_t natural = 0;
      if (!parse_int64(number, integer) && !parse_uint64(number, natural)) {
        std::string digits;
        for (const char d : number.substr(0, number.find_first_of("eE"))) {
          if (d >= '0' && d <= '9' && (d != '0' || !digits.empty())) digits += d;
        }
        while (!digits.empty() && digits.back() == '0') digits.pop_back();
        if (digits.size() > 15) return false;
      }
      at = end - 1;
    }
  }
  return true;
}

}  // namespace

void ValueEncoder::refuse(const Field& field, std::string_view why, std::string_view code) const {
  throw Error(ErrorKind::data, "column " + field.name + " of " + table_ + ": " + std::string(why))
      .table(table_)
      .code(std::string(code));
}

void ValueEncoder::refuse_negative_zero(const Field& field) const {
  refuse(field, "-0.0, which MariaDB would store as 0.0", "22003/1264");
}

Encoded ValueEncoder::encode(std::size_t column, const RowBatch& batch, const Cell& cell,
                             char* scratch) const {
  const Field& field = fields_[column];
  Encoded out;
  if (cell.tag == Tag::null) {
    if (!field.nullable) refuse(field, "NULL in a column that is NOT NULL", "23000/1048");
    out.null = true;
    return out;
  }
  const bool has_bytes = cell.tag == Tag::text || cell.tag == Tag::bytes;
  const std::string_view bytes = has_bytes ? batch.bytes_of(cell) : std::string_view();
  switch (field.way) {
    case Way::wire:
    case Way::either:
      if (!has_bytes) refuse(field, "a number where its own text form is expected");
      if (!field.negative_zero && is_negative_zero(bytes)) refuse_negative_zero(field);
      out.bytes = bytes;
      break;
    case Way::wire_datetime:
      out.bytes = wire_datetime(field, bytes, scratch);
      break;
    case Way::number:
    case Way::year:
      encode_number(field, cell, bytes, out);
      break;
    case Way::decimal:
      out.bytes = has_bytes ? bytes : print_number(field, cell, scratch);
      break;
    case Way::real: {
      if (cell.tag == Tag::real)
        out.real = cell.real;
      else if (cell.tag == Tag::integer)
        out.real = static_cast<double>(cell.integer);
      else if (cell.tag == Tag::unsigned_integer)
        out.real = static_cast<double>(cell.unsigned_integer);
      else
        refuse(field, "a value that is not a number");
      if (!std::isfinite(out.real))
        refuse(field, "NaN or an infinity, which MySQL does not have", "22003/1264");
      if (!field.negative_zero && out.real == 0 && std::signbit(out.real)) {
        refuse_negative_zero(field);
      }
      const bool narrow = field.native.base == Base::real32;
      if (narrow && static_cast<double>(static_cast<float>(out.real)) != out.real) {
        refuse(field, "a double that FLOAT cannot hold exactly", "22003/1264");
      }
      if (field.native.scale > 0 && is_rounded(out.real, field.native.scale, narrow)) {
        refuse(field, "a number with more digits behind the point than its column keeps",
               "22003/1264");
      }
      break;
    }
    case Way::text:
      if (cell.tag != Tag::text) refuse(field, "a value that is not text");
      // '1' would be taken for the first label.
      if (field.native.base == Base::enumeration &&
          std::find(field.native.values.begin(), field.native.values.end(), bytes) ==
              field.native.values.end()) {
        refuse(field, "a text that is none of the column's values", "01000/1265");
      }
      if (field.exact_json && !has_exact_numbers(bytes)) {
        refuse(field, "a JSON number with more digits than MySQL keeps", "22032/3140");
      }
      out.bytes = bytes;
      break;
    case Way::bytes:
      if (!has_bytes) refuse(field, "a value that is not bytes");
      out.bytes = bytes;
      break;
    case Way::date:
    case Way::time:
    case Way::timestamp:
      out.bytes = print_temporal(field, cell, scratch);
      break;
    case Way::uuid:
      if (cell.tag == Tag::bytes && bytes.size() == 16) {
        std::string text;
        print_uuid(text, bytes.data());
        out.bytes = keep(text, scratch);
      } else if (cell.tag == Tag::text) {
        out.bytes = bytes;
      } else {
        refuse(field, "a value that is not a UUID");
      }
      break;
  }
  return out;
}

std::string_view ValueEncoder::wire_datetime(const Field& field, std::string_view text,
                                             char* scratch) const {
  MYSQL_TIME time;
  if (!read_datetime(text, time)) refuse(field, "a text that is no date and time", "22007/1292");
  return keep(time, scratch);
}

void ValueEncoder::encode_number(const Field& field, const Cell& cell, std::string_view text,
                                 Encoded& out) const {
  const bool big = field.form == Form::unsigned_integer;
  if (cell.tag == Tag::integer) {
    if (big && cell.integer < 0)
      refuse(field, "a negative number in an unsigned column", "22003/1264");
    out.integer = cell.integer;
  } else if (cell.tag == Tag::unsigned_integer) {
    if (!big && cell.unsigned_integer >
                    static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      refuse(field, "a number beyond the column's range", "22003/1264");
    }
    out.integer = static_cast<std::int64_t>(cell.unsigned_integer);
  } else if (cell.tag == Tag::text) {
    std::uint64_t value = 0;
    if (big ? !parse_uint64(text, value) : !parse_int64(text, out.integer)) {
      refuse(field, "a number that is not an integer in the column's range", "22003/1264");
    }
    if (big) out.integer = static_cast<std::int64_t>(value);
  } else {
    refuse(field, "a value that is not an integer");
  }
  // 1 .. 99 would be taken for years of this century or the last.
  if (field.way == Way::year && out.integer != 0 && (out.integer < 1901 || out.integer > 2155)) {
    refuse(field, "a year outside of 1901 to 2155", "22003/1264");
  }
  if (field.kind == TypeKind::boolean && (out.integer < 0 || out.integer > 1)) {
    refuse(field, "a number other than 0 and 1 in a boolean column", "22003/1264");
  }
}

std::string_view ValueEncoder::print_number(const Field& field, const Cell& cell,
                                            char* scratch) const {
  std::to_chars_result end{};
  if (cell.tag == Tag::integer) {
    end = std::to_chars(scratch, scratch + kScratchBytes, cell.integer);
  } else if (cell.tag == Tag::unsigned_integer) {
    end = std::to_chars(scratch, scratch + kScratchBytes, cell.unsigned_integer);
  } else {
    // A binary fraction has no decimal that is surely meant.
    refuse(field, "a floating-point number in a decimal column");
  }
  return {scratch, static_cast<std::size_t>(end.ptr - scratch)};
}

std::string_view ValueEncoder::print_temporal(const Field& field, const Cell& cell,
                                              char* scratch) const {
  if (cell.tag != Tag::integer) refuse(field, "a value that is not a date or time");
  // The first and last day that MySQL's types have: years 1 to 9999.
  static const std::int64_t first_day = days_from_civil(1, 1, 1);
  static const std::int64_t last_day = days_from_civil(9999, 12, 31);
  static thread_local std::string text;  // kept for its memory
  text.clear();
  if (field.way == Way::date) {
    if (cell.integer < first_day || cell.integer > last_day)
      refuse(field, "a date outside of years 1 to 9999", "22007/1292");
    print_date(text, cell.integer);
    return keep(text, scratch);
  }
  std::int64_t unit = 1;
  for (unsigned i = field.digits; i < 6; ++i) unit *= 10;
  if (cell.integer % unit != 0) {
    refuse(field, "a fraction of a second with more digits than the column has", "22001/1265");
  }
  if (field.way == Way::time) {
    if (cell.integer < 0 || cell.integer > kMicrosPerDay)
      refuse(field, "a time outside of 0 to 24 hours", "22007/1292");
    print_time(text, cell.integer, field.digits);
    return keep(text, scratch);
  }
  if (cell.integer < first_day * kMicrosPerDay || cell.integer >= (last_day + 1) * kMicrosPerDay) {
    refuse(field, "a time outside of years 1 to 9999", "22007/1292");
  }
  print_timestamp(text, cell.integer, field.digits);
  return keep(text, scratch);
}

}  // namespace migrator::mysql
