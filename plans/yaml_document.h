// One YAML document as a tree in which every value knows where it was written.
//
// Built from the events of yaml-cpp and not from its YAML::Node, which keeps one of two equal keys
// without a word and has lost the quotes by the time anybody can ask for them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "migrator/include/migrator/error.h"

namespace migrator::yaml {

// Both from 1; the column counts characters, not bytes.
struct Position {
  int line = 1;
  int column = 1;
};

struct Entry;

struct Node {
  enum class Kind { null, scalar, sequence, mapping };
  Kind kind = Kind::null;
  Position at;
  bool spelled = false;  // the null is there as `null` or `~`, not only as nothing after the colon
  bool quoted =
      false;         // the scalar is text whatever it looks like: quotes, | or >, or the tag !!str
  std::string text;  // of a scalar
  std::vector<std::shared_ptr<const Node>> items;  // of a sequence
  std::vector<Entry> entries;  // of a mapping, in the order of the file; keys differ
};

struct Entry {
  std::string key;
  Position key_at;
  std::shared_ptr<const Node> value;
};

// "mapping", "list", "text": what `node` is, for an error.
std::string_view describe(const Node& node);

// In double quotes, cut short, control characters as ?: text of the file as an error shows it.
std::string quote(std::string_view text);

// Error(usage) with "label:line:column: message".
Error error_at(const std::string& label, Position at, const std::string& message);

// A plan larger than this is taken for a wrong file. It has room for some 10'000 tables.
inline constexpr std::size_t kTextBytesMax = std::size_t{1} << 20;

// Parses the only document of `text`. An alias is the very node of its anchor, so a tree may be
// smaller than what it stands for: whoever walks it has to count. Throws Error(usage) with the
// position for what is not UTF-8, not YAML, more than one document, a duplicate key, a key that is
// not text, a merge key, a tag, an alias inside its own anchor, nesting beyond 20, text beyond
// kTextBytesMax.
std::shared_ptr<const Node> parse(std::string_view text, const std::string& label);

}  // namespace migrator::yaml
