#include "adapters/postgres/types.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "migrator/include/migrator/error.h"

namespace migrator::postgres {
namespace {

// MaxAttrSize of the server (htup_details.h): the longest declared varchar and char.
constexpr std::int64_t kCharacterLengthMax = 10'485'760;
constexpr std::int64_t kNumericPrecisionMax = 1000;  // NUMERIC_MAX_PRECISION
constexpr std::int64_t kNumericScaleMax = 1000;      // NUMERIC_MAX_SCALE; the least is its negative
constexpr std::int64_t kTimePrecisionMax = 6;        // MAX_TIMESTAMP_PRECISION

const std::unordered_map<std::string_view, std::string_view>& aliases() {
  static const std::unordered_map<std::string_view, std::string_view> map{
      {"bool", "boolean"},
      {"int2", "smallint"},
      {"smallserial", "smallint"},
      {"serial2", "smallint"},
      {"int", "integer"},
      {"int4", "integer"},
      {"serial", "integer"},
      {"serial4", "integer"},
      {"int8", "bigint"},
      {"bigserial", "bigint"},
      {"serial8", "bigint"},
      {"decimal", "numeric"},
      {"dec", "numeric"},
      {"float4", "real"},
      {"float8", "double precision"},
      {"char", "character"},
      {"nchar", "character"},
      {"national character", "character"},
      {"national char", "character"},
      {"varchar", "character varying"},
      {"char varying", "character varying"},
      {"nchar varying", "character varying"},
      {"national character varying", "character varying"},
      {"time", "time without time zone"},
      {"timetz", "time with time zone"},
      {"timestamp", "timestamp without time zone"},
      {"timestamptz", "timestamp with time zone"},
      {"varbit", "bit varying"},
  };
  return map;
}

// Built-in types that take no modifier, with their neutral kind.
const std::unordered_map<std::string_view, TypeKind>& plain_types() {
  static const std::unordered_map<std::string_view, TypeKind> map{
      {"boolean", TypeKind::boolean},
      {"smallint", TypeKind::int16},
      {"integer", TypeKind::int32},
      {"bigint", TypeKind::int64},
      {"real", TypeKind::float32},
      {"double precision", TypeKind::float64},
      {"text", TypeKind::text},
      {"name", TypeKind::text},
      {"citext", TypeKind::text},
      {"bytea", TypeKind::bytes},
      {"date", TypeKind::date},
      {"json", TypeKind::json},
      {"jsonb", TypeKind::json},
      {"uuid", TypeKind::uuid},
      {"inet", TypeKind::opaque},
      {"cidr", TypeKind::opaque},
      {"macaddr", TypeKind::opaque},
      {"macaddr8", TypeKind::opaque},
      {"money", TypeKind::opaque},
      {"xml", TypeKind::opaque},
      {"oid", TypeKind::opaque},
      {"xid", TypeKind::opaque},
      {"xid8", TypeKind::opaque},
      {"cid", TypeKind::opaque},
      {"tid", TypeKind::opaque},
      {"point", TypeKind::opaque},
      {"line", TypeKind::opaque},
      {"lseg", TypeKind::opaque},
      {"box", TypeKind::opaque},
      {"path", TypeKind::opaque},
      {"polygon", TypeKind::opaque},
      {"circle", TypeKind::opaque},
      {"tsvector", TypeKind::opaque},
      {"tsquery", TypeKind::opaque},
      {"int4range", TypeKind::opaque},
      {"int8range", TypeKind::opaque},
      {"numrange", TypeKind::opaque},
      {"tsrange", TypeKind::opaque},
      {"tstzrange", TypeKind::opaque},
      {"daterange", TypeKind::opaque},
      {"int4multirange", TypeKind::opaque},
      {"int8multirange", TypeKind::opaque},
      {"nummultirange", TypeKind::opaque},
      {"tsmultirange", TypeKind::opaque},
      {"tstzmultirange", TypeKind::opaque},
      {"datemultirange", TypeKind::opaque},
      {"pg_lsn", TypeKind::opaque},
      {"pg_snapshot", TypeKind::opaque},
      {"txid_snapshot", TypeKind::opaque},
      {"jsonpath", TypeKind::opaque},
      {"hstore", TypeKind::opaque},
      {"regclass", TypeKind::opaque},
      {"regtype", TypeKind::opaque},
      {"regproc", TypeKind::opaque},
  };
  return map;
}

bool is_interval(std::string_view name) {
  static const std::unordered_set<std::string_view> forms{
      "interval",
      "interval year",
      "interval month",
      "interval day",
      "interval hour",
      "interval minute",
      "interval second",
      "interval year to month",
      "interval day to hour",
      "interval day to minute",
      "interval day to second",
      "interval hour to minute",
      "interval hour to second",
      "interval minute to second",
  };
  return forms.contains(name);
}

// Lower case, every run of blanks one space, none at the ends.
std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c))) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// Takes "[]", "[3]" and " array" off the end; true if there was one.
bool take_array_suffix(std::string& text) {
  bool array = false;
  while (!text.empty()) {
    if (text.back() == ']') {
      const auto open = text.rfind('[');
      if (open == std::string::npos) return false;
      const std::string_view inside(text.data() + open + 1, text.size() - open - 2);
      if (!std::all_of(inside.begin(), inside.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        return false;
      }
      text.erase(open);
    } else if (text.ends_with(" array")) {
      text.erase(text.size() - 6);
    } else {
      break;
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    array = true;
  }
  return array;
}

struct Parsed {
  std::string name;
  std::vector<std::int64_t> modifiers;
};

// "timestamp(3) with time zone" is the name "timestamp with time zone" and the modifier 3.
std::optional<Parsed> take_modifiers(const std::string& text) {
  Parsed parsed;
  const auto open = text.find('(');
  if (open == std::string::npos) {
    parsed.name = text;
    return parsed;
  }
  const auto close = text.find(')', open);
  if (close == std::string::npos || text.find('(', open + 1) != std::string::npos) return {};
  parsed.name = folded(text.substr(0, open) + " " + text.substr(close + 1));
  std::string_view inside(text.data() + open + 1, close - open - 1);
  while (true) {
    const auto comma = inside.find(',');
    std::string_view item = inside.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), value);
    if (error != std::errc() || end != item.data() + item.size()) return {};
    parsed.modifiers.push_back(value);
    if (comma == std::string_view::npos) break;
    inside.remove_prefix(comma + 1);
  }
  return parsed;
}

