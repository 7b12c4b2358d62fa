// SQLite's errors, declared types and dialect, and the parser of its CREATE TABLE.
#include "tests/unit/sqlite_fixture.h"

namespace migrator {
namespace {

TEST(SqliteErrors, AreClassifiedByTable) {
  struct Case {
    int code;
    ErrorKind kind;
    bool duplicate;
  };
  const Case cases[] = {
      {SQLITE_CONSTRAINT_UNIQUE, ErrorKind::data, true},
      {SQLITE_CONSTRAINT_PRIMARYKEY, ErrorKind::data, true},
      {SQLITE_CONSTRAINT_ROWID, ErrorKind::data, true},
      {SQLITE_CONSTRAINT_NOTNULL, ErrorKind::data, false},
      {SQLITE_CONSTRAINT_CHECK, ErrorKind::data, false},
      {SQLITE_CONSTRAINT_DATATYPE, ErrorKind::data, false},
      {SQLITE_CONSTRAINT_FOREIGNKEY, ErrorKind::data, false},
      {SQLITE_CONSTRAINT_TRIGGER, ErrorKind::data, false},
      {SQLITE_MISMATCH, ErrorKind::data, false},
      {SQLITE_TOOBIG, ErrorKind::data, false},
      {SQLITE_BUSY, ErrorKind::transient, false},
      {SQLITE_BUSY_SNAPSHOT, ErrorKind::transient, false},
      {SQLITE_BUSY_RECOVERY, ErrorKind::transient, false},
      {SQLITE_LOCKED, ErrorKind::transient, false},
      {SQLITE_LOCKED_SHAREDCACHE, ErrorKind::transient, false},
      {SQLITE_PROTOCOL, ErrorKind::transient, false},
      {SQLITE_ABORT_ROLLBACK, ErrorKind::transient, false},
      {SQLITE_INTERRUPT, ErrorKind::cancelled, false},
      {SQLITE_FULL, ErrorKind::permanent, false},
      {SQLITE_READONLY, ErrorKind::permanent, false},
      {SQLITE_READONLY_DBMOVED, ErrorKind::permanent, false},
      {SQLITE_CANTOPEN, ErrorKind::permanent, false},
      {SQLITE_CORRUPT, ErrorKind::permanent, false},
      {SQLITE_NOTADB, ErrorKind::permanent, false},
      {SQLITE_IOERR_WRITE, ErrorKind::permanent, false},
      {SQLITE_IOERR_LOCK, ErrorKind::transient, false},
      {SQLITE_NOMEM, ErrorKind::transient, false},
      {SQLITE_ERROR, ErrorKind::permanent, false},
      {SQLITE_MISUSE, ErrorKind::invariant, false},
  };
  for (const Case& c : cases) {
    const Error error = sqlite::classify(c.code, "doing", "message");
    EXPECT_EQ(error.kind(), c.kind) << c.code;
    EXPECT_EQ(error.duplicate_key(), c.duplicate) << c.code;
    EXPECT_EQ(error.code(), std::to_string(c.code));
    EXPECT_STREQ(error.what(), "doing: message");
    if (c.kind == ErrorKind::permanent) {
      EXPECT_FALSE(error.remedy().empty()) << c.code;
    }
  }
}

TEST(SqliteTypes, NeutralTypesOfDeclaredTypes) {
  const std::pair<const char*, const char*> cases[] = {
      {"INTEGER", "int64"},
      {"int", "int64"},
      {"BIGINT UNSIGNED", "int64"},
      {"tinyint(1)", "int64"},
      {"BOOLEAN", "boolean"},
      {"bool", "boolean"},
      {"DECIMAL(12,2)", "decimal(12,2)"},
      {"numeric( 5 , 1 )", "decimal(5,1)"},
      {"NUMERIC", "decimal"},
      {"DECIMAL_TEXT(30,4)", "decimal(30,4)"},
      {"REAL", "float64"},
      {"DOUBLE PRECISION", "float64"},
      {"VARCHAR(40)", "text(40)"},
      {"NATIVE CHARACTER(70)", "text(70)"},
      {"TEXT", "text"},
      {"CLOB", "text"},
      {"BLOB", "bytes"},
      {"VARBINARY(16)", "bytes(16)"},
      {"DATE", "date"},
      {"JSON", "json"},
      {"JSON_TEXT", "json"},
      {"UUID", "uuid"},
      {"", "opaque"},
      {"STRING", "opaque"},
      {"INTERVAL", "opaque"},
      {"GEOMETRY", "opaque"},
  };
  for (const auto& [declared, neutral] : cases) {
    EXPECT_EQ(describe(sqlite::neutral_type(declared)), neutral) << declared;
  }
  EXPECT_EQ(sqlite::neutral_type("DATETIME").kind, TypeKind::timestamp);
  EXPECT_EQ(sqlite::neutral_type("DATETIME").precision, 6u);
  EXPECT_EQ(sqlite::neutral_type("DATETIME(0)").precision, 0u);
  EXPECT_EQ(sqlite::neutral_type("TIMESTAMP(3) WITH TIME ZONE").kind, TypeKind::timestamptz);
  EXPECT_EQ(sqlite::neutral_type("TIMESTAMP(3) WITH TIME ZONE").precision, 3u);
  EXPECT_EQ(sqlite::neutral_type("timestamp without time zone").kind, TypeKind::timestamp);
  EXPECT_FALSE(sqlite::neutral_type("CHAR(4)").fixed);
  EXPECT_EQ(sqlite::neutral_type("DECIMAL(5,-2)").precision, 0u);
}

TEST(SqliteTypes, AffinityFollowsTheRulesOfTheManual) {
  using sqlite::Affinity;
  EXPECT_EQ(sqlite::affinity_of("CHARINT"), Affinity::integer);
  EXPECT_EQ(sqlite::affinity_of("FLOATING POINT"), Affinity::integer);
  EXPECT_EQ(sqlite::affinity_of("JSON_TEXT"), Affinity::text);
  EXPECT_EQ(sqlite::affinity_of("DECIMAL_TEXT(20,0)"), Affinity::text);
  EXPECT_EQ(sqlite::affinity_of("JSON"), Affinity::numeric);
  EXPECT_EQ(sqlite::affinity_of(""), Affinity::blob);
  EXPECT_EQ(sqlite::affinity_of("FLOAT"), Affinity::real);
}

TEST(SqliteDecimal, ComparesByValueAndNotByText) {
  using sqlite::compare_decimals;
  EXPECT_EQ(compare_decimals("1.50", "1.5"), 0);
  EXPECT_EQ(compare_decimals("-0", "0.00"), 0);
  const char* const ascending[] = {"-Infinity", "-10", "-9.5", "-0.51",
                                   "-0.5",      "0",   "0.09", "0.1",
                                   "1",         "9",   "10",   "18446744073709551615",
                                   "Infinity",  "NaN"};
  for (std::size_t i = 0; i + 1 < std::size(ascending); ++i) {
    EXPECT_LT(compare_decimals(ascending[i], ascending[i + 1]), 0) << ascending[i];
    EXPECT_GT(compare_decimals(ascending[i + 1], ascending[i]), 0) << ascending[i];
  }
}

TEST(SqliteDecimal, PrintsDoublesWithoutAnExponent) {
  const std::pair<double, const char*> cases[] = {
      {12.5, "12.5"}, {1e22, "10000000000000000000000"}, {1e-7, "0.0000001"}, {-0.1, "-0.1"}};
  for (const auto& [value, expected] : cases) {
    std::string out;
    sqlite::print_plain(out, value);
    EXPECT_EQ(out, expected);
  }
  std::string tiny;
  sqlite::print_plain(tiny, -std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(std::strtod(tiny.c_str(), nullptr), -std::numeric_limits<double>::denorm_min());
}

TEST(SqliteCreateTable, ReadsChecksGeneratedColumnsAndForeignKeys) {
  sqlite::CreatedTable created;
  ASSERT_TRUE(sqlite::parse_create_table(
      "CREATE TABLE IF NOT EXISTS \"my \"\"table\" ( -- a comment, with a comma\n"
      "  id INTEGER PRIMARY KEY, [check] TEXT DEFAULT 'it''s (a) CHECK' CHECK(length([check]) > 0),"
      "  n INT CONSTRAINT positive CHECK (n > (0)) UNIQUE ON CONFLICT REPLACE,"
      "  d INT AS (n * 2) STORED, e TEXT GENERATED ALWAYS AS (printf('%s)', n)),"
      "  p INT REFERENCES p(id) ON DELETE SET NULL ON UPDATE NO ACTION DEFERRABLE INITIALLY "
      "DEFERRED"
      "    NOT NULL,"
      "  CONSTRAINT both CHECK (n < d) CONSTRAINT up FOREIGN KEY (n, d) REFERENCES q(a, b)"
      "    NOT DEFERRABLE INITIALLY DEFERRED"
      ") STRICT",
      created));
  std::vector<std::string> names;
  for (const auto& column : created.columns)
    names.push_back(column.name + "|" + column.generated_sql);
  EXPECT_THAT(names, ElementsAre("id|", "check|", "n|", "d|n * 2", "e|printf('%s)', n)", "p|"));
  ASSERT_EQ(created.checks.size(), 3u);
  EXPECT_EQ(created.checks[0].sql, "length([check]) > 0");
  EXPECT_EQ(created.checks[1].name, "positive");
  EXPECT_EQ(created.checks[1].sql, "n > (0)");
  EXPECT_EQ(created.checks[2].name, "both");
  ASSERT_EQ(created.foreign_keys.size(), 2u);
  EXPECT_TRUE(created.foreign_keys[0].deferrable);
  EXPECT_EQ(created.foreign_keys[1].name, "up");
  EXPECT_FALSE(created.foreign_keys[1].deferrable);
  EXPECT_TRUE(created.conflict_clauses);
  EXPECT_FALSE(sqlite::parse_create_table("CREATE TABLE t(a CHECK (a > 'x", created));
  EXPECT_FALSE(sqlite::parse_create_table("CREATE VIRTUAL TABLE t USING fts5(a)", created));
}

TEST(SqliteCreateTable, DescribesTriggers) {
  EXPECT_EQ(sqlite::describe_trigger("CREATE TRIGGER a AFTER UPDATE OF x ON t BEGIN SELECT 1; END"),
            "AFTER UPDATE");
  EXPECT_EQ(sqlite::describe_trigger(
                "create trigger if not exists main.\"b c\" delete on t begin select 1; end"),
            "BEFORE DELETE");
  EXPECT_EQ(sqlite::describe_trigger("CREATE TRIGGER v INSTEAD OF INSERT ON w BEGIN SELECT 1; END"),
            "INSTEAD OF INSERT");
}

// ---- dialect

TEST(SqliteDialect, MapsColumnsOfOtherEngines) {
  struct Case {
    TypeKind kind;
    std::uint32_t precision, scale;
    const char* native;
  };
  const Case cases[] = {
      {TypeKind::int16, 0, 0, "INTEGER"},
      {TypeKind::decimal, 15, 4, "NUMERIC(15,4)"},
      {TypeKind::decimal, 16, 0, "DECIMAL_TEXT(16,0)"},
      {TypeKind::decimal, 0, 0, "DECIMAL_TEXT"},
      {TypeKind::timestamp, 3, 0, "DATETIME(3)"},
      {TypeKind::timestamptz, 6, 0, "TIMESTAMPTZ"},
      {TypeKind::json, 0, 0, "JSON_TEXT"},
      {TypeKind::float32, 0, 0, "FLOAT"},
      {TypeKind::uuid, 0, 0, "UUID"},
      {TypeKind::boolean, 0, 0, "BOOLEAN"},
  };
  for (const Case& c : cases) {
    Column column;
    column.name = "c";
    column.type.kind = c.kind;
    column.type.precision = c.precision;
    column.type.scale = c.scale;
    EXPECT_EQ(dialect().map_column(column, Engine::postgres).column.native_type, c.native);
  }
  Column opaque;
  opaque.native_type = "tsvector";
  EXPECT_THAT(dialect().map_column(opaque, Engine::postgres).refused, HasSubstr("tsvector"));
  EXPECT_EQ(dialect().map_column(opaque, Engine::sqlite).refused, "");
}

TEST(SqliteDialect, TranslatesLiteralDefaultsAndDropsTheRestWithANote) {
  struct Case {
    Engine from;
    TypeKind kind;
    const char* sql;
    const char* expected;  // "" is dropped
  };
  const Case cases[] = {
      {Engine::postgres, TypeKind::text, "'it''s'::character varying(10)", "'it''s'"},
      {Engine::postgres, TypeKind::int64, "(-1)", "-1"},
      {Engine::postgres, TypeKind::boolean, "true", "1"},
      {Engine::postgres, TypeKind::timestamp, "now()", "CURRENT_TIMESTAMP"},
      {Engine::postgres, TypeKind::timestamptz, "CURRENT_TIMESTAMP",
       "(strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'))"},
      {Engine::postgres, TypeKind::date, "'2024-01-01'::date", "'2024-01-01'"},
      {Engine::postgres, TypeKind::text, "NULL::text", "NULL"},
      {Engine::postgres, TypeKind::text, "lower('X'::text)", ""},
      {Engine::postgres, TypeKind::text, "('a'::text || 'b'::text)", ""},
      {Engine::postgres, TypeKind::uuid, "gen_random_uuid()", ""},
      {Engine::postgres, TypeKind::bytes, "'\\x00'::bytea", ""},
      {Engine::mysql, TypeKind::timestamp, "current_timestamp(6)", "CURRENT_TIMESTAMP"},
      {Engine::mysql, TypeKind::int64, "'5'", "5"},
      {Engine::mysql, TypeKind::text, "'a\\nb'", ""},
      {Engine::mysql, TypeKind::date, "'0000-00-00'", ""},
  };
  for (const Case& c : cases) {
    Column column;
    column.name = "c";
    column.type.kind = c.kind;
    column.type.precision = 6;
    column.default_sql = c.sql;
    const MappedColumn mapped = dialect().map_column(column, c.from);
    EXPECT_EQ(mapped.column.default_sql.value_or(""), c.expected) << c.sql;
    EXPECT_EQ(mapped.notes.empty(), std::string(c.expected) != "") << c.sql;
  }
  Column decimal;
  decimal.type.kind = TypeKind::decimal;
  decimal.type.precision = 20;
  decimal.default_sql = "0.50";
  EXPECT_EQ(dialect().map_column(decimal, Engine::mysql).column.default_sql, "'0.50'");
}

TEST(SqliteDialect, QuotesAndRefusesNames) {
  EXPECT_EQ(dialect().quote("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(dialect().quote(TableName{"", "t"}), "\"t\"");
  EXPECT_EQ(caught([] { dialect().quote(""); }).kind(), ErrorKind::usage);
  EXPECT_EQ(caught([] { dialect().quote(std::string_view("a\0b", 3)); }).kind(), ErrorKind::usage);
  EXPECT_EQ(dialect().placeholder(7), "?");
}

TEST(SqliteDialect, TypesOfAPlanAreKnownOrRefused) {
  EXPECT_EQ(dialect().column_of_type("a", "numeric(12,2)").type.kind, TypeKind::decimal);
  EXPECT_EQ(dialect().column_of_type("a", "VARCHAR(3)").type.length, 3u);
  for (const char* wrong :
       {"jsonn", "STRING", "", "TEXT); DROP TABLE t; --", "INTEGER PRIMARY KEY, x INT"}) {
    EXPECT_EQ(caught([&] { dialect().column_of_type("a", wrong); }).kind(), ErrorKind::usage)
        << wrong;
  }
}

}  // namespace
}  // namespace migrator
