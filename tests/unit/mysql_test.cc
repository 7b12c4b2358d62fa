#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "adapters/mysql/adapter.h"
#include "adapters/mysql/catalog.h"
#include "adapters/mysql/codec.h"
#include "adapters/mysql/connection.h"
#include "adapters/mysql/dialect.h"
#include "adapters/mysql/errors.h"
#include "adapters/mysql/key_range.h"
#include "adapters/mysql/load_data.h"
#include "adapters/mysql/native_type.h"
#include "adapters/mysql/source.h"
#include "adapters/mysql/value_encoder.h"

namespace migrator::mysql {
namespace {

Column column(const std::string& name, const std::string& native, bool nullable = true) {
  Column c = common_dialect().column_of_type(name, native);
  c.nullable = nullable;
  return c;
}

template <typename Work>
Error error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::invariant, "nothing was thrown");
}

// --- Errors ---

TEST(MysqlErrors, AreClassifiedByNumber) {
  struct Case {
    unsigned number;
    ErrorKind kind;
    ErrorScope scope;
  };
  const std::vector<Case> cases = {
      {1205, ErrorKind::transient, ErrorScope::statement},
      {1213, ErrorKind::transient, ErrorScope::transaction},
      {1040, ErrorKind::transient, ErrorScope::session},
      {1203, ErrorKind::transient, ErrorScope::session},
      {1053, ErrorKind::transient, ErrorScope::session},
      {1927, ErrorKind::transient, ErrorScope::session},
      {2002, ErrorKind::transient, ErrorScope::session},
      {2003, ErrorKind::transient, ErrorScope::session},
      {2006, ErrorKind::transient, ErrorScope::session},
      {2013, ErrorKind::transient, ErrorScope::session},
      {2999, ErrorKind::transient, ErrorScope::session},
      {1969, ErrorKind::transient, ErrorScope::statement},
      {3024, ErrorKind::transient, ErrorScope::statement},
      {1317, ErrorKind::cancelled, ErrorScope::statement},
      {1062, ErrorKind::data, ErrorScope::statement},
      {1586, ErrorKind::data, ErrorScope::statement},
      {1048, ErrorKind::data, ErrorScope::statement},
      {1264, ErrorKind::data, ErrorScope::statement},
      {1265, ErrorKind::data, ErrorScope::statement},
      {1292, ErrorKind::data, ErrorScope::statement},
      {1364, ErrorKind::data, ErrorScope::statement},
      {1366, ErrorKind::data, ErrorScope::statement},
      {1406, ErrorKind::data, ErrorScope::statement},
      {1452, ErrorKind::data, ErrorScope::statement},
      {1690, ErrorKind::data, ErrorScope::statement},
      {3819, ErrorKind::data, ErrorScope::statement},
      {4025, ErrorKind::data, ErrorScope::statement},
      {1153, ErrorKind::data, ErrorScope::session},
      {1044, ErrorKind::permanent, ErrorScope::statement},
      {1045, ErrorKind::permanent, ErrorScope::session},
      {1049, ErrorKind::permanent, ErrorScope::statement},
      {1054, ErrorKind::permanent, ErrorScope::statement},
      {1114, ErrorKind::permanent, ErrorScope::statement},
      {1142, ErrorKind::permanent, ErrorScope::statement},
      {1146, ErrorKind::permanent, ErrorScope::statement},
      {1290, ErrorKind::permanent, ErrorScope::statement},
      {1836, ErrorKind::permanent, ErrorScope::statement},
      {1064, ErrorKind::permanent, ErrorScope::statement},
  };
  for (const Case& c : cases) {
    const Error error = classify(c.number, "HY000", "message");
    EXPECT_EQ(error.kind(), c.kind) << c.number;
    EXPECT_EQ(error.scope(), c.scope) << c.number;
    EXPECT_EQ(error.code(), "HY000/" + std::to_string(c.number));
  }
  for (const unsigned number : {1044u, 1045u, 1049u, 1142u, 1146u, 1153u, 1290u, 1969u}) {
    EXPECT_FALSE(classify(number, "HY000", "message").remedy().empty()) << number;
  }
  EXPECT_TRUE(classify(1062, "23000", "").duplicate_key());
  EXPECT_TRUE(classify(1586, "23000", "").duplicate_key());
  EXPECT_FALSE(classify(1452, "23000", "").duplicate_key());
}

TEST(MysqlErrors, UnknownNumbersGoByTheirSqlState) {
  EXPECT_EQ(classify(9999, "40001", "").kind(), ErrorKind::transient);
  EXPECT_EQ(classify(9999, "23000", "").kind(), ErrorKind::data);
  EXPECT_EQ(classify(9999, "22001", "").kind(), ErrorKind::data);
  EXPECT_EQ(classify(9999, "08S01", "").scope(), ErrorScope::session);
  EXPECT_EQ(classify(9999, "42000", "").kind(), ErrorKind::permanent);
}

TEST(MysqlErrors, ALostAnswerToCommitIsInDoubtAndARefusalIsNot) {
  for (const unsigned number : {2006u, 2013u, 2055u, 1053u, 1927u, 1317u}) {
    EXPECT_EQ(classify_commit(number, "HY000", "").kind(), ErrorKind::in_doubt) << number;
    EXPECT_EQ(classify_commit(number, "HY000", "").scope(), ErrorScope::session) << number;
  }
  EXPECT_EQ(classify_commit(1213, "40001", "").kind(), ErrorKind::transient);
}

