// MySQL's dialect and what the catalog makes of its answers.
#include "tests/unit/mysql_fixture.h"

namespace migrator::mysql {
namespace {

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
                                        .descending = {},
                                        .method = "",
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
  t.indexes = {{.name = "u",
                .columns = {"u"},
                .unique = true,
                .descending = {},
                .method = "",
                .definition = ""},
               {.name = "x",
                .columns = {"prefixed"},
                .plain = false,
                .descending = {},
                .method = "",
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

}  // namespace
}  // namespace migrator::mysql
