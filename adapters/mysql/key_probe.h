// Which rows of a batch are in the table already, by one key and by the database's own equality.
//
// A merge asks first and then loads only what is absent. A staging table would do too, but CREATE
// TEMPORARY TABLE is not allowed within a transaction on servers that enforce GTID consistency,
// needs a privilege of its own, and writes every row twice. Whoever inserts the same key between
// the question and the insert makes the insert fail with a duplicate: the caller tries again.
#pragma once

#include <string>
#include <vector>

#include "adapters/mysql/key_range.h"
#include "adapters/mysql/session.h"
#include "adapters/mysql/value_encoder.h"

namespace migrator::mysql {

class KeyProbe {
 public:
  KeyProbe(MysqlSession& session, const WriteSpec& spec, const RowLayout& layout);

  // The rows whose key is absent, in order.
  std::vector<std::uint32_t> absent_rows(const RowBatch& batch);
  // Deletes the table's rows that have the key of a row of the batch, spelled the same.
  void erase(const RowBatch& batch);

 private:
  std::string same_bytes(const Key& key) const;
  Key key_of(const RowBatch& batch, std::size_t row);
  Value key_part(const RowBatch& batch, std::size_t row, std::size_t part);
  void probe_integers(const RowBatch& batch, std::size_t begin, std::size_t end,
                      std::vector<bool>& present);
  void probe_any(const RowBatch& batch, std::size_t begin, std::size_t end,
                 std::vector<bool>& present);

  MysqlSession& session_;
  const ValueEncoder encoder_;
  const std::string table_, doing_;
  const std::vector<KeyColumn> key_;
  std::vector<std::size_t> columns_;  // of the batch, for each part of the key
};

}  // namespace migrator::mysql
