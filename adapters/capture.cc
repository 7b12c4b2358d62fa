#include "adapters/capture.h"

#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "migrator/include/migrator/error.h"

namespace migrator {

std::string join_key_texts(const std::vector<std::string>& texts) {
  if (texts.size() == 1) return texts.front();
  std::string joined;
  for (const std::string& text : texts) {
    for (const char c : text) {
      if (c == '\\' || c == ',') joined += '\\';
      joined += c;
    }
    joined += ',';
  }
  return joined;
}

std::vector<std::string> split_key_text(std::string_view text, std::size_t columns) {
  if (columns == 1) return {std::string(text)};
  std::vector<std::string> texts;
  std::string part;
  bool ended = false;  // right behind a comma that ends a part
  for (std::size_t at = 0; at < text.size(); ++at) {
    ended = text[at] == ',';
    if (ended) {
      texts.push_back(std::move(part));
      part.clear();
      continue;
    }
    if (text[at] == '\\' && ++at == text.size()) break;
    part += text[at];
  }
  if (!ended || texts.size() != columns) {
    throw Error(ErrorKind::invariant,
                fmt::format("an entry of {} is not the key of {} columns", kJournalTable, columns))
        .remedy(
            "something else than migrate has written to the journal, or the key has changed since: "
            "run `migrate start PLAN` again, which makes the triggers anew");
  }
  return texts;
}

std::string capture_prefix(const CaptureSpec& spec) {
  const std::string id = spec.migration + '\0' + spec.relation;
  return fmt::format("{}{:016x}", kOwnPrefix,
                     static_cast<std::uint64_t>(XXH3_64bits(id.data(), id.size())));
}

}  // namespace migrator
