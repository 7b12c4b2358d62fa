// PostgreSQL's type names: read as anyone may write them, spelled as format_type() spells them, and
// what each of them is to the neutral types of schema.h. Pure: no connection, safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "adapters/schema.h"

namespace migrator::postgres {

struct NativeType {
  std::string canonical;  // as format_type() prints it: "timestamp(3) with time zone", "integer[]"
  std::string base;  // canonical without modifier and array: "timestamp with time zone", "integer"
  Type type;
  bool array = false;
  bool serial = false;  // written as serial, bigserial, smallserial
};

// A built-in type (and citext and hstore), in any spelling the server reads. Absent if it is none,
// or if a modifier is out of the server's range.
std::optional<NativeType> parse_native_type(std::string_view text);

// True if values of this type have the same binary COPY form on every server from PostgreSQL 12 on,
// so that the bytes may be forwarded unread. User types never: their OIDs and encodings are local.
bool has_stable_binary_format(std::string_view native_type);

// The type that a key literal is cast to: the column's own, but without a modifier, which in an
// explicit cast would round or truncate the literal silently ('abc'::varchar(2) is 'ab').
std::string literal_type(std::string_view native_type);

// The spelling for a neutral type. REQUIRES: kind is not opaque.
std::string native_type_for(const Type& type);

}  // namespace migrator::postgres
