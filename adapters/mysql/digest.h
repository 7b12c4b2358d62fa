// A digest of rows by SHA1 of a form that no two rows share.
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

}  // namespace migrator::mysql
