// Walking keys: every row exactly once, whatever the key and whatever the size of a chunk.
#include <algorithm>
#include <map>
#include <set>

#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

class Keys : public Conformance {
 protected:
  std::int64_t ordinal_of(const Row& row) const { return std::get<std::int64_t>(row.back()); }

  // Walks in chunks of n rows, as the copier does, and returns the ordinals as they came.
  std::vector<std::int64_t> walk(Source& source, const ReadSpec& spec, std::uint64_t n) {
    std::vector<std::int64_t> seen;
    KeyRange range;
    for (int chunks = 0; chunks < 100; ++chunks) {
      std::optional<Key> upper = source.nth_key(spec, {range.lower, {}}, n);
      if (upper) {
        // Bounds are kept in the checkpoint store as text.
        EXPECT_EQ(decode_key(encode_key(*upper)), *upper);
        upper = decode_key(encode_key(*upper));
      }
      range.upper = upper;
      const Rows rows = read_rows(source, spec, range);
      EXPECT_EQ(source.count(spec, range), rows.size()) << describe(range);
      if (upper) {
        EXPECT_EQ(rows.size(), n) << describe(range);
        EXPECT_EQ(source.nth_key(spec, range, n), upper) << describe(range);
        EXPECT_EQ(source.nth_key(spec, range, n + 1), std::nullopt) << describe(range);
      } else {
        EXPECT_LT(rows.size(), n) << describe(range);
      }
      for (const Row& row : rows) seen.push_back(ordinal_of(row));
      if (!upper) return seen;
      range.lower = upper;
    }
    ADD_FAILURE() << "the walk does not end";
    return seen;
  }
};

TEST_P(Keys, EveryRowIsVisitedExactlyOnce) {
  const auto source = open_source();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const ReadSpec spec = read_spec(tables.at(set.name));
    std::vector<std::int64_t> all(set.rows.size());
    for (std::size_t at = 0; at < all.size(); ++at) all[at] = static_cast<std::int64_t>(at);
    for (const std::uint64_t n : {1ul, 2ul, 3ul, 7ul, set.rows.size(), 1000ul}) {
      SCOPED_TRACE(n);
      std::vector<std::int64_t> seen = walk(*source, spec, n);
      std::sort(seen.begin(), seen.end());
      EXPECT_EQ(seen, all);
    }
    EXPECT_EQ(source->null_keys(spec), 0u);
  }
}

TEST_P(Keys, LastKeyIsTheEndOfTheWalk) {
  const auto source = open_source();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const ReadSpec spec = read_spec(tables.at(set.name));
    const auto last = source->last_key(spec);
    ASSERT_TRUE(last);
    EXPECT_EQ(source->nth_key(spec, {}, set.rows.size()), last);
    EXPECT_EQ(source->nth_key(spec, {last, {}}, 1), std::nullopt);
    EXPECT_EQ(read_rows(*source, spec, {last, {}}).size(), 0u);
    EXPECT_EQ(read_rows(*source, spec, {{}, last}).size(), set.rows.size());
    EXPECT_EQ(source->count(spec, {{}, last}), set.rows.size());
    EXPECT_EQ(source->count(spec, {last, last}), 0u);
  }
}

// The neutral order on cells, as adapter.h words it; of its own, and not the adapters'.
bool canonical_less(const Value& left, const Value& right) {
  if (const auto* text = std::get_if<std::string>(&left))
    return *text < std::get<std::string>(right);
  if (const auto* bytes = std::get_if<Bytes>(&left)) {
    return bytes->data < std::get<Bytes>(right).data;  // std::string compares as unsigned bytes
  }
  if (const auto* real = std::get_if<double>(&left)) return *real < std::get<double>(right);
  if (const auto* natural = std::get_if<std::uint64_t>(&left)) {
    return *natural < std::get<std::uint64_t>(right);
  }
  return std::get<std::int64_t>(left) < std::get<std::int64_t>(right);
}

long double number_of(const Value& value) { return std::stold(std::get<std::string>(value)); }

