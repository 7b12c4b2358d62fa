// A temporary table beside the target's, from which rows are merged: each whose key is absent.
//
// One statement merges: INSERT ... ON CONFLICT (key) DO NOTHING, with the key as the arbiter, so
// that a concurrent writer of the same key is waited for, and a conflict with any other unique key
// is an error. Where the key's index cannot be an arbiter (a deferrable constraint), NOT EXISTS
// decides instead, and the constraint itself finds what a concurrent writer did.
//
// Lives within one transaction and one savepoint; the table is gone with either.
#pragma once

#include <cstdint>
#include <string>

#include "adapters/adapter.h"
#include "adapters/postgres/session.h"

namespace migrator::postgres {

// The unique index on exactly the key's columns, in whatever order: a deferrable one cannot be an
// arbiter of ON CONFLICT.
enum class KeyIndex { none, deferrable, immediate };
KeyIndex key_index(PgSession& session, const WriteSpec& spec);
[[noreturn]] void refuse_without_key(const TableName& table);

class Stage {
 public:
  // Makes the table, empty, with the columns of the target. Throws Error(permanent) if the key of
  // the spec has no unique index there.
  Stage(PgSession& session, WriteSpec spec);

  // To be loaded by COPY or INSERT, columns in the order of the spec.
  static std::string table();

  // Merges what was staged and drops the table. REQUIRES: `staged` rows are in it. Throws
  // Error(data) if two rows have one key by the target's comparison, or if a row is in the table
  // neither before nor after.
  LoadCount merge(std::uint64_t staged);

 private:
  std::string key_match() const;

  PgSession& session_;
  const WriteSpec spec_;
  bool arbiter_ = true;
};

}  // namespace migrator::postgres
