// PostgreSQL's errors and types.
#include "tests/unit/postgres_fixture.h"

namespace migrator::postgres {
namespace {

struct Classified {
  const char* sqlstate;
  ErrorKind kind;
};

class PostgresClassifier : public testing::TestWithParam<Classified> {};

TEST_P(PostgresClassifier, GivesEachSqlstateItsKind) {
  const Error error = classify(diagnostic(GetParam().sqlstate), false);
  EXPECT_EQ(error.kind(), GetParam().kind) << GetParam().sqlstate;
  EXPECT_EQ(error.code(), GetParam().sqlstate);
}

INSTANTIATE_TEST_SUITE_P(
    Table, PostgresClassifier,
    testing::Values(
        Classified{"40001", ErrorKind::transient}, Classified{"40P01", ErrorKind::transient},
        Classified{"55P03", ErrorKind::transient}, Classified{"55006", ErrorKind::transient},
        Classified{"57P01", ErrorKind::transient}, Classified{"57P02", ErrorKind::transient},
        Classified{"57P03", ErrorKind::transient}, Classified{"08006", ErrorKind::transient},
        Classified{"08001", ErrorKind::transient}, Classified{"53300", ErrorKind::transient},
        Classified{"53200", ErrorKind::transient}, Classified{"53100", ErrorKind::permanent},
        Classified{"25006", ErrorKind::permanent}, Classified{"57014", ErrorKind::cancelled},
        Classified{"23505", ErrorKind::data}, Classified{"23502", ErrorKind::data},
        Classified{"23503", ErrorKind::data}, Classified{"23514", ErrorKind::data},
        Classified{"22001", ErrorKind::data}, Classified{"22003", ErrorKind::data},
        Classified{"22P02", ErrorKind::data}, Classified{"22021", ErrorKind::data},
        Classified{"22P04", ErrorKind::permanent}, Classified{"P0001", ErrorKind::data},
        Classified{"54000", ErrorKind::data}, Classified{"42501", ErrorKind::permanent},
        Classified{"42P01", ErrorKind::permanent}, Classified{"42703", ErrorKind::permanent},
        Classified{"42601", ErrorKind::permanent}, Classified{"28P01", ErrorKind::permanent},
        Classified{"28000", ErrorKind::permanent}, Classified{"3D000", ErrorKind::permanent},
        Classified{"3F000", ErrorKind::permanent}, Classified{"0A000", ErrorKind::permanent},
        Classified{"XX000", ErrorKind::permanent}, Classified{"XX001", ErrorKind::permanent},
        Classified{"40003", ErrorKind::in_doubt}, Classified{"ZZ999", ErrorKind::data},
        Classified{"XX999", ErrorKind::permanent}),
    [](const auto& tested) { return tested.param.sqlstate; });

TEST(PostgresErrors, WhatAFunctionSaysIsNotRepeated) {
  for (const char* sqlstate : {"U0001", "99999", "P0001"}) {
    const Error error = classify(diagnostic(sqlstate, "bad card 4111"), true);
    EXPECT_EQ(error.kind(), ErrorKind::data) << sqlstate;
    EXPECT_EQ(std::string(error.what()).find("4111"), std::string::npos) << error.what();
  }
}

TEST(PostgresErrors, ScopeFollowsSeverityAndTransaction) {
  EXPECT_EQ(classify(diagnostic("42P01"), false).scope(), ErrorScope::statement);
  EXPECT_EQ(classify(diagnostic("42P01"), true).scope(), ErrorScope::transaction);
  Diagnostic fatal = diagnostic("XX000");
  fatal.severity = "FATAL";
  EXPECT_EQ(classify(fatal, true).scope(), ErrorScope::session);
  EXPECT_EQ(classify(diagnostic("57P01"), true).scope(), ErrorScope::session);
}

TEST(PostgresErrors, StatementTimeoutIsTransientWithARemedy) {
  const Error error =
      classify(diagnostic("57014", "canceling statement due to statement timeout"), false);
  EXPECT_EQ(error.kind(), ErrorKind::transient);
  EXPECT_FALSE(error.remedy().empty());
}

TEST(PostgresErrors, DuplicateKeyNamesTheConstraintAndNoValue) {
  Diagnostic d = diagnostic("23505", "Schluessel (id)=(4711) existiert");
  d.constraint = "orders_pkey";
  d.table = "orders";
  d.schema = "public";
  const Error error = classify(d, true);
  EXPECT_TRUE(error.duplicate_key());
  EXPECT_EQ(error.table(), "public.orders");
  EXPECT_THAT(error.what(), HasSubstr("orders_pkey"));
  EXPECT_THAT(error.what(), Not(HasSubstr("4711")));
  EXPECT_FALSE(classify(diagnostic("23502"), true).duplicate_key());
}

TEST(PostgresErrors, MessagesOfDataErrorsLoseTheirValues) {
  for (const auto& [sqlstate, message] : std::vector<std::pair<std::string, std::string>>{
           {"22P02", "invalid input syntax for type integer: \"secret\""},
           {"22P02", "invalid input syntax for type integer: \"a\"secret\"b\""},
           {"22003", "value \"secret\" is out of range for type smallint"},
           {"22008", "date/time field value out of range: \"secret\""},
           {"22P02", "ungültige Eingabesyntax für Typ integer: »secret«"},
           {"22021", "invalid byte sequence for encoding \"UTF8\": 0xsecret"},
           {"23514", "secret raised by a trigger"},
           {"P0001", "row of secret is refused"}}) {
    const std::string shown = classify(diagnostic(sqlstate, message), false).what();
    EXPECT_THAT(shown, Not(HasSubstr("secret"))) << sqlstate;
    EXPECT_FALSE(shown.empty());
  }
  EXPECT_STREQ(
      classify(diagnostic("22001", "value too long for type character varying(3)"), false).what(),
      "value too long for type character varying(3)");
  EXPECT_STREQ(classify(diagnostic("42703", "column \"foo\" does not exist"), false).what(),
               "column \"foo\" does not exist");
}

TEST(PostgresErrors, ConnectionFailuresAreTransientOnlyIfTheyMayPass) {
  const auto kind = [](const char* text) { return connection_failed(text, "url").kind(); };
  EXPECT_EQ(kind("connection to server at \"h\", port 1 failed: Connection refused\n"),
            ErrorKind::transient);
  EXPECT_EQ(kind("timeout expired\n"), ErrorKind::transient);
  EXPECT_EQ(kind("could not translate host name \"x\" to address: Name or service not known"),
            ErrorKind::permanent);
  EXPECT_EQ(kind("server does not support SSL, but SSL was required"), ErrorKind::permanent);
  EXPECT_EQ(kind("something else"), ErrorKind::permanent);
  // Whatever the language, the SQLSTATE decides.
  const Error password = connection_failed(
      "connection to server failed: FATAL:  28P01: Passwort falsch\nLOCATION:  auth_failed, "
      "auth.c:1",
      "url");
  EXPECT_EQ(password.kind(), ErrorKind::permanent);
  EXPECT_EQ(password.code(), "28P01");
  EXPECT_THAT(password.remedy(), HasSubstr(".pgpass"));
  EXPECT_EQ(connection_failed("x: FATAL:  53300: zu viele", "url").kind(), ErrorKind::transient);
  EXPECT_EQ(connection_failed("x: FATAL:  57P03: startet", "url").kind(), ErrorKind::transient);
}

TEST(PostgresErrors, ABadUrlDoesNotShowItsPassword) {
  try {
    adapter().open_source(Url::parse("postgresql://u:hunter2@localhost/db?no_such_option=1"), {});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), Not(HasSubstr("hunter2")));
  }
}