TEST(MysqlErrors, NeverShowAValueOfARow) {
  const auto shown = [](unsigned number, const char* message) {
    return without_values(number, message);
  };
  EXPECT_EQ(shown(1062, "Duplicate entry 'it's me' for key 'PRIMARY'"),
            "Duplicate entry '***' for key 'PRIMARY'");
  EXPECT_EQ(shown(1062, "Duplicate entry 'x' for key 'a' for key 't.u'"),
            "Duplicate entry '***' for key 't.u'");
  EXPECT_EQ(shown(1366, "Incorrect integer value: 'abc' for column `s`.`t`.`c` at row 1"),
            "Incorrect integer value: '***' for column `s`.`t`.`c` at row 1");
  EXPECT_EQ(shown(1366, "Incorrect string value: '\\xFF' for column 'c' at row 1"),
            "Incorrect string value: '***' for column 'c' at row 1");
  EXPECT_EQ(shown(1292, "Truncated incorrect DOUBLE value: 'abc'"),
            "Truncated incorrect DOUBLE value: '***'");
  EXPECT_EQ(shown(1406, "Data too long for column 'c' at row 1"),
            "Data too long for column 'c' at row 1");
  EXPECT_EQ(shown(1048, "Column 'c' cannot be null"), "Column 'c' cannot be null");
  EXPECT_EQ(shown(1265, "Data truncated for column 'c' at row 3"),
            "Data truncated for column 'c' at row 3");
  EXPECT_EQ(shown(1690, "BIGINT UNSIGNED value is out of range in '(1 - 5)'"),
            "BIGINT UNSIGNED value is out of range in '***'");
  EXPECT_EQ(shown(1526, "Table has no partition for value 77"),
            "Table has no partition for the value");
  EXPECT_EQ(shown(1644, "no good: 77"), "a trigger refused the row");
  EXPECT_EQ(shown(1146, "Table 'a.b' doesn't exist"), "Table 'a.b' doesn't exist");
}

// --- URLs ---

