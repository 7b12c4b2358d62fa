// Two forms of one comparison: same_value(), and append_canonical(), by which rows without a key
// are counted.
#include "migrator/verify/cell_comparison.h"

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace migrator {
namespace {

using Push = std::function<void(RowBatch&)>;

struct Family {
  std::string name;
  Type type;
  std::vector<Push> values;
};

Push text(const std::string& value) {
  return [value](RowBatch& batch) { batch.push_text(value); };
}
Push real(double value) {
  return [value](RowBatch& batch) { batch.push_real(value); };
}
Push integer(std::int64_t value) {
  return [value](RowBatch& batch) { batch.push_integer(value); };
}
Push null() {
  return [](RowBatch& batch) { batch.push_null(); };
}
Push misfit(const std::string& value) {
  return [value](RowBatch& batch) { batch.push_misfit(value); };
}

Type type_of(TypeKind kind, bool fixed = false) {
  Type type;
  type.kind = kind;
  type.fixed = fixed;
  return type;
}

std::vector<Family> families() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {
      {"decimal",
       type_of(TypeKind::decimal),
       {text("0"),         text("-0"),   text("0.00"), text("-0.0"), text("1.5"),
        text("1.50"),      text("01.5"), text("+1.5"), text("-1.5"), text("15"),
        text("150"),       text("1"),    text("1.0"),  text("NaN"),  text("Infinity"),
        text("-Infinity"), text(".5"),   text("0.5"),  text("0.05"), null()}},
      {"real",
       type_of(TypeKind::float64),
       {real(0.0), real(-0.0), real(1.5), real(nan), real(-nan),
        real(std::numeric_limits<double>::infinity()), null(), integer(0)}},
      {"text",
       type_of(TypeKind::text),
       {text(""), text(" "), text("a"), text("a "), text("A"), text("ab"), null(), misfit("a"),
        misfit("b")}},
      {"char", type_of(TypeKind::text, true), {text(""), text(" "), text("a"), text("a  ")}},
      {"json",
       type_of(TypeKind::json),
       {text(R"({"a":1,"b":2})"), text(R"({"b": 2, "a": 1.0})"), text(R"({"a":1})"), text("[]"),
        text("not json"), text("not  json"), text("1e2"), text("100"), null()}},
      {"bytes",
       type_of(TypeKind::bytes),
       {[](RowBatch& batch) { batch.push_bytes("a"); },
        [](RowBatch& batch) { batch.push_bytes(std::string("a\0", 2)); }, text("a"), null()}},
      {"integer", type_of(TypeKind::int64), {integer(0), integer(-1), integer(256), null()}},
  };
}

TEST(CellComparison, TheCanonicalFormIsTheSameJustWhereTheValuesAre) {
  for (const Family& family : families()) {
    for (const bool same_native : {true, false}) {
      for (std::size_t a = 0; a < family.values.size(); ++a) {
        for (std::size_t b = 0; b < family.values.size(); ++b) {
          RowBatch batch;
          batch.set_columns(2);
          family.values[a](batch);
          family.values[b](batch);
          batch.end_cell_row();
          const Cell *left = batch.row(0), *right = left + 1;
          std::string x, y;
          append_canonical(x, batch, *left, family.type, same_native, true);
          append_canonical(y, batch, *right, family.type, same_native, false);
          EXPECT_EQ(x == y, same_value(batch, *left, batch, *right, family.type, same_native))
              << family.name << " " << a << " and " << b << " same_native " << same_native;
        }
      }
    }
  }
}

// Values that run into one another make other rows.
TEST(CellComparison, NoFormIsTheBeginningOfAnother) {
  const Type type = type_of(TypeKind::text);
  const auto form = [&](const std::vector<Push>& row) {
    RowBatch batch;
    batch.set_columns(row.size());
    for (const Push& push : row) push(batch);
    batch.end_cell_row();
    std::string out;
    for (std::size_t at = 0; at < row.size(); ++at) {
      append_canonical(out, batch, batch.row(0)[at], type, true, true);
    }
    return out;
  };
  EXPECT_NE(form({text("ab"), text("c")}), form({text("a"), text("bc")}));
  EXPECT_NE(form({text(""), null()}), form({null(), text("")}));
  EXPECT_NE(form({text("0"), text("")}), form({text(""), text("0")}));
}

}  // namespace
}  // namespace migrator
