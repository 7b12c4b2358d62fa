#include "adapters/sqlite/tokens.h"

namespace migrator::sqlite {
namespace {

char upper_char(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }
// SQLite takes every byte above 127 for a letter.
bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_word(char c) { return is_word_start(c) || is_digit(c) || c == '$'; }

// Reads from the opening quote at `at`; a doubled closing quote stands for itself (not in
// brackets).
bool read_quoted(std::string_view sql, std::size_t& at, char close, std::string& text) {
  for (++at; at < sql.size(); ++at) {
    if (sql[at] != close) {
      text += sql[at];
    } else if (close != ']' && at + 1 < sql.size() && sql[at + 1] == close) {
      text += sql[at++];
    } else {
      ++at;
      return true;
    }
  }
  return false;
}

// Skips spaces and comments. A comment that is open at the end of the text ends there, as in
// SQLite.
void skip_blank(std::string_view sql, std::size_t& at) {
  while (at < sql.size()) {
    if (is_space(sql[at])) {
      ++at;
    } else if (sql.substr(at, 2) == "--") {
      const std::size_t end = sql.find('\n', at);
      at = end == std::string_view::npos ? sql.size() : end + 1;
    } else if (sql.substr(at, 2) == "/*") {
      const std::size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      return;
    }
  }
}

std::size_t number_end(std::string_view sql, std::size_t at) {
  while (at < sql.size()) {
    const char c = sql[at];
    const bool exponent_sign = (c == '+' || c == '-') && upper_char(sql[at - 1]) == 'E' &&
                               at >= 2 && (is_digit(sql[at - 2]) || sql[at - 2] == '.');
    if (!is_digit(c) && !is_word_start(c) && c != '.' && !exponent_sign) break;
    ++at;
  }
  return at;
}

}  // namespace

bool Token::is(std::string_view keyword) const {
  return kind == Kind::word && same_name(text, keyword);
}

bool tokenize(std::string_view sql, std::vector<Token>& tokens) {
  std::size_t at = 0;
  for (skip_blank(sql, at); at < sql.size(); skip_blank(sql, at)) {
    Token token;
    token.begin = at;
    const char c = sql[at];
    bool closed = true;
    if (c == '\'') {
      token.kind = Token::Kind::string;
      closed = read_quoted(sql, at, '\'', token.text);
    } else if (c == '"' || c == '`' || c == '[') {
      token.kind = Token::Kind::quoted;
      closed = read_quoted(sql, at, c == '[' ? ']' : c, token.text);
    } else if ((c == 'x' || c == 'X') && at + 1 < sql.size() && sql[at + 1] == '\'') {
      token.kind = Token::Kind::blob;
      std::string digits;
      closed = read_quoted(sql, ++at, '\'', digits);
      token.text = sql.substr(token.begin, at - token.begin);
    } else if (is_word_start(c)) {
      token.kind = Token::Kind::word;
      while (at < sql.size() && is_word(sql[at])) ++at;
      token.text = sql.substr(token.begin, at - token.begin);
    } else if (is_digit(c) || (c == '.' && at + 1 < sql.size() && is_digit(sql[at + 1]))) {
      token.kind = Token::Kind::number;
      at = number_end(sql, at);
      token.text = sql.substr(token.begin, at - token.begin);
    } else {
      token.text = sql.substr(at++, 1);
    }
    if (!closed) return false;
    token.end = at;
    tokens.push_back(std::move(token));
  }
  return true;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = upper_char(c);
  return result;
}

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (upper_char(a[i]) != upper_char(b[i])) return false;
  }
  return true;
}

}  // namespace migrator::sqlite
