#include "adapters/postgres/codec_binary.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "adapters/codec.h"
#include "adapters/postgres/values.h"

namespace migrator::postgres {
namespace {

using std::string_view;

constexpr string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr string_view kTrailer("\xff\xff", 2);
// The version byte in front of a jsonb (jsonb_send).
constexpr char kJsonbVersion = 1;

// numeric_send: how a sign is marked.
constexpr std::uint16_t kPositive = 0x0000, kNegative = 0x4000, kNaN = 0xC000,
                        kPlusInfinity = 0xD000, kMinusInfinity = 0xF000;

template <typename Integer>
Integer load(const char* at) {
  std::make_unsigned_t<Integer> value = 0;
  for (std::size_t byte = 0; byte < sizeof value; ++byte) {
    value = static_cast<std::make_unsigned_t<Integer>>(value << 8 |
                                                       static_cast<unsigned char>(at[byte]));
  }
  return static_cast<Integer>(value);
}

template <typename Integer>
void store(char* at, Integer value) {
  auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
  for (std::size_t byte = sizeof bits; byte-- > 0;) {
    at[byte] = static_cast<char>(bits & 0xff);
    bits = static_cast<std::make_unsigned_t<Integer>>(sizeof bits > 1 ? bits >> 8 : 0);
  }
}

// A field of fixed length: its length, then itself.
template <typename Integer>
void put(Slab& out, Integer value) {
  char* at = out.extend(4 + sizeof value);
  store<std::int32_t>(at, sizeof value);
  store(at + 4, value);
}

void put(Slab& out, string_view bytes) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error(ErrorKind::data, "a value of more than 2 GiB").code("54000");
  }
  char* at = out.extend(4 + bytes.size());
  store(at, static_cast<std::int32_t>(bytes.size()));
  if (!bytes.empty()) std::memcpy(at + 4, bytes.data(), bytes.size());
}

[[noreturn]] void bad_tuple() {
  throw Error(ErrorKind::invariant, "the server sent a COPY tuple that is none");
}

}  // namespace

string_view binary_header() { return kHeader; }
string_view binary_trailer() { return kTrailer; }

string_view without_header(string_view message) {
  constexpr std::size_t kSignature = 11;
  if (message.size() < kHeader.size() ||
      message.substr(0, kSignature) != kHeader.substr(0, kSignature)) {
    throw Error(ErrorKind::invariant, "the server sent no binary COPY header");
  }
  const std::uint32_t flags = load<std::uint32_t>(message.data() + kSignature);
  const std::uint32_t extension = load<std::uint32_t>(message.data() + kSignature + 4);
  // The upper half of the flags is for changes that a reader must know of.
  if ((flags & 0xFFFF0000u) != 0 || extension > message.size() - kHeader.size()) {
    throw Error(ErrorKind::invariant, "the server sent a binary COPY header of an unknown kind");
  }
  return message.substr(kHeader.size() + extension);
}

// --- decoding