bool in_range(std::int64_t value, std::int64_t least, std::int64_t most) {
  return value >= least && value <= most;
}

std::optional<NativeType> numeric_type(const std::vector<std::int64_t>& modifiers) {
  NativeType native{"numeric", "numeric", {TypeKind::decimal}, false, false};
  if (modifiers.empty()) return native;
  if (modifiers.size() > 2) return {};
  const std::int64_t precision = modifiers[0];
  const std::int64_t scale = modifiers.size() == 2 ? modifiers[1] : 0;
  if (!in_range(precision, 1, kNumericPrecisionMax)) return {};
  if (!in_range(scale, -kNumericScaleMax, kNumericScaleMax)) return {};
  native.canonical += "(" + std::to_string(precision) + "," + std::to_string(scale) + ")";
  // PostgreSQL 15 lets the scale be negative: the server rounds to whole hundreds, which no neutral
  // type can say and no encoder here would notice.
  if (scale < 0) {
    native.type = Type{};
    return native;
  }
  // And beyond the precision (numeric(2,5) has 0.00012): the neutral type counts all digits
  // written.
  native.type.scale = static_cast<std::uint32_t>(scale);
  native.type.precision = static_cast<std::uint32_t>(std::max(precision, scale));
  return native;
}

std::optional<NativeType> character_type(const Parsed& parsed, bool fixed) {
  NativeType native;
  native.base = fixed ? "character" : "character varying";
  native.type.kind = TypeKind::text;
  native.type.fixed = fixed;
  if (parsed.modifiers.size() > 1) return {};
  std::int64_t length = fixed ? 1 : 0;  // char alone is char(1), varchar alone has no limit
  if (!parsed.modifiers.empty()) {
    length = parsed.modifiers[0];
    if (!in_range(length, 1, kCharacterLengthMax)) return {};
  }
  native.type.length = static_cast<std::uint64_t>(length);
  native.canonical = native.base;
  if (length != 0) native.canonical += "(" + std::to_string(length) + ")";
  return native;
}

