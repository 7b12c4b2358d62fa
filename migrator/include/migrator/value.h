// A single value as a driver takes and gives it, and the rows of a small query.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace migrator {

struct Bytes {
  std::string data;
  bool operator==(const Bytes&) const = default;
};

// Text is UTF-8. A type with no form of its own here (decimal, date, uuid, ...) travels as the text
// that its engine prints and reads back without loss.
using Value = std::variant<std::monostate, std::int64_t, std::uint64_t, double, std::string, Bytes>;

inline bool is_null(const Value& value) { return value.index() == 0; }

// Columns of a row by their names, in any order.
using NamedValues = std::vector<std::pair<std::string, Value>>;

// Rows of a small query. Integers come as int64 or uint64, floats as double, blobs as Bytes, NULL
// as monostate, and everything else as the text the engine prints.
struct Result {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;
  std::uint64_t affected = 0;  // rows changed, for INSERT, UPDATE, DELETE

  bool empty() const { return rows.empty(); }
};

// The value of a query's cell as an integer or text, however the engine gave it. Throws
// Error(invariant) if it is NULL or cannot be one.
std::int64_t as_integer(const Value& value);
std::string as_text(const Value& value);

}  // namespace migrator
