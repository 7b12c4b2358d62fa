// What is read from a SQLite file: its catalog, its keys in order, its values.
#include "tests/unit/sqlite_fixture.h"

namespace migrator {
namespace {

TEST_F(SqliteTest, CatalogReadsTablesWithAllThatBelongsToThem) {
  const auto database = target("a.db");
  Session& session = database->session();
  for (const char* sql :
       {"CREATE TABLE parent(a TEXT COLLATE NOCASE, b INT, PRIMARY KEY(b, a)) WITHOUT ROWID",
        "CREATE TABLE child(id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL DEFAULT 'x', b "
        "INT,"
        " twice INT AS (b * 2) STORED, code VARCHAR(8) UNIQUE, at DATETIME DEFAULT "
        "(datetime('now')),"
        " n NUMERIC(6,2) DEFAULT -1 CHECK (n > -5),"
        " CONSTRAINT up FOREIGN KEY(b, a) REFERENCES parent ON DELETE CASCADE)",
        "CREATE INDEX child_b ON child(b DESC, a)",
        "CREATE INDEX child_part ON child(a) WHERE b > 1",
        "CREATE INDEX child_expr ON child(lower(a))",
        "CREATE INDEX child_nocase ON child(a COLLATE NOCASE)",
        "CREATE TABLE s(a INT PRIMARY KEY, b ANY) STRICT", "CREATE TABLE _migrator_fence(a)",
        "CREATE VIEW v AS SELECT 1", "CREATE TRIGGER t AFTER INSERT ON child BEGIN SELECT 1; END",
        "INSERT INTO child(a, b) VALUES ('x', 1), ('y', 2)"}) {
    session.execute(sql);
  }
  const Catalog catalog = session.catalog();
  std::vector<std::string> names;
  for (const TableSchema& t : catalog.tables) names.push_back(t.name.name);
  EXPECT_THAT(names, ElementsAre("child", "parent", "s"));
  EXPECT_THAT(catalog.not_carried, ElementsAre("view v"));

  const TableSchema& parent = *catalog.find_table({"", "parent"});
  EXPECT_TRUE(parent.without_rowid);
  EXPECT_THAT(parent.primary_key, ElementsAre("b", "a"));
  EXPECT_EQ(parent.find_column("a")->collation, "NOCASE");
  EXPECT_FALSE(parent.find_column("a")->nullable);
  EXPECT_THAT(parent.indexes, IsEmpty());

  const TableSchema& child = *catalog.find_table({"", "child"});
  EXPECT_TRUE(child.autoincrement);
  EXPECT_TRUE(child.find_column("id")->identity);
  EXPECT_FALSE(child.find_column("id")->nullable);
  EXPECT_EQ(child.find_column("a")->default_sql, "'x'");
  EXPECT_FALSE(child.find_column("b")->default_sql.has_value());
  EXPECT_TRUE(child.find_column("twice")->generated);
  EXPECT_TRUE(child.find_column("twice")->generated_stored);
  EXPECT_EQ(child.find_column("twice")->generated_sql, "b * 2");
  EXPECT_EQ(describe(child.find_column("n")->type), "decimal(6,2)");
  EXPECT_EQ(child.rows_estimate, 2u);
  EXPECT_GT(child.bytes_estimate, 0u);
  ASSERT_EQ(child.checks.size(), 1u);
  EXPECT_EQ(child.checks[0].sql, "n > -5");
  ASSERT_EQ(child.triggers.size(), 1u);
  EXPECT_EQ(child.triggers[0].description, "AFTER INSERT");
  ASSERT_EQ(child.foreign_keys.size(), 1u);
  EXPECT_EQ(child.foreign_keys[0].name, "up");
  EXPECT_THAT(child.foreign_keys[0].referenced_columns, ElementsAre("b", "a"));
  EXPECT_EQ(child.foreign_keys[0].on_delete, "CASCADE");
  std::map<std::string, Index> indexes;
  for (const Index& index : child.indexes) indexes[index.name] = index;
  ASSERT_EQ(indexes.size(), 5u);
  EXPECT_TRUE(indexes["child_b"].plain);
  EXPECT_THAT(indexes["child_b"].descending, ElementsAre(true, false));
  EXPECT_FALSE(indexes["child_part"].plain);
  EXPECT_FALSE(indexes["child_expr"].plain);
  EXPECT_FALSE(indexes["child_nocase"].plain);
  EXPECT_THAT(indexes["child_part"].definition, HasSubstr("WHERE"));
  EXPECT_TRUE(indexes["sqlite_autoindex_child_1"].unique);
  EXPECT_THAT(indexes["sqlite_autoindex_child_1"].columns, ElementsAre("code"));

  const TableSchema& strict = *catalog.find_table({"", "s"});
  EXPECT_TRUE(strict.strict);
  EXPECT_FALSE(strict.find_column("a")->identity) << "INT PRIMARY KEY is no rowid alias";
  EXPECT_EQ(caught([&] { session.catalog("other"); }).kind(), ErrorKind::usage);
}

TEST_F(SqliteTest, TablesAreMadeAgainAsTheyWere) {
  make("a.db",
       {"CREATE TABLE parent(id INTEGER PRIMARY KEY)",
        "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL COLLATE NOCASE "
        "DEFAULT 'it''s', b INT DEFAULT (1 + 1), at DATETIME DEFAULT CURRENT_TIMESTAMP, n INT "
        "DEFAULT -1, g INT AS (b * 2) STORED, p INT REFERENCES parent(id) ON DELETE SET NULL, "
        "code TEXT UNIQUE, CONSTRAINT small CHECK (b < 100 -- a comment\n))",
        "CREATE TABLE w(a TEXT, b INT, PRIMARY KEY(a, b)) WITHOUT ROWID, STRICT",
        "CREATE TABLE plain(a INT PRIMARY KEY, x)", "CREATE INDEX t_part ON t(a) WHERE b > 1",
        "CREATE INDEX t_b ON t(b DESC)"});
  const auto from = source("a.db");
  const auto to = target("b.db");
  const Catalog before = from->session().catalog();
  for (TableSchema schema : before.tables) {
    for (Column& column : schema.columns) {
      const MappedColumn mapped = dialect().map_column(column, Engine::sqlite);
      EXPECT_THAT(mapped.notes, IsEmpty());
      column = mapped.column;
    }
    for (const std::string& sql : dialect().create_table(schema)) to->session().execute(sql);
    for (const Index& index : schema.indexes)
      to->session().execute(dialect().create_index(schema, index));
    for (const ForeignKey& key : schema.foreign_keys)
      EXPECT_EQ(dialect().add_foreign_key(schema, key), "");
    for (const std::string& sql : dialect().after_load(schema)) to->session().execute(sql);
  }
  const Catalog after = to->session().catalog();
  ASSERT_EQ(after.tables.size(), before.tables.size());
  for (std::size_t i = 0; i < after.tables.size(); ++i) {
    const TableSchema &a = before.tables[i], &b = after.tables[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.primary_key, b.primary_key);
    EXPECT_EQ(a.autoincrement, b.autoincrement);
    EXPECT_EQ(a.without_rowid, b.without_rowid);
    EXPECT_EQ(a.strict, b.strict);
    ASSERT_EQ(a.columns.size(), b.columns.size());
    for (std::size_t c = 0; c < a.columns.size(); ++c) {
      EXPECT_EQ(a.columns[c].native_type, b.columns[c].native_type);
      EXPECT_EQ(a.columns[c].nullable, b.columns[c].nullable) << a.columns[c].name;
      EXPECT_EQ(a.columns[c].identity, b.columns[c].identity) << a.columns[c].name;
      EXPECT_EQ(a.columns[c].default_sql, b.columns[c].default_sql);
      EXPECT_EQ(a.columns[c].collation, b.columns[c].collation);
      EXPECT_EQ(a.columns[c].generated_sql, b.columns[c].generated_sql);
    }
    EXPECT_EQ(a.checks.size(), b.checks.size());
    ASSERT_EQ(a.foreign_keys.size(), b.foreign_keys.size());
    for (std::size_t f = 0; f < a.foreign_keys.size(); ++f) {
      EXPECT_EQ(a.foreign_keys[f].on_delete, b.foreign_keys[f].on_delete);
    }
    EXPECT_EQ(a.indexes.size(), b.indexes.size());
  }
  to->session().execute("INSERT INTO t(a, b) VALUES('x', 5)");
  EXPECT_EQ(caught([&] { to->session().execute("INSERT INTO t(a, b) VALUES('x', 500)"); }).code(),
            std::to_string(SQLITE_CONSTRAINT_CHECK));
}

TEST_F(SqliteTest, NonPlainIndexIsMadeOnTheRenamedTable) {
  TableSchema schema;
  schema.name.name = "new name";
  Index index{"i", {}, false, false, {}, "", "CREATE INDEX i ON \"old\"(lower(old)) WHERE old > 1"};
  EXPECT_EQ(dialect().create_index(schema, index),
            "CREATE INDEX i ON \"new name\"(lower(old)) WHERE old > 1");
  index.definition = "";
  EXPECT_EQ(caught([&] { dialect().create_index(schema, index); }).kind(), ErrorKind::permanent);
  const Index foreign{"by_user", {"u"}, false, true, {}, "", ""};
  EXPECT_EQ(dialect().create_index(schema, foreign),
            "CREATE INDEX \"new name_by_user\" ON \"new name\"(\"u\")");
}

// ---- keys

// Walks the table in chunks of n and checks that each row is met once, in the order of reading.
void expect_walk(Source& source, const ReadSpec& spec, std::uint64_t n, std::size_t rows) {
  std::optional<Key> lower;
  std::vector<std::string> met;
  const std::vector<std::string> whole = read_all(source, spec);
  for (;;) {
    const KeyRange rest{lower, std::nullopt};
    const std::optional<Key> upper = source.nth_key(spec, rest, n);
    const KeyRange range{lower, upper};
    const std::vector<std::string> chunk = read_all(source, spec, range);
    EXPECT_EQ(source.count(spec, range), chunk.size());
    if (upper) {
      EXPECT_EQ(chunk.size(), n);
    }
    met.insert(met.end(), chunk.begin(), chunk.end());
    if (!upper) break;
    lower = upper;
  }
  EXPECT_EQ(met, whole);
  EXPECT_EQ(met.size(), rows);
  EXPECT_EQ(std::set<std::string>(met.begin(), met.end()).size(), rows);
}

TEST_F(SqliteTest, IntegerKeysAreWalkedFromEndToEndOfTheirType) {
  make("a.db",
       {"CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT)",
        "INSERT INTO t(id) VALUES (-9223372036854775808), (-9223372036854775807), (-5), (-1), (0), "
        "(1), (2), (7), (9223372036854775806), (9223372036854775807)"});
  const auto reader = source("a.db");
  const ReadSpec spec = read_spec(reader->session(), "t", {"id"});
  for (const std::uint64_t n : {1u, 2u, 3u, 10u, 11u}) expect_walk(*reader, spec, n, 10);
  EXPECT_EQ(reader->last_key(spec), Key{integer(INT64_MAX)});
  EXPECT_EQ(reader->null_keys(spec), 0u);
  const AccessPath path = reader->explain(spec);
  EXPECT_TRUE(path.by_index) << path.description;
  EXPECT_EQ(reader->nth_key(spec, {Key{integer(-5)}, Key{integer(0)}}, 3), std::nullopt);
  EXPECT_EQ(reader->nth_key(spec, {Key{integer(-5)}, Key{integer(0)}}, 2), Key{integer(0)});
}

TEST_F(SqliteTest, CompositeKeysOfMixedTypesAndDirectionsAreWalkedByTheirIndex) {
  struct Case {
    const char* name;
    const char* index;
  };
  const Case cases[] = {{"up", "a, b, c"},
                        {"down", "a DESC, b DESC, c DESC"},
                        {"mixed", "a, b DESC, c"},
                        {"mixed2", "a DESC, b, c DESC"}};
  for (const Case& c : cases) {
    const std::string name = c.name;
    make("a.db",
         {"CREATE TABLE " + name + "(a INT NOT NULL, b TEXT NOT NULL, c REAL NOT NULL, x TEXT)",
          "CREATE UNIQUE INDEX " + name + "_key ON " + name + "(" + c.index + ")",
          "INSERT INTO " + name +
              " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299) "
              "SELECT i / 60 - 2, char(97 + i / 10 % 6), i % 10 - 4.5, i FROM n"});
    const auto reader = source("a.db");
    const ReadSpec spec = read_spec(reader->session(), name, {"a", "b", "c"});
    for (const std::uint64_t n : {1u, 7u, 60u, 300u}) expect_walk(*reader, spec, n, 300);
    const AccessPath path = reader->explain(spec);
    EXPECT_TRUE(path.by_index) << name << ": " << path.description;
    EXPECT_THAT(path.description, Not(HasSubstr("TEMP B-TREE")));
  }
}

TEST_F(SqliteTest, WithoutRowidTablesAreWalkedByThemselves) {
  make(
      "a.db",
      {"CREATE TABLE t(a INT, b TEXT, x BLOB, PRIMARY KEY(b, a)) WITHOUT ROWID",
       "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99) "
       "SELECT i, i % 7, zeroblob(i) FROM n"});
  const auto reader = source("a.db");
  const ReadSpec spec = read_spec(reader->session(), "t", {"b", "a"});
  for (const std::uint64_t n : {1u, 13u, 100u}) expect_walk(*reader, spec, n, 100);
  EXPECT_TRUE(reader->explain(spec).by_index) << reader->explain(spec).description;
}

TEST_F(SqliteTest, TextKeysFollowTheCollationOfTheirIndex) {
  make("a.db",
       {"CREATE TABLE nocase(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL)",
        "INSERT INTO nocase VALUES ('b'), ('A'), ('_'), ('Z'), ('y'), ('ä'), ('Ä'), (''), ('aa')",
        "CREATE TABLE rtrim(k TEXT COLLATE RTRIM PRIMARY KEY NOT NULL)",
        "INSERT INTO rtrim VALUES ('a  '), ('b'), ('a b'), (''), ('a' || char(9))",
        // The index tells apart what the column's own collation does not.
        "CREATE TABLE finer(k TEXT COLLATE NOCASE NOT NULL)",
        "CREATE UNIQUE INDEX finer_k ON finer(k COLLATE BINARY)",
        "INSERT INTO finer VALUES ('a'), ('A'), ('b'), ('B'), ('aB'), ('Ab')"});
  const auto reader = source("a.db");
  for (const auto& [name, count] : {std::pair{"nocase", std::size_t{9}},
                                    {"rtrim", std::size_t{5}},
                                    {"finer", std::size_t{6}}}) {
    const ReadSpec spec = read_spec(reader->session(), name, {"k"});
    for (const std::uint64_t n : {1u, 2u, 4u}) expect_walk(*reader, spec, n, count);
    EXPECT_TRUE(reader->explain(spec).by_index) << reader->explain(spec).description;
  }
  const ReadSpec spec = read_spec(reader->session(), "nocase", {"k"});
  EXPECT_EQ(reader->count(spec, {Key{text("A")}, Key{text("B")}}), 2u);  // 'aa', 'b'
}

TEST_F(SqliteTest, KeysOfAnyStorageClassAreCompared) {
  make("a.db", {"CREATE TABLE t(k PRIMARY KEY)",
                "INSERT INTO t VALUES (1), (1.5), ('1'), (x'31'), ('a'), (-1), (9007199254740993), "
                "(9007199254740992.0), (x''), ('')",
                "CREATE TABLE n(k NUMERIC PRIMARY KEY)",
                "INSERT INTO n VALUES (10), (9.5), ('abc'), (-1e300), (x'00'), ('10x')"});
  const auto reader = source("a.db");
  for (const std::uint64_t n : {1u, 3u}) {
    const RowLayout native = reader->layouts(read_spec(reader->session(), "t", {"k"}))[0];
    expect_walk(*reader, read_spec(reader->session(), "t", {"k"}), n, 10);
  }
  ReadSpec spec = read_spec(reader->session(), "n", {"k"});
  const RowLayout native = reader->layouts(spec)[0];
  std::optional<Key> lower;
  std::size_t met = 0;
  while (const auto upper = reader->nth_key(spec, {lower, std::nullopt}, 1)) {
    EXPECT_EQ(read_all(*reader, spec, {lower, upper}, native), std::vector{encode_key(*upper)});
    lower = upper;
    ++met;
  }
  EXPECT_EQ(met, 6u);
}

// In SQLite "price" is the text 'price' where there is no such column, unless it is told not to.
TEST_F(SqliteTest, AColumnThatWasRenamedIsAnErrorAndNoText) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, price)", "INSERT INTO t VALUES(1, 5)"});
  const auto reader = source("a.db");
  const ReadSpec spec = read_spec(reader->session(), "t", {"id"});
  make("a.db", {"ALTER TABLE t RENAME COLUMN price TO cost"});
  for (const RowLayout& layout : reader->layouts(spec)) {
    EXPECT_EQ(caught([&] { read_all(*reader, spec, {}, layout); }).kind(), ErrorKind::permanent)
        << layout.format;
  }
}

