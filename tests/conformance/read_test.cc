// Layouts: that rows go from a source to a target of the same engine byte for byte.
#include <algorithm>

#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

class Layouts : public Conformance {
 protected:
  Layouts() : copy(TestDatabase::on(GetParam())) {}

  // The layouts that a source and a target of this engine share, for one table.
  std::vector<RowLayout> shared(Source& source, const ReadSpec& from, Target& target,
                                const WriteSpec& to) const {
    std::vector<RowLayout> both;
    const std::vector<RowLayout> takes = target.layouts(to);
    for (const RowLayout& layout : source.layouts(from)) {
      if (std::find(takes.begin(), takes.end(), layout) != takes.end()) both.push_back(layout);
    }
    return both;
  }

  // Copies table `name` from db to copy in every shared layout; the dump must be the same each
  // time.
  void expect_copies(const std::string& table_name, const std::string& dump,
                     const std::vector<std::string>& opaque_in_cells = {}) {
    const auto source = open_source();
    const auto target = open_target(copy);
    const TableSchema from = table(source->session(), table_name);
    const TableSchema to = table(target->session(), table_name);
    const ReadSpec read = read_spec_for(from);
    const WriteSpec write = write_spec(to);
    ASSERT_EQ(source->layouts(read).back(), cells_layout());
    ASSERT_THAT(target->layouts(write), testing::Contains(cells_layout()));
    const std::string original = db.cli(dump);
    for (const RowLayout& layout : shared(*source, read, *target, write)) {
      SCOPED_TRACE(layout.format);
      if (layout == cells_layout() && !opaque_in_cells.empty()) continue;
      target->session().begin();
      const LoadCount count = copy_rows(*source, read, *target, write, layout);
      target->session().commit();
      EXPECT_EQ(std::to_string(count.inserted), count_of(table_name));
      EXPECT_EQ(count.present, 0u);
      EXPECT_EQ(copy.cli(dump), original);
      copy.exec("DELETE FROM " + table_name + ";");
    }
  }

  TestDatabase copy;
};

TEST_P(Layouts, EveryTypeArrivesAsItWas) {
  db.exec(quirks.all_types_script);
  copy.exec(quirks.all_types_script);
  copy.exec("DELETE FROM all_types;");
  expect_copies("all_types", quirks.all_types_dump);
}

class WireLayouts : public Layouts {};

TEST_P(WireLayouts, TheFastOneIsOfferedForTheSameTypesAlone) {
  create_table("a", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, n " + quirks.bigint_type);
  create_table(copy, "a", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, n " + quirks.text_type);
  const auto source = open_source();
  const auto target = open_target(copy);
  const auto both = shared(*source, read_spec(table(source->session(), "a")), *target,
                           write_spec(table(target->session(), "a")));
  for (const RowLayout& layout : both) {
    EXPECT_FALSE(layout.format == "pgcopy-binary") << "an integer is no text";
  }
  EXPECT_FALSE(both.empty());
}

TEST_P(Layouts, BatchesAreOfAboutTheTargetSize) {
  make_numbered_table(4000);
  const std::string fill =
      quirks.engine == Engine::sqlite ? "printf('%.1000c', 'x')" : "repeat('x', 1000)";
  db.exec("UPDATE t SET note = " + fill + ";");
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "t"));
  for (const RowLayout& layout : source->layouts(spec)) {
    SCOPED_TRACE(layout.format);
    const auto stream = source->read(spec, {}, layout);
    RowBatch batch;
    std::vector<std::size_t> sizes;
    std::size_t rows = 0;
    while (stream->next(batch)) {
      EXPECT_GT(batch.rows(), 0u);
      sizes.push_back(batch.bytes());
      rows += batch.rows();
    }
    EXPECT_TRUE(batch.empty());
    EXPECT_EQ(rows, 4000u);
    ASSERT_GT(sizes.size(), 5u);
    sizes.pop_back();
    for (const std::size_t size : sizes) {
      EXPECT_GE(size, kBatchBytesTarget / 2);
      EXPECT_LE(size, kBatchBytesTarget * 2);
    }
  }
}

TEST_P(Layouts, RowsAtTheEdgeOfABatchAreNeitherLostNorDoubled) {
  // Around the size where rows of cells, of text and of binary fill a batch exactly.
  const std::string columns =
      "id " + quirks.int_type + " NOT NULL PRIMARY KEY, note " + quirks.text_type;
  create_table("e", columns);
  create_table(copy, "e", columns);
  const std::string repeat =
      quirks.engine == Engine::sqlite ? "printf('%.{}c', 'x')" : "repeat('x', {})";
  std::string values;
  int id = 0;
  for (int around = -40; around <= 40; around += 4) {
    // Four rows to a batch, give or take a few bytes.
    for (int row = 0; row < 4; ++row) {
      std::string note = repeat;
      const int size = static_cast<int>(kBatchBytesTarget) / 4 + around;
      note.replace(note.find("{}"), 2, std::to_string(size));
      values += (values.empty() ? "(" : ", (") + std::to_string(++id) + ", " + note + ")";
    }
  }
  db.exec("INSERT INTO e VALUES " + values + ";");
  expect_copies("e", "SELECT id, length(note), note FROM e ORDER BY id;");
}

