// A single value as a driver takes and gives it, and keys made of such values.
//
// Values are for the small traffic: key bounds, catalog queries, fence rows. Rows in bulk travel as
// RowBatch (row_batch.h), never as Values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migrator/include/migrator/value.h"

namespace migrator {

// One value per key column, in the order of the key.
using Key = std::vector<Value>;

// A half-open range of keys, (lower, upper], in the order of the index of the database that is
// read. An absent bound is unbounded.
struct KeyRange {
  std::optional<Key> lower;  // exclusive
  std::optional<Key> upper;  // inclusive
  bool operator==(const KeyRange&) const = default;
};

// The durable text form of a key: a JSON array. Integers are numbers, text is a string, and the
// rest is tagged: {"u":"18446744073709551615"}, {"d":"0x1.8p+1"}, {"x":"00ff"} for bytes; null is
// null. decode_key(encode_key(k)) == k. Text that is not UTF-8 is encoded as {"t":"<hex>"}.
std::string encode_key(const Key& key);
// Throws Error(invariant) on anything encode_key cannot have written.
Key decode_key(std::string_view text);

// The key for a person to read: (42, 'Lyon', x'00ff').
std::string describe(const Key& key);
std::string describe(const KeyRange& range);

}  // namespace migrator
