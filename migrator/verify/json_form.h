// The canonical text of a JSON document, so that two spellings of the same document are equal:
// members sorted by name, no white space, strings unescaped to UTF-8 and escaped one way, numbers
// by value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace migrator {

// Of a member that is there twice, the last one counts, as for PostgreSQL's jsonb and MySQL's JSON.
// Numbers keep every digit (1.50 is 1.5, 1e2 is 100). Absent if the text is not JSON.
std::optional<std::string> canonical_json(std::string_view text);

}  // namespace migrator
