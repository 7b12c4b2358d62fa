#include "adapters/mysql/codec.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/mysql/key_range.h"

namespace migrator::mysql {
namespace {

std::string_view integer_name(Base base) {
  switch (base) {
    case Base::tinyint:
      return "tinyint";
    case Base::smallint:
      return "smallint";
    case Base::mediumint:
      return "mediumint";
    case Base::integer:
      return "int";
    default:
      return "bigint";
  }
}

// The same text for types that differ only in how a client would print them.
std::string wire_type(const Column& column) {
  const NativeType native = parse_native_type(column.native_type);
  std::string type;
  if (native.is_integer()) {
    type = integer_name(native.base);
    if (native.is_unsigned) type += " unsigned";
  } else {
    type = column.native_type.substr(0, column.native_type.find("/*"));
    while (!type.empty() && type.back() == ' ') type.pop_back();
  }
  if (native.is_text()) type += is_raw_text(column, native) ? "/" + column.charset : "/utf8";
  return type;
}

}  // namespace

bool is_utf8_charset(std::string_view charset) {
  return charset.empty() || charset == "utf8mb4" || charset == "utf8" || charset == "utf8mb3";
}

bool is_raw_text(const Column& column, const NativeType& native) {
  return native.is_text() && !is_utf8_charset(column.charset);
}

RowLayout wire_layout(const std::vector<Column>& columns) {
  RowLayout layout{std::string(kWireFormat), {}};
  for (const Column& column : columns) layout.column_types.push_back(wire_type(column));
  return layout;
}

namespace {

// Of a UUID a question mark says itself that it is none.
bool is_marked(const Column& column, const NativeType& native) {
  return native.is_text() && column.type.kind != TypeKind::uuid &&
         may_leave_unicode(column.charset);
}

}  // namespace

std::string select_expression(const Column& column, bool wire) {
  const std::string name = quote_name(column.name);
  const NativeType native = parse_native_type(column.native_type);
  if (native.base == Base::real32) return name + "*1e0";
  return !wire && is_marked(column, native) ? unicode_expression(name, column.charset) : name;
}

// Of latin1 MySQL maps every byte; of ascii MariaDB stores bytes beyond it. Labels of an ENUM may
// be binary.
bool may_leave_unicode(std::string_view charset) {
  return !is_utf8_charset(charset) && !charset.starts_with("utf16") && charset != "utf32" &&
         charset != "ucs2" && charset != "latin1" && charset != "binary";
}

// Question marks are counted, as not every character that Unicode has comes back as the same bytes
// (cp932 has some of them twice). Of a text with question marks that is longer than
// max_allowed_packet REPLACE is NULL: then nothing is known, and it counts as one that has more.
// Neither branch can be NULL for want of space: a CAST would be.
std::string unicode_expression(const std::string& sql, std::string_view charset) {
  if (!may_leave_unicode(charset)) return sql;
  return fmt::format(
      "IF({0} IS NULL OR CHAR_LENGTH(REPLACE({0}, '?', '')) = CHAR_LENGTH(REPLACE(CONVERT({0} "
      "USING utf8mb4), '?', '')), CONVERT({0} USING utf8mb4), CONCAT(CAST(UNHEX('FF') AS BINARY), "
      "'{1}:', SHA1({0})))",
      sql, charset);
}

RowDecoder::RowDecoder(const TableName& table, const std::vector<Column>& columns, Misfits misfits)
    : table_(table.text()), misfits_(misfits) {
  for (const Column& column : columns) {
    const NativeType native = parse_native_type(column.native_type);
    fields_.push_back({column.type.kind, native.base, column.name, is_marked(column, native)});
  }
}

void RowDecoder::append(RowBatch& batch, MYSQL_ROW row, const unsigned long* lengths) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (row[i] == nullptr) {
      batch.push_null();
      continue;
    }
    try {
      append_value(batch, fields_[i], {row[i], lengths[i]});
    } catch (const Error& error) {  // nothing was pushed yet
      if (misfits_ == Misfits::refuse || error.kind() != ErrorKind::data) throw;
      batch.push_misfit({row[i], lengths[i]});
    }
  }
  batch.end_cell_row();
}

void RowDecoder::append_value(RowBatch& batch, const Field& field, std::string_view text) const {
  if (field.marked && text.starts_with(kNoUnicode)) {
    refuse(field,
           "holds characters of its character set that Unicode does not have (or question marks in "
           "a text that is longer than max_allowed_packet, where the server cannot tell)",
           "correct the rows, leave them out by `where` in the plan, or raise max_allowed_packet");
  }
  std::int64_t integer = 0;
  switch (field.kind) {
    case TypeKind::boolean:
      if (field.base == Base::bit && text.size() == 1) {
        integer = static_cast<unsigned char>(text[0]);
      } else if (!parse_int64(text, integer)) {
        refuse(field);
      }
      if (integer != 0 && integer != 1) refuse(field);
      return batch.push_integer(integer);
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      if (!parse_int64(text, integer)) refuse(field);
      return batch.push_integer(integer);
    case TypeKind::uint64: {
      std::uint64_t value = 0;
      if (!parse_uint64(text, value)) refuse(field);
      return batch.push_unsigned(value);
    }
    case TypeKind::decimal:
      if (!is_plain_decimal(text)) refuse(field);
      return batch.push_text(text);
    case TypeKind::float32:
    case TypeKind::float64: {
      double value = 0;
      if (!parse_double(text, value)) refuse(field);
      return batch.push_real(value);
    }
    case TypeKind::date:
      if (!parse_date(text, integer)) refuse(field);
      return batch.push_integer(integer);
    case TypeKind::time:
      if (!parse_time(text, integer)) refuse(field);
      return batch.push_integer(integer);
    case TypeKind::timestamp:
    case TypeKind::timestamptz:  // the session's zone is UTC
      if (!parse_timestamp(text, integer)) refuse(field);
      return batch.push_integer(integer);
    case TypeKind::uuid: {
      char bytes[16];
      if (!parse_uuid(text, bytes)) refuse(field);
      return batch.push_bytes({bytes, sizeof bytes});
    }
    case TypeKind::bytes:
      return batch.push_bytes(text);
    case TypeKind::text:
    case TypeKind::json:
      return batch.push_text(text);
    case TypeKind::opaque: {
      const bool binary =
          field.base == Base::bit || field.base == Base::geometry || field.base == Base::unknown;
      return binary ? batch.push_bytes(text) : batch.push_text(text);
    }
  }
}

void RowDecoder::refuse(const Field& field) const {
  std::string what = "holds a value that is not of type " + std::string(name(field.kind));
  std::string remedy = "set another type for the column in the plan, or correct the rows";
  switch (field.kind) {
    case TypeKind::boolean:
      what = "holds numbers other than 0 and 1";
      remedy = "set an integer type for the column in the plan";
      break;
    case TypeKind::date:
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      what = "holds a zero, partial or invalid date, which only MySQL knows";
      remedy = "correct the rows, or leave them out by `where` in the plan";
      break;
    case TypeKind::time:
      what = "holds a time outside of 0 to 24 hours, which only MySQL knows";
      remedy = "correct the rows, or leave them out by `where` in the plan";
      break;
    default:
      break;
  }
  refuse(field, what, remedy);
}

void RowDecoder::refuse(const Field& field, const std::string& what,
                        const std::string& remedy) const {
  throw Error(ErrorKind::data, "column " + field.name + " of " + table_ + " " + what)
      .table(table_)
      .remedy(remedy);
}

}  // namespace migrator::mysql
