#include "migrator/copy/transcoder.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "adapters/codec.h"

namespace migrator {
namespace {

using Tag = Cell::Tag;

void put_text(RowBatch& batch, Cell& cell, std::string_view text) {
  const std::uint64_t offset = batch.slab().size();
  batch.slab().append(text.data(), text.size());
  cell.tag = Tag::text;
  cell.offset = offset;
  cell.size = static_cast<std::uint32_t>(text.size());
}

// --- integers

bool fits_integer(RowBatch&, Cell& cell, const Type&, const Type& to) {
  std::int64_t low = std::numeric_limits<std::int64_t>::min();
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  switch (to.kind) {
    case TypeKind::boolean:
      low = 0, high = 1;
      break;
    case TypeKind::int16:
      low = -32'768, high = 32'767;
      break;
    case TypeKind::int32:
      low = INT32_MIN, high = INT32_MAX;
      break;
    default:
      break;
  }
  return cell.integer >= low && cell.integer <= high;
}

bool integer_to_unsigned(RowBatch&, Cell& cell, const Type&, const Type&) {
  if (cell.integer < 0) return false;
  cell.unsigned_integer = static_cast<std::uint64_t>(cell.integer);
  cell.tag = Tag::unsigned_integer;
  return true;
}

bool unsigned_to_integer(RowBatch& batch, Cell& cell, const Type& from, const Type& to) {
  if (cell.unsigned_integer > static_cast<std::uint64_t>(INT64_MAX)) return false;
  cell.integer = static_cast<std::int64_t>(cell.unsigned_integer);
  cell.tag = Tag::integer;
  return fits_integer(batch, cell, from, to);
}

bool integer_to_text(RowBatch& batch, Cell& cell, const Type&, const Type&) {
  put_text(batch, cell, fmt::format_int(cell.integer).c_str());
  return true;
}

bool unsigned_to_text(RowBatch& batch, Cell& cell, const Type&, const Type&) {
  put_text(batch, cell, fmt::format_int(cell.unsigned_integer).c_str());
  return true;
}

// Exact only: 2^53 is the last integer up to which every one is a double, 2^24 for a float.
bool integer_to_real(RowBatch&, Cell& cell, const Type&, const Type& to) {
  const std::int64_t limit = std::int64_t{1} << (to.kind == TypeKind::float32 ? 24 : 53);
  if (cell.integer < -limit || cell.integer > limit) return false;
  cell.real = static_cast<double>(cell.integer);
  cell.tag = Tag::real;
  return true;
}

// --- decimals

struct Decimal {
  bool negative = false;
  std::string_view whole, fraction;  // without leading and trailing zeros
};

Decimal split(std::string_view text) {
  Decimal out;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    out.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const std::size_t point = text.find('.');
  out.whole = text.substr(0, point);
  if (point != std::string_view::npos) out.fraction = text.substr(point + 1);
  while (!out.whole.empty() && out.whole.front() == '0') out.whole.remove_prefix(1);
  while (!out.fraction.empty() && out.fraction.back() == '0') out.fraction.remove_suffix(1);
  return out;
}

// Servers round a longer fraction silently: here it does not fit.
bool fits_decimal(RowBatch& batch, Cell& cell, const Type&, const Type& to) {
  if (to.precision == 0) return true;
  const std::string_view text = batch.bytes_of(cell);
  if (!is_plain_decimal(text)) return true;  // NaN and infinities: the target's codec judges
  const Decimal value = split(text);
  return value.fraction.size() <= to.scale && value.whole.size() <= to.precision - to.scale;
}

bool decimal_to_integer(RowBatch& batch, Cell& cell, const Type& from, const Type& to) {
  const std::string_view text = batch.bytes_of(cell);
  if (!is_plain_decimal(text) || !split(text).fraction.empty()) return false;
  std::int64_t value = 0;
  if (!parse_int64(text.substr(0, text.find('.')), value)) return false;
  cell.integer = value;
  cell.tag = Tag::integer;
  return fits_integer(batch, cell, from, to);
}

bool decimal_to_unsigned(RowBatch& batch, Cell& cell, const Type&, const Type&) {
  const std::string_view text = batch.bytes_of(cell);
  if (!is_plain_decimal(text) || !split(text).fraction.empty()) return false;
  std::uint64_t value = 0;
  if (!parse_uint64(text.substr(0, text.find('.')), value)) return false;
  cell.unsigned_integer = value;
  cell.tag = Tag::unsigned_integer;
  return true;
}

// The shortest decimal text of a double, without an exponent.
bool real_to_decimal(RowBatch& batch, Cell& cell, const Type& from, const Type& to) {
  if (!std::isfinite(cell.real)) return false;
  // 1 + 309 digits before the point at the most, and 17 behind 324 zeros at the least.
  std::array<char, 400> digits;
  const auto printed = from.kind == TypeKind::float32
                           ? std::to_chars(digits.data(), digits.data() + digits.size(),
                                           static_cast<float>(cell.real), std::chars_format::fixed)
                           : std::to_chars(digits.data(), digits.data() + digits.size(), cell.real,
                                           std::chars_format::fixed);
  if (printed.ec != std::errc()) return false;
  put_text(batch, cell, {digits.data(), static_cast<std::size_t>(printed.ptr - digits.data())});
  return fits_decimal(batch, cell, from, to);
}

bool text_to_decimal(RowBatch& batch, Cell& cell, const Type& from, const Type& to) {
  return is_plain_decimal(batch.bytes_of(cell)) && fits_decimal(batch, cell, from, to);
}

// --- floats

bool narrow_real(RowBatch&, Cell& cell, const Type&, const Type&) {
  return std::isnan(cell.real) || static_cast<double>(static_cast<float>(cell.real)) == cell.real;
}

bool real_to_text(RowBatch& batch, Cell& cell, const Type& from, const Type&) {
  std::string text;
  from.kind == TypeKind::float32 ? print_float(text, static_cast<float>(cell.real))
                                 : print_double(text, cell.real);
  put_text(batch, cell, text);
  return true;
}

bool text_to_real(RowBatch& batch, Cell& cell, const Type& from, const Type& to) {
  double value = 0;
  if (!parse_double(batch.bytes_of(cell), value)) return false;
  (void)from;
  if (to.kind == TypeKind::float32 && std::isfinite(value)) {
    // "0.1" means the float nearest to it; a text with more digits than a float has does not fit.
    if (std::abs(value) > std::numeric_limits<float>::max()) return false;
    const auto nearest_float = static_cast<float>(value);
    std::string printed;
    double again = 0;
    print_float(printed, nearest_float);
    if (!parse_double(printed, again) || again != value) return false;
    value = nearest_float;
  }
  cell.real = value;
  cell.tag = Tag::real;
  return true;
}

// --- times

bool fits_fraction(RowBatch&, Cell& cell, const Type&, const Type& to) {
  std::int64_t unit = 1;
  for (std::uint32_t digit = to.precision; digit < 6; ++digit) unit *= 10;
  return cell.integer % unit == 0;
}

bool date_to_timestamp(RowBatch&, Cell& cell, const Type&, const Type&) {
  constexpr std::int64_t limit = INT64_MAX / kMicrosPerDay;
  if (cell.integer > limit || cell.integer < -limit) return false;
  cell.integer *= kMicrosPerDay;
  return true;
}

bool timestamp_to_date(RowBatch&, Cell& cell, const Type&, const Type&) {
  if (cell.integer % kMicrosPerDay != 0) return false;
  cell.integer /= kMicrosPerDay;
  return true;
}

bool temporal_to_text(RowBatch& batch, Cell& cell, const Type& from, const Type&) {
  std::string text;
  switch (from.kind) {
    case TypeKind::date:
      print_date(text, cell.integer);
      break;
    case TypeKind::time:
      print_time(text, cell.integer, from.precision);
      break;
    default:
      print_timestamp(text, cell.integer, from.precision);
      break;
  }
  if (from.kind == TypeKind::timestamptz) text += "+00";
  put_text(batch, cell, text);
  return true;
}

bool text_to_temporal(RowBatch& batch, Cell& cell, const Type& from, const Type& to) {
  const std::string_view text = batch.bytes_of(cell);
  std::int64_t value = 0;
  bool read = false;
  switch (to.kind) {
    case TypeKind::date:
      read = parse_date(text, value);
      break;
    case TypeKind::time:
      read = parse_time(text, value);
      break;
    case TypeKind::timestamp:
      read = parse_timestamp(text, value);
      break;
    default:
      read = parse_timestamptz(text, value);
      break;
  }
  if (!read) return false;
  cell.integer = value;
  cell.tag = Tag::integer;
  return to.kind == TypeKind::date || fits_fraction(batch, cell, from, to);
}

// --- texts and bytes

bool uuid_to_text(RowBatch& batch, Cell& cell, const Type&, const Type&) {
  std::string text;
  print_uuid(text, batch.bytes_of(cell).data());
  put_text(batch, cell, text);
  return true;
}

bool text_to_uuid(RowBatch& batch, Cell& cell, const Type&, const Type&) {
  std::array<char, 16> bytes;
  // Only the canonical spelling: another one would come back changed.
  std::string again;
  const std::string_view text = batch.bytes_of(cell);
  if (!parse_uuid(text, bytes.data())) return false;
  print_uuid(again, bytes.data());
  if (again != text) return false;
  put_text(batch, cell, {bytes.data(), bytes.size()});
  cell.tag = Tag::bytes;
  return true;
}

// char(n) forgets trailing spaces, and nobody could say any more how many there were.
bool ends_without_space(RowBatch& batch, Cell& cell, const Type&, const Type& to) {
  return !to.fixed || !batch.bytes_of(cell).ends_with(' ');
}

// binary(n) fills up with zeros.
bool fills_length(RowBatch&, Cell& cell, const Type&, const Type& to) {
  return !to.fixed || cell.size == to.length;
}

bool bytes_to_uuid(RowBatch&, Cell& cell, const Type&, const Type&) { return cell.size == 16; }

bool text_to_bytes(RowBatch&, Cell& cell, const Type&, const Type&) {
  cell.tag = Tag::bytes;
  return true;
}

bool bytes_to_text(RowBatch& batch, Cell& cell, const Type&, const Type&) {
  cell.tag = Tag::text;
  return is_valid_utf8(batch.bytes_of(cell));
}

enum class Family {
  integer,
  uint64,
  decimal,
  real,
  text,
  json,
  bytes,
  date,
  time,
  timestamp,
  uuid,
  opaque
};

Family family(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      return Family::integer;
    case TypeKind::uint64:
      return Family::uint64;
    case TypeKind::decimal:
      return Family::decimal;
    case TypeKind::float32:
    case TypeKind::float64:
      return Family::real;
    case TypeKind::text:
      return Family::text;
    case TypeKind::json:
      return Family::json;
    case TypeKind::bytes:
      return Family::bytes;
    case TypeKind::date:
      return Family::date;
    case TypeKind::time:
      return Family::time;
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      return Family::timestamp;
    case TypeKind::uuid:
      return Family::uuid;
    case TypeKind::opaque:
      return Family::opaque;
  }
  return Family::opaque;
}

int width(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean:
      return 1;
    case TypeKind::int16:
      return 2;
    case TypeKind::int32:
      return 4;
    default:
      return 8;
  }
}

}  // namespace

