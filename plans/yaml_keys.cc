#include "plans/yaml_keys.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace migrator::yaml {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Levenshtein's table with swaps of neighbours (optimal string alignment), three rows of it at a
  // time.
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string suggest_key(const Section& section, std::string_view unknown) {
  // Longer than any key with every allowed mistake; also bounds the work on a wrong file.
  constexpr std::size_t kLengthMax = 32;
  if (unknown.size() > kLengthMax) return "";
  std::string lower(unknown);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  std::string_view nearest;
  std::size_t distance_min = kLengthMax;
  for (const std::string_view key : section.keys) {
    const std::size_t distance = edit_distance(lower, key);
    // One mistake in three letters is a slip; more is another word.
    const std::size_t distance_max = std::max<std::size_t>(1, key.size() / 3);
    if (distance <= distance_max && distance < distance_min) {
      nearest = key;
      distance_min = distance;
    }
  }
  std::string elsewhere;
  for (const Section& other : kSections) {
    if (std::find(other.keys.begin(), other.keys.end(), unknown) == other.keys.end()) continue;
    elsewhere = other.path.empty() ? "; it belongs at the top of the plan"
                                   : fmt::format("; it belongs under {}", other.path);
    break;
  }
  // Another section's very own key says more than a key here that merely looks like it.
  if (!elsewhere.empty()) return elsewhere;
  return nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest);
}

}  // namespace migrator::yaml