struct BinaryDecoder::Decoders {
  static void expect(const Field& field, std::size_t size) {
    if (field.size != size) {
      throw Error(ErrorKind::permanent,
                  "column \"" + field.column.name + "\" has another type than it had")
          .code("22P03")
          .remedy("the table has changed: run `migrate plan` again");
    }
  }
  static void boolean(const Field& f, RowBatch& batch) {
    expect(f, 1);
    batch.push_integer(f.data[0] != 0);
  }
  static void int16(const Field& f, RowBatch& batch) {
    expect(f, 2);
    batch.push_integer(load<std::int16_t>(f.data));
  }
  static void int32(const Field& f, RowBatch& batch) {
    expect(f, 4);
    batch.push_integer(load<std::int32_t>(f.data));
  }
  static void int64(const Field& f, RowBatch& batch) {
    expect(f, 8);
    batch.push_integer(load<std::int64_t>(f.data));
  }
  static void float32(const Field& f, RowBatch& batch) {
    expect(f, 4);
    batch.push_real(static_cast<double>(std::bit_cast<float>(load<std::uint32_t>(f.data))));
  }
  static void float64(const Field& f, RowBatch& batch) {
    expect(f, 8);
    batch.push_real(std::bit_cast<double>(load<std::uint64_t>(f.data)));
  }
  static void decimal(const Field& f, RowBatch& batch) {
    thread_local std::string digits;
    digits.clear();
    print_numeric({f.data, f.size}, digits);
    batch.push_text(digits);
  }
  static void text(const Field& f, RowBatch& batch) {
    const string_view bytes(f.data, f.size);
    if (f.column.check_utf8 && !is_valid_utf8(bytes)) {
      throw Error(ErrorKind::data, "column \"" + f.column.name + "\": a text that is not UTF-8")
          .code("22021")
          .remedy("the source database is SQL_ASCII: correct the row there");
    }
    batch.push_text(bytes);
  }
  static void bytes(const Field& f, RowBatch& batch) { batch.push_bytes({f.data, f.size}); }
  static void jsonb(const Field& f, RowBatch& batch) {
    if (f.size == 0 || f.data[0] != kJsonbVersion) bad_tuple();
    text({f.column, f.data + 1, f.size - 1}, batch);
  }
  static void uuid(const Field& f, RowBatch& batch) {
    expect(f, 16);
    batch.push_bytes({f.data, f.size});
  }
  [[noreturn]] static void no_infinity(const Field& f) {
    throw Error(ErrorKind::data, "column \"" + f.column.name + "\": an infinite date or time")
        .code("22008")
        .remedy("only PostgreSQL itself has it: correct the row at the source");
  }
  static void date(const Field& f, RowBatch& batch) {
    expect(f, 4);
    const std::int32_t days = load<std::int32_t>(f.data);
    if (days == std::numeric_limits<std::int32_t>::min() ||
        days == std::numeric_limits<std::int32_t>::max()) {
      no_infinity(f);
    }
    batch.push_integer(days + kEpochDays);
  }
  static void timestamp(const Field& f, RowBatch& batch) {
    expect(f, 8);
    const std::int64_t micros = load<std::int64_t>(f.data);
    if (micros == std::numeric_limits<std::int64_t>::min() ||
        micros == std::numeric_limits<std::int64_t>::max()) {
      no_infinity(f);
    }
    if (micros > std::numeric_limits<std::int64_t>::max() - kEpochMicros) {
      throw Error(ErrorKind::data,
                  "column \"" + f.column.name + "\": a time beyond the year 294246")
          .code("22008")
          .remedy("correct the row at the source");
    }
    batch.push_integer(micros + kEpochMicros);
  }

  static Decode choose(const Column& column) {
    switch (column.type.kind) {
      case TypeKind::boolean:
        return boolean;
      case TypeKind::int16:
        return int16;
      case TypeKind::int32:
        return int32;
      case TypeKind::int64:
        return int64;
      case TypeKind::float32:
        return float32;
      case TypeKind::float64:
        return float64;
      case TypeKind::decimal:
        return decimal;
      case TypeKind::bytes:
        return bytes;
      case TypeKind::date:
        return date;
      case TypeKind::time:
        return int64;
      case TypeKind::timestamp:
      case TypeKind::timestamptz:
        return timestamp;
      case TypeKind::json:
        return column.native_type == "jsonb" ? jsonb : text;
      case TypeKind::uuid:
        return uuid;
      case TypeKind::text:
      case TypeKind::opaque:
        return text;
      case TypeKind::uint64:
        break;
    }
    throw Error(ErrorKind::invariant, "PostgreSQL has no column of the kind of " + column.name);
  }
};

BinaryDecoder::BinaryDecoder(const std::vector<Column>& columns, bool check_utf8, Misfits misfits)
    : misfits_(misfits) {
  for (const Column& column : columns) {
    columns_.push_back({Decoders::choose(column), column.name, check_utf8});
  }
}

void BinaryDecoder::decode(string_view tuple, RowBatch& batch) const {
  const char* at = tuple.data();
  const char* const end = at + tuple.size();
  if (tuple.size() < 2 || load<std::int16_t>(at) != static_cast<std::int16_t>(columns_.size())) {
    bad_tuple();
  }
  at += 2;
  for (const Target& column : columns_) {
    if (end - at < 4) bad_tuple();
    const std::int32_t size = load<std::int32_t>(at);
    at += 4;
    if (size == -1) {
      batch.push_null();
      continue;
    }
    if (size < 0 || end - at < size) bad_tuple();
    try {
      column.decode({column, at, static_cast<std::size_t>(size)}, batch);
    } catch (const Error& error) {  // nothing was pushed yet
      if (misfits_ == Misfits::refuse || error.kind() != ErrorKind::data) throw;
      std::string hex;
      print_hex(hex, {at, static_cast<std::size_t>(size)});
      batch.push_misfit(hex);
    }
    at += size;
  }
  if (at != end) bad_tuple();
  batch.end_cell_row();
}

