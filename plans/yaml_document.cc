#include "plans/yaml_document.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "plans/unicode.h"

namespace migrator::yaml {
namespace {

// The format needs 7; the rest is for wrong files, which then get a clear error and not a deep
// stack.
constexpr std::size_t kDepthMax = 20;

constexpr const char* kDocumentEnd = "\n...\n";
constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

int count_characters(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Position position_of_offset(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          count_characters(before.substr(line_start)) + 1};
}

// Translates yaml-cpp's marks: lines and columns from 0, and columns in bytes.
class Lines {
 public:
  explicit Lines(std::string_view text) : lines_(split_lines(text)) {}

  Position position(const YAML::Mark& mark) const {
    if (mark.is_null()) return {};
    const auto line = static_cast<std::size_t>(std::max(mark.line, 0));
    const auto column = static_cast<std::size_t>(std::max(mark.column, 0));
    if (line >= lines_.size()) return end();
    return {static_cast<int>(line) + 1, count_characters(lines_[line].substr(0, column)) + 1};
  }

  // Behind the last character that is not white space.
  Position end() const {
    for (std::size_t line = lines_.size(); line > 0; --line) {
      const std::size_t last = lines_[line - 1].find_last_not_of(" \t\r");
      if (last == std::string_view::npos) continue;
      return {static_cast<int>(line), count_characters(lines_[line - 1].substr(0, last + 1)) + 1};
    }
    return {};
  }

  // Whether a null that yaml-cpp reports at `mark` is written there. It reports one that is left
  // out at whatever comes next, which may be a name that merely begins with null.
  bool spells_null(const YAML::Mark& mark) const {
    if (mark.line < 0 || mark.column < 0) return false;
    if (static_cast<std::size_t>(mark.line) >= lines_.size()) return false;
    const std::string_view line = lines_[static_cast<std::size_t>(mark.line)];
    if (static_cast<std::size_t>(mark.column) >= line.size()) return false;
    const std::string_view here = line.substr(static_cast<std::size_t>(mark.column));
    for (const std::string_view null : {"null", "Null", "NULL", "~"}) {
      if (!here.starts_with(null)) continue;
      const std::string_view rest = here.substr(null.size());
      if (rest.empty() || std::string_view(" \t\r,]}").find(rest[0]) != std::string_view::npos) {
        return true;
      }
    }
    return false;
  }

  // A tab in the indentation of the line or of one of the two before it: what a parser complains
  // about there is seldom the tab itself, and nearly always because of it.
  bool find_indenting_tab(int line, Position& tab) const {
    for (int candidate = line; candidate >= std::max(1, line - 2); --candidate) {
      if (candidate > static_cast<int>(lines_.size())) continue;
      const std::string_view text = lines_[static_cast<std::size_t>(candidate) - 1];
      const std::size_t indent = text.find_first_not_of(" \t");
      const std::size_t at = text.find('\t');
      if (indent == std::string_view::npos || at >= indent) continue;
      tab = {candidate, static_cast<int>(at) + 1};
      return true;
    }
    return false;
  }

 private:
  std::vector<std::string_view> lines_;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Lines& lines, const std::string& label) : lines_(lines), label_(label) {}