std::vector<Transcoder::Convert> Transcoder::plan(const Column& from, const Column& to,
                                                  std::string& why_not) {
  const Type &a = from.type, &b = to.type;
  const Family x = family(a.kind), y = family(b.kind);
  const bool shorter_fraction = b.precision < a.precision;
  why_not.clear();
  if (x == y) {
    switch (x) {
      case Family::integer:
        return width(b.kind) < width(a.kind) ? std::vector<Convert>{fits_integer}
                                             : std::vector<Convert>{};
      case Family::decimal: {
        const bool wider = b.precision == 0 || (a.precision != 0 && b.scale >= a.scale &&
                                                b.precision - b.scale >= a.precision - a.scale);
        return wider ? std::vector<Convert>{} : std::vector<Convert>{fits_decimal};
      }
      case Family::real:
        return b.kind == TypeKind::float32 && a.kind == TypeKind::float64
                   ? std::vector<Convert>{narrow_real}
                   : std::vector<Convert>{};
      case Family::time:
      case Family::timestamp:
        return shorter_fraction ? std::vector<Convert>{fits_fraction} : std::vector<Convert>{};
      case Family::text:
        return b.fixed && !a.fixed ? std::vector<Convert>{ends_without_space}
                                   : std::vector<Convert>{};
      case Family::bytes:
        return b.fixed && !(a.fixed && a.length == b.length) ? std::vector<Convert>{fills_length}
                                                             : std::vector<Convert>{};
      case Family::opaque:
        if (from.native_type != to.native_type)
          why_not = "it can only be copied to the very same type";
        return {};
      default:
        return {};
    }
  }
  struct Way {
    Family from, to;
    std::vector<Convert> steps;
  };
  static const std::vector<Way> ways = {
      {Family::integer, Family::uint64, {integer_to_unsigned}},
      {Family::integer, Family::decimal, {integer_to_text, fits_decimal}},
      {Family::integer, Family::real, {integer_to_real}},
      {Family::integer, Family::text, {integer_to_text}},
      {Family::uint64, Family::integer, {unsigned_to_integer}},
      {Family::uint64, Family::decimal, {unsigned_to_text, fits_decimal}},
      {Family::uint64, Family::text, {unsigned_to_text}},
      {Family::decimal, Family::integer, {decimal_to_integer}},
      {Family::decimal, Family::uint64, {decimal_to_unsigned}},
      {Family::decimal, Family::text, {}},
      {Family::real, Family::decimal, {real_to_decimal}},
      {Family::real, Family::text, {real_to_text}},
      {Family::text, Family::decimal, {text_to_decimal}},
      {Family::text, Family::real, {text_to_real}},
      {Family::text, Family::json, {}},
      {Family::text, Family::bytes, {text_to_bytes, fills_length}},
      {Family::text, Family::date, {text_to_temporal}},
      {Family::text, Family::time, {text_to_temporal}},
      {Family::text, Family::timestamp, {text_to_temporal}},
      {Family::text, Family::uuid, {text_to_uuid}},
      {Family::json, Family::text, {ends_without_space}},
      {Family::bytes, Family::text, {bytes_to_text}},
      {Family::bytes, Family::uuid, {bytes_to_uuid}},
      {Family::uuid, Family::text, {uuid_to_text}},
      {Family::uuid, Family::bytes, {fills_length}},
      {Family::date, Family::timestamp, {date_to_timestamp}},
      {Family::date, Family::text, {temporal_to_text}},
      {Family::time, Family::text, {temporal_to_text}},
      {Family::timestamp, Family::date, {timestamp_to_date}},
      {Family::timestamp, Family::text, {temporal_to_text}},
  };
  for (const Way& way : ways) {
    if (way.from == x && way.to == y) return way.steps;
  }
  why_not = fmt::format("there is no lossless way from {} to {}", describe(a), describe(b));
  return {};
}

