// Rows from and for MySQL.
#include "tests/unit/mysql_fixture.h"

namespace migrator::mysql {
namespace {

TEST(MysqlWire, LayoutsAreEqualExactlyWhereBytesMayPass) {
  const auto layout = [](const std::string& native) { return wire_layout({column("c", native)}); };
  EXPECT_EQ(layout("int(11)"), layout("int"));
  EXPECT_EQ(layout("tinyint(1)"), layout("tinyint(4)"));
  EXPECT_NE(layout("int"), layout("int unsigned"));
  EXPECT_NE(layout("varchar(40)"), layout("varchar(41)"));
  EXPECT_EQ(layout("varchar(40) character set utf8"), layout("varchar(40)"));
  EXPECT_NE(layout("varchar(40) character set latin1"), layout("varchar(40)"));
  EXPECT_NE(layout("enum('a','b')"), layout("enum('b','a')"));
  EXPECT_NE(layout("int"), cells_layout());
}

TEST(MysqlWire, FloatsAreSelectedExactly) {
  EXPECT_EQ(select_expression(column("f", "float"), true), "`f`*1e0");
  EXPECT_EQ(select_expression(column("d", "double"), true), "`d`");
}

class Decoded {
 public:
  Decoded(const Column& c, std::string text) : text_(std::move(text)) {
    char* row[] = {text_.data()};
    const unsigned long lengths[] = {text_.size()};
    batch_.set_columns(1);
    RowDecoder({"", "t"}, {c}).append(batch_, row, lengths);
  }
  const Cell& cell() const { return batch_.row(0)[0]; }
  std::string bytes() const { return std::string(batch_.bytes_of(cell())); }

