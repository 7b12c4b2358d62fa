// The parts of the PostgreSQL backend that need no server: the classifier, the codecs, types, DDL.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/codec.h"
#include "adapters/postgres/adapter.h"
#include "adapters/postgres/codec_binary.h"
#include "adapters/postgres/codec_text.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/errors.h"
#include "adapters/postgres/source.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {
namespace {

using std::string_literals::operator""s;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Column column(const std::string& name, const std::string& type) {
  return dialect().column_of_type(name, type);
}

Diagnostic diagnostic(const std::string& sqlstate, const std::string& message = "message") {
  return {sqlstate, "ERROR", message, "", "", "", ""};
}

// --- errors

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
        Classified{"40003", ErrorKind::in_doubt}, Classified{"ZZ999", ErrorKind::permanent}),
    [](const auto& tested) { return tested.param.sqlstate; });

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

TEST(PostgresLayouts, BinaryOnlyWhereEveryTypeIsStable) {
  const auto formats = [](const std::vector<std::string>& types) {
    std::vector<std::string> out;
    std::vector<Column> columns;
    for (const std::string& type : types) columns.push_back(column("c", type));
    for (const RowLayout& layout : copy_layouts(columns)) out.push_back(layout.format);
    return out;
  };
  EXPECT_THAT(formats({"int", "text", "jsonb", "interval", "int[]", "inet", "bit(3)"}),
              ElementsAre("pgcopy-binary", "pgcopy-text", "cells"));
  EXPECT_THAT(formats({"int", "public.mood"}), ElementsAre("pgcopy-text", "cells"));
  EXPECT_THAT(formats({"money"}), ElementsAre("pgcopy-text", "cells"));
  // Different types are different layouts.
  EXPECT_NE(copy_layouts({column("c", "varchar(20)")}).front(),
            copy_layouts({column("c", "varchar(40)")}).front());
}

// --- codecs

RowBatch batch_of(const std::vector<Column>& columns) {
  RowBatch batch;
  batch.clear();
  batch.set_columns(columns.size());
  return batch;
}

// What the encoder makes of the batch's rows, decoded again.
RowBatch round_trip(const std::vector<Column>& columns, const RowBatch& batch) {
  const BinaryEncoder encoder(columns);
  const BinaryDecoder decoder(columns, true);
  RowBatch back = batch_of(columns);
  for (std::size_t row = 0; row < batch.rows(); ++row) {
    Slab tuple;
    encoder.encode(batch, batch.row(row), tuple);
    decoder.decode({tuple.data(), tuple.size()}, back);
  }
  return back;
}

TEST(PostgresBinary, IntegersRoundTripAtBothEnds) {
  const std::vector<Column> columns{column("a", "bool"), column("b", "int2"), column("c", "int4"),
                                    column("d", "int8")};
  RowBatch batch = batch_of(columns);
  const std::int64_t rows[][4] = {
      {0, -32768, -2147483648LL, std::numeric_limits<std::int64_t>::min()},
      {1, 32767, 2147483647, std::numeric_limits<std::int64_t>::max()},
      {1, 0, -1, 0x0102030405060708}};
  for (const auto& row : rows) {
    for (const std::int64_t value : row) batch.push_integer(value);
    batch.end_cell_row();
  }
  const RowBatch back = round_trip(columns, batch);
  ASSERT_EQ(back.rows(), 3u);
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t at = 0; at < 4; ++at) {
      EXPECT_EQ(back.row(row)[at].tag, Cell::Tag::integer);
      EXPECT_EQ(back.row(row)[at].integer, rows[row][at]);
    }
  }
}

