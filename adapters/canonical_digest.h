// The digest that all engines compute alike, where every column is of a type that SQL can spell in
// one way on each of them.
//
// A row's form is its columns' items with ';' between them; the hash is SHA-256 of it, of which the
// first 128 bits are taken as two numbers, big-endian and signed, each added up over the rows
// without a limit. (Of the hashes that both servers have it is also the fastest, as processors
// compute it: MD5 takes a quarter more of the whole on PostgreSQL, two thirds more on MariaDB.)
// NULL is the item `N`. Others, by the name of their type:
//   number      digits, with a '-' and a point where need be: no zeros that say nothing
//   text        two items: the length of its UTF-8 in bytes, and the text; of `fixed text` without
//               the spaces at its end
//   bytes       hexadecimal digits, lower case
//   date, time  ISO 8601; of the fraction of a second the digits that say something
//   moment      date, a space, and time; UTC where it has a zone
//   uuid        its 36 characters, lower case
// So no two rows of the same types share a form, unless they are equal. Rows that are equal may
// have several (-0 and 0): then the digests differ, and the rows have to be looked at. Values that
// the neutral types do not hold (MySQL's zero dates) have a form, too: where both sides hold the
// same one, they are equal by it, and have none in common where rows are read.
//
// Threads: any.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "adapters/adapter.h"

namespace migrator {

inline constexpr const char* kCanonicalDigest = "canonical-sha256";

// "" where the type has none: floating point is printed by each engine in its own way, JSON has no
// order.
std::string_view canonical_type(const Type& type);

// Absent where a column has none.
std::optional<DigestForm> canonical_digest(const std::vector<Column>& columns);

}  // namespace migrator
