// MySQL's errors, URLs, types and keys.
#include "tests/unit/mysql_fixture.h"

namespace migrator::mysql {
namespace {

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

TEST(MysqlErrors, WhatATriggerSaysIsNotRepeated) {
  const Error error = classify(5001, "45000", "bad card 4111", "loading");
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(std::string(error.what()).find("4111"), std::string::npos) << error.what();
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

}  // namespace
}  // namespace migrator::mysql
