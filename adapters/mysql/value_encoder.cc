#include "adapters/mysql/value_encoder.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "adapters/codec.h"
#include "adapters/mysql/codec.h"

namespace migrator::mysql {
namespace {

using Tag = Cell::Tag;

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
    case Way::real:
      return Form::real;
    case Way::bytes:
      return Form::bytes;
    default:
      return Form::text;
  }
}

ValueEncoder::ValueEncoder(const WriteSpec& spec, const RowLayout& layout)
    : table_(spec.table.text()) {
  const bool wire = layout.format == kWireFormat;
  for (const Column& column : spec.columns) {
    Field field;
    field.name = column.name;
    field.native = parse_native_type(column.native_type);
    field.kind = column.type.kind;
    field.way = wire ? Way::wire : way_of(column.type.kind, field.native);
    field.nullable = column.nullable;
    field.raw_text = wire && is_raw_text(column, field.native);
    field.form = form_of(field.way, field.kind, field.native, field.raw_text);
    field.scratch = field.way == Way::decimal || field.way == Way::date || field.way == Way::time ||
                    field.way == Way::timestamp || field.way == Way::uuid;
    field.digits = column.type.precision;
    fields_.push_back(std::move(field));
  }
}

void ValueEncoder::refuse(const Field& field, std::string_view why, std::string_view code) const {
  throw Error(ErrorKind::data, "column " + field.name + " of " + table_ + ": " + std::string(why))
      .table(table_)
      .code(std::string(code));
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
      out.bytes = bytes;
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
      const bool narrow = field.native.base == Base::real32;
      if (narrow && static_cast<double>(static_cast<float>(out.real)) != out.real) {
        refuse(field, "a double that FLOAT cannot hold exactly", "22003/1264");
      }
      break;
    }
    case Way::text:
      if (cell.tag != Tag::text) refuse(field, "a value that is not text");
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
