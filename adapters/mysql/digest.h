// Digests of rows: by SHA1 of a form that no two rows share, and the canonical one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/schema.h"

namespace migrator::mysql {

inline constexpr const char* kSha1Digest = "mysql-sha1";

// Whether every column's type has such a form.
bool has_digest(const std::vector<Column>& columns);

// The form, as one expression: every column's value, or a byte for NULL, between bytes; both in no
// number, no date and no text of UTF-8. In front of other texts and of bytes stands their length.
std::string digest_form(const std::vector<Column>& columns);

// Two sums of 64 bits a row, of its hash in 40 hexadecimal digits. Every ten digits more go into
// another 32 bits, by a CRC: some half of the time that numbers by CONV take.
std::string digest_sums(std::string_view hash);

// Whether every column's values are spelled here as canonical_digest.h has it.
bool has_canonical_form(const std::vector<Column>& columns);

// That form, as one expression; and the sums of its hash.
std::string canonical_form(const std::vector<Column>& columns);
std::string canonical_sums(std::string_view hash);

}  // namespace migrator::mysql
