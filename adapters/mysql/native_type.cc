#include "adapters/mysql/native_type.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace migrator::mysql {
namespace {

struct Named {
  std::string_view name;
  Base base;
  std::uint64_t length;  // when no length is written
};

// Longer names first where one begins another is not needed: names are compared whole.
constexpr std::array kNames{
    Named{"tinyint", Base::tinyint, 0},
    Named{"int1", Base::tinyint, 0},
    Named{"bool", Base::tinyint, 1},
    Named{"boolean", Base::tinyint, 1},
    Named{"smallint", Base::smallint, 0},
    Named{"int2", Base::smallint, 0},
    Named{"mediumint", Base::mediumint, 0},
    Named{"int3", Base::mediumint, 0},
    Named{"middleint", Base::mediumint, 0},
    Named{"int", Base::integer, 0},
    Named{"integer", Base::integer, 0},
    Named{"int4", Base::integer, 0},
    Named{"bigint", Base::bigint, 0},
    Named{"int8", Base::bigint, 0},
    Named{"decimal", Base::decimal, 10},
    Named{"numeric", Base::decimal, 10},
    Named{"dec", Base::decimal, 10},
    Named{"fixed", Base::decimal, 10},
    Named{"float", Base::real32, 0},
    Named{"float4", Base::real32, 0},
    Named{"double", Base::real64, 0},
    Named{"double precision", Base::real64, 0},
    Named{"real", Base::real64, 0},
    Named{"float8", Base::real64, 0},
    Named{"bit", Base::bit, 1},
    Named{"char", Base::character, 1},
    Named{"character", Base::character, 1},
    Named{"nchar", Base::character, 1},
    Named{"varchar", Base::varchar, 0},
    Named{"character varying", Base::varchar, 0},
    Named{"nvarchar", Base::varchar, 0},
    Named{"tinytext", Base::text, 0},
    Named{"text", Base::text, 0},
    Named{"mediumtext", Base::text, 0},
    Named{"longtext", Base::text, 0},
    Named{"binary", Base::binary, 1},
    Named{"varbinary", Base::varbinary, 0},
    Named{"tinyblob", Base::blob, 0},
    Named{"blob", Base::blob, 0},
    Named{"mediumblob", Base::blob, 0},
    Named{"longblob", Base::blob, 0},
    Named{"date", Base::date, 0},
    Named{"time", Base::time, 0},
    Named{"datetime", Base::datetime, 0},
    Named{"timestamp", Base::timestamp, 0},
    Named{"year", Base::year, 4},
    Named{"json", Base::json, 0},
    Named{"enum", Base::enumeration, 0},
    Named{"set", Base::set, 0},
    Named{"geometry", Base::geometry, 0},
    Named{"point", Base::geometry, 0},
    Named{"linestring", Base::geometry, 0},
    Named{"polygon", Base::geometry, 0},
    Named{"multipoint", Base::geometry, 0},
    Named{"multilinestring", Base::geometry, 0},
    Named{"multipolygon", Base::geometry, 0},
    Named{"geometrycollection", Base::geometry, 0},
    Named{"geomcollection", Base::geometry, 0},
    Named{"uuid", Base::uuid, 0},
    Named{"inet4", Base::inet, 0},
    Named{"inet6", Base::inet, 0},
};

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  void skip_space() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front())))
      rest_.remove_prefix(1);
  }
  bool take(char expected) {
    skip_space();
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end() {
    skip_space();
    // "timestamp /* mariadb-5.3 */", "varchar(9) /*M!100301 COMPRESSED*/": remarks on storage.
    return rest_.empty() || rest_.starts_with("/*");
  }
  // A word in lower case; empty if none is next.
  std::string word() {
    skip_space();
    std::string word;
    while (!rest_.empty() &&
           (std::isalnum(static_cast<unsigned char>(rest_.front())) || rest_.front() == '_')) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(rest_.front())));
      rest_.remove_prefix(1);
    }
    return word;
  }
  bool number(std::uint64_t& value) {
    skip_space();
    if (rest_.empty() || !std::isdigit(static_cast<unsigned char>(rest_.front()))) return false;
    value = 0;
    while (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_.front()))) {
      if (value > 1'000'000'000'000) return false;
      value = value * 10 + static_cast<std::uint64_t>(rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return true;
  }
  // 'it''s\\n': as DDL has it, which is also how information_schema writes it.
  bool quoted(std::string& value) {
    skip_space();
    if (rest_.empty() || rest_.front() != '\'') return false;
    rest_.remove_prefix(1);
    value.clear();
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '\\' && !rest_.empty()) {
        const char escaped = rest_.front();
        rest_.remove_prefix(1);
        value += escaped == 'n' ? '\n' : escaped == 'r' ? '\r' : escaped == '0' ? '\0' : escaped;
      } else if (c != '\'') {
        value += c;
      } else if (!rest_.empty() && rest_.front() == '\'') {
        value += c;
        rest_.remove_prefix(1);
      } else {
        return true;
      }
    }
    return false;
  }

 private:
  std::string_view rest_;
};

