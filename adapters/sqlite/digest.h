// A digest of rows by XXH3 of their values as they are stored: what a comparison of two files steps
// through without a copy.
#pragma once

#include <cstdint>
#include <string>

#include <sqlite3.h>

#include "adapters/adapter.h"

namespace migrator::sqlite {

inline constexpr const char* kStoredDigest = "sqlite-xxh3";

class RowDigest {
 public:
  // Of the row that the statement stands on.
  void add(sqlite3_stmt* statement, int columns);
  RangeDigest result() const;

 private:
  std::string row_;  // a row's values, each behind its storage class, texts and blobs behind their
                     // length, too: no two rows look alike
  std::uint64_t rows_ = 0, low_ = 0, high_ = 0;  // of the sum, modulo 2^128
};

}  // namespace migrator::sqlite
