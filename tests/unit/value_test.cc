#include "adapters/value.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "adapters/adapter.h"
#include "adapters/codec.h"
#include "adapters/schema.h"

namespace migrator {
namespace {

constexpr std::int64_t kMin64 = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax64 = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMaxU64 = std::numeric_limits<std::uint64_t>::max();

ErrorKind kind_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::transient;
}

TEST(Key, IsEncodedInItsDocumentedForm) {
  EXPECT_EQ(encode_key({}), "[]");
  EXPECT_EQ(encode_key({std::int64_t{42}, std::string("Lyon")}), R"([42,"Lyon"])");
  EXPECT_EQ(encode_key({std::monostate{}}), "[null]");
  EXPECT_EQ(encode_key({kMaxU64}), R"([{"u":"18446744073709551615"}])");
  EXPECT_EQ(encode_key({3.0}), R"([{"d":"0x1.8p+1"}])");
  EXPECT_EQ(encode_key({Bytes{std::string("\0\xff", 2)}}), R"([{"x":"00ff"}])");
  EXPECT_EQ(encode_key({std::string("\xff")}), R"([{"t":"ff"}])");
  EXPECT_EQ(encode_key({std::string("a\"b\\c\n")}), R"(["a\"b\\c\n"])");
}

TEST(Key, ComesBackWhateverItHolds) {
  const std::vector<Key> keys = {
      {},
      {std::monostate{}},
      {kMin64, kMax64, std::int64_t{0}, std::int64_t{-1}},
      {std::uint64_t{0}, std::uint64_t{1}, kMaxU64, std::uint64_t{1} << 63},
      {0.0, 0.1, -1.5, 1e300, 5e-324, std::numeric_limits<double>::max()},
      {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()},
      {std::string(), std::string("plain"), std::string("Zürich 東京 😀")},
      {std::string("a\0b", 3), std::string("\x01\x1f\x7f\"\\/")},
      {std::string("M\xfcnchen"), std::string("\xed\xa0\x80"), std::string("\xff\xfe")},
      {Bytes{}, Bytes{"plain"}, Bytes{std::string("\0\x80\xff", 3)}},
      {std::string("{\"u\":\"1\"}"), std::string("null"), std::string("42")},
      {std::int64_t{7}, std::string("7"), 7.0, std::uint64_t{7}, Bytes{"7"}},
  };
  for (const Key& key : keys) {
    const std::string text = encode_key(key);
    EXPECT_EQ(decode_key(text), key) << text;
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  }
}

TEST(Key, KeepsTheSignOfZeroAndNaN) {
  const Key zero = decode_key(encode_key({-0.0}));
  EXPECT_TRUE(std::signbit(std::get<double>(zero.at(0))));
  EXPECT_EQ(std::get<double>(zero.at(0)), 0.0);
  const Key nan = decode_key(encode_key({std::numeric_limits<double>::quiet_NaN()}));
  EXPECT_TRUE(std::isnan(std::get<double>(nan.at(0))));
}