TEST_P(Layouts, RowsOfManyMegabytesPass) {
  const std::string columns = "id " + quirks.int_type + " NOT NULL PRIMARY KEY, note " +
                              quirks.text_type + ", raw " + quirks.bytes_type;
  create_table("big", columns);
  create_table(copy, "big", columns);
  {
    const auto target = open_target();
    const WriteSpec spec = write_spec(table(target->session(), "big"));
    std::string raw(8 << 20, '\0'), text;
    for (std::size_t at = 0; at < raw.size(); ++at)
      raw[at] = static_cast<char>(at * 31 + (at >> 8));
    while (text.size() < (8u << 20)) text += "it's \\ \"日本\"\t\n🎉 ";
    target->session().begin();
    const Rows rows = {{std::int64_t{1}, text, Bytes{raw}},
                       {std::int64_t{2}, std::string(), Bytes{}},
                       {std::int64_t{3}, std::string("small"), Bytes{"x"}}};
    EXPECT_EQ(load_rows(*target, spec, rows).inserted, 3u);
    target->session().commit();
    const auto source = open_source();
    EXPECT_TRUE(read_rows(*source, read_spec(table(source->session(), "big"))) == rows);
  }
  const std::string digest =
      quirks.engine == Engine::sqlite ? "hex(substr(raw, 8388000)), note" : "md5(raw), md5(note)";
  expect_copies("big", "SELECT id, length(raw), " + digest + " FROM big ORDER BY id;");
}

class GeneratedLayouts : public Layouts {};

TEST_P(GeneratedLayouts, GeneratedColumnsAreReadAndNeverWritten) {
  const std::string columns = "id " + quirks.int_type + " NOT NULL PRIMARY KEY, twice " +
                              quirks.int_type + " GENERATED ALWAYS AS (id * 2) STORED, note " +
                              quirks.text_type;
  create_table("g", columns);
  create_table(copy, "g", columns);
  db.exec("INSERT INTO g (id, note) VALUES (1, 'a'), (21, 'b');");
  const auto source = open_source();
  const Rows rows = read_rows(*source, read_spec(table(source->session(), "g")));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1][1], Value(std::int64_t{42}));
  expect_copies("g", "SELECT id, twice, note FROM g ORDER BY id;");
}

TEST_P(Layouts, AnEmptyTableIsCopiedAsNothing) {
  create_table("none", "id " + quirks.int_type + " NOT NULL PRIMARY KEY");
  create_table(copy, "none", "id " + quirks.int_type + " NOT NULL PRIMARY KEY");
  expect_copies("none", "SELECT * FROM none;");
}

TEST_P(Layouts, ColumnsAreInTheOrderOfTheSpec) {
  make_numbered_table(3);
  const auto source = open_source();
  ReadSpec spec = read_spec(table(source->session(), "t"));
  std::swap(spec.columns[0], spec.columns[1]);
  const Rows rows = read_rows(*source, spec);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0], (Row{std::string("row 1"), std::int64_t{1}}));
  spec.columns.pop_back();
  EXPECT_EQ(read_rows(*source, spec)[2], Row{std::string("row 3")});
}

TEST_P(Layouts, AReadIsOfOneMoment) {
  make_numbered_table(5000);
  const std::string fill =
      quirks.engine == Engine::sqlite ? "printf('%.2000c', 'x')" : "repeat('x', 2000)";
  db.exec("UPDATE t SET note = " + fill + ";");
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "t"));
  const auto stream = source->read(spec, {}, cells_layout());
  RowBatch batch;
  ASSERT_TRUE(stream->next(batch));
  std::size_t rows = batch.rows();
  // Meanwhile somebody deletes what has not been read yet. (A SQLite file that is not in WAL mode
  // makes the writer wait; the tests' own file is made WAL first.)
  if (quirks.engine != Engine::sqlite) db.exec("DELETE FROM t WHERE id > 2500;");
  while (stream->next(batch)) rows += batch.rows();
  EXPECT_EQ(rows, 5000u);
}

MIGRATOR_CONFORMANCE_SUITE(Layouts);
MIGRATOR_CONFORMANCE_SUITE_WHERE(GeneratedLayouts,
                                 [](const Quirks& quirks) { return quirks.has_generated; });
MIGRATOR_CONFORMANCE_SUITE_WHERE(WireLayouts, [](const Quirks& quirks) {
  return quirks.engine != Engine::sqlite;
});

}  // namespace
}  // namespace migrator::test
