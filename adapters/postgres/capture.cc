#include "adapters/postgres/capture.h"

#include <array>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/postgres/dialect.h"
#include "migrator/include/migrator/error.h"

namespace migrator::postgres {
namespace {

// Kinds whose text depends on settings of the writer's session (DateStyle, TimeZone, IntervalStyle,
// extra_float_digits, bytea_output, lc_monetary, ...).
bool depends_on_settings(TypeKind kind) {
  switch (kind) {
    case TypeKind::float32:
    case TypeKind::float64:
    case TypeKind::date:
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
    case TypeKind::opaque:
      return true;
    default:
      return false;
  }
}

bool holds_separators(TypeKind kind) {
  return kind == TypeKind::text || kind == TypeKind::json || kind == TypeKind::opaque;
}

// The key of a row as the journal's text.
std::string key_expression(const std::vector<Column>& key, const std::string& row = "r") {
  std::string sql;
  for (const Column& column : key) {
    const std::string value = row + "." + dialect().quote(column.name);
    // By bytes: a nondeterministic collation would take two spellings for one key, and knows no
    // replace().
    std::string text = column.type.kind == TypeKind::bytes ? "encode(" + value + ", 'hex')"
                                                           : "(" + value + "::text COLLATE \"C\")";
    if (key.size() == 1) return text;
    if (holds_separators(column.type.kind)) {
      text = "replace(replace(" + text + R"(, '\', '\\'), ',', '\,'))";
    }
    if (!sql.empty()) sql += " || ";
    sql += text + " || ','";
  }
  return sql;
}

struct Event {
  const char* suffix;
  const char* word;
  const char* tables;  // transition tables
};
constexpr std::array<Event, 4> kEvents{{
    {"_ins", "INSERT", " REFERENCING NEW TABLE AS changed_new"},
    {"_upd", "UPDATE", " REFERENCING NEW TABLE AS changed_new OLD TABLE AS changed_old"},
    {"_del", "DELETE", " REFERENCING OLD TABLE AS changed_old"},
    {"_trc", "TRUNCATE", ""},
}};

TableName function_name(const CaptureSpec& spec) {
  return {spec.journal_schema, capture_prefix(spec)};
}

// A statement that names a partitioned table fires its triggers alone, one that names a partition
// the partition's.
std::vector<TableName> captured_tables(const CaptureSpec& spec) {
  std::vector<TableName> tables{spec.table.name};
  tables.insert(tables.end(), spec.table.partitions.begin(), spec.table.partitions.end());
  return tables;
}

std::string create_function(const CaptureSpec& spec) {
  const std::string names = ddl_literal(spec.migration) + ", " + ddl_literal(spec.relation) + ", ";
  const std::string insert =
      "    INSERT INTO " +
      dialect().quote(TableName{spec.journal_schema, std::string(kJournalTable)}) +
      " (migration, relation, row_key)\n      ";
  const std::string key = key_expression(spec.key);
  std::string settings = " SET search_path = pg_catalog, pg_temp";
  for (const Column& column : spec.key) {
    if (!depends_on_settings(column.type.kind)) continue;
    // As the sessions of this adapter have it.
    settings +=
        " SET DateStyle = 'ISO, MDY' SET TimeZone = 'UTC' SET IntervalStyle = 'postgres'"
        " SET extra_float_digits = '1' SET bytea_output = 'hex' SET lc_monetary = 'C'";
    break;
  }
  // With the rights of who installs it: the application needs none on the journal.
  return "CREATE OR REPLACE FUNCTION " + dialect().quote(function_name(spec)) +
         "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER" + settings + " AS " +
         ddl_literal(
             "BEGIN\n"
             "  IF TG_OP = 'INSERT' THEN\n" +
             insert + "SELECT " + names + key +
             " FROM changed_new r;\n"
             "  ELSIF TG_OP = 'UPDATE' THEN\n" +
             insert + "SELECT " + names + "changed.k FROM (SELECT " + key +
             " AS k FROM changed_new r UNION SELECT " + key +
             " FROM changed_old r) changed;\n"
             "  ELSIF TG_OP = 'DELETE' THEN\n" +
             insert + "SELECT " + names + key +
             " FROM changed_old r;\n"
             "  ELSE\n" +
             insert + "VALUES (" + names +
             "NULL);\n"
             "  END IF;\n"
             "  RETURN NULL;\n"
             "END");
}

// As the triggers would print it, or as the server reads it just as well.
std::string key_text(const Column& column, const Value& value) {
  std::string text;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (column.type.kind == TypeKind::boolean) return *integer != 0 ? "true" : "false";
    return std::to_string(*integer);
  }
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) return std::to_string(*natural);
  if (const auto* real = std::get_if<double>(&value)) {
    print_double(text, *real);
  } else if (const auto* given = std::get_if<std::string>(&value)) {
    text = *given;
  } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
    if (column.type.kind == TypeKind::uuid && bytes->data.size() == 16) {
      print_uuid(text, bytes->data.data());
    } else {
      print_hex(text, bytes->data);
    }
  } else {
    throw Error(ErrorKind::invariant, "a key's column \"" + column.name + "\" is NULL");
  }
  return text;
}