TEST_P(Keys, CanonicalOrderIsTheOrderOfAllEngines) {
  const auto source = open_source();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const ReadSpec spec = read_spec(tables.at(set.name));
    const Rows rows = read_rows(*source, spec, {}, ReadOrder::canonical);
    ASSERT_EQ(rows.size(), set.rows.size());
    for (std::size_t at = 1; at < rows.size(); ++at) {
      const Row &before = rows[at - 1], &row = rows[at];
      bool ordered = false;
      for (std::size_t column = 0; column < spec.key.size() && !ordered; ++column) {
        const bool decimal = spec.columns[column].type.kind == TypeKind::decimal;
        const auto less = [&](const Value& a, const Value& b) {
          return decimal ? number_of(a) < number_of(b) : canonical_less(a, b);
        };
        ASSERT_FALSE(less(row[column], before[column])) << show(before) << " before " << show(row);
        ordered = less(before[column], row[column]);
      }
    }
  }
}

// What a verify cuts on one side has to mean the same rows on the other.
TEST_P(Keys, WhereRangesAreSaidToBeCanonicalTheWalkIs) {
  const auto source = open_source();
  const auto tables = make_key_tables(source->session());
  int canonical = 0;
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const ReadSpec spec = read_spec(tables.at(set.name));
    const std::string order = source->range_order(spec);
    EXPECT_EQ(order, open_source()->range_order(spec));
    if (order != kCanonicalOrder) continue;
    ++canonical;
    std::vector<std::int64_t> sorted;
    for (const Row& row : read_rows(*source, spec, {}, ReadOrder::canonical)) {
      sorted.push_back(ordinal_of(row));
    }
    EXPECT_EQ(walk(*source, spec, 1), sorted);
  }
  EXPECT_GE(canonical, 3);
}

// Every row has a digest of its own, that of a range is made of those of its parts, and it is the
// same again.
TEST_P(Keys, DigestsTellRowsApart) {
  const auto source = open_source();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const ReadSpec spec = read_spec(tables.at(set.name));
    const std::vector<DigestForm> forms = source->digest_forms(spec);
    EXPECT_FALSE(forms.empty());
    for (const DigestForm& form : forms) {
      std::set<std::string> sums;
      KeyRange range;
      for (std::size_t n = 0; n < set.rows.size(); ++n) {
        range.upper = source->nth_key(spec, {range.lower, {}}, 1);
        const RangeDigest digest = source->digest(spec, range, form);
        EXPECT_EQ(digest.rows, 1u);
        EXPECT_TRUE(sums.insert(digest.sum).second) << describe(range);
        range.lower = range.upper;
      }
      const RangeDigest all = source->digest(spec, {}, form);
      EXPECT_EQ(all.rows, set.rows.size());
      EXPECT_EQ(all, open_source()->digest(spec, {}, form));
      EXPECT_EQ(source->digest(spec, {range.lower, {}}, form), RangeDigest{});
    }
  }
}

TEST_P(Keys, CanonicalOrderWithinARange) {
  make_numbered_table(50);
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "t"));
  const KeyRange range{Key{std::int64_t{10}}, Key{std::int64_t{13}}};
  const Rows rows = read_rows(*source, spec, range, ReadOrder::canonical);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0][0], Value(std::int64_t{11}));
  EXPECT_EQ(rows[2][0], Value(std::int64_t{13}));
}

TEST_P(Keys, EmptyTablesHaveNoKeys) {
  make_numbered_table(0);
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "t"));
  EXPECT_EQ(source->last_key(spec), std::nullopt);
  EXPECT_EQ(source->nth_key(spec, {}, 1), std::nullopt);
  EXPECT_EQ(source->count(spec, {}), 0u);
  EXPECT_EQ(source->null_keys(spec), 0u);
  for (const RowLayout& layout : source->layouts(spec)) {
    const auto stream = source->read(spec, {}, layout);
    RowBatch batch;
    EXPECT_FALSE(stream->next(batch)) << layout.format;
    EXPECT_TRUE(batch.empty());
  }
}

