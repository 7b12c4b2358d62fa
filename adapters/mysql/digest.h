// Digests of rows: by SHA1 of a form that no two rows share, and the canonical one.
#pragma once

#include <string>
#include <vector>

#include "adapters/schema.h"

namespace migrator::mysql {

inline constexpr const char* kSha1Digest = "mysql-sha1";

// Whether every column's type has such a form.
bool has_digest(const std::vector<Column>& columns);

// The form, as one expression: every column's value behind a separator that no number or date has;
// in front of texts and bytes their length, as they may have anything. NULL is "-".
std::string digest_form(const std::vector<Column>& columns);

// Whether every column's values are spelled here as canonical_digest.h has it.
bool has_canonical_form(const std::vector<Column>& columns);

// That form, as one expression.
std::string canonical_form(const std::vector<Column>& columns);

}  // namespace migrator::mysql
