#include "adapters/sqlite/capture.h"

#include <algorithm>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/sqlite/dialect.h"
#include "migrator/include/migrator/error.h"

namespace migrator::sqlite {
namespace {

// Any column can hold any storage class, so each text says which: i, r, t, b. quote() prints a
// number so that SQLite reads back the same; texts may hold NUL, which only hex() shows. That shows
// the bytes of the file's own encoding: l and m are the UTF-16 of the two byte orders.
std::string text_expression(const std::string& value) {
  return fmt::format(
      "CASE typeof({0}) WHEN 'integer' THEN 'i' || {0} WHEN 'real' THEN 'r' || quote({0}) WHEN "
      "'text' THEN CASE hex('a') WHEN '61' THEN 't' WHEN '6100' THEN 'l' ELSE 'm' END || hex({0}) "
      "WHEN 'blob' THEN 'b' || hex({0}) ELSE 'n' END",
      value);
}

// Half a surrogate pair becomes the replacement character, as SQLite has it.
std::string utf8_of(std::string_view utf16, bool big_endian) {
  std::string text;
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<unsigned char>(utf16[at]);
    const auto second = static_cast<unsigned char>(utf16[at + 1]);
    return static_cast<char32_t>(big_endian ? first << 8 | second : second << 8 | first);
  };
  for (std::size_t at = 0; at + 1 < utf16.size(); at += 2) {
    char32_t c = unit(at);
    if (c >= 0xD800 && c < 0xE000) {
      const char32_t low = c < 0xDC00 && at + 3 < utf16.size() ? unit(at + 2) : 0;
      const bool pair = low >= 0xDC00 && low < 0xE000;
      c = pair ? 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
      if (pair) at += 2;
    }
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else if (c < 0x800) {
      text += static_cast<char>(0xC0 | c >> 6);
      text += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      text += static_cast<char>(0xE0 | c >> 12);
      text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
      text += static_cast<char>(0x80 | (c & 0x3F));
    } else {
      text += static_cast<char>(0xF0 | c >> 18);
      text += static_cast<char>(0x80 | (c >> 12 & 0x3F));
      text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
      text += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  return text;
}

std::string row_key_of(const std::vector<Column>& key, const std::string& row) {
  std::string sql;
  for (const Column& column : key) {
    const std::string text = "(" + text_expression(row + "." + dialect().quote(column.name)) + ")";
    if (key.size() == 1) return text;
    if (!sql.empty()) sql += " || ";
    sql += text + " || ','";
  }
  return sql;
}

std::string literal(std::string_view text) {
  std::string sql = "'";
  for (const char c : text) {
    if (c == '\'') sql += c;
    sql += c;
  }
  return sql + "'";
}

std::string entry(const CaptureSpec& spec, const std::string& select) {
  return fmt::format("INSERT INTO {} (migration, relation, row_key) SELECT {}, {}, {}; ",
                     kJournalTable, literal(spec.migration), literal(spec.relation), select);
}

// The unique keys that are not the one that names rows: rows that hold a changed row's value there
// are what REPLACE deletes.
std::vector<std::vector<std::string>> other_uniques(const CaptureSpec& spec) {
  std::vector<std::string> own;
  for (const Column& column : spec.key) own.push_back(column.name);
  std::sort(own.begin(), own.end());
  std::vector<std::vector<std::string>> uniques;
  const auto add = [&](std::vector<std::string> columns) {
    std::vector<std::string> sorted = columns;
    std::sort(sorted.begin(), sorted.end());
    if (!columns.empty() && sorted != own) uniques.push_back(std::move(columns));
  };
  add(spec.table.primary_key);
  for (const Index& index : spec.table.indexes) {
    if (index.unique && index.plain) add(index.columns);
  }
  return uniques;
}

std::string rows_in_the_way(const CaptureSpec& spec) {
  std::string body;
  for (const std::vector<std::string>& columns : other_uniques(spec)) {
    std::string same;
    for (const std::string& column : columns) {
      if (!same.empty()) same += " AND ";
      same += "o." + dialect().quote(column) + " = NEW." + dialect().quote(column);
    }
    body += entry(spec, row_key_of(spec.key, "o") + " FROM " +
                            dialect().quote(spec.table.name.name) + " o WHERE " + same);
  }
  return body;
}

struct Part {
  const char* suffix;
  const char* event;
  std::string body;
};

std::vector<Part> parts(const CaptureSpec& spec) {
  const std::string fresh = row_key_of(spec.key, "NEW"), old = row_key_of(spec.key, "OLD");
  std::vector<Part> result{
      {"_ins", "AFTER INSERT", entry(spec, fresh)},
      {"_upd", "AFTER UPDATE",
       entry(spec, fresh) + entry(spec, old + " WHERE " + old + " <> " + fresh)},
      {"_del", "AFTER DELETE", entry(spec, old)},
  };
  if (const std::string body = rows_in_the_way(spec); !body.empty()) {
    result.push_back({"_bin", "BEFORE INSERT", body});
    result.push_back({"_bup", "BEFORE UPDATE", body});
  }
  return result;
}

[[noreturn]] void refuse(std::string_view what) {
  throw Error(ErrorKind::invariant, fmt::format("an entry of {} {}", kJournalTable, what))
      .remedy(
          "something else than migrate has written to the journal: look at it, and delete what "
          "is not its own");
}

Value key_value(std::string_view text) {
  if (text.empty()) refuse("has an empty value");
  const std::string_view rest = text.substr(1);
  std::string bytes;
  std::int64_t integer = 0;
  double real = 0;
  switch (text.front()) {
    case 'i':
      if (parse_int64(rest, integer)) return integer;
      break;
    case 'r':
      if (parse_double(rest, real)) return real;
      break;
    case 't':
      if (parse_hex(rest, bytes)) return bytes;
      break;
    case 'l':
    case 'm':
      if (parse_hex(rest, bytes)) return utf8_of(bytes, text.front() == 'm');
      break;
    case 'b':
      if (parse_hex(rest, bytes)) return Bytes{std::move(bytes)};
      break;
    case 'n':
      return std::monostate{};
    default:
      break;
  }
  refuse("has a value of no known form");
}

}  // namespace

std::vector<CaptureGap> SqliteCapture::gaps(const CaptureSpec& spec) const {
  std::vector<CaptureGap> gaps;
  for (const Index& index : spec.table.indexes) {
    if (!index.unique || index.plain) continue;
    gaps.push_back({true,
                    "unique index " + index.name +
                        " is partial, on expressions or of another collation: rows that REPLACE "
                        "deletes for it would not be seen",
                    "drop it until the migration is over"});
  }
  return gaps;
}

std::string SqliteCapture::create_journal(const std::string&) const {
  return fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (seq INTEGER PRIMARY KEY AUTOINCREMENT, migration TEXT NOT "
      "NULL, relation TEXT NOT NULL, row_key TEXT, changed_at REAL NOT NULL DEFAULT "
      "(julianday('now')))",
      kJournalTable);
}

std::string_view SqliteCapture::age_ms() const {
  return "CAST((julianday('now') - changed_at) * 86400000 AS INTEGER)";
}

std::vector<std::string> SqliteCapture::create_triggers(const CaptureSpec& spec) const {
  std::vector<std::string> statements = drop_triggers(spec);
  for (const Part& part : parts(spec)) {
    statements.push_back(fmt::format("CREATE TRIGGER {} {} ON {} BEGIN {}END",
                                     dialect().quote(capture_prefix(spec) + part.suffix),
                                     part.event, dialect().quote(spec.table.name.name), part.body));
  }
  return statements;
}

std::vector<std::string> SqliteCapture::drop_triggers(const CaptureSpec& spec) const {
  std::vector<std::string> statements;
  for (const char* suffix : {"_ins", "_upd", "_del", "_bin", "_bup"}) {
    statements.push_back("DROP TRIGGER IF EXISTS " +
                         dialect().quote(capture_prefix(spec) + suffix));
  }
  return statements;
}

std::vector<std::string> SqliteCapture::trigger_names(const CaptureSpec& spec) const {
  std::vector<std::string> names;
  for (const Part& part : parts(spec)) names.push_back(capture_prefix(spec) + part.suffix);
  return names;
}

std::string SqliteCapture::row_key(const std::vector<Column>& key, const std::string& row) const {
  return row_key_of(key, row);
}

Key SqliteCapture::decode(const std::vector<Column>& key, std::string_view row_key) const {
  Key values;
  for (const std::string& text : split_key_text(row_key, key.size())) {
    values.push_back(key_value(text));
  }
  return values;
}

std::string SqliteCapture::encode(const std::vector<Column>& key, const Key& values) const {
  if (key.size() != values.size())
    throw Error(ErrorKind::invariant, "a key has not as many values as columns");
  std::vector<std::string> texts;
  for (const Value& value : values) {
    std::string text = "n";
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      text = "i" + std::to_string(*integer);
    } else if (const auto* natural = std::get_if<std::uint64_t>(&value)) {
      text = "i" + std::to_string(*natural);
    } else if (const auto* real = std::get_if<double>(&value)) {
      text = "r";
      print_double(text, *real);
    } else if (const auto* given = std::get_if<std::string>(&value)) {
      text = "t";
      print_hex(text, *given);
    } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
      text = "b";
      print_hex(text, bytes->data);
    }
    texts.push_back(std::move(text));
  }
  return join_key_texts(texts);
}

const CaptureDialect& Dialect::capture() const {
  static const SqliteCapture only;
  return only;
}

}  // namespace migrator::sqlite
