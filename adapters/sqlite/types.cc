#include "adapters/sqlite/types.h"

#include <algorithm>
#include <vector>

#include "adapters/codec.h"
#include "adapters/sqlite/tokens.h"

namespace migrator::sqlite {
namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// "Decimal ( 10, 2 )" in its parts: base "DECIMAL", arguments {10, 2}.
struct Declared {
  std::string base;
  std::vector<std::uint64_t> arguments;
  bool well_formed = true;
};

Declared parse_declared(std::string_view declared_type) {
  Declared result;
  std::vector<Token> tokens;
  result.well_formed = tokenize(declared_type, tokens);
  bool in_arguments = false, done = false;
  for (const Token& token : tokens) {
    if (!in_arguments && token.is_name()) {
      // "TIMESTAMP(3) WITH TIME ZONE" has words behind its arguments too.
      if (!result.base.empty()) result.base += ' ';
      result.base += upper(token.text);
      if (token.kind != Token::Kind::word) result.well_formed = false;
    } else if (token.is_symbol('(') && !in_arguments && !done && !result.base.empty()) {
      in_arguments = true;
    } else if (token.is_symbol(')') && in_arguments) {
      in_arguments = false;
      done = true;
    } else if (in_arguments && token.kind == Token::Kind::number) {
      std::uint64_t value = 0;
      if (!parse_uint64(token.text, value)) result.well_formed = false;
      result.arguments.push_back(value);
    } else if (!in_arguments || !(token.is_symbol(',') || token.is_symbol('+'))) {
      result.well_formed = false;
    }
  }
  if (in_arguments || result.arguments.size() > 2) result.well_formed = false;
  return result;
}

bool is_one_of(const std::string& base, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), base) != names.end();
}

std::uint32_t second_digits(const Declared& declared) {
  // Without a number nothing is promised, and texts with microseconds are usual.
  return declared.arguments.empty()
             ? 6
             : static_cast<std::uint32_t>(std::min<std::uint64_t>(6, declared.arguments[0]));
}

Type decimal_type(const Declared& declared) {
  Type type;
  type.kind = TypeKind::decimal;
  // DECIMAL(5,-2) and the like promise nothing that we could hold them to.
  if (!declared.well_formed) return type;
  if (!declared.arguments.empty()) {
    type.precision = static_cast<std::uint32_t>(declared.arguments[0]);
  }
  if (declared.arguments.size() > 1) type.scale = static_cast<std::uint32_t>(declared.arguments[1]);
  return type;
}

}  // namespace

Affinity affinity_of(std::string_view declared_type) {
  const std::string type = upper(declared_type);
  if (contains(type, "INT")) return Affinity::integer;
  if (contains(type, "CHAR") || contains(type, "CLOB") || contains(type, "TEXT"))
    return Affinity::text;
  if (contains(type, "BLOB") || type.empty()) return Affinity::blob;
  if (contains(type, "REAL") || contains(type, "FLOA") || contains(type, "DOUB"))
    return Affinity::real;
  return Affinity::numeric;
}

Type neutral_type(std::string_view declared_type) {
  const Declared declared = parse_declared(declared_type);
  const std::string& base = declared.base;
  Type type;
  if (is_one_of(base, {"DECIMAL", "DEC", "NUMERIC", "NUMBER", "FIXED", "DECIMAL_TEXT"})) {
    return decimal_type(declared);
  }
  if (contains(base, "BOOL")) {
    type.kind = TypeKind::boolean;
  } else if (base == "DATE") {
    type.kind = TypeKind::date;
  } else if (is_one_of(base, {"DATETIME", "TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE"})) {
    type.kind = TypeKind::timestamp;
    type.precision = second_digits(declared);
  } else if (is_one_of(base, {"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"})) {
    type.kind = TypeKind::timestamptz;
    type.precision = second_digits(declared);
  } else if (is_one_of(base, {"TIME", "TIME WITHOUT TIME ZONE"})) {
    type.kind = TypeKind::time;
    type.precision = second_digits(declared);
  } else if (is_one_of(base, {"JSON", "JSONB", "JSON_TEXT"})) {
    type.kind = TypeKind::json;
  } else if (base == "UUID") {
    type.kind = TypeKind::uuid;
  } else if (is_one_of(base, {"BINARY", "VARBINARY", "BYTEA"})) {
    type.kind = TypeKind::bytes;  // NUMERIC affinity, which leaves a blob as it is
    if (!declared.arguments.empty()) type.length = declared.arguments[0];
  } else if (base == "INTERVAL" || base == "POINT") {
    type.kind = TypeKind::opaque;  // INTEGER affinity by the letters "INT", which nobody meant
  } else {
    switch (affinity_of(declared_type)) {
      case Affinity::integer:
        type.kind = TypeKind::int64;
        break;
      case Affinity::real:
        type.kind = TypeKind::float64;
        break;
      case Affinity::text:
        // Not `fixed`: SQLite never pads, and a padding engine would alter the values.
        type.kind = TypeKind::text;
        if (!declared.arguments.empty()) type.length = declared.arguments[0];
        break;
      case Affinity::blob:
        type.kind = base.empty() ? TypeKind::opaque : TypeKind::bytes;
        break;
      case Affinity::numeric:
        type.kind = TypeKind::opaque;
        break;
    }
  }
  return type;
}

bool is_type_name(std::string_view declared_type) {
  if (declared_type.find_first_not_of(" \t\r\n") == std::string_view::npos) return true;
  const Declared declared = parse_declared(declared_type);
  return declared.well_formed && !declared.base.empty();
}

}  // namespace migrator::sqlite