 private:
  std::string text_;
  RowBatch batch_;
};

TEST(MysqlDecoder, TextBecomesCells) {
  EXPECT_EQ(Decoded(column("c", "int"), "-42").cell().integer, -42);
  EXPECT_EQ(Decoded(column("c", "bigint unsigned"), "18446744073709551615").cell().unsigned_integer,
            18446744073709551615u);
  EXPECT_EQ(Decoded(column("c", "tinyint(1)"), "1").cell().integer, 1);
  EXPECT_EQ(Decoded(column("c", "bit(1)"), std::string("\1", 1)).cell().integer, 1);
  EXPECT_EQ(Decoded(column("c", "double"), "1.7976931348623157e308").cell().real,
            1.7976931348623157e308);
  EXPECT_EQ(Decoded(column("c", "date"), "1970-01-02").cell().integer, 1);
  EXPECT_EQ(Decoded(column("c", "datetime(6)"), "1970-01-01 00:00:00.000001").cell().integer, 1);
  EXPECT_EQ(Decoded(column("c", "timestamp"), "1970-01-01 00:00:01").cell().integer, 1'000'000);
  EXPECT_EQ(Decoded(column("c", "time"), "24:00:00").cell().integer, 86'400'000'000);
  EXPECT_EQ(Decoded(column("c", "varbinary(9)"), std::string("\0a", 2)).bytes(),
            std::string("\0a", 2));
  EXPECT_EQ(Decoded(column("c", "varbinary(9)"), "a").cell().tag, Cell::Tag::bytes);
  Column uuid = column("c", "char(36)");
  uuid.type = {.kind = TypeKind::uuid};
  EXPECT_EQ(Decoded(uuid, "30313233-3435-3637-3839-616263646566").bytes(), "0123456789abcdef");
}

TEST(MysqlDecoder, WhatOnlyMysqlKnowsIsADataErrorThatNamesTheColumn) {
  struct Case {
    const char* native;
    const char* text;
  };
  for (const Case& c :
       {Case{"date", "0000-00-00"}, Case{"date", "2024-00-10"},
        Case{"datetime", "0000-00-00 00:00:00"}, Case{"timestamp", "0000-00-00 00:00:00"},
        Case{"time", "-01:00:00"}, Case{"time", "24:00:01"}, Case{"tinyint(1)", "2"}}) {
    const Error error = error_of([&] { Decoded(column("when_it_was", c.native), c.text); });
    EXPECT_EQ(error.kind(), ErrorKind::data) << c.native << c.text;
    EXPECT_NE(std::string(error.what()).find("when_it_was"), std::string::npos);
    EXPECT_EQ(std::string(error.what()).find(c.text), std::string::npos);
    EXPECT_FALSE(error.remedy().empty());
  }
}

class EncodedCell {
 public:
  explicit EncodedCell(const Column& c, const RowLayout& layout = cells_layout())
      : encoder_({{"", "t"}, {c}, {}}, layout) {
    batch_.set_columns(1);
  }
  RowBatch& batch() { return batch_; }
  std::string text() {
    batch_.end_cell_row();
    return std::string(encoder_.encode(0, batch_, batch_.row(0)[0], scratch_).bytes);
  }
  std::int64_t integer() {
    batch_.end_cell_row();
    return encoder_.encode(0, batch_, batch_.row(0)[0], scratch_).integer;
  }

 private:
  ValueEncoder encoder_;
  RowBatch batch_;
  char scratch_[kScratchBytes] = {};
};

TEST(MysqlEncoder, CellsBecomeWhatTheColumnTakes) {
  const auto temporal = [](const char* native, std::int64_t value) {
    EncodedCell e(column("c", native));
    e.batch().push_integer(value);
    return e.text();
  };
  EXPECT_EQ(temporal("date", -719162), "0001-01-01");
  EXPECT_EQ(temporal("datetime(6)", -1), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(temporal("datetime", 1'000'000), "1970-01-01 00:00:01");
  EXPECT_EQ(temporal("time(3)", 86'400'000'000), "24:00:00.000");
  Column uuid = column("c", "char(36)");
  uuid.type = {.kind = TypeKind::uuid};
  EncodedCell e(uuid);
  e.batch().push_bytes("0123456789abcdef");
  EXPECT_EQ(e.text(), "30313233-3435-3637-3839-616263646566");
  EncodedCell number(column("c", "decimal(20,0)"));
  number.batch().push_unsigned(18446744073709551615u);
  EXPECT_EQ(number.text(), "18446744073709551615");
}

TEST(MysqlEncoder, WhatTheServerWouldReadAsAnotherValueIsRefused) {
  const auto text = [](const char* native, const char* value) {
    EncodedCell e(column("c", native));
    e.batch().push_text(value);
    return error_of([&] { e.text(); }).kind();
  };
  const auto real = [](const char* native, double value) {
    EncodedCell e(column("c", native));
    e.batch().push_real(value);
    return error_of([&] { e.text(); }).kind();
  };
  constexpr ErrorKind passed = ErrorKind::invariant;  // nothing was thrown
  EXPECT_EQ(text("enum('small','1')", "small"), passed);
  EXPECT_EQ(text("enum('small','1')", "1"), passed);
  EXPECT_EQ(text("enum('small','large')", "1"), ErrorKind::data);
  EXPECT_EQ(text("enum('small','large')", "SMALL"), ErrorKind::data);
  EXPECT_EQ(real("double(10,2)", 1.25), passed);
  EXPECT_EQ(real("double(10,2)", 1.239), ErrorKind::data);
  EXPECT_EQ(real("double", 1.239), passed);
  EXPECT_EQ(text("json", R"({"a": 123456789012345, "b": "12345678901234567.89"})"), passed);
  EXPECT_EQ(text("json", R"([18446744073709551615, -9223372036854775808, 1.5e300, 0.10])"), passed);
  EXPECT_EQ(text("json", R"({"\"": 12345678901234567.89})"), ErrorKind::data);
  EXPECT_EQ(text("json", "[184467440737095516160001]"), ErrorKind::data);
}

// Wire values are what the server has printed for a column of the same type.
TEST(MysqlEncoder, WireIntegersAndDatetimesAreBoundInBinary) {
  const std::vector<Column> columns = {column("i", "tinyint(4)"),
                                       column("u", "bigint(20) unsigned"),
                                       column("z", "int(10) unsigned zerofill"),
                                       column("b", "tinyint(1)"),
                                       column("t", "datetime(3)"),
                                       column("s", "varchar(9)")};
  const WriteSpec spec{{"", "t"}, columns, {}};
  const ValueEncoder encoder(spec, wire_layout(columns), {.encoding = Encoding::binary});
  RowBatch batch;
  batch.set_columns(columns.size());
  for (const char* text :
       {"-128", "18446744073709551615", "0000000042", "77", "0000-00-00 00:00:00.120", "x"})
    batch.push_text(text);
  batch.end_cell_row();
  alignas(MYSQL_TIME) char scratch[kScratchBytes];
  const auto encoded = [&](std::size_t i) {
    return encoder.encode(i, batch, batch.row(0)[i], scratch);
  };
  EXPECT_EQ(encoder.form(0), Form::integer);
  EXPECT_EQ(encoded(0).integer, -128);
  EXPECT_EQ(encoder.form(1), Form::unsigned_integer);
  EXPECT_EQ(static_cast<std::uint64_t>(encoded(1).integer), 18446744073709551615u);
  EXPECT_EQ(encoded(2).integer, 42);
  EXPECT_EQ(encoded(3).integer, 77) << "a tinyint(1) of MySQL is no boolean to MySQL";
  ASSERT_EQ(encoder.form(4), Form::datetime);
  MYSQL_TIME time;
  std::memcpy(&time, encoded(4).bytes.data(), sizeof time);
  EXPECT_EQ(time.month, 0u);
  EXPECT_EQ(time.second_part, 120'000u);
  EXPECT_EQ(encoder.form(5), Form::text);
  EXPECT_EQ(encoded(5).bytes, "x");

  batch.clear();
  batch.set_columns(columns.size());
  for (const char* text : {"1e3", "-1", "x", "", "2024-02-29T13:05:09", "x"}) batch.push_text(text);
  batch.end_cell_row();
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(error_of([&] { encoded(i); }).kind(), ErrorKind::data) << i;
  }
}

TEST(MysqlEncoder, NegativeZeroIsRefusedWhereMariadbWouldStoreAnother) {
  const WriteSpec spec{{"", "t"}, {column("d", "double")}, {}};
  const auto outcome = [&](const RowLayout& layout, bool has_it, auto push) {
    const ValueEncoder encoder(spec, layout, {.negative_zero = has_it});
    RowBatch batch;
    batch.set_columns(1);
    push(batch);
    batch.end_cell_row();
    try {
      encoder.encode(0, batch, batch.row(0)[0], nullptr);
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      return false;
    }
  };
  const auto real = [](RowBatch& batch) { batch.push_real(-0.0); };
  const auto wire = [](RowBatch& batch) { batch.push_text("-0"); };
  EXPECT_TRUE(outcome(cells_layout(), true, real));
  EXPECT_FALSE(outcome(cells_layout(), false, real));
  EXPECT_TRUE(outcome(wire_layout(spec.columns), true, wire));
  EXPECT_FALSE(outcome(wire_layout(spec.columns), false, wire));
  EXPECT_FALSE(
      outcome(wire_layout(spec.columns), false, [](RowBatch& b) { b.push_text("-0.00"); }));
  EXPECT_TRUE(outcome(wire_layout(spec.columns), false, [](RowBatch& b) { b.push_text("-0.01"); }));
}

TEST(MysqlEncoder, WhatTheServerWouldAlterSilentlyIsRefused) {
  const auto refused = [](const char* native, auto push, bool nullable = true) {
    EncodedCell e(column("c", native, nullable));
    push(e.batch());
    return error_of([&] { e.text(); }).kind() == ErrorKind::data;
  };
  EXPECT_TRUE(refused("datetime(3)", [](RowBatch& b) { b.push_integer(1); }));
  EXPECT_TRUE(refused("time", [](RowBatch& b) { b.push_integer(500'000); }));
  EXPECT_TRUE(refused("datetime(6)",
                      [](RowBatch& b) { b.push_integer(253'402'300'800'000'000); }));  // year 10000
  EXPECT_TRUE(refused("date", [](RowBatch& b) { b.push_integer(-719163); }));          // year 0
  EXPECT_TRUE(refused("double",
                      [](RowBatch& b) { b.push_real(std::numeric_limits<double>::quiet_NaN()); }));
  EXPECT_TRUE(refused("float", [](RowBatch& b) { b.push_real(0.1); }));
  EXPECT_TRUE(refused("year", [](RowBatch& b) { b.push_integer(5); }));
  EXPECT_TRUE(refused("tinyint(1)", [](RowBatch& b) { b.push_integer(2); }));
  EXPECT_TRUE(refused("bigint unsigned", [](RowBatch& b) { b.push_integer(-1); }));
  EXPECT_TRUE(refused("bigint", [](RowBatch& b) { b.push_unsigned(9223372036854775808u); }));
  EXPECT_TRUE(refused("decimal(9,2)", [](RowBatch& b) { b.push_real(0.5); }));
  EXPECT_TRUE(refused(
      "timestamp", [](RowBatch& b) { b.push_null(); }, false));
  EXPECT_FALSE(refused(
      "timestamp", [](RowBatch& b) { b.push_null(); }, true));
  EXPECT_FALSE(refused("float", [](RowBatch& b) { b.push_real(static_cast<double>(0.1f)); }));
  EXPECT_FALSE(refused("year", [](RowBatch& b) { b.push_integer(0); }));
}

// --- LOAD DATA ---

TEST(MysqlLoadData, EscapesWhatEndsAFieldOrALineAndNothingElse) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string out;
  append_field(out, all);
  std::string expected;
  for (int c = 0; c < 256; ++c) {
    if (c == 0)
      expected += "\\0";
    else if (c == '\t')
      expected += "\\t";
    else if (c == '\n')
      expected += "\\n";
    else if (c == '\\')
      expected += "\\\\";
    else
      expected += static_cast<char>(c);
  }
  EXPECT_EQ(out, expected);
}

TEST(MysqlLoadData, SkippedRowsAreReadFromTheStatementsReport) {
  EXPECT_EQ(skipped_rows("Records: 3  Deleted: 0  Skipped: 12  Warnings: 0"), 12u);
  EXPECT_EQ(skipped_rows("Records: 3  Deleted: 0  Skipped: 0  Warnings: 0"), 0u);
  EXPECT_EQ(skipped_rows(nullptr), 0u);
}

TEST(MysqlLoadData, ConvertsOnlyTextThatIsNotStoredAsUtf8) {
  const std::vector<Column> columns = {column("a", "int"), column("b", "varchar(9)"),
                                       column("c", "varchar(9) character set latin1"),
                                       column("d", "blob"), column("e", "json")};
  const WriteSpec spec{{"", "t"}, columns, {}};
  EXPECT_EQ(load_data_statement(spec, ValueEncoder(spec, cells_layout())),
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE `t` CHARACTER SET binary FIELDS TERMINATED "
            "BY '\\t' ESCAPED BY '\\\\' "
            "LINES TERMINATED BY '\\n' (`a`, `b`, @c2, `d`, @c4) SET `c` = CONVERT(@c2 USING "
            "utf8mb4), `e` = CONVERT(@c4 USING utf8mb4)");
  // In the wire layout latin1 text is latin1's own bytes.
  EXPECT_EQ(
      load_data_statement(spec, ValueEncoder(spec, wire_layout(columns))),
      "LOAD DATA LOCAL INFILE 'rows' INTO TABLE `t` CHARACTER SET binary FIELDS TERMINATED BY "
      "'\\t' ESCAPED BY '\\\\' "
      "LINES TERMINATED BY '\\n' (`a`, `b`, `c`, `d`, @c4) SET `e` = CONVERT(@c4 USING utf8mb4)");
}

}  // namespace
}  // namespace migrator::mysql
