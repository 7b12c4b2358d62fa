#include "adapters/sqlite/create_table.h"

#include <utility>

#include "adapters/sqlite/tokens.h"

namespace migrator::sqlite {
namespace {

class Parser {
 public:
  Parser(std::string_view sql, CreatedTable& table) : sql_(sql), table_(table) {}

  bool parse() {
    if (!tokenize(sql_, tokens_)) return false;
    if (!take("CREATE")) return false;
    if (!take("TEMP")) take("TEMPORARY");
    if (!take("TABLE")) return false;
    skip_if_not_exists();
    if (!take_qualified_name() || !take('(')) return false;
    do {
      if (!(is_table_constraint() ? parse_constraints(nullptr) : parse_column())) return false;
    } while (take(','));
    return take(')');
  }

  void skip_if_not_exists() {
    if (take("IF") && take("NOT")) take("EXISTS");
  }
  bool take_qualified_name() {
    if (!take_name()) return false;
    return !take('.') || take_name();
  }
  bool read_tokens() { return tokenize(sql_, tokens_); }
  bool take(std::string_view keyword) {
    if (at_ >= tokens_.size() || !tokens_[at_].is(keyword)) return false;
    ++at_;
    return true;
  }
  bool take(char symbol) {
    if (at_ >= tokens_.size() || !tokens_[at_].is_symbol(symbol)) return false;
    ++at_;
    return true;
  }
  bool take_name() {
    if (at_ >= tokens_.size() || !tokens_[at_].is_name()) return false;
    name_ = tokens_[at_++].text;
    return true;
  }
  const std::string& name() const { return name_; }
  std::size_t at() const { return at_; }
  const std::vector<Token>& tokens() const { return tokens_; }

 private:
  bool peek(std::string_view keyword) const {
    return at_ < tokens_.size() && tokens_[at_].is(keyword);
  }
  bool peek(char symbol) const { return at_ < tokens_.size() && tokens_[at_].is_symbol(symbol); }

  bool is_table_constraint() const {
    return peek("CONSTRAINT") || peek("PRIMARY") || peek("UNIQUE") || peek("CHECK") ||
           peek("FOREIGN");
  }

  bool parse_column() {
    if (!take_name()) return false;
    table_.columns.push_back({name_, ""});
    return parse_constraints(&table_.columns.back());
  }

  // What stands between parentheses, which are balanced; the position is behind them.
  bool take_group(std::string& text) {
    if (!peek('(')) return false;
    const std::size_t begin = tokens_[at_].end;
    int depth = 0;
    for (; at_ < tokens_.size(); ++at_) {
      if (tokens_[at_].is_symbol('(')) ++depth;
      if (tokens_[at_].is_symbol(')') && --depth == 0) {
        text = sql_.substr(begin, tokens_[at_].begin - begin);
        ++at_;
        return true;
      }
    }
    return false;
  }

  // The rest of a column definition (its type too), or table constraints up to the next comma. The
  // words looked for are reserved, so that outside of parentheses they are what they seem.
  bool parse_constraints(CreatedColumn* column) {
    std::string constraint, group;
    while (at_ < tokens_.size() && !peek(',') && !peek(')')) {
      if (take("CONSTRAINT")) {
        if (!take_name()) return false;
        constraint = name_;
      } else if (take("CHECK")) {
        if (!take_group(group)) return false;
        // As written, without the white space that may stand before the closing parenthesis.
        const std::size_t first = group.find_first_not_of(" \t\r\n");
        const std::size_t last = group.find_last_not_of(" \t\r\n");
        if (first != std::string::npos) group = group.substr(first, last - first + 1);
        table_.checks.push_back({std::exchange(constraint, ""), group});
      } else if (column != nullptr && take("AS")) {
        if (!take_group(column->generated_sql)) return false;
      } else if (take("REFERENCES")) {
        if (!parse_reference(constraint)) return false;
        constraint.clear();
      } else if (take("CONFLICT")) {  // ON CONFLICT
        // ABORT is what every constraint does anyway.
        table_.conflict_clauses |= !peek("ABORT");
      } else if (take("DEFAULT")) {
        // The value may be a word that means something elsewhere.
        if (peek('(') ? !take_group(group) : ++at_ > tokens_.size()) return false;
        constraint.clear();
      } else if (peek('(')) {
        if (!take_group(group)) return false;
      } else {
        ++at_;
      }
    }
    return true;
  }

  // Behind REFERENCES.
  bool parse_reference(const std::string& constraint) {
    if (!take_name()) return false;
    std::string group;
    if (peek('(') && !take_group(group)) return false;
    CreatedForeignKey key{constraint, false};
    for (;;) {
      if (take("ON")) {
        if (peek("CONFLICT")) break;  // of another constraint
        at_ += 1;                     // DELETE, UPDATE
        if (take("SET")) {
          at_ += 1;  // NULL, DEFAULT
        } else if (take("NO")) {
          at_ += 1;  // ACTION
        } else {
          at_ += 1;  // CASCADE, RESTRICT
        }
      } else if (take("MATCH")) {
        at_ += 1;
      } else if (peek("NOT") && at_ + 1 < tokens_.size() && tokens_[at_ + 1].is("DEFERRABLE")) {
        at_ += 2;
        if (take("INITIALLY")) at_ += 1;
      } else if (take("DEFERRABLE")) {
        if (take("INITIALLY")) {
          key.deferrable = peek("DEFERRED");
          at_ += 1;
        }
      } else {
        break;
      }
    }
    table_.foreign_keys.push_back(std::move(key));
    return at_ <= tokens_.size();
  }

  std::string_view sql_;
  CreatedTable& table_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::string name_;
};

}  // namespace

bool parse_create_table(std::string_view sql, CreatedTable& table) {
  CreatedTable parsed;
  if (!Parser(sql, parsed).parse()) return false;
  table = std::move(parsed);
  return true;
}

std::string describe_trigger(std::string_view sql) {
  CreatedTable unused;
  Parser parser(sql, unused);
  if (!parser.read_tokens() || !parser.take("CREATE")) return "";
  if (!parser.take("TEMP")) parser.take("TEMPORARY");
  if (!parser.take("TRIGGER")) return "";
  parser.skip_if_not_exists();
  if (!parser.take_qualified_name()) return "";
  std::string time = "BEFORE";  // the default
  if (parser.take("AFTER")) {
    time = "AFTER";
  } else if (parser.take("INSTEAD")) {
    parser.take("OF");
    time = "INSTEAD OF";
  } else {
    parser.take("BEFORE");
  }
  for (const char* event : {"INSERT", "UPDATE", "DELETE"}) {
    if (parser.take(event)) return time + " " + event;
  }
  return "";
}

std::string retarget_index(std::string_view sql, std::string_view quoted_table) {
  CreatedTable unused;
  Parser parser(sql, unused);
  if (!parser.read_tokens() || !parser.take("CREATE")) return "";
  parser.take("UNIQUE");
  if (!parser.take("INDEX")) return "";
  parser.skip_if_not_exists();
  if (!parser.take_qualified_name() || !parser.take("ON")) return "";
  if (parser.at() >= parser.tokens().size()) return "";
  const Token& table = parser.tokens()[parser.at()];
  if (!table.is_name()) return "";
  return std::string(sql.substr(0, table.begin)).append(quoted_table).append(sql.substr(table.end));
}

}  // namespace migrator::sqlite