bool read_arguments(Reader& in, NativeType& type) {
  if (type.base == Base::enumeration || type.base == Base::set) {
    do {
      std::string value;
      if (!in.quoted(value)) return false;
      type.values.push_back(std::move(value));
    } while (in.take(','));
    return in.take(')');
  }
  if (!in.number(type.length)) return false;
  if (in.take(',')) {
    std::uint64_t scale = 0;
    if (!in.number(scale) || scale > 255) return false;
    type.scale = static_cast<std::uint32_t>(scale);
  }
  return in.take(')');
}

}  // namespace

NativeType parse_native_type(std::string_view text) {
  Reader in(text);
  std::string name = in.word();
  Reader ahead = in;
  const std::string second = ahead.word();
  if ((name == "double" && second == "precision") || (name == "character" && second == "varying")) {
    name += " " + second;
    in = ahead;
  }
  const auto* known =
      std::find_if(kNames.begin(), kNames.end(), [&](const Named& n) { return n.name == name; });
  if (known == kNames.end()) return {};

  NativeType type;
  type.base = known->base;
  type.length = known->length;
  const bool has_arguments = in.take('(');
  if (has_arguments && !read_arguments(in, type)) return {};
  const bool wants_values = type.base == Base::enumeration || type.base == Base::set;
  if (wants_values && type.values.empty()) return {};
  // float(25) .. float(53) is a double.
  if (type.base == Base::real32 && type.scale == 0 && type.length > 24) type.base = Base::real64;
  while (!in.at_end()) {
    const std::string attribute = in.word();
    if (attribute == "unsigned" || attribute == "zerofill") {
      type.is_unsigned = true;  // zerofill implies it
    } else if (attribute != "signed") {
      return {};
    }
  }
  return type;
}

Type neutral_type(const NativeType& native) {
  const auto digits = static_cast<std::uint32_t>(native.length);
  switch (native.base) {
    case Base::tinyint:
      if (native.length == 1 && !native.is_unsigned) return {.kind = TypeKind::boolean};
      return {.kind = TypeKind::int16};
    case Base::smallint:
      return {.kind = native.is_unsigned ? TypeKind::int32 : TypeKind::int16};
    case Base::mediumint:
      return {.kind = TypeKind::int32};
    case Base::integer:
      return {.kind = native.is_unsigned ? TypeKind::int64 : TypeKind::int32};
    case Base::bigint:
      return {.kind = native.is_unsigned ? TypeKind::uint64 : TypeKind::int64};
    case Base::decimal:
      return {.kind = TypeKind::decimal, .precision = digits, .scale = native.scale};
    case Base::real32:
      return {.kind = TypeKind::float32};
    case Base::real64:
      return {.kind = TypeKind::float64};
    case Base::bit:
      if (native.length == 1) return {.kind = TypeKind::boolean};
      return {.kind = TypeKind::opaque};
    case Base::character:
      return {.kind = TypeKind::text, .length = native.length, .fixed = true};
    case Base::varchar:
      return {.kind = TypeKind::text, .length = native.length};
    case Base::text:
      return {.kind = TypeKind::text};
    case Base::binary:
      return {.kind = TypeKind::bytes, .length = native.length, .fixed = true};
    case Base::varbinary:
      return {.kind = TypeKind::bytes, .length = native.length};
    case Base::blob:
      return {.kind = TypeKind::bytes};
    case Base::date:
      return {.kind = TypeKind::date};
    case Base::time:
      return {.kind = TypeKind::time, .precision = digits};
    case Base::datetime:
      return {.kind = TypeKind::timestamp, .precision = digits};
    case Base::timestamp:
      return {.kind = TypeKind::timestamptz, .precision = digits};
    case Base::year:
      return {.kind = TypeKind::int16};
    case Base::json:
      return {.kind = TypeKind::json};
    case Base::enumeration:
      return {.kind = TypeKind::text};
    case Base::uuid:
      return {.kind = TypeKind::uuid};
    case Base::set:
    case Base::geometry:
    case Base::inet:
    case Base::unknown:
      break;
  }
  return {.kind = TypeKind::opaque};
}

std::string quote_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out += '\'';
}

}  // namespace migrator::mysql
