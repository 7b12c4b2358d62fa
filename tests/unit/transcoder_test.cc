// A value arrives equal, or it is refused. Never altered.
#include "migrator/copy/transcoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/codec.h"

namespace migrator {
namespace {

Column column(TypeKind kind, std::uint32_t precision = 0, std::uint32_t scale = 0) {
  Column out;
  out.name = "c";
  out.native_type = std::string(name(kind));
  out.type.kind = kind;
  out.type.precision = precision;
  out.type.scale = scale;
  return out;
}

// One cell through one conversion.
struct Passed {
  RowBatch batch;
  Cell cell() const { return *batch.row(0); }
  std::string text() const { return std::string(batch.bytes_of(cell())); }
};

Passed pass(const Column& from, const Column& to, const std::function<void(RowBatch&)>& push) {
  Passed passed;
  passed.batch.set_columns(1);
  push(passed.batch);
  passed.batch.end_cell_row();
  Transcoder({from}, {to}, "t").apply(passed.batch);
  return passed;
}

Passed pass_integer(TypeKind from, const Column& to, std::int64_t value) {
  return pass(column(from), to, [&](RowBatch& batch) { batch.push_integer(value); });
}
Passed pass_text(const Column& from, const Column& to, std::string_view value) {
  return pass(from, to, [&](RowBatch& batch) { batch.push_text(value); });
}

void expect_refused(const std::function<void()>& act) {
  try {
    act();
    ADD_FAILURE() << "the value was let through";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_FALSE(error.remedy().empty());
  }
}

TEST(Transcoder, RefusesWhatATypeOfFixedLengthWouldAlter) {
  const auto fixed = [](TypeKind kind, std::uint64_t length) {
    Column out = column(kind);
    out.type.length = length;
    out.type.fixed = true;
    return out;
  };
  const Column text = column(TypeKind::text), bytes = column(TypeKind::bytes);
  EXPECT_EQ(pass_text(text, fixed(TypeKind::text, 5), "abc").text(), "abc");
  expect_refused([&] { pass_text(text, fixed(TypeKind::text, 5), "abc "); });
  EXPECT_EQ(pass_text(fixed(TypeKind::text, 5), fixed(TypeKind::text, 9), "abc  ").text(), "abc  ");
  const auto pass_bytes = [](const Column& from, const Column& to) {
    return pass(from, to, [](RowBatch& batch) { batch.push_bytes("1234"); }).text();
  };
  EXPECT_EQ(pass_bytes(bytes, fixed(TypeKind::bytes, 4)), "1234");
  expect_refused([&] { pass_bytes(bytes, fixed(TypeKind::bytes, 5)); });
  expect_refused([&] { pass_bytes(fixed(TypeKind::bytes, 4), fixed(TypeKind::bytes, 5)); });
  expect_refused([&] { pass_text(text, fixed(TypeKind::bytes, 5), "abcd"); });
}

TEST(Transcoder, LeavesCellsOfTheSameKindAlone) {
  EXPECT_TRUE(Transcoder({column(TypeKind::int32)}, {column(TypeKind::int64)}, "t").identity());
  EXPECT_TRUE(Transcoder({column(TypeKind::timestamp, 6)}, {column(TypeKind::timestamptz, 6)}, "t")
                  .identity());
  EXPECT_TRUE(
      Transcoder({column(TypeKind::decimal, 10, 2)}, {column(TypeKind::decimal, 12, 4)}, "t")
          .identity());
  EXPECT_FALSE(
      Transcoder({column(TypeKind::decimal, 10, 2)}, {column(TypeKind::decimal, 10, 3)}, "t")
          .identity())
      << "ten digits with two behind the point do not fit into ten with three";
}

TEST(Transcoder, KeepsNull) {
  const Passed passed = pass(column(TypeKind::int64), column(TypeKind::text),
                             [](RowBatch& batch) { batch.push_null(); });
  EXPECT_EQ(passed.cell().tag, Cell::Tag::null);
}

TEST(Transcoder, RefusesIntegersThatDoNotFit) {
  EXPECT_EQ(pass_integer(TypeKind::int64, column(TypeKind::int16), -32'768).cell().integer,
            -32'768);
  expect_refused([] { pass_integer(TypeKind::int64, column(TypeKind::int16), 32'768); });
  expect_refused(
      [] { pass_integer(TypeKind::int64, column(TypeKind::int32), std::int64_t{1} << 31); });
  expect_refused([] { pass_integer(TypeKind::int16, column(TypeKind::boolean), 2); });
  expect_refused([] { pass_integer(TypeKind::int64, column(TypeKind::uint64), -1); });
  expect_refused([] {
    pass_integer(TypeKind::int64, column(TypeKind::float64), (std::int64_t{1} << 53) + 1);
  });
}

TEST(Transcoder, CarriesUnsignedBeyondTheSignedRange) {
  const auto push = [](RowBatch& batch) { batch.push_unsigned(UINT64_MAX); };
  EXPECT_EQ(pass(column(TypeKind::uint64), column(TypeKind::decimal, 20, 0), push).text(),
            "18446744073709551615");
  expect_refused([&] { pass(column(TypeKind::uint64), column(TypeKind::int64), push); });
  expect_refused([&] { pass(column(TypeKind::uint64), column(TypeKind::decimal, 19, 0), push); });
}

TEST(Transcoder, NeverRoundsDecimals) {
  const Column wide = column(TypeKind::decimal), narrow = column(TypeKind::decimal, 6, 2);
  EXPECT_EQ(pass_text(wide, narrow, "1234.5000").text(), "1234.5000");
  expect_refused([&] { pass_text(wide, narrow, "1.005"); });
  expect_refused([&] { pass_text(wide, narrow, "12345"); });
  EXPECT_EQ(pass_text(wide, column(TypeKind::int64), "-42.00").cell().integer, -42);
  expect_refused([&] { pass_text(wide, column(TypeKind::int64), "0.1"); });
}

TEST(Transcoder, NeverCutsFractionsOfSeconds) {
  const Column micros = column(TypeKind::timestamp, 6), millis = column(TypeKind::timestamp, 3);
  EXPECT_EQ(pass(micros, millis, [](RowBatch& b) { b.push_integer(-1'000); }).cell().integer,
            -1'000);
  expect_refused([&] { pass(micros, millis, [](RowBatch& b) { b.push_integer(1); }); });
  expect_refused([&] {
    pass(micros, column(TypeKind::date), [](RowBatch& b) { b.push_integer(kMicrosPerDay + 1); });
  });
}

TEST(Transcoder, TakesOnlyTheCanonicalSpellingOfAUuid) {
  const Column text = column(TypeKind::text), uuid = column(TypeKind::uuid);
  EXPECT_EQ(pass_text(text, uuid, "550e8400-e29b-41d4-a716-446655440000").cell().size, 16u);
  expect_refused([&] { pass_text(text, uuid, "550E8400-E29B-41D4-A716-446655440000"); });
  expect_refused([&] { pass_text(text, uuid, "550e8400e29b41d4a716446655440000"); });
}

TEST(Transcoder, PrintsFloatsAsTheShortestDecimalWithoutExponent) {
  const Column real = column(TypeKind::float64), decimal = column(TypeKind::decimal);
  const auto print = [&](double value) {
    return pass(real, decimal, [&](RowBatch& batch) { batch.push_real(value); }).text();
  };
  EXPECT_EQ(print(0.1), "0.1");
  EXPECT_EQ(print(1e21), "1000000000000000000000");
  EXPECT_EQ(print(-2.5e-7), "-0.00000025");
  expect_refused([&] { print(std::numeric_limits<double>::quiet_NaN()); });
  expect_refused(
      [&] { pass(real, column(TypeKind::float32), [](RowBatch& b) { b.push_real(0.1); }); });
}

TEST(Transcoder, RefusesBytesThatAreNotTextAsText) {
  const Column bytes = column(TypeKind::bytes), text = column(TypeKind::text);
  EXPECT_EQ(pass(bytes, text, [](RowBatch& b) { b.push_bytes("gr\xc3\xbc\xc3\x9f"); }).text(),
            "gr\xc3\xbc\xc3\x9f");
  expect_refused([&] { pass(bytes, text, [](RowBatch& b) { b.push_bytes("\xff"); }); });
}

TEST(Transcoder, RefusesPairsWithoutALosslessWayByName) {
  const std::string why = Transcoder::refusal(column(TypeKind::bytes), column(TypeKind::date));
  EXPECT_THAT(why, testing::HasSubstr("bytes"));
  EXPECT_THAT(why, testing::HasSubstr("date"));
  EXPECT_THROW(Transcoder({column(TypeKind::json)}, {column(TypeKind::int64)}, "t"), Error);
  Column point = column(TypeKind::opaque), range = column(TypeKind::opaque);
  point.native_type = "point";
  range.native_type = "int4range";
  EXPECT_EQ(Transcoder::refusal(point, point), "");
  EXPECT_NE(Transcoder::refusal(point, range), "");
}

}  // namespace
}  // namespace migrator