TEST(MysqlUrl, UnknownParametersNameTheNearest) {
  const Error error = error_of(
      [] { connection_settings(Url::parse("mysql://u:secret@h/db?ssl-mod=REQUIRED"), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_NE(error.remedy().find("'ssl-mode'"), std::string::npos) << error.remedy();
  EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
}

TEST(MysqlUrl, ParametersAreRead) {
  const ConnectionSettings s =
      connection_settings(Url::parse("mysql://u:p%40@h:3307/db?socket=/run/"
                                     "x.sock&ssl-mode=verify_identity&ssl-ca=/ca&load=insert"),
                          {});
  EXPECT_EQ(s.user, "u");
  EXPECT_EQ(s.password, "p@");
  EXPECT_EQ(s.port, 3307);
  EXPECT_EQ(s.database, "db");
  EXPECT_EQ(s.socket, "/run/x.sock");
  EXPECT_EQ(s.tls, TlsMode::verify_identity);
  EXPECT_EQ(s.load, LoadPath::insert);
  EXPECT_FALSE(s.local_infile);
}

TEST(MysqlUrl, BadValuesAndNoDatabaseAreUsageErrors) {
  for (const char* url :
       {"mysql://u@h/db?ssl-mode=maybe", "mysql://u@h/db?load=fast", "mysql://u@h"}) {
    const Error error = error_of([&] { connection_settings(Url::parse(url), {}); });
    EXPECT_EQ(error.kind(), ErrorKind::usage) << url;
    EXPECT_FALSE(error.remedy().empty()) << url;
  }
}

// --- Types ---

TEST(MysqlTypes, AreReadAsInformationSchemaWritesThem) {
  struct Case {
    const char* native;
    Type type;
  };
  const std::vector<Case> cases = {
      {"tinyint(1)", {.kind = TypeKind::boolean}},
      {"tinyint(4)", {.kind = TypeKind::int16}},
      {"tinyint(1) unsigned", {.kind = TypeKind::int16}},
      {"tinyint", {.kind = TypeKind::int16}},
      {"smallint(6)", {.kind = TypeKind::int16}},
      {"smallint(5) unsigned", {.kind = TypeKind::int32}},
      {"mediumint(8) unsigned", {.kind = TypeKind::int32}},
      {"int(11)", {.kind = TypeKind::int32}},
      {"int(10) unsigned zerofill", {.kind = TypeKind::int64}},
      {"bigint(20)", {.kind = TypeKind::int64}},
      {"bigint unsigned", {.kind = TypeKind::uint64}},
      {"decimal(12,2)", {.kind = TypeKind::decimal, .precision = 12, .scale = 2}},
      {"float", {.kind = TypeKind::float32}},
      {"float(30)", {.kind = TypeKind::float64}},
      {"double(10,2) unsigned", {.kind = TypeKind::float64}},
      {"bit(1)", {.kind = TypeKind::boolean}},
      {"bit(8)", {.kind = TypeKind::opaque}},
      {"char(5)", {.kind = TypeKind::text, .length = 5, .fixed = true}},
      {"varchar(40)", {.kind = TypeKind::text, .length = 40}},
      {"varchar(40) /*M!100301 COMPRESSED*/", {.kind = TypeKind::text, .length = 40}},
      {"mediumtext", {.kind = TypeKind::text}},
      {"binary(16)", {.kind = TypeKind::bytes, .length = 16, .fixed = true}},
      {"varbinary(9)", {.kind = TypeKind::bytes, .length = 9}},
      {"longblob", {.kind = TypeKind::bytes}},
      {"date", {.kind = TypeKind::date}},
      {"time(3)", {.kind = TypeKind::time, .precision = 3}},
      {"datetime(6)", {.kind = TypeKind::timestamp, .precision = 6}},
      {"timestamp /* mariadb-5.3 */", {.kind = TypeKind::timestamptz}},
      {"year(4)", {.kind = TypeKind::int16}},
      {"json", {.kind = TypeKind::json}},
      {"enum('a','b')", {.kind = TypeKind::text}},
      {"set('a','b')", {.kind = TypeKind::opaque}},
      {"point", {.kind = TypeKind::opaque}},
      {"uuid", {.kind = TypeKind::uuid}},
      {"DOUBLE PRECISION", {.kind = TypeKind::float64}},
      {"numeric(5)", {.kind = TypeKind::decimal, .precision = 5}},
  };
  for (const Case& c : cases)
    EXPECT_EQ(neutral_type(parse_native_type(c.native)), c.type) << c.native;
}

TEST(MysqlTypes, EnumLabelsKeepQuotesCommasAndParentheses) {
  EXPECT_EQ(parse_native_type("enum('a','it''s','x,y)','','b\\\\c')").values,
            (std::vector<std::string>{"a", "it's", "x,y)", "", "b\\c"}));
}

TEST(MysqlTypes, WhatIsNotATypeIsUnknown) {
  for (const char* text :
       {"", "inte", "varchar(", "varchar(x)", "int(5", "enum()", "enum(a)", "decimal(5,)",
        "int unsigned signed extra", "varchar(40); DROP TABLE t"}) {
    EXPECT_EQ(parse_native_type(text).base, Base::unknown) << text;
  }
  EXPECT_EQ(error_of([] { common_dialect().column_of_type("c", "int4range"); }).kind(),
            ErrorKind::usage);
  EXPECT_EQ(error_of([] { common_dialect().column_of_type("c", "varchar"); }).kind(),
            ErrorKind::usage);
}

TEST(MysqlTypes, APlansTypeMayNameItsCollation) {
  const Column c =
      common_dialect().column_of_type("c", "varchar(9) character set latin1 collate latin1_bin");
  EXPECT_EQ(c.native_type, "varchar(9)");
  EXPECT_EQ(c.charset, "latin1");
  EXPECT_EQ(c.collation, "latin1_bin");
  EXPECT_EQ(common_dialect().column_of_type("c", "boolean").native_type, "tinyint(1)");
}

// --- Keys and ranges ---

std::string literal(const Column& c, const Value& value) {
  std::string sql;
  append_literal(sql, key_column(c), value);
  return sql;
}

TEST(MysqlKeys, ValuesBecomeLiteralsThatCannotBreakOut) {
  EXPECT_EQ(literal(column("c", "bigint"), std::int64_t{-9223372036854775807 - 1}),
            "-9223372036854775808");
  EXPECT_EQ(literal(column("c", "bigint unsigned"), std::uint64_t{18446744073709551615u}),
            "18446744073709551615");
  EXPECT_EQ(literal(column("c", "varchar(9)"), std::string("a' OR 1=1 -- ")),
            "_utf8mb4 0x6127204f5220313d31202d2d20");
  EXPECT_EQ(literal(column("c", "varchar(9)"), std::string()), "_utf8mb4 ''");
  EXPECT_EQ(literal(column("c", "varbinary(9)"), Bytes{std::string("\0'", 2)}), "0x0027");
  EXPECT_EQ(literal(column("c", "decimal(30,5)"), std::string("-12.50000")), "-12.50000");
  EXPECT_EQ(literal(column("c", "datetime(6)"), std::string("2024-01-01 00:00:00.000001")),
            "'2024-01-01 00:00:00.000001'");
  EXPECT_EQ(literal(column("c", "double"), 0.5), "0.5e0");
  for (const char* native : {"bigint", "decimal(9,2)", "datetime", "date", "time"}) {
    EXPECT_EQ(error_of([&] { literal(column("c", native), std::string("1' OR '1")); }).kind(),
              ErrorKind::invariant)
        << native;
  }
}

TEST(MysqlKeys, CompositeRangesAreSpelledOut) {
  const auto key = key_columns({column("a", "int"), column("b", "int")});
  KeyRange range;
  EXPECT_EQ(range_condition(key, range), "");
  range.lower = Key{std::int64_t{1}, std::int64_t{2}};
  EXPECT_EQ(range_condition(key, range), "`a` >= 1 AND (`a` > 1 OR (`a` = 1 AND `b` > 2))");
  range.upper = Key{std::int64_t{3}, std::int64_t{4}};
  EXPECT_EQ(range_condition(key, range),
            "`a` >= 1 AND (`a` > 1 OR (`a` = 1 AND `b` > 2)) AND `a` <= 3 AND (`a` < 3 OR (`a` = 3 "
            "AND `b` <= 4))");
  EXPECT_EQ(range_condition(key_columns({column("a", "int")}),
                            {Key{std::int64_t{1}}, Key{std::int64_t{2}}}),
            "`a` > 1 AND `a` <= 2");
}

TEST(MysqlKeys, EnumRangesAreListsInTheEnumsOwnOrder) {
  const auto key = key_columns({column("e", "enum('z','m','a')")});
  EXPECT_EQ(range_condition(key, {Key{std::int64_t{1}}, std::nullopt}), "`e` IN (2,3)");
  EXPECT_EQ(range_condition(key, {std::nullopt, Key{std::int64_t{2}}}), "`e` IN (0,1,2)");
  EXPECT_EQ(range_condition(key, {Key{std::int64_t{3}}, std::nullopt}), "FALSE");
  EXPECT_EQ(key_expression(key[0]), "`e`+0");
}

TEST(MysqlKeys, TypesWithoutAnExactLiteralAreNoKeys) {
  for (const char* native : {"float", "set('a')", "json", "point"}) {
    const Error error = error_of([&] { key_column(column("c", native)); });
    EXPECT_EQ(error.kind(), ErrorKind::permanent) << native;
    EXPECT_FALSE(error.remedy().empty());
  }
}

TEST(MysqlKeys, ValuesComeBackAsTheyWereSent) {
  EXPECT_EQ(key_value(key_column(column("c", "bigint unsigned")), "18446744073709551615"),
            Value(std::uint64_t{18446744073709551615u}));
  EXPECT_EQ(key_value(key_column(column("c", "int unsigned")), "7"), Value(std::int64_t{7}));
  EXPECT_EQ(key_value(key_column(column("c", "binary(2)")), {"\0a", 2}), Value(Bytes{{"\0a", 2}}));
  EXPECT_EQ(key_value(key_column(column("c", "date")), "0000-00-00"),
            Value(std::string("0000-00-00")));
}

TEST(MysqlKeys, AConditionOfThePlanCannotSwallowTheRange) {
  EXPECT_EQ(where_clause("`a` > 1", "x = 1 -- note"), " WHERE (x = 1 -- note\n) AND `a` > 1");
  EXPECT_EQ(where_clause("", ""), "");
}

// --- Quoting and DDL ---

TEST(MysqlDialectTest, NamesAreQuoted) {
  const Dialect& d = adapter().dialect();
  EXPECT_EQ(d.quote("a`b"), "`a``b`");
  EXPECT_EQ(d.quote(TableName{"s", "t"}), "`s`.`t`");
  EXPECT_EQ(error_of([&] { d.quote(""); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { d.quote(std::string_view("a\0b", 3)); }).kind(), ErrorKind::usage);
  EXPECT_EQ(d.placeholder(3), "?");
}

MappedColumn mapped(const Type& type, const Dialect& dialect = common_dialect()) {
  Column c;
  c.name = "c";
  c.native_type = "theirs";
  c.type = type;
  return dialect.map_column(c, Engine::postgres);
}

TEST(MysqlDialectTest, ColumnsOfOtherEnginesAreMapped) {
  const auto native = [](const Type& type) { return mapped(type).column.native_type; };
  EXPECT_EQ(native({.kind = TypeKind::boolean}), "tinyint(1)");
  EXPECT_EQ(native({.kind = TypeKind::int64}), "bigint");
  EXPECT_EQ(native({.kind = TypeKind::uint64}), "bigint unsigned");
  EXPECT_EQ(native({.kind = TypeKind::decimal, .precision = 12, .scale = 2}), "decimal(12,2)");
  EXPECT_EQ(native({.kind = TypeKind::float32}), "float");
  EXPECT_EQ(native({.kind = TypeKind::text}), "longtext");
  EXPECT_EQ(native({.kind = TypeKind::text, .length = 40}), "varchar(40)");
  EXPECT_EQ(native({.kind = TypeKind::text, .length = 8, .fixed = true}), "varchar(8)");
  EXPECT_EQ(native({.kind = TypeKind::text, .length = 1'000'000}), "longtext");
  EXPECT_EQ(native({.kind = TypeKind::bytes}), "longblob");
  EXPECT_EQ(native({.kind = TypeKind::bytes, .length = 16, .fixed = true}), "binary(16)");
  EXPECT_EQ(native({.kind = TypeKind::timestamptz, .precision = 6}), "datetime(6)");
  EXPECT_EQ(native({.kind = TypeKind::timestamp, .precision = 3}), "datetime(3)");
  EXPECT_EQ(native({.kind = TypeKind::time}), "time");
  EXPECT_EQ(native({.kind = TypeKind::uuid}), "char(36)");
  EXPECT_EQ(native({.kind = TypeKind::json}), "json");
  EXPECT_EQ(mapped({.kind = TypeKind::json}, dialect_for(false, 50624)).column.native_type,
            "longtext");
}

TEST(MysqlDialectTest, WhatHasNoLosslessFormIsRefused) {
  EXPECT_FALSE(mapped({.kind = TypeKind::decimal}).refused.empty());
  EXPECT_FALSE(mapped({.kind = TypeKind::decimal, .precision = 66}).refused.empty());
  EXPECT_FALSE(mapped({.kind = TypeKind::decimal, .precision = 40, .scale = 31}).refused.empty());
  EXPECT_FALSE(mapped({.kind = TypeKind::opaque}).refused.empty());
  EXPECT_TRUE(mapped({.kind = TypeKind::decimal, .precision = 65, .scale = 30}).refused.empty());
}

TEST(MysqlDialectTest, TextOfOtherEnginesComparesByBytesWhereTheServerCan) {
  EXPECT_EQ(mapped({.kind = TypeKind::text}, dialect_for(true, 101119)).column.collation,
            "utf8mb4_nopad_bin");
  EXPECT_EQ(mapped({.kind = TypeKind::text}, dialect_for(false, 80036)).column.collation,
            "utf8mb4_0900_bin");
  const MappedColumn old = mapped({.kind = TypeKind::text}, dialect_for(false, 50624));
  EXPECT_EQ(old.column.collation, "utf8mb4_bin");
  EXPECT_FALSE(old.notes.empty());
}

TEST(MysqlDialectTest, TheSameEngineIsCarriedVerbatim) {
  Column c = column("c", "varchar(40) character set latin1 collate latin1_german1_ci");
  c.default_sql = "'x' ON UPDATE y";
  const MappedColumn same = common_dialect().map_column(c, Engine::mysql);
  EXPECT_EQ(same.column.native_type, c.native_type);
  EXPECT_EQ(same.column.collation, c.collation);
  EXPECT_EQ(same.column.default_sql, c.default_sql);
  EXPECT_TRUE(same.notes.empty());
}

TEST(MysqlDialectTest, OnlyLiteralDefaultsAreTranslated) {
  const auto text = [](const char* sql) { return literal_default(sql, {.kind = TypeKind::text}); };
  const auto number = [](const char* sql) {
    return literal_default(sql, {.kind = TypeKind::decimal});
  };
  EXPECT_EQ(text("'it''s \\ x'::character varying(40)"), "'it''s \\\\ x'");
  EXPECT_EQ(text("lower('x')"), std::nullopt);
  EXPECT_EQ(text("'a' || 'b'"), std::nullopt);
  EXPECT_EQ(number("'1.50'::numeric"), "1.50");
  EXPECT_EQ(number("(-3)"), "-3");
  EXPECT_EQ(number("1+1"), std::nullopt);
  EXPECT_EQ(literal_default("nextval('s'::regclass)", {.kind = TypeKind::int64}), std::nullopt);
  EXPECT_EQ(literal_default("true", {.kind = TypeKind::boolean}), "1");
  EXPECT_EQ(literal_default("now()", {.kind = TypeKind::timestamp}), std::nullopt);
  EXPECT_EQ(literal_default("'2024-01-01'::date", {.kind = TypeKind::date}), "'2024-01-01'");
}

TEST(MysqlDialectTest, TablesAreWrittenOut) {
  TableSchema t;
  t.name = {"", "t"};
  t.columns = {column("id", "bigint", false), column("name", "longtext"),
               column("e", "enum('a','b\\\\c')"), column("ts", "timestamp")};
  t.columns[0].identity = true;
  t.columns[3].default_sql = "current_timestamp() ON UPDATE current_timestamp()";
  t.primary_key = {"id"};
  t.checks = {{"positive", "`id` > 0"}};
  EXPECT_EQ(common_dialect().create_table(t).at(0),
            "CREATE TABLE `t` (\n"
            "  `id` bigint NOT NULL AUTO_INCREMENT,\n"
            "  `name` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,\n"
            "  `e` enum('a','b\\\\c') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,\n"
            "  `ts` timestamp NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),\n"
            "  PRIMARY KEY (`id`),\n"
            "  CONSTRAINT `positive` CHECK (`id` > 0)\n"
            ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
  EXPECT_EQ(common_dialect().create_index(t, {.name = "i",
                                              .columns = {"name", "id"},
                                              .unique = true,
                                              .descending = {false, true},
                                              .method = "",
                                              .definition = ""}),
            "CREATE UNIQUE INDEX `i` ON `t` (`name`, `id` DESC)");
  EXPECT_EQ(
      common_dialect().create_index(t, {.name = "p",
                                        .columns = {"name"},
                                        .plain = false,
                                        .definition = "CREATE INDEX `p` ON `old` (`name`(10))"}),
      "CREATE INDEX `p` ON `t` (`name`(10))");
  EXPECT_EQ(common_dialect().add_foreign_key(t, {.name = "f",
                                                 .columns = {"id"},
                                                 .referenced_table = {"", "p"},
                                                 .referenced_columns = {"x"},
                                                 .on_delete = "CASCADE"}),
            "ALTER TABLE `t` ADD CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `p` (`x`) ON DELETE "
            "CASCADE ON UPDATE NO ACTION");
}

TEST(MysqlDialectTest, TextInAKeyGetsALengthAndAnIdentityAKey) {
  TableSchema t;
  t.name = {"", "t"};
  t.columns = {column("k", "longtext", false), column("u", "longblob"), column("n", "int", false),
               column("prefixed", "longtext")};
  t.columns[2].identity = true;
  t.primary_key = {"k"};
  t.indexes = {{.name = "u", .columns = {"u"}, .unique = true},
               {.name = "x",
                .columns = {"prefixed"},
                .plain = false,
                .definition = "CREATE INDEX `x` ON `t` (`prefixed`(9))"}};
  const std::string sql = dialect_for(true, 101119).create_table(t).at(0);
  EXPECT_NE(sql.find("`k` varchar(255)"), std::string::npos) << sql;
  EXPECT_NE(sql.find("`u` varbinary(255)"), std::string::npos) << sql;
  EXPECT_NE(sql.find("`prefixed` longtext"), std::string::npos) << sql;
  EXPECT_NE(sql.find("KEY (`n`)"), std::string::npos) << sql;
}

// --- Catalog texts ---

TEST(MysqlCatalog, DefaultsBecomeExpressions) {
  EXPECT_EQ(default_expression("abc", "", "varchar(9)", false), "'abc'");
  EXPECT_EQ(default_expression("it's", "", "varchar(9)", false), "'it''s'");
  EXPECT_EQ(default_expression("5", "", "int(11)", false), "5");
  EXPECT_EQ(default_expression("b'101'", "", "bit(3)", false), "b'101'");
  EXPECT_EQ(
      default_expression("CURRENT_TIMESTAMP", "on update CURRENT_TIMESTAMP", "timestamp", false),
      "CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP");
  EXPECT_EQ(default_expression("current_timestamp(3)", "on update current_timestamp(3)",
                               "datetime(3)", true),
            "current_timestamp(3) ON UPDATE current_timestamp(3)");
  EXPECT_EQ(default_expression(std::nullopt, "on update current_timestamp()", "datetime", true),
            "ON UPDATE current_timestamp()");
  EXPECT_EQ(default_expression("uuid()", "DEFAULT_GENERATED", "varchar(36)", false), "(uuid())");
  EXPECT_EQ(default_expression("CURRENT_TIMESTAMP(6)", "DEFAULT_GENERATED", "timestamp(6)", false),
            "CURRENT_TIMESTAMP(6)");
  EXPECT_EQ(default_expression("NULL", "", "int", true), std::nullopt);
  EXPECT_EQ(default_expression("'abc'", "", "varchar(9)", true), "'abc'");
  EXPECT_EQ(default_expression(std::nullopt, "", "int", false), std::nullopt);
}

TEST(MysqlCatalog, JsonChecksOfMariaDbAreKnown) {
  EXPECT_EQ(json_valid_column("json_valid(`doc`)"), "doc");
  EXPECT_EQ(json_valid_column("json_valid(`a``b`)"), "a`b");
  EXPECT_EQ(json_valid_column("json_valid(`a`) and `b` > 0"), "");
  EXPECT_EQ(json_valid_column("`a` > 0"), "");
}

// --- Rows ---

TEST(MysqlWire, LayoutsAreEqualExactlyWhereBytesMayPass) {
  const auto layout = [](const std::string& native) { return wire_layout({column("c", native)}); };
  EXPECT_EQ(layout("int(11)"), layout("int"));
  EXPECT_EQ(layout("tinyint(1)"), layout("tinyint(4)"));
  EXPECT_NE(layout("int"), layout("int unsigned"));
  EXPECT_NE(layout("varchar(40)"), layout("varchar(41)"));
  EXPECT_EQ(layout("varchar(40) character set utf8"), layout("varchar(40)"));
  EXPECT_NE(layout("varchar(40) character set latin1"), layout("varchar(40)"));
  EXPECT_NE(layout("enum('a','b')"), layout("enum('b','a')"));
  EXPECT_NE(layout("int"), cells_layout());
}

TEST(MysqlWire, FloatsAreSelectedExactly) {
  EXPECT_EQ(select_expression(column("f", "float")), "`f`*1e0");
  EXPECT_EQ(select_expression(column("d", "double")), "`d`");
}

class Decoded {
 public:
  Decoded(const Column& c, std::string text) : text_(std::move(text)) {
    char* row[] = {text_.data()};
    const unsigned long lengths[] = {text_.size()};
    batch_.set_columns(1);
    RowDecoder({"", "t"}, {c}).append(batch_, row, lengths);
  }
  const Cell& cell() const { return batch_.row(0)[0]; }
  std::string bytes() const { return std::string(batch_.bytes_of(cell())); }

 private:
  std::string text_;
  RowBatch batch_;
};

TEST(MysqlDecoder, TextBecomesCells) {
  EXPECT_EQ(Decoded(column("c", "int"), "-42").cell().integer, -42);
  EXPECT_EQ(Decoded(column("c", "bigint unsigned"), "18446744073709551615").cell().unsigned_integer,
            18446744073709551615u);
  EXPECT_EQ(Decoded(column("c", "tinyint(1)"), "1").cell().integer, 1);
  EXPECT_EQ(Decoded(column("c", "bit(1)"), std::string("\1", 1)).cell().integer, 1);
  EXPECT_EQ(Decoded(column("c", "double"), "1.7976931348623157e308").cell().real,
            1.7976931348623157e308);
  EXPECT_EQ(Decoded(column("c", "date"), "1970-01-02").cell().integer, 1);
  EXPECT_EQ(Decoded(column("c", "datetime(6)"), "1970-01-01 00:00:00.000001").cell().integer, 1);
  EXPECT_EQ(Decoded(column("c", "timestamp"), "1970-01-01 00:00:01").cell().integer, 1'000'000);
  EXPECT_EQ(Decoded(column("c", "time"), "24:00:00").cell().integer, 86'400'000'000);
  EXPECT_EQ(Decoded(column("c", "varbinary(9)"), std::string("\0a", 2)).bytes(),
            std::string("\0a", 2));
  EXPECT_EQ(Decoded(column("c", "varbinary(9)"), "a").cell().tag, Cell::Tag::bytes);
  Column uuid = column("c", "char(36)");
  uuid.type = {.kind = TypeKind::uuid};
  EXPECT_EQ(Decoded(uuid, "30313233-3435-3637-3839-616263646566").bytes(), "0123456789abcdef");
}

TEST(MysqlDecoder, WhatOnlyMysqlKnowsIsADataErrorThatNamesTheColumn) {
  struct Case {
    const char* native;
    const char* text;
  };
  for (const Case& c :
       {Case{"date", "0000-00-00"}, Case{"date", "2024-00-10"},
        Case{"datetime", "0000-00-00 00:00:00"}, Case{"timestamp", "0000-00-00 00:00:00"},
        Case{"time", "-01:00:00"}, Case{"time", "24:00:01"}, Case{"tinyint(1)", "2"}}) {
    const Error error = error_of([&] { Decoded(column("when_it_was", c.native), c.text); });
    EXPECT_EQ(error.kind(), ErrorKind::data) << c.native << c.text;
    EXPECT_NE(std::string(error.what()).find("when_it_was"), std::string::npos);
    EXPECT_EQ(std::string(error.what()).find(c.text), std::string::npos);
    EXPECT_FALSE(error.remedy().empty());
  }
}

class EncodedCell {
 public:
  explicit EncodedCell(const Column& c, const RowLayout& layout = cells_layout())
      : encoder_({{"", "t"}, {c}, {}}, layout) {
    batch_.set_columns(1);
  }
  RowBatch& batch() { return batch_; }
  std::string text() {
    batch_.end_cell_row();
    return std::string(encoder_.encode(0, batch_, batch_.row(0)[0], scratch_).bytes);
  }
  std::int64_t integer() {
    batch_.end_cell_row();
    return encoder_.encode(0, batch_, batch_.row(0)[0], scratch_).integer;
  }

 private:
  ValueEncoder encoder_;
  RowBatch batch_;
  char scratch_[kScratchBytes] = {};
};

TEST(MysqlEncoder, CellsBecomeWhatTheColumnTakes) {
  const auto temporal = [](const char* native, std::int64_t value) {
    EncodedCell e(column("c", native));
    e.batch().push_integer(value);
    return e.text();
  };
  EXPECT_EQ(temporal("date", -719162), "0001-01-01");
  EXPECT_EQ(temporal("datetime(6)", -1), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(temporal("datetime", 1'000'000), "1970-01-01 00:00:01");
  EXPECT_EQ(temporal("time(3)", 86'400'000'000), "24:00:00.000");
  Column uuid = column("c", "char(36)");
  uuid.type = {.kind = TypeKind::uuid};
  EncodedCell e(uuid);
  e.batch().push_bytes("0123456789abcdef");
  EXPECT_EQ(e.text(), "30313233-3435-3637-3839-616263646566");
  EncodedCell number(column("c", "decimal(20,0)"));
  number.batch().push_unsigned(18446744073709551615u);
  EXPECT_EQ(number.text(), "18446744073709551615");
}

// Wire values are what the server has printed for a column of the same type.
TEST(MysqlEncoder, WireIntegersAndDatetimesAreBoundInBinary) {
  const std::vector<Column> columns = {column("i", "tinyint(4)"),
                                       column("u", "bigint(20) unsigned"),
                                       column("z", "int(10) unsigned zerofill"),
                                       column("b", "tinyint(1)"),
                                       column("t", "datetime(3)"),
                                       column("s", "varchar(9)")};
  const WriteSpec spec{{"", "t"}, columns, {}};
  const ValueEncoder encoder(spec, wire_layout(columns), {.encoding = Encoding::binary});
  RowBatch batch;
  batch.set_columns(columns.size());
  for (const char* text :
       {"-128", "18446744073709551615", "0000000042", "77", "0000-00-00 00:00:00.120", "x"})
    batch.push_text(text);
  batch.end_cell_row();
  alignas(MYSQL_TIME) char scratch[kScratchBytes];
  const auto encoded = [&](std::size_t i) {
    return encoder.encode(i, batch, batch.row(0)[i], scratch);
  };
  EXPECT_EQ(encoder.form(0), Form::integer);
  EXPECT_EQ(encoded(0).integer, -128);
  EXPECT_EQ(encoder.form(1), Form::unsigned_integer);
  EXPECT_EQ(static_cast<std::uint64_t>(encoded(1).integer), 18446744073709551615u);
  EXPECT_EQ(encoded(2).integer, 42);
  EXPECT_EQ(encoded(3).integer, 77) << "a tinyint(1) of MySQL is no boolean to MySQL";
  ASSERT_EQ(encoder.form(4), Form::datetime);
  MYSQL_TIME time;
  std::memcpy(&time, encoded(4).bytes.data(), sizeof time);
  EXPECT_EQ(time.month, 0u);
  EXPECT_EQ(time.second_part, 120'000u);
  EXPECT_EQ(encoder.form(5), Form::text);
  EXPECT_EQ(encoded(5).bytes, "x");

  batch.clear();
  batch.set_columns(columns.size());
  for (const char* text : {"1e3", "-1", "x", "", "2024-02-29T13:05:09", "x"}) batch.push_text(text);
  batch.end_cell_row();
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(error_of([&] { encoded(i); }).kind(), ErrorKind::data) << i;
  }
}

TEST(MysqlEncoder, NegativeZeroIsRefusedWhereMariadbWouldStoreAnother) {
  const WriteSpec spec{{"", "t"}, {column("d", "double")}, {}};
  const auto outcome = [&](const RowLayout& layout, bool has_it, auto push) {
    const ValueEncoder encoder(spec, layout, {.negative_zero = has_it});
    RowBatch batch;
    batch.set_columns(1);
    push(batch);
    batch.end_cell_row();
    try {
      encoder.encode(0, batch, batch.row(0)[0], nullptr);
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      return false;
    }
  };
  const auto real = [](RowBatch& batch) { batch.push_real(-0.0); };
  const auto wire = [](RowBatch& batch) { batch.push_text("-0"); };
  EXPECT_TRUE(outcome(cells_layout(), true, real));
  EXPECT_FALSE(outcome(cells_layout(), false, real));
  EXPECT_TRUE(outcome(wire_layout(spec.columns), true, wire));
  EXPECT_FALSE(outcome(wire_layout(spec.columns), false, wire));
  EXPECT_FALSE(
      outcome(wire_layout(spec.columns), false, [](RowBatch& b) { b.push_text("-0.00"); }));
  EXPECT_TRUE(outcome(wire_layout(spec.columns), false, [](RowBatch& b) { b.push_text("-0.01"); }));
}

TEST(MysqlEncoder, WhatTheServerWouldAlterSilentlyIsRefused) {
  const auto refused = [](const char* native, auto push, bool nullable = true) {
    EncodedCell e(column("c", native, nullable));
    push(e.batch());
    return error_of([&] { e.text(); }).kind() == ErrorKind::data;
  };
  EXPECT_TRUE(refused("datetime(3)", [](RowBatch& b) { b.push_integer(1); }));
  EXPECT_TRUE(refused("time", [](RowBatch& b) { b.push_integer(500'000); }));
  EXPECT_TRUE(refused("datetime(6)",
                      [](RowBatch& b) { b.push_integer(253'402'300'800'000'000); }));  // year 10000
  EXPECT_TRUE(refused("date", [](RowBatch& b) { b.push_integer(-719163); }));          // year 0
  EXPECT_TRUE(refused("double",
                      [](RowBatch& b) { b.push_real(std::numeric_limits<double>::quiet_NaN()); }));
  EXPECT_TRUE(refused("float", [](RowBatch& b) { b.push_real(0.1); }));
  EXPECT_TRUE(refused("year", [](RowBatch& b) { b.push_integer(5); }));
  EXPECT_TRUE(refused("tinyint(1)", [](RowBatch& b) { b.push_integer(2); }));
  EXPECT_TRUE(refused("bigint unsigned", [](RowBatch& b) { b.push_integer(-1); }));
  EXPECT_TRUE(refused("bigint", [](RowBatch& b) { b.push_unsigned(9223372036854775808u); }));
  EXPECT_TRUE(refused("decimal(9,2)", [](RowBatch& b) { b.push_real(0.5); }));
  EXPECT_TRUE(refused(
      "timestamp", [](RowBatch& b) { b.push_null(); }, false));
  EXPECT_FALSE(refused(
      "timestamp", [](RowBatch& b) { b.push_null(); }, true));
  EXPECT_FALSE(refused("float", [](RowBatch& b) { b.push_real(static_cast<double>(0.1f)); }));
  EXPECT_FALSE(refused("year", [](RowBatch& b) { b.push_integer(0); }));
}

// --- LOAD DATA ---

TEST(MysqlLoadData, EscapesWhatEndsAFieldOrALineAndNothingElse) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string out;
  append_field(out, all);
  std::string expected;
  for (int c = 0; c < 256; ++c) {
    if (c == 0)
      expected += "\\0";
    else if (c == '\t')
      expected += "\\t";
    else if (c == '\n')
      expected += "\\n";
    else if (c == '\\')
      expected += "\\\\";
    else
      expected += static_cast<char>(c);
  }
  EXPECT_EQ(out, expected);
}

TEST(MysqlLoadData, SkippedRowsAreReadFromTheStatementsReport) {
  EXPECT_EQ(skipped_rows("Records: 3  Deleted: 0  Skipped: 12  Warnings: 0"), 12u);
  EXPECT_EQ(skipped_rows("Records: 3  Deleted: 0  Skipped: 0  Warnings: 0"), 0u);
  EXPECT_EQ(skipped_rows(nullptr), 0u);
}

TEST(MysqlLoadData, ConvertsOnlyTextThatIsNotStoredAsUtf8) {
  const std::vector<Column> columns = {column("a", "int"), column("b", "varchar(9)"),
                                       column("c", "varchar(9) character set latin1"),
                                       column("d", "blob"), column("e", "json")};
  const WriteSpec spec{{"", "t"}, columns, {}};
  EXPECT_EQ(load_data_statement(spec, ValueEncoder(spec, cells_layout())),
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE `t` CHARACTER SET binary FIELDS TERMINATED "
            "BY '\\t' ESCAPED BY '\\\\' "
            "LINES TERMINATED BY '\\n' (`a`, `b`, @c2, `d`, @c4) SET `c` = CONVERT(@c2 USING "
            "utf8mb4), `e` = CONVERT(@c4 USING utf8mb4)");
  // In the wire layout latin1 text is latin1's own bytes.
  EXPECT_EQ(
      load_data_statement(spec, ValueEncoder(spec, wire_layout(columns))),
      "LOAD DATA LOCAL INFILE 'rows' INTO TABLE `t` CHARACTER SET binary FIELDS TERMINATED BY "
      "'\\t' ESCAPED BY '\\\\' "
      "LINES TERMINATED BY '\\n' (`a`, `b`, `c`, `d`, @c4) SET `e` = CONVERT(@c4 USING utf8mb4)");
}

}  // namespace
}  // namespace migrator::mysql
