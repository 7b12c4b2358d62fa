// Defaults: SQLite's own as DDL wants them, and the literals of other engines.
#include <vector>

#include "adapters/codec.h"
#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/tokens.h"
#include "adapters/sqlite/types.h"

namespace migrator::sqlite {
namespace {

std::string quote_text(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') result += '\'';
    result += c;
  }
  return result + "'";
}

// A literal as it stands, without casts and parentheses.
struct Literal {
  enum class Kind { none, null, number, string, boolean, now } kind = Kind::none;
  std::string text;  // unquoted
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

bool is_now(const std::vector<Token>& tokens, std::size_t count) {
  static constexpr std::string_view kNames[] = {
      "CURRENT_TIMESTAMP", "NOW",     "LOCALTIMESTAMP", "CURRENT_DATE",
      "CURRENT_TIME",      "CURDATE", "CURTIME",        "TRANSACTION_TIMESTAMP"};
  bool known = false;
  for (const std::string_view name : kNames) known |= tokens[0].is(name);
  if (!known) return false;
  // now(), current_timestamp(6)
  for (std::size_t i = 1; i < count; ++i) {
    if (!tokens[i].is_symbol('(') && !tokens[i].is_symbol(')') &&
        tokens[i].kind != Token::Kind::number) {
      return false;
    }
  }
  return true;
}

// How many tokens stand before PostgreSQL's casts: 'x'::character varying(3).
std::size_t before_cast(const std::vector<Token>& tokens) {
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].is_symbol(':') && tokens[i + 1].is_symbol(':')) return i;
  }
  return tokens.size();
}

Literal read_literal(std::string_view sql, Engine from) {
  using Kind = Literal::Kind;
  std::vector<Token> tokens;
  if (!tokenize(trim(sql), tokens)) return {};
  // ('x'::text) and (-1): the outermost parentheses, if they are a pair.
  while (tokens.size() >= 3 && tokens.front().is_symbol('(') && tokens.back().is_symbol(')')) {
    int depth = 0;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      depth += tokens[i].is_symbol('(') ? 1 : tokens[i].is_symbol(')') ? -1 : 0;
      if (depth == 0) return {};
    }
    tokens.erase(tokens.begin());
    tokens.pop_back();
  }
  const std::size_t count = from == Engine::postgres ? before_cast(tokens) : tokens.size();
  // A cast in the middle of an expression is no literal.
  for (std::size_t i = count; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    const bool of_a_type = token.is_name() || token.kind == Token::Kind::number ||
                           token.is_symbol(':') || token.is_symbol('(') || token.is_symbol(')') ||
                           token.is_symbol(',');
    if (!of_a_type) return {};
  }
  if (count == 0) return {};
  const Token& first = tokens[0];
  if (is_now(tokens, count)) return {Kind::now, upper(first.text)};
  if (count == 2 && (first.is_symbol('-') || first.is_symbol('+')) &&
      tokens[1].kind == Token::Kind::number) {
    return {Kind::number, (first.is_symbol('-') ? "-" : "") + tokens[1].text};
  }
  if (count != 1) return {};
  if (first.kind == Token::Kind::number) return {Kind::number, first.text};
  if (first.kind == Token::Kind::string) {
    // Backslashes are escapes in MySQL, by default.
    if (from == Engine::mysql && first.text.find('\\') != std::string::npos) return {};
    return {Kind::string, first.text};
  }
  if (first.is("NULL")) return {Kind::null, ""};
  if (first.is("TRUE")) return {Kind::boolean, "1"};
  if (first.is("FALSE")) return {Kind::boolean, "0"};
  return {};
}

std::string now_for(TypeKind kind) {
  switch (kind) {
    case TypeKind::date:
      return "CURRENT_DATE";
    case TypeKind::time:
      return "CURRENT_TIME";
    case TypeKind::timestamp:
      return "CURRENT_TIMESTAMP";  // UTC
    case TypeKind::timestamptz:
      return "(strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'))";
    default:
      return "";
  }
}

// A string default is text in SQL and must be what the codec would have stored.
std::string string_for(const std::string& text, const Column& column, Engine from) {
  std::int64_t number = 0;
  double real = 0;
  char uuid[16];
  switch (column.type.kind) {
    case TypeKind::text:
    case TypeKind::json:
      return quote_text(text);
    case TypeKind::date:
      return parse_date(text, number) ? quote_text(text) : "";
    case TypeKind::time:
      return parse_time(text, number) ? quote_text(text) : "";
    case TypeKind::timestamp:
      return parse_timestamp(text, number) ? quote_text(text) : "";
    case TypeKind::timestamptz:
      return parse_timestamptz(text, number) ? quote_text(text) : "";
    case TypeKind::uuid:
      return parse_uuid(text, uuid) ? quote_text(text) : "";
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
      return parse_int64(text, number) ? text : "";
    case TypeKind::float32:
    case TypeKind::float64:
      return is_plain_decimal(text) && parse_double(text, real) ? text : "";
    case TypeKind::decimal:
      if (!is_plain_decimal(text)) return "";
      return affinity_of(column.native_type) == Affinity::text ? quote_text(text) : text;
    case TypeKind::boolean:
      if (text == "0" || text == "1") return text;
      if (from != Engine::postgres) return "";
      return text == "t" || text == "true" ? "1" : text == "f" || text == "false" ? "0" : "";
    default:
      return "";
  }
}

std::string number_for(const std::string& text, const Column& column) {
  switch (column.type.kind) {
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::float32:
    case TypeKind::float64: {
      double real = 0;
      return parse_double(text, real) ? text : "";
    }
    case TypeKind::decimal:
      if (!is_plain_decimal(text)) return "";
      return affinity_of(column.native_type) == Affinity::text ? quote_text(text) : text;
    case TypeKind::boolean:
      return text == "0" || text == "1" ? text : "";
    case TypeKind::text:
      return quote_text(text);
    default:
      return "";
  }
}

}  // namespace

std::string translate_default(std::string_view sql, const Column& column, Engine from) {
  const Literal literal = read_literal(sql, from);
  switch (literal.kind) {
    case Literal::Kind::null:
      return "NULL";
    case Literal::Kind::boolean:
      return column.type.kind == TypeKind::boolean || column.type.kind == TypeKind::int64
                 ? literal.text
                 : "";
    case Literal::Kind::now:
      return now_for(column.type.kind);
    case Literal::Kind::string:
      return string_for(literal.text, column, from);
    case Literal::Kind::number:
      return number_for(literal.text, column);
    case Literal::Kind::none:
      return "";
  }
  return "";
}

std::string default_clause(std::string_view sql) {
  std::vector<Token> tokens;
  const bool whole = tokenize(sql, tokens);
  const bool literal = whole && tokens.size() == 1;
  const bool signed_number = whole && tokens.size() == 2 &&
                             (tokens[0].is_symbol('-') || tokens[0].is_symbol('+')) &&
                             tokens[1].kind == Token::Kind::number;
  // PRAGMA table_xinfo has taken the parentheses of an expression off.
  if (literal || signed_number) return std::string(sql);
  return "(" + std::string(sql) + ")";
}

}  // namespace migrator::sqlite
