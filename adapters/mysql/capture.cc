#include "adapters/mysql/capture.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/mysql/dialect.h"
#include "adapters/mysql/key_range.h"
#include "migrator/include/migrator/error.h"

namespace migrator::mysql {
namespace {

bool is_character(const NativeType& native) {
  return native.base == Base::character || native.base == Base::varchar ||
         native.base == Base::text;
}

// The column's value as UTF-8 text that no setting of the writer's session changes.
std::string text_expression(const KeyColumn& column) {
  const std::string value = key_expression(column);
  if (is_character(column.native)) return "CONVERT(" + value + " USING utf8mb4)";
  if (column.native.is_binary() && column.native.base != Base::bit) return "HEX(" + value + ")";
  // The moment itself; printed as a date it would depend on the writer's time zone.
  if (column.native.base == Base::timestamp) return "COALESCE(UNIX_TIMESTAMP(" + value + "), 0)";
  return value;
}

// The key of the row that NEW or OLD names, as the journal's text.
std::string row_key_of(const std::vector<Column>& key, const std::string& row) {
  const std::vector<KeyColumn> columns = key_columns(key, row);
  if (columns.size() == 1) return "CONCAT(" + text_expression(columns.front()) + ")";
  std::string sql;
  for (const KeyColumn& column : columns) {
    std::string text = text_expression(column);
    if (is_character(column.native)) {
      text = R"(REPLACE(REPLACE()" + text + R"(, '\\', '\\\\'), ',', '\\,'))";
    }
    sql += (sql.empty() ? "CONCAT(" : ", ") + text + ", ','";
  }
  return sql + ")";
}

std::string journal(const CaptureSpec& spec) {
  return quote_name(TableName{spec.journal_schema, std::string(kJournalTable)});
}

// Triggers live in the schema of their table.
TableName beside(const CaptureSpec& spec, const std::string& name) {
  return {spec.table.name.schema, name};
}

TableName keeper(const CaptureSpec& spec) { return beside(spec, capture_prefix(spec) + "_keep"); }

// Partitioned tables can be neither side of a foreign key.
bool can_be_kept(const CaptureSpec& spec) {
  return !spec.table.partitioned && spec.table.storage_engine == "InnoDB";
}

std::string entry(const CaptureSpec& spec, const char* row) {
  return "INSERT INTO " + journal(spec) + " (migration, relation, row_key) VALUES (" +
         quote_literal(spec.migration) + ", " + quote_literal(spec.relation) + ", " +
         row_key_of(spec.key, row) + ")";
}

std::string trigger(const CaptureSpec& spec, const char* suffix, const char* event,
                    const std::string& body) {
  return "CREATE TRIGGER " + quote_name(beside(spec, capture_prefix(spec) + suffix)) + " AFTER " +
         event + " ON " + quote_name(spec.table.name) + " FOR EACH ROW " + body;
}

constexpr std::array<const char*, 3> kSuffixes{"_ins", "_upd", "_del"};

// A timestamp's seconds since 1970, with or without a fraction, as the server prints it in UTC.
bool print_moment(std::string_view seconds, std::string& text) {
  const std::size_t point = seconds.find('.');
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : seconds.substr(point + 1);
  std::int64_t whole = 0, micros = 0;
  if (!parse_int64(seconds.substr(0, point), whole) || fraction.size() > 6) return false;
  std::string padded(fraction);
  padded.resize(6, '0');
  if (!parse_int64(padded, micros)) return false;
  if (whole == 0 && micros == 0) {
    text = "0000-00-00 00:00:00";
    if (!fraction.empty()) text += "." + std::string(fraction.size(), '0');
    return true;
  }
  print_timestamp(text, whole * kMicrosPerSecond + micros, static_cast<unsigned>(fraction.size()));
  return true;
}

bool is_cascade(const std::string& action) {
  return action == "CASCADE" || action == "SET NULL" || action == "SET DEFAULT";
}

}  // namespace

std::vector<CaptureGap> MysqlCapture::gaps(const CaptureSpec& spec) const {
  std::vector<CaptureGap> gaps;
  for (const ForeignKey& key : spec.table.foreign_keys) {
    if (!is_cascade(key.on_delete) && !is_cascade(key.on_update)) continue;
    gaps.push_back({true,
                    fmt::format("foreign key {} changes rows of this table by ON DELETE {} ON "
                                "UPDATE {}, and cascades run no triggers",
                                key.name, key.on_delete, key.on_update),
                    "make it RESTRICT and let the application change the rows, until the migration "
                    "is over"});
  }
  if (!can_be_kept(spec)) {
    gaps.push_back({false, "TRUNCATE and partition maintenance run no triggers",
                    "do not use them on this table until the migration is over; `migrate verify` "
                    "would find the rows"});
  }
  for (const Column& column : spec.key) {
    if (column.charset.empty() || column.charset == "utf8mb4" || column.charset == "utf8" ||
        column.charset == "utf8mb3" || column.charset == "ascii" || column.charset == "latin1") {
      continue;
    }
    gaps.push_back({true,
                    fmt::format("key column `{}` is of character set {}, which may not come back "
                                "from UTF-8 the same",
                                column.name, column.charset),
                    "name another key in the plan"});
  }
  return gaps;
}

std::string MysqlCapture::create_journal(const std::string& schema) const {
  return "CREATE TABLE IF NOT EXISTS " + quote_name(TableName{schema, std::string(kJournalTable)}) +
         " (seq bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, migration varbinary(255) NOT NULL, "
         "relation varbinary(255) NOT NULL, row_key longtext CHARACTER SET utf8mb4 COLLATE "
         "utf8mb4_bin, changed_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)) "
         "ENGINE=InnoDB";
}

std::string_view MysqlCapture::age_ms() const {
  return "CAST((UNIX_TIMESTAMP(SYSDATE(6)) - UNIX_TIMESTAMP(changed_at)) * 1000 AS SIGNED)";
}

std::vector<std::string> MysqlCapture::create_triggers(const CaptureSpec& spec) const {
  std::vector<std::string> statements = drop_triggers(spec);
  statements.push_back(trigger(spec, "_ins", "INSERT", entry(spec, "NEW")));
  // By bytes: for the column's collation 'a' and 'A' may be the same key, and yet are two texts.
  statements.push_back(trigger(
      spec, "_upd", "UPDATE",
      "BEGIN " + entry(spec, "NEW") + "; IF BINARY " + row_key_of(spec.key, "OLD") + " <> BINARY " +
          row_key_of(spec.key, "NEW") + " THEN " + entry(spec, "OLD") + "; END IF; END"));
  statements.push_back(trigger(spec, "_del", "DELETE", entry(spec, "OLD")));
  if (can_be_kept(spec)) {
    std::string names, columns;
    for (const Column& column : spec.key) {
      if (!names.empty()) names += ", ";
      names += quote_name(column.name);
      columns += quote_name(column.name) + " " + column.native_type;
      if (!column.charset.empty()) columns += " CHARACTER SET " + column.charset;
      if (!column.collation.empty()) columns += " COLLATE " + column.collation;
      columns += " NULL, ";
    }
    statements.push_back("CREATE TABLE " + quote_name(keeper(spec)) + " (" + columns +
                         "FOREIGN KEY (" + names + ") REFERENCES " + quote_name(spec.table.name) +
                         " (" + names + ")) ENGINE=InnoDB");
  }
  return statements;
}

std::vector<std::string> MysqlCapture::drop_triggers(const CaptureSpec& spec) const {
  std::vector<std::string> statements;
  for (const char* suffix : kSuffixes) {
    statements.push_back("DROP TRIGGER IF EXISTS " +
                         quote_name(beside(spec, capture_prefix(spec) + suffix)));
  }
  statements.push_back("DROP TABLE IF EXISTS " + quote_name(keeper(spec)));
  return statements;
}

std::vector<std::string> MysqlCapture::trigger_names(const CaptureSpec& spec) const {
  std::vector<std::string> names;
  for (const char* suffix : kSuffixes) names.push_back(capture_prefix(spec) + suffix);
  return names;
}

std::string MysqlCapture::row_key(const std::vector<Column>& key, const std::string& row) const {
  return row_key_of(key, row);
}

std::string MysqlCapture::last_entry(const std::string& schema) const {
  return "SELECT seq, row_key FROM " + quote_name(TableName{schema, std::string(kJournalTable)}) +
         " WHERE seq = LAST_INSERT_ID()";
}

Key MysqlCapture::decode(const std::vector<Column>& key, std::string_view row_key) const {
  const std::vector<std::string> texts = split_key_text(row_key, key.size());
  const std::vector<KeyColumn> columns = key_columns(key);
  Key values;
  for (std::size_t at = 0; at < columns.size(); ++at) {
    const NativeType& native = columns[at].native;
    std::string text = texts[at];
    bool known = true;
    if (native.is_binary() && native.base != Base::bit) {
      text.clear();
      known = parse_hex(texts[at], text);
    } else if (native.base == Base::timestamp) {
      text.clear();
      known = print_moment(texts[at], text);
    }
    if (!known) {
      throw Error(ErrorKind::invariant, fmt::format("an entry of {} has no value of column {}",
                                                    kJournalTable, columns[at].sql))
          .remedy("the key's type has changed: run `migrate start PLAN` again");
    }
    values.push_back(key_value(columns[at], text));
  }
  return values;
}

std::string MysqlCapture::encode(const std::vector<Column>& key, const Key& values) const {
  const std::vector<KeyColumn> columns = key_columns(key);
  if (columns.size() != values.size())
    throw Error(ErrorKind::invariant, "a key has not as many values as columns");
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < columns.size(); ++at) {
    const NativeType& native = columns[at].native;
    std::string text;
    if (const auto* integer = std::get_if<std::int64_t>(&values[at])) {
      text = std::to_string(*integer);
    } else if (const auto* natural = std::get_if<std::uint64_t>(&values[at])) {
      text = std::to_string(*natural);
    } else if (const auto* real = std::get_if<double>(&values[at])) {
      print_double(text, *real);
    } else if (const auto* bytes = std::get_if<Bytes>(&values[at])) {
      print_hex(text, bytes->data);
    } else if (const auto* given = std::get_if<std::string>(&values[at])) {
      std::int64_t micros = 0;
      if (native.base == Base::timestamp) {
        if (!parse_timestamp(*given, micros)) micros = 0;
        text = fmt::format("{}.{:06}", micros / kMicrosPerSecond, micros % kMicrosPerSecond);
      } else if (native.is_binary()) {
        print_hex(text, *given);
      } else {
        text = *given;
      }
    }
    texts.push_back(std::move(text));
  }
  return join_key_texts(texts);
}

const CaptureDialect& MysqlDialect::capture() const {
  static const MysqlCapture only;
  return only;
}

}  // namespace migrator::mysql
