// A digest of rows by PostgreSQL's own hash of a record.
#pragma once

#include <string>
#include <vector>

#include "adapters/schema.h"

namespace migrator::postgres {

inline constexpr const char* kRecordDigest = "pg-record-hash";
// hash_record_extended() came with PostgreSQL 14.
inline constexpr int kRecordDigestSince = 140'000;

// "ROW(...)" of the columns, each in a form that hashes alike only where the values are equal.
std::string digest_record(const std::vector<Column>& columns);

}  // namespace migrator::postgres
