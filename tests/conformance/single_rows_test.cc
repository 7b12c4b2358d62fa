// Single rows by their keys: read as they are now, found in ranges, and made the same elsewhere.
// What a relay does with them.
#include <algorithm>
#include <set>

#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

class SingleRows : public Conformance {
 protected:
  static std::vector<Key> walk(Source& source, const ReadSpec& spec) {
    std::vector<Key> keys;
    std::optional<Key> lower;
    while (auto key = source.nth_key(spec, {lower, {}}, 1)) {
      keys.push_back(*key);
      lower = key;
    }
    return keys;
  }
  static Rows rows_with(Source& source, const ReadSpec& spec, const std::vector<Key>& keys) {
    return drain(*source.read_keys(spec, keys, cells_layout()), spec.columns.size());
  }
  static std::multiset<std::string> texts(const Rows& rows) {
    std::multiset<std::string> result;
    for (const Row& row : rows) result.insert(show(row));
    return result;
  }
  // In a transaction of its own.
  static std::uint64_t replace(Target& target, const WriteSpec& to, const Rows& keys,
                               const Rows& rows) {
    target.session().begin();
    auto sink = target.replace(to, batch_of(keys), cells_layout(), cells_layout());
    if (!rows.empty()) sink->write(batch_of(rows));
    const LoadCount count = sink->finish();
    sink.reset();
    target.session().commit();
    return count.inserted;
  }
  Rows table_rows(const std::string& name) const {
    const auto source = open_source();
    return read_rows(*source, read_spec(table(source->session(), name)), {}, ReadOrder::canonical);
  }
};

TEST_P(SingleRows, AreReadByEveryKindOfKey) {
  const auto source = open_source();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const ReadSpec spec = read_spec(tables.at(set.name));
    const std::vector<Key> keys = walk(*source, spec);
    ASSERT_EQ(keys.size(), set.rows.size());
    const Rows all = read_rows(*source, spec);
    EXPECT_EQ(texts(rows_with(*source, spec, keys)), texts(all));
    std::vector<Key> twice = keys;
    twice.insert(twice.end(), keys.begin(), keys.end());
    EXPECT_EQ(texts(rows_with(*source, spec, twice)), texts(all));
    EXPECT_EQ(rows_with(*source, spec, {keys[1]}).size(), 1u);
    db.exec("DELETE FROM " + spec.table.name + " WHERE ordinal > 0;");
    EXPECT_EQ(rows_with(*source, spec, keys).size(), 1u);
  }
}

// A key that is gone has to be found on the other side by what the journal says of it alone.
TEST_P(SingleRows, KeysAsCellsAreThoseOfTheirRows) {
  const auto source = open_source();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    ReadSpec spec = read_spec(tables.at(set.name));
    spec.columns = spec.key;
    const CaptureDialect& capture = source->session().dialect().capture();
    const std::vector<RowLayout> layouts = source->key_layouts(spec);
    EXPECT_EQ(layouts.back(), cells_layout());
    for (const RowLayout& layout : layouts) {
      for (const Key& key : walk(*source, spec)) {
        const Key journaled = capture.decode(spec.key, capture.encode(spec.key, key));
        RowBatch cells, row;
        source->key_cells(spec, std::vector<Key>{journaled}, layout, cells);
        ASSERT_TRUE(source->read_keys(spec, std::vector<Key>{key}, layout)->next(row));
        EXPECT_EQ(rows_of(cells), rows_of(row));
        if (!(layout == cells_layout())) continue;
        // And back: perhaps spelled otherwise, and of the same row.
        RowBatch again;
        const std::vector<Key> back = source->keys_of(spec, cells);
        ASSERT_TRUE(source->read_keys(spec, back, layout)->next(again));
        EXPECT_EQ(rows_of(again), rows_of(row));
      }
    }
  }
}

TEST_P(SingleRows, KeysAreFoundInRangesByTheDatabasesOrder) {
  const auto source = open_source();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const ReadSpec spec = read_spec(tables.at(set.name));
    const std::vector<Key> keys = walk(*source, spec);
    const std::vector<bool> all(keys.size(), true), none(keys.size(), false);
    EXPECT_EQ(source->in_ranges(spec, keys, std::vector<KeyRange>{{}}), all);
    EXPECT_EQ(source->in_ranges(spec, keys, {}), none);
    for (std::size_t at = 0; at < keys.size(); ++at) {
      std::vector<bool> expected(keys.size());
      for (std::size_t key = 0; key <= at; ++key) expected[key] = true;
      EXPECT_EQ(source->in_ranges(spec, keys, std::vector<KeyRange>{{{}, keys[at]}}), expected);
      expected.flip();
      EXPECT_EQ(source->in_ranges(spec, keys, std::vector<KeyRange>{{keys[at], {}}}), expected);
      expected.assign(keys.size(), false);
      expected[at] = true;
      std::optional<Key> before;
      if (at > 0) before = keys[at - 1];
      EXPECT_EQ(source->in_ranges(spec, keys, std::vector<KeyRange>{{before, keys[at]}}), expected);
      expected[0] = true;
      EXPECT_EQ(
          source->in_ranges(spec, keys, std::vector<KeyRange>{{before, keys[at]}, {{}, keys[0]}}),
          expected);
    }
    // No row needs to have it.
    db.exec("DELETE FROM " + spec.table.name + ";");
    EXPECT_EQ(source->in_ranges(spec, keys, std::vector<KeyRange>{{}}), all);
  }
}