std::string Transcoder::refusal(const Column& from, const Column& to) {
  std::string why_not;
  plan(from, to, why_not);
  return why_not;
}

Transcoder::Transcoder(const std::vector<Column>& from, const std::vector<Column>& to,
                       const std::string& table)
    : table_(table) {
  for (std::size_t column = 0; column < from.size(); ++column) {
    names_.push_back(from[column].name);
    std::string why_not;
    for (const Convert convert : plan(from[column], to.at(column), why_not)) {
      steps_.push_back({column, convert, from[column].type, to[column].type});
    }
    if (!why_not.empty()) {
      throw Error(ErrorKind::usage,
                  fmt::format("{}: column `{}` cannot go to `{}` ({}): {}", table,
                              from[column].name, to[column].name, to[column].native_type, why_not))
          .table(table)
          .remedy("give the column another type on the target, or drop it with `columns:`");
    }
  }
}

// The cell as it was before the step that failed, as text.
void Transcoder::mark(RowBatch& batch, Cell& cell, const Cell& before, const Type& from) {
  cell = before;
  const Family kind = family(from.kind);
  const bool temporal = kind == Family::date || kind == Family::time || kind == Family::timestamp;
  switch (cell.tag) {
    case Tag::integer:
      temporal ? temporal_to_text(batch, cell, from, from)
               : integer_to_text(batch, cell, from, from);
      break;
    case Tag::unsigned_integer:
      unsigned_to_text(batch, cell, from, from);
      break;
    case Tag::real:
      real_to_text(batch, cell, from, from);
      break;
    default:
      break;
  }
  cell.tag = Tag::misfit;
}

void Transcoder::apply(RowBatch& batch, Misfits misfits) const {
  if (steps_.empty()) return;
  for (std::size_t row = 0; row < batch.rows(); ++row) {
    Cell* cells = batch.mutable_row(row);
    for (const Step& step : steps_) {
      Cell& cell = cells[step.column];
      if (cell.tag == Tag::null || cell.tag == Tag::misfit) continue;
      const Cell before = cell;
      if (step.convert(batch, cell, step.from, step.to)) continue;
      if (misfits == Misfits::mark) {
        mark(batch, cell, before, step.from);
        continue;
      }
      throw Error(ErrorKind::data,
                  fmt::format("{}: a value of column `{}` ({}) does not fit the target's {}",
                              table_, names_[step.column], describe(step.from), describe(step.to)))
          .table(table_)
          .remedy(
              "give the column a wider type on the target (`columns: {...: {type: ...}}`), or "
              "correct the value and run `migrate rejects PLAN --retry`");
    }
  }
}

}  // namespace migrator