TEST(PostgresErrors, NothingListeningIsTransient) {
  try {
    adapter().open_source(Url::parse("postgresql://u:hunter2@127.0.0.1:1/db"), {});
    FAIL() << "connected";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::transient);
    EXPECT_EQ(error.scope(), ErrorScope::session);
    EXPECT_THAT(error.what(), Not(HasSubstr("hunter2")));
  }
}

// --- types

struct Spelling {
  const char* given;
  const char* canonical;
  Type type;
};

TEST(PostgresTypes, AreReadInEverySpelling) {
  const Spelling spellings[] = {
      {"int8", "bigint", {TypeKind::int64}},
      {"INTEGER", "integer", {TypeKind::int32}},
      {"int2", "smallint", {TypeKind::int16}},
      {"bool", "boolean", {TypeKind::boolean}},
      {"numeric(12,2)", "numeric(12,2)", {TypeKind::decimal, 0, 12, 2}},
      {"decimal( 5 )", "numeric(5,0)", {TypeKind::decimal, 0, 5, 0}},
      {"numeric", "numeric", {TypeKind::decimal}},
      {"numeric(2,5)", "numeric(2,5)", {TypeKind::decimal, 0, 5, 5}},
      {"numeric(3,-2)", "numeric(3,-2)", {TypeKind::opaque}},
      {"varchar(40)", "character varying(40)", {TypeKind::text, 40}},
      {"character  varying(40)", "character varying(40)", {TypeKind::text, 40}},
      {"char(3)", "character(3)", {TypeKind::text, 3, 0, 0, true}},
      {"char", "character(1)", {TypeKind::text, 1, 0, 0, true}},
      {"bpchar", "bpchar", {TypeKind::text}},
      {"timestamp(3) with time zone", "timestamp(3) with time zone", {TypeKind::timestamptz, 0, 3}},
      {"timestamptz(3)", "timestamp(3) with time zone", {TypeKind::timestamptz, 0, 3}},
      {"timestamp", "timestamp without time zone", {TypeKind::timestamp, 0, 6}},
      {"time(0)", "time(0) without time zone", {TypeKind::time, 0, 0}},
      {"float4", "real", {TypeKind::float32}},
      {"float(25)", "double precision", {TypeKind::float64}},
      {"jsonb", "jsonb", {TypeKind::json}},
      {"uuid", "uuid", {TypeKind::uuid}},
      {"int[]", "integer[]", {TypeKind::opaque}},
      {"varchar(3)[][]", "character varying(3)[]", {TypeKind::opaque}},
      {"interval day to second(3)", "interval day to second(3)", {TypeKind::opaque}},
      {"bit", "bit(1)", {TypeKind::opaque}},
      {"\"char\"", "\"char\"", {TypeKind::opaque}},
      {"name", "name", {TypeKind::text, 63}},
  };
  for (const Spelling& spelling : spellings) {
    const Column read = column("c", spelling.given);
    EXPECT_EQ(read.native_type, spelling.canonical) << spelling.given;
    EXPECT_EQ(read.type, spelling.type) << spelling.given;
    // A canonical spelling is its own.
    EXPECT_EQ(column("c", spelling.canonical).native_type, spelling.canonical);
  }
  EXPECT_TRUE(column("c", "bigserial").identity);
  EXPECT_EQ(column("c", "public.mood").type.kind, TypeKind::opaque);
}

TEST(PostgresTypes, UnknownOnesAreRefused) {
  for (const char* bad :
       {"itn", "varchar(0)", "varchar(99999999)", "numeric(0)", "numeric(1001)", "timestamp(7)",
        "text(3)", "int(3", "", "a.b; DROP TABLE c", "serial[]", "numeric(1,2,3)", "int)"}) {
    EXPECT_THROW(column("c", bad), Error) << bad;
  }
}

TEST(PostgresTypes, LiteralsAreCastWithoutAModifierThatWouldCutThem) {
  EXPECT_EQ(literal_type("character varying(3)"), "character varying");
  EXPECT_EQ(literal_type("character(3)"), "bpchar");
  EXPECT_EQ(literal_type("numeric(4,2)"), "numeric");
  EXPECT_EQ(literal_type("timestamp(0) with time zone"), "timestamp with time zone");
  EXPECT_EQ(literal_type("public.mood"), "public.mood");
}

}  // namespace
}  // namespace migrator::postgres
