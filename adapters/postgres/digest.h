// Digests of rows: by PostgreSQL's hash of their binary form, and the canonical one.
//
// Not by the hash of the record itself: that adds up the hashes of the columns, each 31 times the
// one before, so that two rows which swap a value cancel each other in a sum; and types hash alike
// what they hold for equal or nearly so (a numeric and its negative, -1 and 4294967295, [] and {}).
#pragma once

#include <string>
#include <vector>

#include "adapters/schema.h"

namespace migrator::postgres {

inline constexpr const char* kRecordDigest = "pg-record-send";
// hash_record_extended() came with PostgreSQL 14.
inline constexpr int kRecordDigestSince = 140'000;

// The columns as one bytea, in which no two rows look alike: each value behind its type and length,
// texts in the client's encoding.
std::string digest_bytes(const std::vector<Column>& columns);

// trim_scale() came with PostgreSQL 13, sha256() before it.
inline constexpr int kCanonicalDigestSince = 130'000;

// The form of canonical_digest.h, as one expression. REQUIRES: the columns have one, and the
// database is in UTF-8.
std::string canonical_form(const std::vector<Column>& columns);

}  // namespace migrator::postgres
