// Declared types: what SQLite makes of them (affinity), and what they say about the values (neutral
// type).
#pragma once

#include <string>
#include <string_view>

#include "adapters/schema.h"

namespace migrator::sqlite {

// https://www.sqlite.org/datatype3.html#determination_of_column_affinity
enum class Affinity { text, numeric, integer, real, blob };
Affinity affinity_of(std::string_view declared_type);

// The neutral type that a declared type announces. SQLite enforces none of it (outside STRICT
// tables), so the codec checks each value against it. Types that say nothing certain are opaque.
Type neutral_type(std::string_view declared_type);

// A type name that CREATE TABLE can carry unquoted: words and up to two signed numbers in
// parentheses.
bool is_type_name(std::string_view declared_type);

// decimal(p,s) up to this precision is stored as SQLite's own numbers: every decimal of 15 digits
// reads back from a double unchanged (DBL_DIG).
inline constexpr std::uint32_t kNumericDigits = 15;

}  // namespace migrator::sqlite
