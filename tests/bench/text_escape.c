#include "text_escape.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static int is_special(char c) { return c == '\\' || c == '\n' || c == '\t' || c == '\r'; }

static char escape_letter(char c) {
  switch (c) {
    case '\n':
      return 'n';
    case '\t':
      return 't';
    case '\r':
      return 'r';
    default:
      return c;
  }
}

// Bytes in front of the first one that needs a backslash.
static size_t plain_prefix(const char* text, size_t length) {
  size_t i = 0;
#ifdef __SSE2__
  const __m128i backslash = _mm_set1_epi8('\\'), newline = _mm_set1_epi8('\n');
  const __m128i tab = _mm_set1_epi8('\t'), carriage = _mm_set1_epi8('\r');
  for (; i + 16 <= length; i += 16) {
    const __m128i bytes = _mm_loadu_si128((const __m128i*)(const void*)(text + i));
    const __m128i hits =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, backslash), _mm_cmpeq_epi8(bytes, newline)),
                     _mm_or_si128(_mm_cmpeq_epi8(bytes, tab), _mm_cmpeq_epi8(bytes, carriage)));
    const int mask = _mm_movemask_epi8(hits);
    if (mask) return i + (size_t)__builtin_ctz((unsigned)mask);
  }
#endif
  while (i < length && !is_special(text[i])) ++i;
  return i;
}

size_t text_row_max(const unsigned long* lengths, int fields) {
  size_t bytes = 0;
  for (int i = 0; i < fields; ++i) bytes += 2 * lengths[i] + 3;
  return bytes;
}

char* text_row(char* out, char** fields, const unsigned long* lengths, const int* plain,
               int count) {
  for (int i = 0; i < count; ++i) {
    if (i) *out++ = '\t';
    if (!fields[i]) {
      *out++ = '\\';
      *out++ = 'N';
      continue;
    }
    const char* text = fields[i];
    size_t left = lengths[i];
    while (left) {
      const size_t run = plain[i] ? left : plain_prefix(text, left);
      memcpy(out, text, run);
      out += run;
      text += run;
      left -= run;
      if (!left) break;
      *out++ = '\\';
      *out++ = escape_letter(*text++);
      --left;
    }
  }
  *out++ = '\n';
  return out;
}
