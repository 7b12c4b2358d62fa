#include "plans/unicode.h"

namespace migrator {
namespace {

// The length that a lead byte announces; 0 for a byte that can lead nothing (RFC 3629, section 4).
std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

}  // namespace

char32_t take_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = sequence_length(lead);
  static constexpr unsigned char kLeadBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t code_point = lead & kLeadBits[length];
  for (std::size_t i = 1; i < length; ++i) {
    code_point = (code_point << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  text.remove_prefix(length);
  return code_point;
}

std::size_t find_invalid_utf8(std::string_view text) {
  static constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = sequence_length(static_cast<unsigned char>(text[at]));
    if (length == 0 || at + length > text.size()) return at;
    for (std::size_t i = 1; i < length; ++i) {
      if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return at;
    }
    std::string_view sequence = text.substr(at, length);
    const char32_t code_point = take_code_point(sequence);
    if (code_point < kSmallest[length] || code_point > 0x10FFFF) return at;
    if (code_point >= 0xD800 && code_point <= 0xDFFF) return at;
    at += length;
  }
  return std::string_view::npos;
}

bool is_visible(char32_t c) {
  if (c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD) return false;
  if (c == 0x1680 || c == 0x3000) return false;  // spaces
  if (c >= 0x2000 && c <= 0x200F) return false;  // spaces, zero width, marks
  if (c >= 0x2028 && c <= 0x202F) return false;  // line ends, direction
  if (c >= 0x205F && c <= 0x206F) return false;  // spaces, direction
  if (c == 0x034F || c == 0x061C || c == 0x115F || c == 0x1160) return false;
  if (c >= 0x17B4 && c <= 0x17B5) return false;
  if (c >= 0x180B && c <= 0x180F) return false;
  if (c == 0x2800 || c == 0x3164 || c == 0xFFA0) return false;  // blanks that are letters
  if (c >= 0xE000 && c <= 0xF8FF) return false;                 // private use
  if (c >= 0xFE00 && c <= 0xFE0F) return false;                 // variation selectors
  if (c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFF)) return false;
  return c < 0xE0000;
}

}  // namespace migrator
