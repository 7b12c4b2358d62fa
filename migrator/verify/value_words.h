// How a value of a row that differs is written down: as it is, or as a keyed digest, by which two
// that are equal can be seen to be, and no other can be read.
//
// Threads: immutable.
#pragma once

#include <string>

#include "adapters/row_batch.h"
#include "adapters/schema.h"

namespace migrator {

class ValueWords {
 public:
  // show: values are shown. key: of the digests, any text; a secret.
  ValueWords(bool show, std::string key) : show_(show), key_(std::move(key)) {}

  // A JSON value as in encode_key(), cut to some 200 bytes; or "hmac:" and 16 hex digits. NULL is
  // "null" in both.
  std::string of(const RowBatch& batch, const Cell& cell, const Type& type) const;

 private:
  const bool show_;
  const std::string key_;
};

}  // namespace migrator
