// Just enough of UTF-8 to say where a text stops being it, and which characters cannot be seen.
#pragma once

#include <cstddef>
#include <string_view>

namespace migrator {

// The offset of the first byte that is not part of well-formed UTF-8 (overlong forms, surrogates
// and what is above U+10FFFF are not); npos if there is none.
std::size_t find_invalid_utf8(std::string_view text);

// Takes the first code point off `text`. REQUIRES: well-formed and not empty.
char32_t take_code_point(std::string_view& text);

// Whether a reader of the file sees the character for what it is: no controls, no unusual spaces,
// no direction marks, nothing of zero width.
bool is_visible(char32_t code_point);

}  // namespace migrator