std::optional<NativeType> time_type(const Parsed& parsed, TypeKind kind) {
  NativeType native;
  native.base = native.canonical = parsed.name;
  native.type.kind = kind;
  native.type.precision = kind == TypeKind::opaque ? 0 : kTimePrecisionMax;
  if (parsed.modifiers.size() > 1) return {};
  if (parsed.modifiers.size() == 1) {
    const std::int64_t digits = parsed.modifiers[0];
    if (!in_range(digits, 0, kTimePrecisionMax)) return {};
    const auto space = parsed.name.find(' ');
    native.canonical = parsed.name.substr(0, space) + "(" + std::to_string(digits) + ")" +
                       parsed.name.substr(space);
    if (kind != TypeKind::opaque) native.type.precision = static_cast<std::uint32_t>(digits);
  }
  return native;
}

std::optional<NativeType> bit_type(const Parsed& parsed) {
  NativeType native;
  native.base = native.canonical = parsed.name;
  if (parsed.modifiers.size() > 1) return {};
  if (parsed.modifiers.size() == 1 && parsed.modifiers[0] < 1) return {};
  if (parsed.modifiers.size() == 1 || parsed.name == "bit") {
    const std::int64_t length = parsed.modifiers.empty() ? 1 : parsed.modifiers[0];
    native.canonical += "(" + std::to_string(length) + ")";
  }
  return native;
}

std::optional<NativeType> interval_type(const Parsed& parsed) {
  NativeType native;
  native.canonical = parsed.name;
  native.base = "interval";
  if (parsed.modifiers.size() > 1) return {};
  if (parsed.modifiers.size() == 1) {
    if (!in_range(parsed.modifiers[0], 0, kTimePrecisionMax)) return {};
    native.canonical += "(" + std::to_string(parsed.modifiers[0]) + ")";
  }
  return native;
}

std::optional<NativeType> scalar_type(Parsed parsed) {
  NativeType native;
  native.serial = parsed.name.find("serial") != std::string::npos;
  if (parsed.name == "float") {
    const std::int64_t bits = parsed.modifiers.empty() ? 53 : parsed.modifiers[0];
    if (parsed.modifiers.size() > 1 || !in_range(bits, 1, 53)) return {};
    parsed.name = bits <= 24 ? "real" : "double precision";
    parsed.modifiers.clear();
  }
  if (const auto alias = aliases().find(parsed.name); alias != aliases().end()) {
    parsed.name = alias->second;
  }
  if (parsed.name == "numeric") return numeric_type(parsed.modifiers);
  if (parsed.name == "character") return character_type(parsed, true);
  if (parsed.name == "character varying") return character_type(parsed, false);
  if (parsed.name == "time without time zone") return time_type(parsed, TypeKind::time);
  if (parsed.name == "time with time zone") return time_type(parsed, TypeKind::opaque);
  if (parsed.name == "timestamp without time zone") return time_type(parsed, TypeKind::timestamp);
  if (parsed.name == "timestamp with time zone") return time_type(parsed, TypeKind::timestamptz);
  if (parsed.name == "bit" || parsed.name == "bit varying") return bit_type(parsed);
  if (is_interval(parsed.name)) return interval_type(parsed);
  if (parsed.name == "bpchar") {
    // char of no fixed length, or with one just another spelling of char(n).
    if (!parsed.modifiers.empty()) return character_type(parsed, true);
    return NativeType{"bpchar", "bpchar", {TypeKind::text}, false, false};
  }
  const auto plain = plain_types().find(parsed.name);
  if (plain == plain_types().end() || !parsed.modifiers.empty()) return {};
  native.base = native.canonical = parsed.name;
  native.type.kind = plain->second;
  // NAMEDATALEN - 1 bytes; a longer text would be cut without an error.
  if (parsed.name == "name") native.type.length = 63;
  return native;
}

}  // namespace

