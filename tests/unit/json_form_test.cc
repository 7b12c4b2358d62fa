#include "migrator/verify/json_form.h"

#include <gtest/gtest.h>

namespace migrator {
namespace {

void expect_same(std::string_view a, std::string_view b) {
  ASSERT_TRUE(canonical_json(a)) << a;
  EXPECT_EQ(canonical_json(a), canonical_json(b)) << a << " and " << b;
}
void expect_different(std::string_view a, std::string_view b) {
  ASSERT_TRUE(canonical_json(a)) << a;
  ASSERT_TRUE(canonical_json(b)) << b;
  EXPECT_NE(canonical_json(a), canonical_json(b)) << a << " and " << b;
}

TEST(CanonicalJson, IgnoresSpellingOnly) {
  expect_same(R"({"b": [1, 2], "a": null})", R"({"a":null,"b":[1,2]})");
  expect_same(R"("\u00fc\/")", "\"\xc3\xbc/\"");
  expect_same("1.50", "15e-1");
  expect_same("100", "1E+2");
  expect_same("-0.0", "0");
  expect_same(R"({"a":1,"a":2})", R"({"a":2})");
}

TEST(CanonicalJson, KeepsEveryDifferenceOfValue) {
  expect_different("[1,2]", "[2,1]");
  expect_different("1", "\"1\"");
  expect_different("null", "\"\"");
  expect_different("12345678901234567890123", "12345678901234567890124");
  expect_different("0.1", "0.10000000000000001");
  expect_different("-1", "1");
  expect_different(R"({"a":{}})", R"({"a":[]})");
  expect_different("10", "1");
  expect_different(R"({"a":"b,c"})", R"({"a":"b","c":""})");
}

TEST(CanonicalJson, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "nul", "[1,]", "{\"a\" 1}", "1 2", "\"\xff\""}) {
    EXPECT_FALSE(canonical_json(text)) << text;
  }
}

}  // namespace
}  // namespace migrator