TEST_P(SingleRows, ManyKeysAreFoundInRanges) {
  make_numbered_table(1);
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "t"));
  std::vector<Key> keys;
  std::vector<bool> expected;
  for (std::int64_t id = 0; id < 1234; ++id) {
    keys.push_back({id});
    expected.push_back(id > 400 && id <= 1200);
  }
  EXPECT_EQ(
      source->in_ranges(spec, keys,
                        std::vector<KeyRange>{{Key{std::int64_t{400}}, Key{std::int64_t{1200}}}}),
      expected);
}

TEST_P(SingleRows, ReadHonoursTheFilter) {
  make_numbered_table(10);
  const auto source = open_source();
  ReadSpec spec = read_spec(table(source->session(), "t"));
  spec.where = "id > 5 -- the later ones";
  const std::vector<Key> keys{{std::int64_t{3}}, {std::int64_t{7}}, {std::int64_t{70}}};
  const Rows rows = rows_with(*source, spec, keys);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0][0], Value(std::int64_t{7}));
}

TEST_P(SingleRows, AreInsertedUpdatedAndDeleted) {
  make_numbered_table(5);
  const auto target = open_target();
  const WriteSpec to = write_spec(table(target->session(), "t"));
  const auto id = [](std::int64_t value) { return Value(value); };
  EXPECT_EQ(replace(*target, to, {{id(2)}, {id(3)}, {id(4)}, {id(9)}, {id(2)}, {id(77)}},
                    {{id(9), "new"}, {id(2), "changed"}}),
            2u);
  EXPECT_EQ(table_rows("t"),
            (Rows{{id(1), "row 1"}, {id(2), "changed"}, {id(5), "row 5"}, {id(9), "new"}}));
  // Again: nothing is different. And on the same session, a table without a row to write.
  EXPECT_EQ(replace(*target, to, {{id(9)}}, {{id(9), "new"}}), 1u);
  EXPECT_EQ(replace(*target, to, {{id(1)}, {id(9)}}, {}), 0u);
  EXPECT_EQ(table_rows("t"), (Rows{{id(2), "changed"}, {id(5), "row 5"}}));
}

TEST_P(SingleRows, AreRolledBackWithTheirTransaction) {
  make_numbered_table(3);
  const auto target = open_target();
  const WriteSpec to = write_spec(table(target->session(), "t"));
  for (int times = 0; times < 2; ++times) {
    target->session().begin();
    {
      const auto sink = target->replace(to, batch_of({{std::int64_t{1}}, {std::int64_t{2}}}),
                                        cells_layout(), cells_layout());
      sink->write(batch_of({{std::int64_t{1}, std::string("x")}}));
      if (times == 1) sink->finish();
    }
    target->session().rollback();
    EXPECT_EQ(table_rows("t").size(), 3u);
    EXPECT_EQ(table_rows("t")[0][1], Value("row 1"));
  }
  target->session().begin();
  target->session().execute("SAVEPOINT one");
  target->replace(to, batch_of({{std::int64_t{1}}}), cells_layout(), cells_layout())->finish();
  target->session().execute("ROLLBACK TO SAVEPOINT one");
  target->replace(to, batch_of({{std::int64_t{2}}}), cells_layout(), cells_layout())->finish();
  target->replace(to, batch_of({{std::int64_t{3}}}), cells_layout(), cells_layout())->finish();
  target->session().commit();
  EXPECT_EQ(table_rows("t").size(), 1u);
}