TEST(PostgresBinary, FloatsKeepTheirBits) {
  const std::vector<Column> columns{column("a", "real"), column("b", "float8")};
  const double values[][2] = {{0.1F, 0.1}, {-0.0, -0.0}, {INFINITY, -INFINITY}, {NAN, NAN}};
  RowBatch batch = batch_of(columns);
  for (const auto& row : values) {
    for (const double value : row) batch.push_real(value);
    batch.end_cell_row();
  }
  const RowBatch back = round_trip(columns, batch);
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t at = 0; at < 2; ++at) {
      const double got = back.row(row)[at].real;
      EXPECT_TRUE(std::isnan(got) ? std::isnan(values[row][at]) : got == values[row][at]);
      EXPECT_EQ(std::signbit(got), std::signbit(values[row][at]));
    }
  }
}

TEST(PostgresBinary, NumericsKeepEveryDigit) {
  for (const std::string text : {"0",
                                 "0.00",
                                 "-0.5",
                                 "1",
                                 "-1",
                                 "9999",
                                 "10000",
                                 "10001.0001",
                                 "123456789012345678901234567890",
                                 "0.0001",
                                 "0.00001",
                                 "0.000000000000000000001",
                                 "1000000000000",
                                 "100000000.00000000",
                                 "-99999999.9999",
                                 "18446744073709551615",
                                 "5.10",
                                 "NaN",
                                 "Infinity",
                                 "-Infinity"}) {
    Slab bytes;
    ASSERT_TRUE(encode_numeric(text, bytes)) << text;
    std::string back;
    print_numeric({bytes.data(), bytes.size()}, back);
    EXPECT_EQ(back, text);
  }
  Slab bytes;
  // The bytes that numeric_send gives for 12345.67.
  ASSERT_TRUE(encode_numeric("12345.67", bytes));
  EXPECT_EQ(std::string(bytes.data(), bytes.size()), "\0\3\0\1\0\0\0\2\0\1\x09\x29\x1a\x2c"s);
  bytes.clear();
  ASSERT_TRUE(encode_numeric("+007.5", bytes));
  std::string plain;
  print_numeric({bytes.data(), bytes.size()}, plain);
  EXPECT_EQ(plain, "7.5");
  for (const char* bad : {"", "1e5", "abc", "nan", "--1", "1.2.3"}) {
    bytes.clear();
    EXPECT_FALSE(encode_numeric(bad, bytes)) << bad;
    EXPECT_EQ(bytes.size(), 0u);
  }
}

