#include "adapters/sqlite/digest.h"

#include <cstring>

#include <fmt/format.h>
// Compiled in: whoever links the shim does not have to have libxxhash.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "adapters/sqlite/codec.h"

namespace migrator::sqlite {
namespace {

template <typename Number>
void append_number(std::string& row, Number number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  row.append(bytes, sizeof number);
}

void append_bytes(std::string& row, std::string_view bytes) {
  append_number(row, bytes.size());
  row += bytes;
}

}  // namespace

void RowDigest::add(sqlite3_stmt* statement, int columns) {
  row_.clear();
  for (int at = 0; at < columns; ++at) {
    sqlite3_value* const value = sqlite3_column_value(statement, at);
    const int storage = sqlite3_value_type(value);
    row_ += static_cast<char>(storage);
    switch (storage) {
      case SQLITE_INTEGER:
        append_number(row_, sqlite3_value_int64(value));
        break;
      case SQLITE_FLOAT:
        // Bit by bit: -0.0 is not 0.0.
        append_number(row_, sqlite3_value_double(value));
        break;
      case SQLITE_TEXT: {
        append_bytes(row_, text_of(value));
        break;
      }
      case SQLITE_BLOB: {
        append_bytes(row_, bytes_of(value));
        break;
      }
      default:
        break;
    }
  }
  const XXH128_hash_t hash = XXH3_128bits(row_.data(), row_.size());
  low_ += hash.low64;
  high_ += hash.high64 + (low_ < hash.low64 ? 1 : 0);
  ++rows_;
}

RangeDigest RowDigest::result() const {
  if (rows_ == 0) return {};
  return {rows_, fmt::format("{:016x}{:016x}", high_, low_)};
}

}  // namespace migrator::sqlite
