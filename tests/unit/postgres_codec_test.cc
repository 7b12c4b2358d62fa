// Rows from and for PostgreSQL.
#include "tests/unit/postgres_fixture.h"

namespace migrator::postgres {
namespace {

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

}  // namespace
}  // namespace migrator::postgres
