// The words of a piece of SQL, as SQLite's tokenizer cuts them; comments and spaces are left out.
//
// Used where the catalog's pragmas do not say enough: what a CREATE TABLE text says about checks,
// generated columns and conflict clauses. It never decides what a row is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace migrator::sqlite {

struct Token {
  enum class Kind {
    word,    // an unquoted identifier or keyword
    quoted,  // "x", `x` or [x]
    string,  // 'x'
    blob,    // x'00'
    number,  // 12, 1.5e3, 0xff
    symbol,  // one character: ( ) , ; + ...
  };
  Kind kind = Kind::symbol;
  std::size_t begin = 0, end = 0;  // offsets in the text, [begin, end)
  std::string text;                // names and strings unquoted, the rest as written

  // An unquoted word, in any case. `keyword` is upper case.
  bool is(std::string_view keyword) const;
  bool is_symbol(char symbol) const {
    return kind == Kind::symbol && text.size() == 1 && text[0] == symbol;
  }
  bool is_name() const {
    return kind == Kind::word || kind == Kind::quoted || kind == Kind::string;
  }
};

// False if the text ends inside a string, a quoted name or a comment; the tokens before it are
// there.
bool tokenize(std::string_view sql, std::vector<Token>& tokens);

// ASCII only, as SQLite compares identifiers.
std::string upper(std::string_view text);
bool same_name(std::string_view a, std::string_view b);

}  // namespace migrator::sqlite