TEST_F(SqliteTest, NullKeysAreCounted) {
  make("a.db", {"CREATE TABLE t(a TEXT PRIMARY KEY, b INT)",
                "INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('x', NULL)"});
  const auto reader = source("a.db");
  EXPECT_EQ(reader->null_keys(read_spec(reader->session(), "t", {"a"})), 2u);
  EXPECT_EQ(reader->null_keys(read_spec(reader->session(), "t", {"a", "b"})), 3u);
}

TEST_F(SqliteTest, KeyWithoutAnIndexIsSaidToBeSorted) {
  make("a.db", {"CREATE TABLE t(a INT, b INT)", "INSERT INTO t VALUES (2, 1), (1, 2), (3, 3)"});
  const auto reader = source("a.db");
  const ReadSpec spec = read_spec(reader->session(), "t", {"a"});
  EXPECT_FALSE(reader->explain(spec).by_index);
  expect_walk(*reader, spec, 2, 3);
  EXPECT_EQ(caught([&] {
              ReadSpec wrong = spec;
              wrong.table.name = "u";
              reader->count(wrong, {});
            }).kind(),
            ErrorKind::permanent);
}

TEST_F(SqliteTest, FilterNarrowsRowsAndCountsButNotKeys) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, x INT)",
                "INSERT INTO t VALUES (1,1),(2,NULL),(3,1)"});
  const auto reader = source("a.db");
  ReadSpec spec = read_spec(reader->session(), "t", {"id"});
  spec.where = "x IS NULL OR id = 1 -- all of it";
  EXPECT_EQ(reader->count(spec, {Key{integer(1)}, std::nullopt}), 1u);
  EXPECT_THAT(read_all(*reader, spec), ElementsAre("[1,1]", "[2,null]"));
  EXPECT_EQ(reader->nth_key(spec, {}, 3), Key{integer(3)});
  EXPECT_TRUE(reader->explain(spec).by_index);
}

