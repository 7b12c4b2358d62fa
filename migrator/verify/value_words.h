// How a value of a row that differs is written down: as it is, or as a keyed digest, by which two
// that are equal can be seen to be, and no other can be read.
//
// Threads: immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/row_batch.h"
#include "adapters/schema.h"
#include "adapters/value.h"

namespace migrator {

class ValueWords {
 public:
  // show: values are shown. key: of the digests, any text; a secret.
  ValueWords(bool show, std::string key) : show_(show), key_(std::move(key)) {}

  // A JSON value as in encode_key(), cut to some 200 bytes; or "hmac:" and 16 hex digits. NULL is
  // "null" in both.
  std::string of(const RowBatch& batch, const Cell& cell, const Type& type) const;
  // Of all values of a row: a JSON array, and where it has to be cut a digest of all behind it; or
  // that digest alone.
  std::string of_row(const std::vector<Value>& values) const;
  // For hashes that nobody can foresee, and that are the same each time.
  std::uint64_t seed() const;

 private:
  std::string of_text(const std::string& text) const;
  std::string of_large(std::string_view bytes, Cell::Tag tag) const;
  std::string digest(std::string_view text) const;

  const bool show_;
  const std::string key_;
};

}  // namespace migrator