Value key_value(const Column& column, std::string text) {
  switch (column.type.kind) {
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64: {
      std::int64_t integer = 0;
      if (parse_int64(text, integer)) return integer;
      break;
    }
    case TypeKind::boolean:
      if (text == "true" || text == "false") return std::int64_t{text == "true"};
      break;
    case TypeKind::bytes: {
      std::string bytes;
      if (parse_hex(text, bytes)) return Bytes{std::move(bytes)};
      break;
    }
    default:
      return text;
  }
  throw Error(ErrorKind::invariant, fmt::format("an entry of {} has no value of column \"{}\"",
                                                kJournalTable, column.name))
      .remedy("the key's type has changed: run `migrate start PLAN` again");
}

}  // namespace

std::vector<CaptureGap> PgCapture::gaps(const CaptureSpec&) const { return {}; }

std::string PgCapture::create_journal(const std::string& schema) const {
  return "CREATE TABLE IF NOT EXISTS " +
         dialect().quote(TableName{schema, std::string(kJournalTable)}) +
         " (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, migration text COLLATE \"C\" NOT "
         "NULL, relation text COLLATE \"C\" NOT NULL, row_key text COLLATE \"C\", changed_at "
         "timestamptz NOT NULL DEFAULT clock_timestamp())";
}

std::string_view PgCapture::age_ms() const {
  return "(extract(epoch FROM clock_timestamp() - changed_at) * 1000)::bigint";
}

std::vector<std::string> PgCapture::create_triggers(const CaptureSpec& spec) const {
  std::vector<std::string> statements{create_function(spec)};
  const std::string prefix = capture_prefix(spec);
  for (const TableName& name : captured_tables(spec)) {
    const std::string table = dialect().quote(name);
    for (const Event& event : kEvents) {
      const std::string trigger = dialect().quote(prefix + event.suffix);
      statements.push_back("DROP TRIGGER IF EXISTS " + trigger + " ON " + table);
      statements.push_back("CREATE TRIGGER " + trigger + " AFTER " + event.word + " ON " + table +
                           event.tables + " FOR EACH STATEMENT EXECUTE FUNCTION " +
                           dialect().quote(function_name(spec)) + "()");
      // For writers with session_replication_role = replica, too.
      statements.push_back("ALTER TABLE " + table + " ENABLE ALWAYS TRIGGER " + trigger);
    }
  }
  return statements;
}

std::vector<std::string> PgCapture::drop_triggers(const CaptureSpec& spec) const {
  std::vector<std::string> statements;
  for (const TableName& name : captured_tables(spec)) {
    for (const std::string& trigger : trigger_names(spec)) {
      statements.push_back("DROP TRIGGER IF EXISTS " + dialect().quote(trigger) + " ON " +
                           dialect().quote(name));
    }
  }
  statements.push_back("DROP FUNCTION IF EXISTS " + dialect().quote(function_name(spec)) + "()");
  return statements;
}

std::vector<std::string> PgCapture::trigger_names(const CaptureSpec& spec) const {
  std::vector<std::string> names;
  for (const Event& event : kEvents) names.push_back(capture_prefix(spec) + event.suffix);
  return names;
}

// The entry's number is drawn when the row comes out of the change, and so is locked already.
std::string PgCapture::with_entries(std::string_view change, std::string_view insert,
                                    std::string_view constants, std::string_view row_key) const {
  return fmt::format(
      "WITH changed (row_key) AS ({} RETURNING {}) {} SELECT {}, row_key FROM changed", change,
      row_key, insert, constants);
}

std::string PgCapture::row_key(const std::vector<Column>& key, const std::string& row) const {
  return key_expression(key, row);
}

Key PgCapture::decode(const std::vector<Column>& key, std::string_view row_key) const {
  std::vector<std::string> texts = split_key_text(row_key, key.size());
  Key values;
  for (std::size_t at = 0; at < key.size(); ++at) {
    values.push_back(key_value(key[at], std::move(texts[at])));
  }
  return values;
}

std::string PgCapture::encode(const std::vector<Column>& key, const Key& values) const {
  if (key.size() != values.size())
    throw Error(ErrorKind::invariant, "a key has not as many values as columns");
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < key.size(); ++at) texts.push_back(key_text(key[at], values[at]));
  return join_key_texts(texts);
}

const CaptureDialect& PgDialect::capture() const {
  static const PgCapture only;
  return only;
}

}  // namespace migrator::postgres
