#include "adapters/codec.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace migrator {
namespace {

constexpr std::int64_t kMin64 = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax64 = std::numeric_limits<std::int64_t>::max();

// A value that no parser may leave behind when it returns false.
constexpr std::int64_t kUntouched = -424242;

std::string date(std::int64_t days) {
  std::string text;
  print_date(text, days);
  return text;
}
std::string time(std::int64_t micros, unsigned digits) {
  std::string text;
  print_time(text, micros, digits);
  return text;
}
std::string timestamp(std::int64_t micros, unsigned digits) {
  std::string text;
  print_timestamp(text, micros, digits);
  return text;
}

TEST(Codec, CountsDaysFromTheEpoch) {
  EXPECT_EQ(days_from_civil(1970, 1, 1), 0);
  EXPECT_EQ(days_from_civil(1969, 12, 31), -1);
  EXPECT_EQ(days_from_civil(2000, 3, 1), 11017);
  EXPECT_EQ(days_from_civil(1, 1, 1), -719162);
  EXPECT_EQ(days_from_civil(9999, 12, 31), 2932896);
  EXPECT_EQ(days_from_civil(0, 3, 1), -719468);
}

// An independent calendar: counts day after day with the leap rule spelled out.
TEST(Codec, WalksEveryDayFromYear1To2500WithoutGap) {
  std::int64_t expected_days = -719162;
  for (int year = 1; year <= 2500; ++year) {
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const unsigned lengths[] = {31, leap ? 29u : 28u, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (unsigned month = 1; month <= 12; ++month) {
      for (unsigned day = 1; day <= lengths[month - 1]; ++day, ++expected_days) {
        ASSERT_EQ(days_from_civil(year, month, day), expected_days);
        std::int64_t y = 0;
        unsigned m = 0, d = 0;
        civil_from_days(expected_days, y, m, d);
        ASSERT_TRUE(y == year && m == month && d == day) << year << '-' << month << '-' << day;
      }
    }
  }
}

TEST(Codec, ReadsDatesAtTheEndsOfTheirRange) {
  std::int64_t days = 0;
  ASSERT_TRUE(parse_date("0001-01-01", days));
  EXPECT_EQ(days, -719162);
  ASSERT_TRUE(parse_date("9999-12-31", days));
  EXPECT_EQ(days, 2932896);
  ASSERT_TRUE(parse_date("5874897-12-31", days));  // PostgreSQL's last date
  EXPECT_EQ(date(days), "5874897-12-31");
}

TEST(Codec, KnowsLeapYears) {
  std::int64_t days = 0;
  for (const char* leap : {"2024-02-29", "2000-02-29", "1600-02-29", "0004-02-29", "2400-02-29"}) {
    EXPECT_TRUE(parse_date(leap, days)) << leap;
    EXPECT_EQ(date(days), leap);
  }
  for (const char* none : {"2023-02-29", "1900-02-29", "2100-02-29", "0001-02-29", "2024-02-30"}) {
    EXPECT_FALSE(parse_date(none, days)) << none;
  }
}

TEST(Codec, RefusesWhatIsNoDate) {
  for (const char* text : {"",
                           "2024",
                           "2024-1-01",
                           "2024-01-1",
                           "2024-01-32",
                           "2024-04-31",
                           "2024-00-01",
                           "2024-01-00",
                           "0000-00-00",
                           "0000-01-01",
                           "2024-13-01",
                           "2024/01/01",
                           "24-01-01",
                           "-2024-01-01",
                           "2024-01-01 ",
                           " 2024-01-01",
                           "2024-01-01 00:00:00",
                           "2024-01-0x",
                           "x024-01-01",
                           "02024-01-01",
                           "12345678-01-01",
                           "0044-03-15 BC",
                           "infinity",
                           "-infinity",
                           "2024-01-+1",
                           "2024-01--1",
                           "+2024-01-01"}) {
    std::int64_t days = kUntouched;
    EXPECT_FALSE(parse_date(text, days)) << text;
    EXPECT_EQ(days, kUntouched) << text;
  }
}

TEST(Codec, PrintsYearsOutsideOfFourDigitsInFull) {
  EXPECT_EQ(date(days_from_civil(10000, 1, 1)), "10000-01-01");
  EXPECT_EQ(date(days_from_civil(0, 12, 31)), "0000-12-31");
  EXPECT_EQ(date(days_from_civil(-1, 12, 31)), "-0001-12-31");
  EXPECT_EQ(date(days_from_civil(-4712, 1, 1)), "-4712-01-01");
  EXPECT_EQ(date(days_from_civil(-12345, 1, 1)), "-12345-01-01");
}

TEST(Codec, ReadsTimes) {
  std::int64_t micros = 0;
  ASSERT_TRUE(parse_time("00:00:00", micros));
  EXPECT_EQ(micros, 0);
  ASSERT_TRUE(parse_time("13:05:09", micros));
  EXPECT_EQ(micros, 47'109'000'000);
  ASSERT_TRUE(parse_time("13:05:09.000123", micros));
  EXPECT_EQ(micros, 47'109'000'123);
  ASSERT_TRUE(parse_time("13:05:09.5", micros));
  EXPECT_EQ(micros, 47'109'500'000);
  ASSERT_TRUE(parse_time("23:59:59.999999000", micros));
  EXPECT_EQ(micros, kMicrosPerDay - 1);
  ASSERT_TRUE(parse_time("24:00:00", micros));
  EXPECT_EQ(micros, kMicrosPerDay);
  ASSERT_TRUE(parse_time("24:00:00.000", micros));
  EXPECT_EQ(micros, kMicrosPerDay);
}

TEST(Codec, RefusesWhatIsNoTime) {
  for (const char* text : {"",
                           "13:05",
                           "1:05:09",
                           "13:5:09",
                           "13:05:9",
                           "24:00:00.000001",
                           "24:00:01",
                           "24:01:00",
                           "25:00:00",
                           "99:00:00",
                           "13:60:00",
                           "13:05:60",
                           "13:05:09.",
                           "13:05:09.1234567",
                           "13:05:09.0000001",
                           "13:05:09,5",
                           "13:05:09 ",
                           "-01:00:00",
                           "-838:59:59",
                           "838:59:59",
                           "13:05:09Z",
                           "13-05-09",
                           "13:05:0x",
                           "13:05:09.12x",
                           "13:05:09.-1"}) {
    std::int64_t micros = kUntouched;
    EXPECT_FALSE(parse_time(text, micros)) << text;
    EXPECT_EQ(micros, kUntouched) << text;
  }
}

TEST(Codec, PrintsAsManyDigitsOfTheSecondAsAsked) {
  constexpr std::int64_t kTime = 47'109'000'123;
  EXPECT_EQ(time(kTime, 0), "13:05:09");
  EXPECT_EQ(time(kTime, 3), "13:05:09.000");
  EXPECT_EQ(time(kTime, 5), "13:05:09.00012");
  EXPECT_EQ(time(kTime, 6), "13:05:09.000123");
  EXPECT_EQ(time(47'109'500'000, 6), "13:05:09.500000");
  EXPECT_EQ(time(0, 6), "00:00:00.000000");
  EXPECT_EQ(time(kMicrosPerDay, 0), "24:00:00");
}

TEST(Codec, ReadsTimestampsWithBlankAndT) {
  std::int64_t micros = 0;
  ASSERT_TRUE(parse_timestamp("1970-01-01 00:00:00", micros));
  EXPECT_EQ(micros, 0);
  ASSERT_TRUE(parse_timestamp("1970-01-01T00:00:00.000001", micros));
  EXPECT_EQ(micros, 1);
  ASSERT_TRUE(parse_timestamp("1969-12-31 23:59:59.999999", micros));
  EXPECT_EQ(micros, -1);
  ASSERT_TRUE(parse_timestamp("2024-02-29 13:05:09.5", micros));
  EXPECT_EQ(micros, 1'709'211'909'500'000);
  ASSERT_TRUE(parse_timestamp("0001-01-01 00:00:00", micros));
  EXPECT_EQ(micros, -62'135'596'800'000'000);
  ASSERT_TRUE(parse_timestamp("9999-12-31 23:59:59.999999", micros));
  EXPECT_EQ(micros, 253'402'300'799'999'999);
  ASSERT_TRUE(parse_timestamp("294246-12-31 23:59:59.999999", micros));
  EXPECT_EQ(timestamp(micros, 6), "294246-12-31 23:59:59.999999");
}

TEST(Codec, RefusesWhatIsNoTimestamp) {
  for (const char* text :
       {"", "2024-02-29", "2024-02-29 ", "2024-02-29 13:05", "2024-02-29  13:05:09",
        "2024-02-29t13:05:09", "2024-02-29 13:05:09Z", "2024-02-29 13:05:09+00",
        "2023-02-29 00:00:00", "0000-00-00 00:00:00", "2024-02-29 24:00:00",
        "2024-02-29 13:05:09 BC", "infinity", "-infinity", "5874897-12-31 00:00:00",
        "294248-01-01 00:00:00", "99999999999999999999 00:00:00", "2024-02-29 13:05:60",
        "2024-02-29 13:05:09.1234567"}) {
    std::int64_t micros = kUntouched;
    EXPECT_FALSE(parse_timestamp(text, micros)) << text;
    EXPECT_EQ(micros, kUntouched) << text;
  }
}

TEST(Codec, PrintsTimestampsBeforeTheEpoch) {
  EXPECT_EQ(timestamp(-1, 6), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(timestamp(-kMicrosPerDay, 0), "1969-12-31 00:00:00");
  EXPECT_EQ(timestamp(-kMicrosPerDay - 1, 6), "1969-12-30 23:59:59.999999");
  EXPECT_EQ(timestamp(kMin64, 6), "-290308-12-21 19:59:05.224192");
  EXPECT_EQ(timestamp(kMax64, 6), "294247-01-10 04:00:54.775807");
}

TEST(Codec, ReadsZonesIntoUtc) {
  const auto utc = [](const char* text) {
    std::int64_t micros = kUntouched;
    EXPECT_TRUE(parse_timestamptz(text, micros)) << text;
    return timestamp(micros, 0);
  };
  EXPECT_EQ(utc("2024-02-29 13:05:09Z"), "2024-02-29 13:05:09");
  EXPECT_EQ(utc("2024-02-29T13:05:09+00"), "2024-02-29 13:05:09");
  EXPECT_EQ(utc("2024-02-29 13:05:09-00:00"), "2024-02-29 13:05:09");
  EXPECT_EQ(utc("2024-02-29 13:05:09.5+05:30"), "2024-02-29 07:35:09");
  EXPECT_EQ(utc("2024-02-29 13:05:09+0530"), "2024-02-29 07:35:09");
  EXPECT_EQ(utc("2024-02-29 13:05:09-08"), "2024-02-29 21:05:09");
  EXPECT_EQ(utc("2024-03-01 00:00:00+14"), "2024-02-29 10:00:00");
  EXPECT_EQ(utc("2024-02-29 23:59:59-00:01"), "2024-03-01 00:00:59");
  EXPECT_EQ(utc("1969-12-31 23:59:59.999999-15:59"), "1970-01-01 15:58:59");
  // A moment of year 1 there, of year 0 in UTC: printed, for the caller to refuse.
  EXPECT_EQ(utc("0001-01-01 00:00:00+01"), "0000-12-31 23:00:00");
}

TEST(Codec, RefusesTimestampsWithoutACorrectZone) {
  for (const char* text : {"",
                           "2024-02-29 13:05:09",
                           "2024-02-29 13:05:09.123456",
                           "2024-02-29 13:05:09+",
                           "2024-02-29 13:05:09+5",
                           "2024-02-29 13:05:09+053",
                           "2024-02-29 13:05:09+05:3",
                           "2024-02-29 13:05:09+05:60",
                           "2024-02-29 13:05:09+16",
                           "2024-02-29 13:05:09 +05",
                           "2024-02-29 13:05:09z",
                           "2024-02-29 13:05:09ZZ",
                           "2024-02-29 13:05:09 UTC",
                           "2024-02-29 13:05:09+05:30:15",
                           "2024-02-29 13:05:09+05-30",
                           "2024-02-29 13:05:09+-5",
                           "2024-02-29 13:05:09Z+00",
                           "2023-02-29 13:05:09Z",
                           "2024-02-29",
                           "2024-02-29Z",
                           "infinity"}) {
    std::int64_t micros = kUntouched;
    EXPECT_FALSE(parse_timestamptz(text, micros)) << text;
    EXPECT_EQ(micros, kUntouched) << text;
  }
}

TEST(Codec, DatesAndTimesComeBackAsPrinted) {
  std::mt19937_64 random(20240229);
  std::uniform_int_distribution<std::int64_t> any_day(-719162, 2932896);
  std::uniform_int_distribution<std::int64_t> any_time(0, kMicrosPerDay - 1);
  for (int i = 0; i < 200'000; ++i) {
    const std::int64_t days = any_day(random), micros = any_time(random);
    std::int64_t parsed = kUntouched;
    ASSERT_TRUE(parse_date(date(days), parsed) && parsed == days) << date(days);
    ASSERT_TRUE(parse_time(time(micros, 6), parsed) && parsed == micros) << time(micros, 6);
    const std::int64_t both = days * kMicrosPerDay + micros;
    ASSERT_TRUE(parse_timestamp(timestamp(both, 6), parsed) && parsed == both);
    ASSERT_TRUE(parse_timestamptz(timestamp(both, 6) + "+00", parsed) && parsed == both);
  }
}

TEST(Codec, ReadsUuidsOfEitherCase) {
  std::array<char, 16> bytes{};
  ASSERT_TRUE(parse_uuid("550E8400-e29b-41d4-A716-446655440000", bytes.data()));
  std::string text;
  print_uuid(text, bytes.data());
  EXPECT_EQ(text, "550e8400-e29b-41d4-a716-446655440000");
  text.clear();
  print_hex(text, {bytes.data(), bytes.size()});
  EXPECT_EQ(text, "550e8400e29b41d4a716446655440000");
}

TEST(Codec, RefusesWhatIsNoUuidAndWritesNothing) {
  for (const char* text :
       {"", "550e8400e29b41d4a716446655440000", "{550e8400-e29b-41d4-a716-446655440000}",
        "550e8400-e29b-41d4-a716-44665544000", "550e8400-e29b-41d4-a716-4466554400000",
        "550e8400-e29b-41d4-a716-44665544000g", "550e8400-e29b-41d4-a716_446655440000",
        "550e840-0e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-4466554400-0",
        "-50e8400-e29b-41d4-a716-446655440000"}) {
    std::array<char, 16> bytes{};
    EXPECT_FALSE(parse_uuid(text, bytes.data())) << text;
    EXPECT_EQ(bytes, (std::array<char, 16>{})) << text;
  }
}

TEST(Codec, UuidsComeBackAsPrinted) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 50'000; ++i) {
    std::array<char, 16> bytes{}, parsed{};
    for (char& byte : bytes) byte = static_cast<char>(random());
    std::string text;
    print_uuid(text, bytes.data());
    ASSERT_TRUE(parse_uuid(text, parsed.data()));
    ASSERT_EQ(parsed, bytes);
  }
}

TEST(Codec, TellsPlainDecimals) {
  for (const char* text : {"5", "+7", "-12.340", "0", "-0", "007", ".5", "-.5", "0.000",
                           "123456789012345678901234567890.123456789012345678901234567890"}) {
    EXPECT_TRUE(is_plain_decimal(text)) << text;
  }
  for (const char* text :
       {"",     ".",  "-",  "+",   "1.",    "-1.", "1e5", "1E5", "NaN", "Infinity",
        "0x10", " 1", "1 ", "1,5", "1.2.3", "--1", "+-1", "1-",  "-.",  "1_000"}) {
    EXPECT_FALSE(is_plain_decimal(text)) << text;
  }
}

TEST(Codec, ReadsIntegersUpToTheirEnds) {
  std::int64_t value = 0;
  ASSERT_TRUE(parse_int64("-9223372036854775808", value));
  EXPECT_EQ(value, kMin64);
  ASSERT_TRUE(parse_int64("9223372036854775807", value));
  EXPECT_EQ(value, kMax64);
  ASSERT_TRUE(parse_int64("-0", value));
  EXPECT_EQ(value, 0);
  ASSERT_TRUE(parse_int64("00042", value));  // MySQL's ZEROFILL
  EXPECT_EQ(value, 42);
  for (const char* text : {"", "-", "+5", " 5", "5 ", "5.0", "5e0", "0x5", "9223372036854775808",
                           "-9223372036854775809", "--5", "five"}) {
    value = kUntouched;
    EXPECT_FALSE(parse_int64(text, value)) << text;
    EXPECT_EQ(value, kUntouched) << text;
  }

  std::uint64_t number = 0;
  ASSERT_TRUE(parse_uint64("18446744073709551615", number));
  EXPECT_EQ(number, std::numeric_limits<std::uint64_t>::max());
  for (const char* text : {"", "-1", "-0", "+1", "18446744073709551616", "1.0", " 1"}) {
    number = 99;
    EXPECT_FALSE(parse_uint64(text, number)) << text;
    EXPECT_EQ(number, 99u) << text;
  }
}

TEST(Codec, ReadsDoublesInEveryForm) {
  const auto parsed = [](const char* text) {
    double value = -424242;
    EXPECT_TRUE(parse_double(text, value)) << text;
    return value;
  };
  EXPECT_EQ(parsed("1.5"), 1.5);
  EXPECT_EQ(parsed("+1.5"), 1.5);
  EXPECT_EQ(parsed(".5"), 0.5);
  EXPECT_EQ(parsed("-1e-3"), -0.001);
  EXPECT_EQ(parsed("1E+22"), 1e22);
  EXPECT_EQ(parsed("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_EQ(parsed("5e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_TRUE(std::signbit(parsed("-0")));
  EXPECT_TRUE(std::signbit(parsed("-0.0")));
  EXPECT_FALSE(std::signbit(parsed("0")));
  for (const char* text : {"Infinity", "infinity", "INF", "inf"}) EXPECT_EQ(parsed(text), INFINITY);
  for (const char* text : {"-Infinity", "-inf"}) EXPECT_EQ(parsed(text), -INFINITY);
  for (const char* text : {"NaN", "nan", "NAN"}) EXPECT_TRUE(std::isnan(parsed(text)));
}

TEST(Codec, RefusesWhatIsNoDouble) {
  for (const char* text : {"",     "-",      "+",     ".",     "e5",    "1e",     "1e+",    "1.5x",
                           " 1.5", "1.5 ",   "1,5",   "0x1p3", "1e400", "-1e400", "1e-400", "--1",
                           "+-1",  "nan(1)", "infin", "-nan",  "+inf",  "1.2.3"}) {
    double value = -424242;
    EXPECT_FALSE(parse_double(text, value)) << text;
    EXPECT_EQ(value, -424242) << text;
  }
}

TEST(Codec, DoublesComeBackBitForBit) {
  std::mt19937_64 random(1);
  std::vector<double> values = {0.0,
                                -0.0,
                                0.1,
                                1.0 / 3,
                                1e22,
                                1e23,
                                -1e-300,
                                9007199254740993.0,
                                std::numeric_limits<double>::max(),
                                std::numeric_limits<double>::lowest(),
                                std::numeric_limits<double>::min(),
                                std::numeric_limits<double>::denorm_min(),
                                std::numeric_limits<double>::infinity(),
                                -std::numeric_limits<double>::infinity()};
  while (values.size() < 300'000) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isnan(value)) values.push_back(value);
  }
  std::string text;
  for (const double value : values) {
    text.clear();
    print_double(text, value);
    double parsed = 0;
    ASSERT_TRUE(parse_double(text, parsed)) << text;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(parsed), std::bit_cast<std::uint64_t>(value)) << text;
  }
}

TEST(Codec, FloatsComeBackBitForBitAndShort) {
  std::string text;
  print_float(text, 0.1f);
  EXPECT_EQ(text, "0.1");
  std::mt19937 random(2);
  for (int i = 0; i < 300'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isnan(value)) continue;
    text.clear();
    print_float(text, value);
    double parsed = 0;
    ASSERT_TRUE(parse_double(text, parsed)) << text;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(static_cast<float>(parsed)),
              std::bit_cast<std::uint32_t>(value))
        << text;
  }
}

TEST(Codec, PrintsDoublesShortlyAndNamesTheSpecialOnes) {
  const auto printed = [](double value) {
    std::string text = "x";  // appends
    print_double(text, value);
    return text;
  };
  EXPECT_EQ(printed(0.1), "x0.1");
  EXPECT_EQ(printed(5), "x5");
  EXPECT_EQ(printed(-0.0), "x-0");
  EXPECT_EQ(printed(INFINITY), "xInfinity");
  EXPECT_EQ(printed(-INFINITY), "x-Infinity");
  EXPECT_EQ(printed(NAN), "xNaN");
  EXPECT_EQ(printed(-NAN), "xNaN");
}

TEST(Codec, PrintsHexBehindWhatIsThere) {
  std::string text = "\\x";
  print_hex(text, std::string_view("\x00\xff\x7f\x0a", 4));
  EXPECT_EQ(text, "\\x00ff7f0a");
  print_hex(text, "");
  EXPECT_EQ(text, "\\x00ff7f0a");
}

TEST(Codec, TellsUtf8) {
  for (const char* text :
       {"", "plain", "Zürich", "東京", "😀", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
        "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  }
  EXPECT_TRUE(is_valid_utf8(std::string_view("a\0b", 3)));
  for (const char* text : {"\x80",
                           "\xbf",
                           "\xc0\x80",
                           "\xc1\xbf",
                           "\xc2",
                           "\xc2x",
                           "\xe0\x80\x80",
                           "\xe0\x9f\xbf",
                           "\xed\xa0\x80",
                           "\xed\xbf\xbf",
                           "\xe2\x82",
                           "\xe2\x82x",
                           "\xf0\x80\x80\x80",
                           "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80",
                           "\xff",
                           "\xfe",
                           "\xf0\x9f\x98",
                           "M\xfcnchen"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << text;
  }
}

TEST(Codec, FindsABadByteAtAnyPlace) {
  for (std::size_t length = 1; length < 40; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      std::string text(length, 'a');
      EXPECT_TRUE(is_valid_utf8(text));
      text[at] = '\x80';
      EXPECT_FALSE(is_valid_utf8(text)) << length << " " << at;
      text[at] = '\xe2';
      EXPECT_FALSE(is_valid_utf8(text)) << length << " " << at;
      text[at] = 'a';
      text.insert(at, "\xe2\x82\xac");
      EXPECT_TRUE(is_valid_utf8(text)) << length << " " << at;
    }
  }
}

// Every code point, encoded here by the definition.
TEST(Codec, TakesExactlyTheCodePointsOfUnicode) {
  for (std::uint32_t point = 0; point < 0x120000; ++point) {
    std::string text;
    if (point < 0x80) {
      text = {static_cast<char>(point)};
    } else if (point < 0x800) {
      text = {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 63))};
    } else if (point < 0x10000) {
      text = {static_cast<char>(0xE0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 63)),
              static_cast<char>(0x80 | (point & 63))};
    } else {
      text = {static_cast<char>(0xF0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 63)),
              static_cast<char>(0x80 | (point >> 6 & 63)), static_cast<char>(0x80 | (point & 63))};
    }
    const bool valid = point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
    ASSERT_EQ(is_valid_utf8(text), valid) << std::hex << point;
  }
}

}  // namespace
}  // namespace migrator
