#include "adapters/postgres/codec_text.h"

#include <cstdio>

#include "adapters/codec.h"
#include "adapters/postgres/values.h"

namespace migrator::postgres {
namespace {

// Years before 1 as the server reads them: 0044-03-15 BC is the year -43.
void append_date(std::int64_t days, std::string& out, bool& before_christ) {
  std::int64_t year = 0;
  unsigned month = 0, day = 0;
  civil_from_days(days, year, month, day);
  before_christ = year < 1;
  if (before_christ) year = 1 - year;
  char text[40];
  const int size = std::snprintf(text, sizeof text, "%04lld-%02u-%02u",
                                 static_cast<long long>(year), month, day);
  out.append(text, static_cast<std::size_t>(size));
}

}  // namespace

struct TextEncoder::Encoders {
  static void boolean(const Column& c, const RowBatch& b, const Cell& cell, std::string& out) {
    out += checked_integer(c, b, cell) != 0 ? 't' : 'f';
  }
  static void integer(const Column& c, const RowBatch& b, const Cell& cell, std::string& out) {
    out += std::to_string(checked_integer(c, b, cell));
  }
  static void float32(const Column& c, const RowBatch&, const Cell& cell, std::string& out) {
    print_float(out, static_cast<float>(checked_real(c, cell)));
  }
  static void float64(const Column& c, const RowBatch&, const Cell& cell, std::string& out) {
    print_double(out, checked_real(c, cell));
  }
  static void decimal(const Column& c, const RowBatch& b, const Cell& cell, std::string& out) {
    std::string scratch;
    out += checked_decimal(c, b, cell, scratch);
  }
  static void text(const Column& c, const RowBatch& b, const Cell& cell, std::string& out) {
    out += checked_text(c, b, cell);
  }
  static void bytes(const Column& c, const RowBatch& b, const Cell& cell, std::string& out) {
    out += "\\x";
    print_hex(out, checked_bytes(c, b, cell));
  }
  static void uuid(const Column& c, const RowBatch& b, const Cell& cell, std::string& out) {
    char scratch[16];
    print_uuid(out, checked_uuid(c, b, cell, scratch));
  }
  static void date(const Column& c, const RowBatch&, const Cell& cell, std::string& out) {
    bool before_christ = false;
    append_date(checked_date(c, cell), out, before_christ);
    if (before_christ) out += " BC";
  }
  static void time(const Column& c, const RowBatch&, const Cell& cell, std::string& out) {
    print_time(out, checked_time(c, cell), 6);
  }
  static void timestamp(const Column& c, const RowBatch&, const Cell& cell, std::string& out) {
    const std::int64_t micros = checked_timestamp(c, cell);
    std::int64_t days = micros / kMicrosPerDay, rest = micros % kMicrosPerDay;
    if (rest < 0) {
      --days;
      rest += kMicrosPerDay;
    }
    bool before_christ = false;
    append_date(days, out, before_christ);
    out += ' ';
    print_time(out, rest, 6);
    if (c.type.kind == TypeKind::timestamptz) out += "+00";
    if (before_christ) out += " BC";
  }

  static Encode choose(const Column& column) {
    switch (column.type.kind) {
      case TypeKind::boolean:
        return boolean;
      case TypeKind::int16:
      case TypeKind::int32:
      case TypeKind::int64:
        return integer;
      case TypeKind::float32:
        return float32;
      case TypeKind::float64:
        return float64;
      case TypeKind::decimal:
        return decimal;
      case TypeKind::text:
      case TypeKind::json:
      case TypeKind::opaque:
        return text;
      case TypeKind::bytes:
        return bytes;
      case TypeKind::date:
        return date;
      case TypeKind::time:
        return time;
      case TypeKind::timestamp:
      case TypeKind::timestamptz:
        return timestamp;
      case TypeKind::uuid:
        return uuid;
      case TypeKind::uint64:
        break;
    }
    throw Error(ErrorKind::invariant, "PostgreSQL has no column of the kind of " + column.name);
  }
};

TextEncoder::TextEncoder(const std::vector<Column>& columns) {
  for (const Column& column : columns) {
    const TypeKind kind = column.type.kind;
    const bool escaped = kind == TypeKind::text || kind == TypeKind::json ||
                         kind == TypeKind::opaque || kind == TypeKind::bytes;
    columns_.push_back({Encoders::choose(column), column, escaped});
  }
}

void append_escaped(std::string_view text, Slab& out) {
  char* const begin = out.extend(2 * text.size());
  char* at = begin;
  const auto escape = [&](char letter) {
    *at++ = '\\';
    *at++ = letter;
  };
  for (const char c : text) {
    switch (c) {
      case '\\':
        escape('\\');
        break;
      case '\n':
        escape('n');
        break;
      case '\r':
        escape('r');
        break;
      case '\t':
        escape('t');
        break;
      default:
        *at++ = c;
    }
  }
  out.shrink_to(out.size() - 2 * text.size() + static_cast<std::size_t>(at - begin));
}

void TextEncoder::encode(const RowBatch& batch, const Cell* row, Slab& out) const {
  thread_local std::string scratch;
  const char* separator = "";
  for (const Target& target : columns_) {
    const Cell& cell = *row++;
    out.append(separator, *separator == '\0' ? 0 : 1);
    separator = "\t";
    if (cell.tag == Cell::Tag::null) {
      check_null(target.column);
      out.append("\\N", 2);
      continue;
    }
    scratch.clear();
    target.encode(target.column, batch, cell, scratch);
    if (target.escaped) {
      append_escaped(scratch, out);
    } else {
      out.append(scratch.data(), scratch.size());
    }
  }
  out.append("\n", 1);
}

}  // namespace migrator::postgres