  const std::shared_ptr<const Node>& root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_) {
      throw error_at(label_, lines_.position(mark), "a second YAML document starts here")
          .remedy(
              "Keep one plan in a file: take out the line ---, and what belongs to another plan.");
    }
    started_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto node = start(Node::Kind::null, mark, "?");
    node->spelled = lines_.spells_null(mark);
    finish(node, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = start(Node::Kind::scalar, mark, tag);
    node->quoted = tag == "!" || tag == kStringTag;
    node->text = value;
    if (value.find('\0') != std::string::npos) {
      throw error_at(label_, node->at, "this text has a NUL character in it")
          .remedy("Take out the \\0: no database can hold it in a name or in SQL.");
    }
    finish(node, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw error_at(label_, lines_.position(mark), "this alias refers to what it is a part of")
          .remedy("Write the value out here in place of the alias.");
    }
    attach(found->second, lines_.position(mark));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(start(Node::Kind::sequence, mark, tag), anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(start(Node::Kind::mapping, mark, tag), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor = 0;
    std::map<std::string, Position> keys;  // of a mapping: where each was first
    bool has_key = false;
    std::string key;  // the one that waits for its value
    Position key_at;
  };

  std::shared_ptr<Node> start(Node::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->at = lines_.position(mark);
    const bool plain_tag = tag.empty() || tag == "?" || tag == "!";
    if (!plain_tag && !(kind == Node::Kind::scalar && tag == kStringTag)) {
      throw error_at(label_, node->at, "a plan has no YAML tags")
          .remedy("Take out the tag, the word that starts with an exclamation mark.");
    }
    return node;
  }

  void finish(const std::shared_ptr<Node>& node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    attach(node, node->at);
  }

  void open(std::shared_ptr<Node> node, YAML::anchor_t anchor) {
    if (stack_.size() >= kDepthMax) {
      throw error_at(label_, node->at, fmt::format("nested more than {} deep", kDepthMax))
          .remedy("A plan is not that deep: look for a bracket that is not closed.");
    }
    if (!stack_.empty() && stack_.back().node->kind == Node::Kind::mapping &&
        !stack_.back().has_key) {
      refuse_key(node->at);
    }
    stack_.push_back({std::move(node), anchor, {}, false, {}, {}});
  }

  void close() {
    Level level = std::move(stack_.back());
    stack_.pop_back();
    finish(level.node, level.anchor);
  }

  // `at`: of the value, or of the alias that stands for it.
  void attach(const std::shared_ptr<const Node>& node, Position at) {
    if (stack_.empty()) {
      root_ = node;
      return;
    }
    Level& level = stack_.back();
    if (level.node->kind == Node::Kind::sequence) {
      level.node->items.push_back(node);
    } else if (!level.has_key) {
      take_key(level, *node, at);
    } else {
      level.has_key = false;
      level.node->entries.push_back({std::move(level.key), level.key_at, node});
    }
  }

  void take_key(Level& level, const Node& node, Position at) {
    if (node.kind != Node::Kind::scalar) refuse_key(at);
    if (node.text == "<<" && !node.quoted) {
      throw error_at(label_, at, "merge keys (<<) are not supported")
          .remedy("Write the keys out, or give the whole value an anchor and an alias.");
    }
    const auto [first, inserted] = level.keys.emplace(node.text, at);
    if (!inserted) {
      throw error_at(label_, at,
                     fmt::format("the key {} is here twice; first on line {}", quote(node.text),
                                 first->second.line))
          .remedy("Take out one of the two.");
    }
    level.has_key = true;
    level.key = node.text;
    level.key_at = at;
  }

  [[noreturn]] void refuse_key(Position at) const {
    throw error_at(label_, at, "a key has to be text")
        .remedy(
            "Write a plain word before the colon; put quotes around it if it is called null or ~.");
  }

  const Lines& lines_;
  const std::string& label_;
  bool started_ = false;
  std::shared_ptr<const Node> root_;
  std::vector<Level> stack_;
  std::map<YAML::anchor_t, std::shared_ptr<const Node>> anchors_;
};

// What yaml-cpp does not refuse by itself: it replaces bytes that are not UTF-8, and takes U+0004
// for the end of the file, so that the rest would be left out without a word.
void check_characters(std::string_view text, const std::string& label) {
  if (const std::size_t at = find_invalid_utf8(text); at != std::string_view::npos) {
    throw error_at(label, position_of_offset(text, at), "this is not UTF-8")
        .remedy("Save the plan in the encoding UTF-8.");
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c >= 0x20 && c != 0x7F) || c == '\t' || c == '\n') continue;
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    const auto what = c == '\r' ? std::string("a carriage return that does not end a line")
                                : fmt::format("a control character (0x{:02X})", c);
    throw error_at(label, position_of_offset(text, i), what + " is in the file")
        .remedy("Take it out; inside double quotes it can be written as \\xNN.");
  }
}

Error explain(const YAML::Exception& problem, const Lines& lines, const std::string& label) {
  const Position at = lines.position(problem.mark);
  if (problem.msg == YAML::ErrorMsg::DOC_IN_SCALAR) {
    return error_at(label, at, "a quote is not closed before here").remedy("Close the quote.");
  }
  if (Position tab; lines.find_indenting_tab(at.line, tab)) {
    return error_at(label, tab, "a tab is used for indentation, which YAML does not allow")
        .remedy("Indent with spaces.");
  }
  // Some messages of yaml-cpp end in one byte of the file, which may be half a character.
  const std::string_view message =
      std::string_view(problem.msg).substr(0, find_invalid_utf8(problem.msg));
  return error_at(label, at, fmt::format("this is not valid YAML: {}", message))
      .remedy(
          "Check the indentation, brackets and quotes here and on the line before; put quotes "
          "around text with \": \" or \" #\" in it or with a special character in front.");
}

}  // namespace

std::string_view describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "empty";
    case Node::Kind::scalar:
      return "a single value";
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::mapping:
      return "a mapping";
  }
  return "unknown";
}

std::string quote(std::string_view text) {
  constexpr std::size_t kShownMax = 60;
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool starts_character = (byte & 0xC0) != 0x80;
    if (starts_character && result.size() > kShownMax) {
      result += "...";
      break;
    }
    result += byte < 0x20 || byte == 0x7F ? '?' : c;
  }
  return result + "\"";
}

Error error_at(const std::string& label, Position at, const std::string& message) {
  return Error(ErrorKind::usage, fmt::format("{}:{}:{}: {}", label.empty() ? "plan" : label,
                                             at.line, at.column, message));
}

std::shared_ptr<const Node> parse(std::string_view text, const std::string& label) {
  if (text.size() > kTextBytesMax) {
    throw error_at(label, {}, "this is larger than 1 MiB, so it is hardly a plan")
        .remedy("Check the path; split a plan of that many tables into several.");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // some editors put a mark in front
  check_characters(text, label);
  const Lines lines(text);
  TreeBuilder builder(lines, label);
  // yaml-cpp takes a quoted text that the end of the file cuts off for a whole one, but not one
  // that the end of the document cuts off.
  std::istringstream stream(std::string(text) + kDocumentEnd);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& problem) {
    throw explain(problem, lines, label);
  }
  // Directives alone have no document behind them.
  if (!builder.root()) return std::make_shared<Node>();
  return builder.root();
}

}  // namespace migrator::yaml