TEST(PostgresBinary, TextsBytesAndTimesRoundTrip) {
  const std::vector<Column> columns{
      column("a", "text"),        column("b", "bytea"), column("c", "date"), column("d", "time"),
      column("e", "timestamptz"), column("f", "jsonb"), column("g", "uuid"), column("h", "json")};
  const std::string uuid = "\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\xff"s;
  RowBatch batch = batch_of(columns);
  batch.push_text("Grüße\n\t\\");
  batch.push_bytes("\0\xff\x80"s);
  batch.push_integer(-719'162);  // 0001-01-01
  batch.push_integer(kMicrosPerDay);
  batch.push_integer(-1);
  batch.push_text("{\"a\": 1}");
  batch.push_bytes(uuid);
  batch.push_text("");
  batch.end_cell_row();
  for (std::size_t at = 0; at < columns.size(); ++at) batch.push_null();
  batch.end_cell_row();
  const RowBatch back = round_trip(columns, batch);
  ASSERT_EQ(back.rows(), 2u);
  const Cell* row = back.row(0);
  EXPECT_EQ(back.bytes_of(row[0]), "Grüße\n\t\\");
  EXPECT_EQ(back.bytes_of(row[1]), "\0\xff\x80"s);
  EXPECT_EQ(row[1].tag, Cell::Tag::bytes);
  EXPECT_EQ(row[2].integer, -719'162);
  EXPECT_EQ(row[3].integer, kMicrosPerDay);
  EXPECT_EQ(row[4].integer, -1);
  EXPECT_EQ(back.bytes_of(row[5]), "{\"a\": 1}");
  EXPECT_EQ(back.bytes_of(row[6]), uuid);
  EXPECT_EQ(back.bytes_of(row[7]), "");
  for (std::size_t at = 0; at < columns.size(); ++at) {
    EXPECT_EQ(back.row(1)[at].tag, Cell::Tag::null);
  }
}

TEST(PostgresBinary, InfiniteTimesHaveNoCell) {
  const auto decode = [](const std::string& type, const std::string& field) {
    const std::vector<Column> columns{column("c", type)};
    RowBatch batch = batch_of(columns);
    const std::string tuple = "\0\1\0\0\0"s + static_cast<char>(field.size()) + field;
    BinaryDecoder(columns, false).decode(tuple, batch);
  };
  EXPECT_THROW(decode("date", "\x7f\xff\xff\xff"), Error);
  EXPECT_THROW(decode("date", "\x80\0\0\0"s), Error);
  EXPECT_THROW(decode("timestamp", "\x7f\xff\xff\xff\xff\xff\xff\xff"), Error);
  EXPECT_THROW(decode("timestamp", "\x80\0\0\0\0\0\0\0"s), Error);
  EXPECT_NO_THROW(decode("date", "\0\0\0\0"s));
  // The wrong length is a changed type, not a value.
  EXPECT_THROW(decode("integer", "\0\0"s), Error);
}

TEST(PostgresBinary, BrokenTuplesAreNotRead) {
  const std::vector<Column> columns{column("c", "text")};
  RowBatch batch = batch_of(columns);
  const BinaryDecoder decoder(columns, false);
  for (const std::string& tuple : {""s, "\0"s, "\0\2\0\0\0\0\0\0\0\0"s, "\0\1\0\0\0\5abc"s,
                                   "\0\1\0\0\0\1ab"s, "\0\1\xff\xff\xff\xfe"s, "\0\1\0\0"s}) {
    EXPECT_THROW(decoder.decode(tuple, batch), Error);
  }
}

TEST(PostgresBinary, TheHeaderIsTakenOffWithItsExtension) {
  const std::string header(binary_header());
  EXPECT_EQ(without_header(header + "row"), "row");
  EXPECT_EQ(without_header(header), "");
  std::string extended = header + "xyzrow";
  extended[18] = 3;
  EXPECT_EQ(without_header(extended), "row");
  std::string critical = header;
  critical[12] = 1;
  EXPECT_THROW(without_header(critical), Error);
  EXPECT_THROW(without_header("row"), Error);
  EXPECT_TRUE(is_trailer(binary_trailer()));
  EXPECT_FALSE(is_trailer("\0\1"s));
}

// The SQLSTATE of the error for one cell, "" if it is taken.
using Push = void (*)(RowBatch&);
std::string refusal(const Column& target, Push push) {
  const std::vector<Column> columns{target};
  RowBatch batch = batch_of(columns);
  push(batch);
  batch.end_cell_row();
  std::string codes[2];
  for (const bool binary : {true, false}) {
    Slab out;
    try {
      if (binary && can_encode_binary(columns)) {
        BinaryEncoder(columns).encode(batch, batch.row(0), out);
      } else {
        TextEncoder(columns).encode(batch, batch.row(0), out);
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      EXPECT_THAT(error.what(), HasSubstr("\"c\""));
      codes[binary ? 1 : 0] = error.code();
    }
  }
  EXPECT_EQ(codes[0], codes[1]) << "text and binary differ";
  return codes[0];
}

TEST(PostgresEncoder, RefusesWhatAColumnWouldAlter) {
  EXPECT_EQ(refusal(column("c", "int2"), [](RowBatch& b) { b.push_integer(32768); }), "22003");
  EXPECT_EQ(refusal(column("c", "int4"), [](RowBatch& b) { b.push_integer(-2147483649LL); }),
            "22003");
  EXPECT_EQ(refusal(column("c", "bool"), [](RowBatch& b) { b.push_integer(2); }), "22003");
  EXPECT_EQ(refusal(column("c", "int8"), [](RowBatch& b) { b.push_unsigned(1ULL << 63); }),
            "22003");
  EXPECT_EQ(refusal(column("c", "int8"), [](RowBatch& b) { b.push_unsigned(5); }), "");
  EXPECT_EQ(refusal(column("c", "numeric(20,0)"), [](RowBatch& b) { b.push_unsigned(~0ULL); }), "");
  EXPECT_EQ(refusal(column("c", "numeric(4,2)"), [](RowBatch& b) { b.push_text("12.345"); }),
            "22003");
  EXPECT_EQ(refusal(column("c", "numeric(4,2)"), [](RowBatch& b) { b.push_text("123.4"); }),
            "22003");
  EXPECT_EQ(refusal(column("c", "numeric(4,2)"), [](RowBatch& b) { b.push_text("0012.3400"); }),
            "");
  EXPECT_EQ(refusal(column("c", "numeric(4,2)"), [](RowBatch& b) { b.push_text("Infinity"); }),
            "22003");
  EXPECT_EQ(refusal(column("c", "numeric"), [](RowBatch& b) { b.push_text("1e5"); }), "22000");
  EXPECT_EQ(refusal(column("c", "real"), [](RowBatch& b) { b.push_real(0.1); }), "22003");
  EXPECT_EQ(refusal(column("c", "real"), [](RowBatch& b) { b.push_real(1e300); }), "22003");
  EXPECT_EQ(refusal(column("c", "real"), [](RowBatch& b) { b.push_real(0.5); }), "");
  EXPECT_EQ(refusal(column("c", "varchar(3)"), [](RowBatch& b) { b.push_text("äöü"); }), "");
  // The server itself would cut these blanks off without an error.
  EXPECT_EQ(refusal(column("c", "varchar(3)"), [](RowBatch& b) { b.push_text("abc "); }), "22001");
  EXPECT_EQ(refusal(column("c", "text"), [](RowBatch& b) { b.push_text("a\0b"s); }), "22021");
  EXPECT_EQ(refusal(column("c", "text"), [](RowBatch& b) { b.push_text("\xff"); }), "22021");
  EXPECT_EQ(refusal(column("c", "text"), [](RowBatch& b) { b.push_integer(1); }), "22000");
  EXPECT_EQ(refusal(column("c", "bytea"), [](RowBatch& b) { b.push_text("a"); }), "22000");
  EXPECT_EQ(refusal(column("c", "timestamp(3)"), [](RowBatch& b) { b.push_integer(1500); }),
            "22008");
  EXPECT_EQ(refusal(column("c", "timestamp(3)"), [](RowBatch& b) { b.push_integer(-2000); }), "");
  EXPECT_EQ(refusal(column("c", "timestamp"),
                    [](RowBatch& b) { b.push_integer(std::numeric_limits<std::int64_t>::min()); }),
            "22008");
  EXPECT_EQ(refusal(column("c", "date"), [](RowBatch& b) { b.push_integer(1LL << 31); }), "22008");
  EXPECT_EQ(refusal(column("c", "time"), [](RowBatch& b) { b.push_integer(kMicrosPerDay + 1); }),
            "22008");
  EXPECT_EQ(refusal(column("c", "uuid"), [](RowBatch& b) { b.push_bytes("short"); }), "22P02");
  EXPECT_EQ(refusal(column("c", "uuid"),
                    [](RowBatch& b) { b.push_text("550E8400-e29b-41d4-a716-446655440000"); }),
            "");
  EXPECT_EQ(refusal(column("c", "jsonb"), [](RowBatch& b) { b.push_text("\"\\u0000\""); }),
            "22P05");
  EXPECT_EQ(refusal(column("c", "jsonb"), [](RowBatch& b) { b.push_text("\"\\\\u0000\""); }), "");
  EXPECT_EQ(refusal(column("c", "json"), [](RowBatch& b) { b.push_text("\"\\u0000\""); }), "");
  Column required = column("c", "int");
  required.nullable = false;
  EXPECT_EQ(refusal(required, [](RowBatch& b) { b.push_null(); }), "23502");
  Column mood = column("c", "text");
  mood.enum_values = {"sad", "happy"};
  EXPECT_EQ(refusal(mood, [](RowBatch& b) { b.push_text("angry"); }), "22P02");
  EXPECT_EQ(refusal(mood, [](RowBatch& b) { b.push_text("happy"); }), "");
}

TEST(PostgresText, LinesAreAsTheServerReadsThem) {
  const std::vector<Column> columns{
      column("a", "text"), column("b", "bytea"), column("c", "date"),   column("d", "timestamptz"),
      column("e", "bool"), column("f", "inet"),  column("g", "numeric")};
  RowBatch batch = batch_of(columns);
  batch.push_text("a\tb\nc\\d\re");
  batch.push_bytes("\0\xff"s);
  batch.push_integer(days_from_civil(-43, 3, 15));
  batch.push_integer(-1);
  batch.push_integer(1);
  batch.push_text("10.0.0.1");
  batch.push_text("-1.50");
  batch.end_cell_row();
  for (std::size_t at = 0; at < columns.size(); ++at) batch.push_null();
  batch.end_cell_row();
  const TextEncoder encoder(columns);
  Slab out;
  encoder.encode(batch, batch.row(0), out);
  EXPECT_EQ(std::string(out.data(), out.size()),
            "a\\tb\\nc\\\\d\\re\t\\\\x00ff\t0044-03-15 BC\t1969-12-31 23:59:59.999999+00\tt\t"
            "10.0.0.1\t-1.50\n");
  out.clear();
  encoder.encode(batch, batch.row(1), out);
  EXPECT_EQ(std::string(out.data(), out.size()), "\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n");
}

// --- dialect

TEST(PostgresDialect, QuotesNames) {
  EXPECT_EQ(dialect().quote("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(dialect().quote(TableName{"s", "t"}), "\"s\".\"t\"");
  EXPECT_EQ(dialect().quote(TableName{"", "t"}), "\"t\"");
  EXPECT_THROW(dialect().quote(""), Error);
  EXPECT_THROW(dialect().quote("a\0b"s), Error);
  EXPECT_EQ(dialect().placeholder(3), "$3");
}

TableSchema shop() {
  TableSchema table;
  table.name = {"", "orders"};
  Column id = column("id", "bigint");
  id.identity = true;
  id.nullable = false;
  Column price = column("price", "numeric(10,2)");
  price.default_sql = "0.00";
  Column total = column("total", "numeric");
  total.generated = true;
  total.generated_sql = "(price * 2)";
  Column mood = column("mood", "text");
  mood.native_type = "mood";
  mood.enum_values = {"sad", "it's"};
  Column note = column("note", "varchar(9)");
  note.collation = "C";
  table.columns = {id, price, total, mood, note};
  table.primary_key = {"id"};
  table.checks = {{"positive", "(price >= 0)"}};
  return table;
}

TEST(PostgresDialect, CreatesTablesWithTheTypesTheyNeed) {
  const std::vector<std::string> ddl = dialect().create_table(shop());
  ASSERT_EQ(ddl.size(), 2u);
  EXPECT_THAT(ddl[0], HasSubstr("CREATE TYPE mood AS ENUM (''sad'', ''it''''s'')"));
  EXPECT_EQ(ddl[1],
            "CREATE TABLE \"orders\" (\n"
            "  \"id\" bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL,\n"
            "  \"price\" numeric(10,2) DEFAULT 0.00,\n"
            "  \"total\" numeric GENERATED ALWAYS AS ((price * 2)) STORED,\n"
            "  \"mood\" mood,\n"
            "  \"note\" character varying(9) COLLATE \"C\",\n"
            "  PRIMARY KEY (\"id\"),\n"
            "  CONSTRAINT \"positive\" CHECK ((price >= 0))\n)");
}

TEST(PostgresDialect, AnUnsignedIdentityDrawsFromASequence) {
  Column id;
  id.name = "id";
  id.native_type = "bigint(20) unsigned";
  id.type.kind = TypeKind::uint64;
  id.identity = true;
  id.nullable = false;
  TableSchema table;
  table.name = {"", "t"};
  table.columns = {dialect().map_column(id, Engine::mysql).column};
  EXPECT_THAT(
      dialect().create_table(table),
      ElementsAre("CREATE SEQUENCE IF NOT EXISTS \"t_id_seq\"",
                  HasSubstr("\"id\" numeric(20,0) DEFAULT nextval('\"t_id_seq\"') NOT NULL"),
                  "ALTER SEQUENCE \"t_id_seq\" OWNED BY \"t\".\"id\""));
}

TEST(PostgresDialect, IndexesAreMadeAgain) {
  const TableSchema table = shop();
  Index plain{"orders_note",
              {"note", "id"},
              true,
              true,
              {true, false},
              "btree",
              "CREATE UNIQUE INDEX orders_note ON old.orders USING btree (note DESC, id)"};
  EXPECT_EQ(
      dialect().create_index(table, plain),
      "CREATE UNIQUE INDEX \"orders_note\" ON \"orders\" USING btree (\"note\" DESC, \"id\")");
  Index partial{"some",
                {"note"},
                false,
                false,
                {},
                "gin",
                "CREATE INDEX some ON old.\"x USING y\" USING gin (note) WHERE (id > 5)"};
  EXPECT_EQ(dialect().create_index(table, partial),
            "CREATE INDEX \"some\" ON \"orders\" USING gin (note) WHERE (id > 5)");
  Index fulltext{"ft", {"note"}, false, false, {}, "FULLTEXT", ""};
  EXPECT_THROW(dialect().create_index(table, fulltext), Error);
  // In MySQL a name is the table's own, here the schema's.
  Index foreign{"idx", {"note"}, false, true, {}, "BTREE", ""};
  EXPECT_EQ(dialect().create_index(table, foreign),
            "CREATE INDEX \"orders_idx\" ON \"orders\" USING btree (\"note\")");
  foreign.name = std::string(80, 'x');
  EXPECT_LE(dialect().create_index(table, foreign).find(" ON"),
            std::string("CREATE INDEX \"\"").size() + 63);
}

TEST(PostgresDialect, ForeignKeysAndWhatComesAfterTheRows) {
  ForeignKey key{"fk", {"customer"}, {"", "customers"}, {"id"}, "CASCADE", "NO ACTION", true};
  EXPECT_EQ(dialect().add_foreign_key(shop(), key),
            "ALTER TABLE \"orders\" ADD CONSTRAINT \"fk\" FOREIGN KEY (\"customer\") REFERENCES "
            "\"customers\" (\"id\") ON DELETE CASCADE ON UPDATE NO ACTION DEFERRABLE");
  const std::vector<std::string> after = dialect().after_load(shop());
  ASSERT_EQ(after.size(), 2u);
  EXPECT_THAT(after[0], HasSubstr("setval"));
  EXPECT_EQ(after[1], "ANALYZE \"orders\"");
}

MappedColumn mapped(TypeKind kind, const std::string& native,
                    const std::optional<std::string>& default_sql = {}) {
  Column from;
  from.name = "c";
  from.native_type = native;
  from.type.kind = kind;
  from.default_sql = default_sql;
  return dialect().map_column(from, Engine::mysql);
}

TEST(PostgresDialect, MapsColumnsOfOtherEngines) {
  EXPECT_EQ(mapped(TypeKind::boolean, "tinyint(1)").column.native_type, "boolean");
  EXPECT_EQ(mapped(TypeKind::uint64, "bigint unsigned").column.native_type, "numeric(20,0)");
  EXPECT_EQ(mapped(TypeKind::uint64, "bigint unsigned").column.type.kind, TypeKind::decimal);
  EXPECT_EQ(mapped(TypeKind::timestamp, "datetime").column.native_type,
            "timestamp(0) without time zone");
  EXPECT_EQ(mapped(TypeKind::bytes, "blob").column.native_type, "bytea");
  EXPECT_EQ(mapped(TypeKind::json, "json").column.native_type, "jsonb");
  EXPECT_EQ(mapped(TypeKind::text, "longtext").column.native_type, "text");
  EXPECT_FALSE(mapped(TypeKind::opaque, "geometry").refused.empty());

  Column text;
  text.name = "c";
  text.type = {TypeKind::text, 40};
  EXPECT_EQ(dialect().map_column(text, Engine::mysql).column.native_type, "character varying(40)");
  text.type.fixed = true;
  EXPECT_EQ(dialect().map_column(text, Engine::mysql).column.native_type, "character(40)");
  text.type = {TypeKind::text, 4'294'967'295};
  EXPECT_EQ(dialect().map_column(text, Engine::mysql).column.native_type, "text");

  Column member;
  member.name = "c";
  member.native_type = "enum('a','b')";
  member.type.kind = TypeKind::text;
  member.enum_values = {"a", "b"};
  const MappedColumn enumerated = dialect().map_column(member, Engine::mysql);
  EXPECT_EQ(enumerated.column.native_type, "text");
  TableSchema table;
  table.name = {"", "t"};
  table.columns = {enumerated.column};
  EXPECT_THAT(dialect().create_table(table),
              ElementsAre(HasSubstr("\"c\" text CHECK (\"c\" IN ('a', 'b'))")));
}

TEST(PostgresDialect, CarriesOnlyDefaultsThatMeanTheSame) {
  const auto made = [](TypeKind kind, const std::string& sql) {
    return mapped(kind, "x", sql).column.default_sql.value_or("none");
  };
  EXPECT_EQ(made(TypeKind::int32, "5"), "5");
  EXPECT_EQ(made(TypeKind::int32, "'5'"), "'5'");
  EXPECT_EQ(made(TypeKind::boolean, "1"), "true");
  EXPECT_EQ(made(TypeKind::text, "'it''s'"), "'it''s'");
  EXPECT_EQ(made(TypeKind::text, "'a\\'b'"), "none");
  EXPECT_EQ(made(TypeKind::text, "uuid()"), "none");
  EXPECT_EQ(made(TypeKind::timestamp, "current_timestamp()"), "CURRENT_TIMESTAMP");
  EXPECT_EQ(made(TypeKind::timestamp, "CURRENT_TIMESTAMP(6)"), "CURRENT_TIMESTAMP");
  EXPECT_EQ(made(TypeKind::timestamp, "'0000-00-00 00:00:00'"), "none");
  EXPECT_EQ(made(TypeKind::date, "'2024-02-29'"), "'2024-02-29'");
  EXPECT_EQ(made(TypeKind::int32, "NULL"), "none");
  EXPECT_TRUE(mapped(TypeKind::int32, "x", "NULL").notes.empty());
  EXPECT_FALSE(mapped(TypeKind::text, "x", "uuid()").notes.empty());
}

TEST(PostgresDialect, CarriesItsOwnColumnsVerbatim) {
  Column own = column("c", "timestamptz");
  own.default_sql = "now()";
  own.collation = "C";
  EXPECT_EQ(dialect().map_column(own, Engine::postgres).column.default_sql, "now()");
  own.default_sql = "nextval('s'::regclass)";
  const MappedColumn shared = dialect().map_column(own, Engine::postgres);
  EXPECT_FALSE(shared.column.default_sql.has_value());
  EXPECT_FALSE(shared.notes.empty());
}

}  // namespace
}  // namespace migrator::postgres