TEST_P(Keys, WhereLeavesOutRowsButNotKeys) {
  make_numbered_table(20);
  const auto source = open_source();
  ReadSpec spec = read_spec(table(source->session(), "t"));
  spec.where = "id < 5 OR note = 'row 20'";  // an OR must not escape the range
  EXPECT_EQ(source->nth_key(spec, {}, 10), Key{std::int64_t{10}});
  EXPECT_EQ(source->last_key(spec), Key{std::int64_t{20}});
  const KeyRange range{Key{std::int64_t{2}}, Key{std::int64_t{10}}};
  EXPECT_EQ(source->count(spec, range), 2u);
  EXPECT_EQ(read_rows(*source, spec, range).size(), 2u);
  EXPECT_EQ(read_rows(*source, spec, range, ReadOrder::canonical).size(), 2u);
  EXPECT_EQ(read_rows(*source, spec).size(), 5u);
  for (const RowLayout& layout : source->layouts(spec)) {
    const auto stream = source->read(spec, range, layout);
    RowBatch batch;
    std::size_t rows = 0;
    while (stream->next(batch)) rows += batch.rows();
    EXPECT_EQ(rows, 2u) << layout.format;
  }
}

TEST_P(Keys, UniqueKeysThatAreNotPrimaryCanBeWalked) {
  create_table("u", "id " + quirks.int_type +
                        " NOT NULL PRIMARY KEY, code varchar(20) NOT NULL, n " + quirks.int_type +
                        ", UNIQUE (code)");
  db.exec("INSERT INTO u VALUES (1, 'c', 0), (2, 'a', 1), (3, 'b', 2);");
  const auto source = open_source();
  const TableSchema schema = table(source->session(), "u");
  ReadSpec spec = read_spec(schema);
  spec.key = {*schema.find_column("code")};
  EXPECT_EQ(source->nth_key(spec, {}, 2), Key{std::string("b")});
  EXPECT_EQ(source->last_key(spec), Key{std::string("c")});
  const Rows rows = read_rows(*source, spec, {{}, Key{std::string("b")}});
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_EQ(source->null_keys(spec), 0u);
}

TEST_P(Keys, NullsInAKeyAreCounted) {
  create_table("n", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, a " + quirks.int_type +
                        ", b " + quirks.int_type + ", UNIQUE (a, b)");
  db.exec("INSERT INTO n VALUES (1, 1, 1), (2, NULL, 1), (3, 1, NULL), (4, NULL, NULL);");
  const auto source = open_source();
  const TableSchema schema = table(source->session(), "n");
  ReadSpec spec = read_spec(schema);
  spec.key = {*schema.find_column("a"), *schema.find_column("b")};
  EXPECT_EQ(source->null_keys(spec), 3u);
}

TEST_P(Keys, ExplainTellsAnIndexFromAScan) {
  make_numbered_table(5000);
  db.exec(quirks.engine == Engine::mysql ? "ANALYZE TABLE t;" : "ANALYZE t;");
  const auto source = open_source();
  const TableSchema schema = table(source->session(), "t");
  ReadSpec spec = read_spec(schema);
  const AccessPath by_key = source->explain(spec);
  EXPECT_TRUE(by_key.by_index) << by_key.description;
  EXPECT_NE(by_key.description, "");
  spec.key = {*schema.find_column("note")};
  const AccessPath by_note = source->explain(spec);
  EXPECT_FALSE(by_note.by_index) << by_note.description;
}

TEST_P(Keys, ExplainSeesTheIndexOfACompositeKey) {
  create_table("m", "a varchar(20) NOT NULL, b " + quirks.int_type + " NOT NULL, note " +
                        quirks.text_type + ", PRIMARY KEY (a, b)");
  std::string values;
  for (int row = 0; row < 2000; ++row) {
    values += (row ? ", ('" : "('") + std::string(1, static_cast<char>('a' + row % 7)) + "', " +
              std::to_string(row) + ", 'x')";
  }
  db.exec("INSERT INTO m VALUES " + values + ";" +
          (quirks.engine == Engine::mysql ? "ANALYZE TABLE m;" : "ANALYZE m;"));
  const auto source = open_source();
  const AccessPath path = source->explain(read_spec(table(source->session(), "m")));
  EXPECT_TRUE(path.by_index) << path.description;
}

MIGRATOR_CONFORMANCE_SUITE(Keys);

}  // namespace
}  // namespace migrator::test