std::optional<NativeType> parse_native_type(std::string_view text) {
  if (text == "\"char\"") return NativeType{"\"char\"", "\"char\"", {}, false, false};
  std::string name = folded(text);
  const bool array = take_array_suffix(name);
  std::optional<Parsed> parsed = take_modifiers(name);
  if (!parsed) return {};
  std::optional<NativeType> native = scalar_type(std::move(*parsed));
  if (!native || (array && native->serial)) return {};
  if (array) {
    native->array = true;
    native->canonical += "[]";  // the server keeps no number of dimensions
    native->type = Type{};
  }
  return native;
}

bool has_stable_binary_format(std::string_view native_type) {
  static const std::unordered_set<std::string_view> stable{
      "boolean",
      "smallint",
      "integer",
      "bigint",
      "real",
      "double precision",
      "numeric",
      "text",
      "character varying",
      "character",
      "bpchar",
      "bytea",
      "date",
      "time without time zone",
      "timestamp without time zone",
      "timestamp with time zone",
      "uuid",
      "json",
      "jsonb",
      "interval",
      "inet",
      "cidr",
      "macaddr",
      "bit",
      "bit varying",
      "oid",
  };
  const std::optional<NativeType> native = parse_native_type(native_type);
  return native && stable.contains(native->base);
}

std::string literal_type(std::string_view native_type) {
  const std::optional<NativeType> native = parse_native_type(native_type);
  if (!native) return std::string(native_type);
  if (native->array || native->base == "bit") return native->canonical;
  if (native->base == "character") return "bpchar";  // "character" alone would be char(1)
  return native->base;
}

std::string native_type_for(const Type& type) {
  const auto with_digits = [&](std::string_view head, std::string_view tail) {
    std::string out(head);
    if (type.precision < kTimePrecisionMax) out += "(" + std::to_string(type.precision) + ")";
    return out.append(tail);
  };
  switch (type.kind) {
    case TypeKind::boolean:
      return "boolean";
    case TypeKind::int16:
      return "smallint";
    case TypeKind::int32:
      return "integer";
    case TypeKind::int64:
      return "bigint";
    case TypeKind::uint64:
      return "numeric(20,0)";
    case TypeKind::decimal:
      if (type.precision == 0 || type.precision > kNumericPrecisionMax) return "numeric";
      return "numeric(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
    case TypeKind::float32:
      return "real";
    case TypeKind::float64:
      return "double precision";
    case TypeKind::text:
      if (type.length == 0 || type.length > kCharacterLengthMax) return "text";
      return (type.fixed ? "character(" : "character varying(") + std::to_string(type.length) + ")";
    case TypeKind::bytes:
      return "bytea";
    case TypeKind::date:
      return "date";
    case TypeKind::time:
      return with_digits("time", " without time zone");
    case TypeKind::timestamp:
      return with_digits("timestamp", " without time zone");
    case TypeKind::timestamptz:
      return with_digits("timestamp", " with time zone");
    case TypeKind::json:
      return "jsonb";
    case TypeKind::uuid:
      return "uuid";
    case TypeKind::opaque:
      break;
  }
  throw Error(ErrorKind::invariant, "an opaque type has no spelling of its own");
}

}  // namespace migrator::postgres