TEST(Key, ComesBackWhateverItHoldsAtRandom) {
  std::mt19937_64 random(11);
  const auto bytes = [&] {
    std::string text(random() % 24, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  };
  for (int i = 0; i < 20'000; ++i) {
    Key key;
    for (std::size_t n = random() % 5; n > 0; --n) {
      switch (random() % 6) {
        case 0:
          key.emplace_back(std::monostate{});
          break;
        case 1:
          key.emplace_back(static_cast<std::int64_t>(random()));
          break;
        case 2:
          key.emplace_back(std::uint64_t{random()});
          break;
        case 3: {
          const auto real = std::bit_cast<double>(random());
          key.emplace_back(std::isnan(real) ? 0.5 : real);
          break;
        }
        case 4:
          key.emplace_back(bytes());
          break;
        default:
          key.emplace_back(Bytes{bytes()});
      }
    }
    ASSERT_EQ(decode_key(encode_key(key)), key) << encode_key(key);
  }
}

TEST(Key, IsRefusedInAnyOtherForm) {
  for (const char* text : {"",
                           "[",
                           "null",
                           "42",
                           "{}",
                           "[1.5]",
                           "[true]",
                           "[[1]]",
                           "[{}]",
                           R"([{"u":1}])",
                           R"([{"u":"-1"}])",
                           R"([{"u":"x"}])",
                           R"([{"u":"01"}])",
                           R"([{"u":"1","x":"00"}])",
                           R"([{"q":"1"}])",
                           R"([{"x":"0"}])",
                           R"([{"x":"0g"}])",
                           R"([{"x":"FF"}])",
                           R"([{"x":"+1"}])",
                           R"([{"t":"41"}])",
                           R"([{"d":"1.5"}])",
                           R"([{"d":"0x1.8p+1 "}])",
                           R"([{"d":"0x"}])",
                           R"([{"d":"-nan"}])",
                           R"([{"d":"0x2p+0"}])",
                           "[9223372036854775808]",
                           "[-9223372036854775809]",
                           "[-0]",
                           "[ 1]",
                           "[1] ",
                           "[1,]",
                           "[1]x",
                           "[1e3]",
                           R"(["\u0041"])"}) {
    EXPECT_EQ(kind_of([&] { decode_key(text); }), ErrorKind::invariant) << text;
  }
}

TEST(Key, IsDescribedForAPerson) {
  const Key key = {std::int64_t{42}, std::string("Lyon"), Bytes{std::string("\0\xff", 2)}};
  EXPECT_EQ(describe(key), "(42, 'Lyon', x'00ff')");
  EXPECT_EQ(describe(Key{std::monostate{}, 0.5, kMaxU64}), "(NULL, 0.5, 18446744073709551615)");
  EXPECT_EQ(describe(Key{std::string("O'Hara 東京")}), "('O''Hara 東京')");
  EXPECT_EQ(describe(Key{}), "()");
}

TEST(Key, CannotSteerATerminalWhenItIsDescribed) {
  EXPECT_EQ(describe(Key{std::string("a\x1b[31m\n")}), R"(('a\x1b[31m\x0a'))");
  EXPECT_EQ(describe(Key{std::string("M\xfcnchen")}), R"(('M\xfcnchen'))");
}

TEST(KeyRange, IsDescribedForAPerson) {
  const Key low = {std::int64_t{1}}, high = {std::int64_t{9}};
  EXPECT_EQ(describe(KeyRange{}), "all keys");
  EXPECT_EQ(describe(KeyRange{low, {}}), "keys after (1)");
  EXPECT_EQ(describe(KeyRange{{}, high}), "keys up to (9)");
  EXPECT_EQ(describe(KeyRange{low, high}), "keys after (1) up to (9)");
}

TEST(Value, IsAnIntegerHoweverTheEngineGaveIt) {
  EXPECT_EQ(as_integer(kMin64), kMin64);
  EXPECT_EQ(as_integer(std::uint64_t{5}), 5);
  EXPECT_EQ(as_integer(-3.0), -3);
  EXPECT_EQ(as_integer(static_cast<double>(kMin64)), kMin64);
  EXPECT_EQ(as_integer(std::string("-9223372036854775808")), kMin64);
  EXPECT_EQ(as_integer(Bytes{"17"}), 17);
}

TEST(Value, IsNoIntegerWhenItIsNotExactlyOne) {
  const std::vector<Value> values = {std::monostate{},
                                     kMaxU64,
                                     0.5,
                                     9223372036854775808.0,
                                     -9.3e18,
                                     std::numeric_limits<double>::infinity(),
                                     std::numeric_limits<double>::quiet_NaN(),
                                     std::string(),
                                     std::string("5 "),
                                     std::string("9223372036854775808"),
                                     Bytes{"x"}};
  for (const Value& value : values) {
    EXPECT_EQ(kind_of([&] { as_integer(value); }), ErrorKind::invariant) << describe(Key{value});
  }
}

TEST(Value, IsTextHoweverTheEngineGaveIt) {
  EXPECT_EQ(as_text(std::string("x")), "x");
  EXPECT_EQ(as_text(Bytes{"10.11"}), "10.11");
  EXPECT_EQ(as_text(kMin64), "-9223372036854775808");
  EXPECT_EQ(as_text(kMaxU64), "18446744073709551615");
  EXPECT_EQ(as_text(0.1), "0.1");
  EXPECT_EQ(kind_of([] { as_text(Value{}); }), ErrorKind::invariant);
}

TEST(Value, IsNeverShownInTheErrorAboutIt) {
  try {
    as_integer(std::string("hunter2"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos);
  }
}

TEST(Type, IsDescribedWithItsSize) {
  EXPECT_EQ(describe(Type{.kind = TypeKind::decimal, .precision = 12, .scale = 2}),
            "decimal(12,2)");
  EXPECT_EQ(describe(Type{.kind = TypeKind::decimal}), "decimal");
  EXPECT_EQ(describe(Type{.kind = TypeKind::text, .length = 40}), "text(40)");
  EXPECT_EQ(describe(Type{.kind = TypeKind::bytes, .length = 4, .fixed = true}), "fixed bytes(4)");
  EXPECT_EQ(describe(Type{.kind = TypeKind::timestamptz, .precision = 6}), "timestamptz(6)");
  EXPECT_EQ(describe(Type{.kind = TypeKind::int64}), "int64");
}

TEST(Catalog, FindsTablesAndColumnsByTheirExactNames) {
  Catalog catalog;
  TableSchema table;
  table.name = {"sales", "orders"};
  for (const char* column : {"id", "Total"}) table.columns.emplace_back().name = column;
  catalog.tables = {table};
  const TableSchema* found = catalog.find_table({"sales", "orders"});
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(catalog.find_table({"", "orders"}), nullptr);
  EXPECT_EQ(catalog.find_table({"sales", "Orders"}), nullptr);
  ASSERT_NE(found->find_column("Total"), nullptr);
  EXPECT_EQ(found->find_column("Total")->name, "Total");
  EXPECT_EQ(found->find_column("total"), nullptr);
}

TEST(ErrorKind, HasANameEach) {
  EXPECT_EQ(name(ErrorKind::transient), "transient");
  EXPECT_EQ(name(ErrorKind::in_doubt), "in_doubt");
  EXPECT_EQ(name(ErrorKind::invariant), "invariant");
}

}  // namespace
}  // namespace migrator