void print_numeric(string_view binary, std::string& out) {
  if (binary.size() < 8) bad_tuple();
  const auto groups = load<std::uint16_t>(binary.data());
  const auto weight = load<std::int16_t>(binary.data() + 2);
  const auto sign = load<std::uint16_t>(binary.data() + 4);
  const auto scale = load<std::uint16_t>(binary.data() + 6);
  if (binary.size() != 8u + 2u * groups) bad_tuple();
  if (sign == kNaN) {
    out += "NaN";
    return;
  }
  if (sign == kPlusInfinity || sign == kMinusInfinity) {
    out += sign == kPlusInfinity ? "Infinity" : "-Infinity";
    return;
  }
  if (sign != kPositive && sign != kNegative) bad_tuple();
  if (sign == kNegative) out += '-';
  // Group g of four digits stands for 10000^(weight - g); beyond those sent, groups are zero.
  const auto group = [&](int index) -> unsigned {
    if (index < 0 || index >= groups) return 0;
    return load<std::uint16_t>(binary.data() + 8 + 2 * index);
  };
  const auto append = [&](unsigned value) {
    const char digits[4] = {
        static_cast<char>('0' + value / 1000 % 10), static_cast<char>('0' + value / 100 % 10),
        static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
    out.append(digits, 4);
  };
  const std::size_t begin = out.size();
  for (int index = 0; index <= weight; ++index) append(group(index));
  const std::size_t first = out.find_first_not_of('0', begin);
  out.erase(begin, std::min(first, out.size()) - begin);
  if (out.size() == begin) out += '0';
  if (scale == 0) return;
  out += '.';
  const std::size_t fraction = out.size();
  for (int index = weight + 1; out.size() - fraction < scale; ++index) append(group(index));
  out.resize(fraction + scale);
}

// --- encoding

bool encode_numeric(string_view text, Slab& out) {
  const auto put_special = [&](std::uint16_t sign) {
    char* at = out.extend(8);
    std::memset(at, 0, 8);
    store(at + 4, sign);
    return true;
  };
  if (text == "NaN") return put_special(kNaN);
  if (text == "Infinity") return put_special(kPlusInfinity);
  if (text == "-Infinity") return put_special(kMinusInfinity);
  if (!is_plain_decimal(text)) return false;
  const bool negative = text.front() == '-';
  if (text.front() == '-' || text.front() == '+') text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  string_view whole = text.substr(0, point);
  const string_view fraction = point < text.size() ? text.substr(point + 1) : string_view();
  while (!whole.empty() && whole.front() == '0') whole.remove_prefix(1);

  // Groups are aligned at the point: the first has the whole digits that are over.
  const std::size_t whole_groups = (whole.size() + 3) / 4;
  const std::size_t fraction_groups = (fraction.size() + 3) / 4;
  const std::size_t lead = whole_groups * 4 - whole.size();
  const std::size_t start = out.size();
  char* at = out.extend(8 + 2 * (whole_groups + fraction_groups));
  const auto digit =
      [&](std::size_t position) -> unsigned {  // counted from the first group's start
    if (position < lead) return 0;
    position -= lead;
    if (position < whole.size()) return static_cast<unsigned>(whole[position] - '0');
    position -= whole.size();
    return position < fraction.size() ? static_cast<unsigned>(fraction[position] - '0') : 0;
  };
  std::size_t kept = 0, skipped = 0, used = 0;
  for (std::size_t group = 0; group < whole_groups + fraction_groups; ++group) {
    const std::size_t p = group * 4;
    const unsigned value = digit(p) * 1000 + digit(p + 1) * 100 + digit(p + 2) * 10 + digit(p + 3);
    if (kept == 0 && value == 0) {
      ++skipped;
      continue;
    }
    store(at + 8 + 2 * kept, static_cast<std::uint16_t>(value));
    ++kept;
    if (value != 0) used = kept;  // zero groups at the end are not sent
  }
  const auto weight =
      used == 0 ? 0
                : static_cast<std::int64_t>(whole_groups) - 1 - static_cast<std::int64_t>(skipped);
  if (used > 0xffff || weight > 0x7fff || weight < -0x8000 || fraction.size() > 0x3fff) {
    out.shrink_to(start);
    return false;
  }
  store(at, static_cast<std::uint16_t>(used));
  store(at + 2, static_cast<std::int16_t>(weight));
  store(at + 4, negative && used != 0 ? kNegative : kPositive);
  store(at + 6, static_cast<std::uint16_t>(fraction.size()));
  out.shrink_to(start + 8 + 2 * used);
  return true;
}

struct BinaryEncoder::Encoders {
  static void boolean(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    put(out, static_cast<std::uint8_t>(checked_integer(c, b, cell)));
  }
  static void int16(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    put(out, static_cast<std::int16_t>(checked_integer(c, b, cell)));
  }
  static void int32(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    put(out, static_cast<std::int32_t>(checked_integer(c, b, cell)));
  }
  static void int64(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    put(out, checked_integer(c, b, cell));
  }
  static void float32(const Column& c, const RowBatch&, const Cell& cell, Slab& out) {
    put(out, std::bit_cast<std::uint32_t>(static_cast<float>(checked_real(c, cell))));
  }
  static void float64(const Column& c, const RowBatch&, const Cell& cell, Slab& out) {
    put(out, std::bit_cast<std::uint64_t>(checked_real(c, cell)));
  }
  static void decimal(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    thread_local std::string scratch;
    const string_view digits = checked_decimal(c, b, cell, scratch);
    const std::size_t start = out.size();
    out.extend(4);
    if (!encode_numeric(digits, out)) {
      throw value_error(c, "22003", "more digits than a numeric can have");
    }
    // Only now: the slab may have moved.
    store(const_cast<char*>(out.data()) + start, static_cast<std::int32_t>(out.size() - start - 4));
  }
  static void text(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    put(out, checked_text(c, b, cell));
  }
  static void jsonb(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    const string_view json = checked_text(c, b, cell);
    char* at = out.extend(5 + json.size());
    store(at, static_cast<std::int32_t>(json.size() + 1));
    at[4] = kJsonbVersion;
    if (!json.empty()) std::memcpy(at + 5, json.data(), json.size());
  }
  static void bytes(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    put(out, checked_bytes(c, b, cell));
  }
  static void uuid(const Column& c, const RowBatch& b, const Cell& cell, Slab& out) {
    char scratch[16];
    put(out, string_view(checked_uuid(c, b, cell, scratch), 16));
  }
  static void date(const Column& c, const RowBatch&, const Cell& cell, Slab& out) {
    put(out, static_cast<std::int32_t>(checked_date(c, cell) - kEpochDays));
  }
  static void time(const Column& c, const RowBatch&, const Cell& cell, Slab& out) {
    put(out, checked_time(c, cell));
  }
  static void timestamp(const Column& c, const RowBatch&, const Cell& cell, Slab& out) {
    put(out, checked_timestamp(c, cell) - kEpochMicros);
  }

  // nullptr if there is no binary form.
  static Encode choose(const Column& column) {
    switch (column.type.kind) {
      case TypeKind::boolean:
        return boolean;
      case TypeKind::int16:
        return int16;
      case TypeKind::int32:
        return int32;
      case TypeKind::int64:
        return int64;
      case TypeKind::float32:
        return float32;
      case TypeKind::float64:
        return float64;
      case TypeKind::decimal:
        return decimal;
      case TypeKind::text:
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
      // A domain on either json type does not show which it is on.
      case TypeKind::json:
        return column.native_type == "jsonb"  ? jsonb
               : column.native_type == "json" ? text
                                              : nullptr;
      case TypeKind::uint64:
      case TypeKind::opaque:
        break;
    }
    return nullptr;
  }
};

bool can_encode_binary(const std::vector<Column>& columns) {
  for (const Column& column : columns) {
    if (!BinaryEncoder::has_form(column)) return false;
  }
  return true;
}

bool BinaryEncoder::has_form(const Column& column) { return Encoders::choose(column) != nullptr; }

BinaryEncoder::BinaryEncoder(const std::vector<Column>& columns) {
  for (const Column& column : columns) columns_.push_back({Encoders::choose(column), column});
}

void BinaryEncoder::encode(const RowBatch& batch, const Cell* row, Slab& out) const {
  store(out.extend(2), static_cast<std::int16_t>(columns_.size()));
  for (const Target& target : columns_) {
    const Cell& cell = *row++;
    if (cell.tag == Cell::Tag::null) {
      check_null(target.column);
      store<std::int32_t>(out.extend(4), -1);
    } else {
      target.encode(target.column, batch, cell, out);
    }
  }
}

}  // namespace migrator::postgres
