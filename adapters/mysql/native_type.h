// MySQL's column types as information_schema and DDL write them: "int(10) unsigned",
// "enum('a','b')".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/schema.h"

namespace migrator::mysql {

enum class Base {
  tinyint,
  smallint,
  mediumint,
  integer,
  bigint,
  decimal,
  real32,
  real64,
  bit,
  character,
  varchar,
  text,  // text: any of tinytext .. longtext
  binary,
  varbinary,
  blob,  // blob: any of tinyblob .. longblob
  date,
  time,
  datetime,
  timestamp,
  year,
  json,
  enumeration,
  set,
  geometry,
  uuid,
  inet,  // MariaDB
  unknown,
};

struct NativeType {
  Base base = Base::unknown;
  bool is_unsigned = false;
  std::uint64_t length = 0;  // the first number in parentheses, or the type's own default; 0: none
  std::uint32_t scale = 0;   // the second one
  std::vector<std::string> values;  // enum, set

  // Characters of a character set, not bytes or numbers.
  bool is_text() const {
    return base == Base::character || base == Base::varchar || base == Base::text ||
           base == Base::enumeration || base == Base::set;
  }
  // Values are raw bytes: sent and bound as such. So are those of types that are not known here.
  bool is_binary() const {
    return base == Base::binary || base == Base::varbinary || base == Base::blob ||
           base == Base::bit || base == Base::geometry || base == Base::unknown;
  }
  bool is_integer() const {
    return base == Base::tinyint || base == Base::smallint || base == Base::mediumint ||
           base == Base::integer || base == Base::bigint;
  }
};

// Reads a type of this engine, with the aliases that DDL allows ("integer", "numeric", "bool").
// Anything it does not know comes back as Base::unknown; malformed parentheses too.
NativeType parse_native_type(std::string_view text);

// The neutral type. tinyint(1) is boolean and bit(1) too: what plan scans for other values decides.
Type neutral_type(const NativeType& native);

// A string as an SQL literal in quotes. Only for DDL (enum values, defaults): strict mode without
// NO_BACKSLASH_ESCAPES is set on every session, so a backslash is doubled.
std::string quote_literal(std::string_view text);

}  // namespace migrator::mysql
