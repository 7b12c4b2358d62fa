#include "migrator/verify/cell_comparison.h"

#include <cmath>
#include <cstring>

#include "adapters/codec.h"
#include "migrator/verify/json_form.h"

namespace migrator {
namespace {

using Tag = Cell::Tag;

std::string_view unpadded(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// 0: a number.
int special_decimal(std::string_view text) {
  if (text == "NaN") return 2;
  if (text == "Infinity") return 1;
  return text == "-Infinity" ? -1 : 0;
}

struct DecimalParts {
  bool negative = false;  // and not zero
  std::string_view whole, fraction;
};

// Without the zeros that say nothing.
DecimalParts decimal_parts(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const std::size_t point = text.find('.');
  std::string_view whole = text.substr(0, point);
  std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
  while (!whole.empty() && whole[0] == '0') whole.remove_prefix(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  return {negative && !(whole.empty() && fraction.empty()), whole, fraction};
}

// Order of two decimals by value; NaN is above all, as PostgreSQL has it.
int compare_decimals(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  if (special_decimal(a) || special_decimal(b)) return special_decimal(a) - special_decimal(b);
  const auto [a_negative, a_whole, a_fraction] = decimal_parts(a);
  const auto [b_negative, b_whole, b_fraction] = decimal_parts(b);
  if (a_negative != b_negative) return a_negative ? -1 : 1;
  int order = a_whole.size() != b_whole.size() ? (a_whole.size() < b_whole.size() ? -1 : 1)
                                               : a_whole.compare(b_whole);
  if (order == 0) order = a_fraction.compare(b_fraction);
  return a_negative ? -order : order;
}

int compare_reals(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return static_cast<int>(std::isnan(a)) - std::isnan(b);
  return a < b ? -1 : a > b;
}

}  // namespace

int compare_cells(const RowBatch& a_batch, const Cell& a, const RowBatch& b_batch, const Cell& b,
                  const Type& type) {
  if (a.tag == Tag::null || b.tag == Tag::null) {
    return static_cast<int>(a.tag != Tag::null) - static_cast<int>(b.tag != Tag::null);
  }
  if (a.tag != b.tag) return a.tag < b.tag ? -1 : 1;
  switch (a.tag) {
    case Tag::integer:
      return a.integer < b.integer ? -1 : a.integer > b.integer;
    case Tag::unsigned_integer:
      return a.unsigned_integer < b.unsigned_integer ? -1 : a.unsigned_integer > b.unsigned_integer;
    case Tag::real:
      return compare_reals(a.real, b.real);
    default:
      break;
  }
  std::string_view x = a_batch.bytes_of(a), y = b_batch.bytes_of(b);
  if (type.kind == TypeKind::decimal) return compare_decimals(x, y);
  if (type.kind == TypeKind::text && type.fixed) x = unpadded(x), y = unpadded(y);
  const int order = x.compare(y);
  return order < 0 ? -1 : order > 0;
}

bool same_value(const RowBatch& a_batch, const Cell& a, const RowBatch& b_batch, const Cell& b,
                const Type& type, bool same_native) {
  if (a.tag == Tag::misfit || b.tag == Tag::misfit) {
    // Between columns of the very same type even a value that the type "cannot hold" travels as it
    // is: an infinite timestamp of PostgreSQL, a zero date of MySQL, any text in SQLite. Otherwise
    // what has no form on the other side is equal to nothing there.
    return same_native && a.tag == b.tag && a_batch.bytes_of(a) == b_batch.bytes_of(b);
  }
  if (a.tag == Tag::real && b.tag == Tag::real) {
    // 0.0 and -0.0 are equal to SQL and different as values: they have to arrive as they were.
    return (std::isnan(a.real) && std::isnan(b.real)) ||
           (a.real == b.real && std::signbit(a.real) == std::signbit(b.real));
  }
  if (compare_cells(a_batch, a, b_batch, b, type) == 0) return true;
  if (type.kind != TypeKind::json || a.tag == Tag::null || b.tag == Tag::null) return false;
  const auto x = canonical_json(a_batch.bytes_of(a)), y = canonical_json(b_batch.bytes_of(b));
  return x && y && *x == *y;
}

namespace {

void append_number(std::string& out, char tag, std::uint64_t bits) {
  out += tag;
  out.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
}

void append_text(std::string& out, char tag, std::string_view text) {
  append_number(out, tag, text.size());
  out += text;
}

}  // namespace

void append_canonical(std::string& out, const RowBatch& batch, const Cell& cell, const Type& type,
                      bool same_native, bool of_source) {
  switch (cell.tag) {
    case Tag::null:
      out += '0';
      return;
    case Tag::misfit:
      append_text(out, same_native ? 'm' : of_source ? 's' : 't', batch.bytes_of(cell));
      return;
    case Tag::integer:
      append_number(out, 'i', static_cast<std::uint64_t>(cell.integer));
      return;
    case Tag::unsigned_integer:
      append_number(out, 'u', cell.unsigned_integer);
      return;
    case Tag::real: {
      std::uint64_t bits = 0;
      if (!std::isnan(cell.real)) std::memcpy(&bits, &cell.real, sizeof(bits));
      append_number(out, std::isnan(cell.real) ? 'N' : 'r', bits);
      return;
    }
    default:
      break;
  }
  const std::string_view bytes = batch.bytes_of(cell);
  const char tag = cell.tag == Tag::text ? 'x' : 'b';
  if (type.kind == TypeKind::decimal) {
    if (special_decimal(bytes)) return append_text(out, tag, bytes);
    const DecimalParts parts = decimal_parts(bytes);
    append_text(out, parts.negative ? '-' : '+', parts.whole);
    append_text(out, tag, parts.fraction);
  } else if (type.kind == TypeKind::text && type.fixed) {
    append_text(out, tag, unpadded(bytes));
  } else if (type.kind == TypeKind::json) {
    const auto form = canonical_json(bytes);
    append_text(out, form ? 'j' : tag, form ? std::string_view(*form) : bytes);
  } else {
    append_text(out, tag, bytes);
  }
}

Value value_of(const RowBatch& batch, const Cell& cell, const Type& type) {
  std::string text;
  switch (cell.tag) {
    case Tag::null:
      return {};
    case Tag::unsigned_integer:
      return cell.unsigned_integer;
    case Tag::real:
      return cell.real;
    case Tag::text:
    case Tag::misfit:
      return std::string(batch.bytes_of(cell));
    case Tag::bytes:
      if (type.kind != TypeKind::uuid) return Bytes{std::string(batch.bytes_of(cell))};
      print_uuid(text, batch.bytes_of(cell).data());
      return text;
    case Tag::integer:
      break;
  }
  switch (type.kind) {
    case TypeKind::date:
      print_date(text, cell.integer);
      return text;
    case TypeKind::time:
      print_time(text, cell.integer, type.precision);
      return text;
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      print_timestamp(text, cell.integer, type.precision);
      return text;
    default:
      return cell.integer;
  }
}

}  // namespace migrator