TEST_P(SingleRows, OfEveryKeyReachAnotherTable) {
  const auto source = open_source();
  const auto target = open_target();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const TableSchema& schema = tables.at(set.name);
    const ReadSpec spec = read_spec(schema);
    const std::vector<Key> keys = walk(*source, spec);
    RowBatch cells, rows;
    source->key_cells(spec, keys, cells_layout(), cells);
    ASSERT_TRUE(source->read_keys(spec, keys, cells_layout())->next(rows));
    const auto found = [&] { return read_rows(*source, spec, {}, ReadOrder::canonical); };
    const Rows before = found();
    const WriteSpec to = write_spec(schema);
    const auto run = [&](bool with_rows) {
      target->session().begin();
      auto sink = target->replace(to, cells, cells_layout(), cells_layout());
      if (with_rows) sink->write(rows);
      sink->finish();
      sink.reset();
      target->session().commit();
    };
    run(true);  // each in its own place
    EXPECT_EQ(texts(found()), texts(before));
    run(false);
    EXPECT_EQ(found().size(), 0u);
    run(true);
    EXPECT_EQ(texts(found()), texts(before));
  }
}

TEST_P(SingleRows, SwapUniqueValues) {
  create_table("t", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, u " + quirks.int_type +
                        " NOT NULL UNIQUE");
  db.exec("INSERT INTO t VALUES (1, 10), (2, 20), (3, 30);");
  const auto target = open_target();
  const WriteSpec to = write_spec(table(target->session(), "t"));
  const auto row = [](std::int64_t id, std::int64_t u) { return Row{id, u}; };
  const auto key = [](std::int64_t id) { return Row{id}; };
  replace(*target, to, {key(1), key(2), key(3)}, {row(1, 20), row(2, 30), row(3, 10)});
  EXPECT_EQ(table_rows("t"), (Rows{row(1, 20), row(2, 30), row(3, 10)}));
  // The value is a row's whose key is not given.
  const auto error = error_of([&] { replace(*target, to, {key(1)}, {row(1, 30)}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::data);
  EXPECT_TRUE(error->duplicate_key());
  target->session().rollback();
  EXPECT_EQ(table_rows("t"), (Rows{row(1, 20), row(2, 30), row(3, 10)}));
  // It was freed by one that goes.
  replace(*target, to, {key(1), key(2)}, {row(1, 30)});
  EXPECT_EQ(table_rows("t"), (Rows{row(1, 30), row(3, 10)}));
}

TEST_P(SingleRows, AreReplacedInATransactionOnly) {
  make_numbered_table(1);
  const auto target = open_target();
  const WriteSpec to = write_spec(table(target->session(), "t"));
  expect_error(ErrorKind::invariant, [&] {
    target->replace(to, batch_of({{std::int64_t{1}}}), cells_layout(), cells_layout());
  });
}

MIGRATOR_CONFORMANCE_SUITE(SingleRows);

// --- what only one engine has

class PostgresSingleRows : public SingleRows {};

TEST_P(PostgresSingleRows, LeaveRowsAloneThatReferToThem) {
  db.exec(
      "CREATE TABLE p (id bigint PRIMARY KEY, u int UNIQUE, v text);"
      "CREATE TABLE c (id int PRIMARY KEY, p bigint REFERENCES p ON DELETE CASCADE);"
      "INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'b'); INSERT INTO c VALUES (1, 1), (2, 2);");
  const auto target = open_target();
  const WriteSpec to = write_spec(table(target->session(), "p"));
  const auto row = [](std::int64_t id, std::int64_t u) { return Row{id, u, std::string("z")}; };
  replace(*target, to, {{std::int64_t{1}}, {std::int64_t{2}}}, {row(1, 1), row(2, 3)});
  EXPECT_EQ(count_of("c"), "2");
  const auto error = error_of([&] {
    replace(*target, to, {{std::int64_t{1}}, {std::int64_t{2}}}, {row(1, 3), row(2, 1)});
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::data);
  EXPECT_NE(std::string(error->what()).find("foreign key c_p_fkey"), std::string::npos);
  target->session().rollback();
  EXPECT_EQ(count_of("c"), "2");
}

TEST_P(PostgresSingleRows, TakeDeferrableKeysAndIdentities) {
  db.exec(
      "CREATE TABLE d (id bigint PRIMARY KEY DEFERRABLE, v text);"
      "CREATE TABLE i (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);"
      "INSERT INTO d VALUES (1, 'a'), (2, 'b'); INSERT INTO i (v) VALUES ('a'), ('b');");
  const auto target = open_target();
  for (const std::string name : {"d", "i"}) {
    const WriteSpec to = write_spec(table(target->session(), name));
    const auto row = [](std::int64_t id, const char* v) { return Row{id, std::string(v)}; };
    replace(*target, to, {{std::int64_t{1}}, {std::int64_t{2}}, {std::int64_t{3}}},
            {row(2, "changed"), row(3, "new")});
    EXPECT_EQ(table_rows(name), (Rows{row(2, "changed"), row(3, "new")}));
  }
}

MIGRATOR_CONFORMANCE_SUITE_WHERE(PostgresSingleRows, [](const Quirks& quirks) {
  return quirks.engine == Engine::postgres;
});

}  // namespace
}  // namespace migrator::test