TEST_F(SqliteTest, CanonicalOrderIsThatOfTheValues) {
  make("a.db", {"CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY)",
                "INSERT INTO t VALUES ('b'), ('A'), ('Z'), ('a1')",
                "CREATE TABLE d(k DECIMAL_TEXT(20,0) PRIMARY KEY)",
                "INSERT INTO d VALUES ('10'), ('9'), ('18446744073709551615'), ('-2'), ('-10')",
                "CREATE TABLE z(k TIMESTAMPTZ PRIMARY KEY)",
                "INSERT INTO z VALUES ('2024-01-01 00:00:00.5Z'), ('2024-01-01 00:00:00Z'), "
                "('2024-01-01 02:00:00+03:00')",
                "CREATE TABLE u(k UUID PRIMARY KEY)",
                "INSERT INTO u VALUES ('B0000000-0000-0000-0000-000000000000'), "
                "('a0000000-0000-0000-0000-000000000000')"});
  const auto reader = source("a.db");
  const auto canonical = [&](const char* name) {
    return read_all(*reader, read_spec(reader->session(), name, {"k"}), {}, cells_layout(),
                    ReadOrder::canonical);
  };
  EXPECT_THAT(canonical("t"), ElementsAre(R"(["A"])", R"(["Z"])", R"(["a1"])", R"(["b"])"));
  EXPECT_THAT(canonical("d"), ElementsAre(R"(["-10"])", R"(["-2"])", R"(["9"])", R"(["10"])",
                                          R"(["18446744073709551615"])"));
  std::int64_t first = 0;
  ASSERT_TRUE(parse_timestamp("2023-12-31 23:00:00", first));
  EXPECT_THAT(canonical("z"), ElementsAre("[" + std::to_string(first) + "]",
                                          "[" + std::to_string(first + 3'600'000'000) + "]",
                                          "[" + std::to_string(first + 3'600'500'000) + "]"));
  EXPECT_THAT(canonical("u"), ElementsAre(R"([{"x":"a0000000000000000000000000000000"}])",
                                          R"([{"x":"b0000000000000000000000000000000"}])"));
}

TEST_F(SqliteTest, CanonicalOrderOfAUtf16FileIsThatOfItsUtf8) {
  make("a.db", {"PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t(k TEXT PRIMARY KEY)",
                "INSERT INTO t VALUES ('b'), ('é'), ('Ā'), ('a'), ('z')"});
  const auto reader = source("a.db");
  EXPECT_EQ(one(reader->session(), "PRAGMA encoding"), R"(["UTF-16le"])");
  EXPECT_THAT(read_all(*reader, read_spec(reader->session(), "t", {"k"}), {}, cells_layout(),
                       ReadOrder::canonical),
              ElementsAre(R"(["a"])", R"(["b"])", R"(["z"])", R"(["é"])", R"(["Ā"])"));
  expect_walk(*reader, read_spec(reader->session(), "t", {"k"}), 1, 5);
}

// ---- values

TEST_F(SqliteTest, ReadCheckedValues) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, b BOOLEAN, n NUMERIC(6,2), f REAL, d DATE, "
                "at DATETIME(3), tz TIMESTAMPTZ, tm TIME, j JSON_TEXT, u UUID, s TEXT, x BLOB, o)",
                "INSERT INTO t VALUES (1, 1, 12.5, 3, '1970-01-02', '1970-01-01T00:00:01.5', "
                "'1970-01-01 01:00:00+01:00', '00:00:01', '{\"a\": 1.10}', "
                "'00000000-0000-0000-0000-0000000000FF', 'é', x'00', 7), (2, NULL, -7, -0.5, NULL, "
                "NULL, NULL, "
                "NULL, NULL, NULL, '', x'', 'dyn')"});
  const auto reader = source("a.db");
  const ReadSpec spec = read_spec(reader->session(), "t", {"id"});
  EXPECT_THAT(
      read_all(*reader, spec),
      ElementsAre(
          R"([1,1,"12.50",{"d":"0x1.8p+1"},1,1500000,0,1000000,"{\"a\": 1.10}",)"
          R"({"x":"000000000000000000000000000000ff"},"é",{"x":"00"},7])",
          R"([2,null,"-7.00",{"d":"-0x1p-1"},null,null,null,null,null,null,"",{"x":""},"dyn"])"));
}

TEST_F(SqliteTest, ValuesThatTheirColumnCannotMeanAreErrorsByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"INT", "'text'"},
      {"INT", "1.5"},
      {"INT", "x'01'"},
      {"BOOLEAN", "2"},
      {"BOOLEAN", "'true'"},
      {"NUMERIC(5,2)", "0.1 + 0.2"},
      {"NUMERIC(5,2)", "1000"},
      {"NUMERIC", "'twelve'"},
      {"NUMERIC", "1e999"},
      {"REAL", "'x'"},
      {"TEXT", "x'ff'"},
      {"TEXT", "CAST(x'ff' AS TEXT)"},
      {"BLOB", "'text'"},
      {"DATE", "1700000000"},
      {"DATE", "2451545.5"},
      {"DATE", "'2023-02-29'"},
      {"DATETIME", "1700000000"},
      {"DATETIME", "'2024-01-01 00:00:00Z'"},
      {"DATETIME(0)", "'2024-01-01 00:00:00.5'"},
      {"TIMESTAMPTZ", "'2024-01-01 00:00:00'"},
      {"TIME", "'25:00:00'"},
      {"UUID", "'x'"},
      {"JSON", "x'00'"},
      {"DECIMAL_TEXT(4,1)", "'1e3'"},
  };
  int number = 0;
  for (const auto& [type, value] : cases) {
    const std::string name = "t" + std::to_string(number++);
    make("a.db", {"CREATE TABLE " + name + "(id INTEGER PRIMARY KEY, \"the column\" " + type + ")",
                  "INSERT INTO " + name + " VALUES (1, NULL), (2, " + value + ")"});
    const auto reader = source("a.db");
    const ReadSpec spec = read_spec(reader->session(), name, {"id"});
    const Error error = caught([&] { read_all(*reader, spec); });
    EXPECT_EQ(error.kind(), ErrorKind::data) << type << " " << value;
    EXPECT_THAT(error.what(), HasSubstr("the column")) << type;
    EXPECT_EQ(error.table(), name);
    // The native layout passes it on as it is.
    EXPECT_EQ(read_all(*reader, spec, {}, reader->layouts(spec)[0]).size(), 2u);
  }
}

TEST_F(SqliteTest, JsonNumbersOfAColumnDeclaredJsonAreReadAsJson) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, j JSON)",
                "INSERT INTO t VALUES (1, '12'), (2, '1.5')"});
  const auto reader = source("a.db");
  EXPECT_THAT(read_all(*reader, read_spec(reader->session(), "t", {"id"})),
              ElementsAre(R"([1,"12"])", R"([2,"1.5"])"));
}

}  // namespace
}  // namespace migrator
