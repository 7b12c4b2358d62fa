// What is loaded into a SQLite file, row by row or from a file beside it.
#include "tests/unit/sqlite_fixture.h"

namespace migrator {
namespace {

// Every value of a neutral type goes into the column that the dialect maps it to, and comes back
// the same.
TEST_F(SqliteTest, MappedColumnsKeepEveryValueOfOtherEngines) {
  const auto type = [](TypeKind kind, std::uint32_t precision = 0, std::uint32_t scale = 0) {
    Type t;
    t.kind = kind;
    t.precision = precision;
    t.scale = scale;
    return t;
  };
  struct Case {
    Type type;
    std::vector<Value> values;
  };
  const std::vector<Case> cases = {
      {type(TypeKind::boolean), {integer(0), integer(1)}},
      {type(TypeKind::int16), {integer(-32768), integer(32767)}},
      {type(TypeKind::int64), {integer(INT64_MIN), integer(0), integer(INT64_MAX)}},
      {type(TypeKind::decimal, 15, 2),
       {text("0.00"), text("-0.01"), text("9999999999999.99"), text("-1234567890123.40"),
        text("5.00")}},
      {type(TypeKind::decimal, 15, 15), {text("0.000000000000001"), text("0.123456789012345")}},
      {type(TypeKind::decimal, 16, 2), {text("99999999999999.99"), text("0.10")}},
      {type(TypeKind::decimal, 30, 10),
       {text("12345678901234567890.0123456789"), text("-0.5000000000")}},
      {type(TypeKind::decimal),
       {text("1.500"), text("123456789012345678901234567890"), text("NaN"), text("-Infinity")}},
      {type(TypeKind::float64),
       {0.1, 1e308, 5e-324, std::numeric_limits<double>::infinity(), 9007199254740993.0, 3.0}},
      {type(TypeKind::float32), {static_cast<double>(0.1f), -1.5}},
      {type(TypeKind::text),
       {text(""), text("007"), text(" 1 "), text("1e5"), std::string("a\0b", 3), text("é")}},
      {type(TypeKind::bytes), {Bytes{""}, Bytes{std::string("\0\xff\0", 3)}, Bytes{"12"}}},
      {type(TypeKind::date), {integer(0), integer(-719162), integer(2932896)}},
      {type(TypeKind::time, 6), {integer(0), integer(86'400'000'000), integer(1)}},
      {type(TypeKind::timestamp, 6), {integer(-1), integer(0), integer(1'700'000'000'123'456)}},
      {type(TypeKind::timestamp, 3), {integer(1'700'000'000'123'000), integer(-1000)}},
      {type(TypeKind::timestamp, 0), {integer(1'700'000'000'000'000)}},
      {type(TypeKind::timestamptz, 6), {integer(-1), integer(1'700'000'000'100'000)}},
      {type(TypeKind::json),
       {text("12"), text("1.10"), text("\"x\""), text("[1e5]"), text(" null ")}},
      {type(TypeKind::uuid),
       {Bytes{std::string("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xf0")}}},
  };
  int number = 0;
  for (const Case& c : cases) {
    Column column;
    column.name = "v";
    column.native_type = "other";
    column.type = c.type;
    const MappedColumn mapped = dialect().map_column(column, Engine::postgres);
    ASSERT_EQ(mapped.refused, "");
    TableSchema schema;
    schema.name.name = "t" + std::to_string(number++);
    Column id;
    id.name = "id";
    id.native_type = "bigint";
    id.type.kind = TypeKind::int64;
    id.nullable = false;
    schema.columns = {dialect().map_column(id, Engine::postgres).column, mapped.column};
    schema.primary_key = {"id"};
    const auto writer = target("a.db");
    for (const std::string& sql : dialect().create_table(schema)) writer->session().execute(sql);
    const WriteSpec spec = write_spec(writer->session(), schema.name.name, {"id"});
    EXPECT_EQ(describe(spec.columns[1].type), describe(mapped.column.type));
    std::vector<std::vector<Value>> loaded;
    std::vector<std::string> expected;
    for (const Value& value : c.values) {
      loaded.push_back({integer(static_cast<std::int64_t>(loaded.size()) + 1), value});
      expected.push_back(encode_key(loaded.back()));
    }
    load(*writer, spec, loaded);
    const auto reader = source("a.db");
    EXPECT_EQ(read_all(*reader, read_spec(reader->session(), schema.name.name, {"id"})), expected)
        << describe(c.type) << " as " << mapped.column.native_type;
  }
}

// SQLite's file format keeps no sign of a zero in a REAL column.
TEST_F(SqliteTest, NegativeZeroIsRefusedWhereSqliteWouldStoreAnother) {
  make("a.db", {"CREATE TABLE t(r REAL, o)"});
  const auto writer = target("a.db");
  const WriteSpec spec = write_spec(writer->session(), "t", {});
  EXPECT_EQ(caught([&] {
              load(*writer, spec, {{-0.0, std::monostate{}}});
            }).kind(),
            ErrorKind::data);
  EXPECT_EQ(one(writer->session(), "SELECT count(*) FROM t"), "[0]");
  load(*writer, spec, {{0.0, -0.0}});
  EXPECT_TRUE(std::signbit(std::get<double>(rows(writer->session(), "SELECT o FROM t")[0][0])));
}

TEST_F(SqliteTest, UnsignedIntegersBecomeDecimalTexts) {
  Column column;
  column.name = "v";
  column.type.kind = TypeKind::uint64;
  EXPECT_EQ(dialect().map_column(column, Engine::mysql).column.native_type, "DECIMAL_TEXT(20,0)");
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, v DECIMAL_TEXT(20,0))"});
  const auto writer = target("a.db");
  const WriteSpec spec = write_spec(writer->session(), "t", {"id"});
  load(*writer, spec, {{std::uint64_t{1}, UINT64_MAX}, {std::uint64_t{2}, std::uint64_t{5}}});
  EXPECT_EQ(one(writer->session(), "SELECT group_concat(v || typeof(v)) FROM t"),
            R"(["18446744073709551615text,5text"])");
  EXPECT_EQ(caught([&] {
              load(*writer, spec, {{UINT64_MAX, UINT64_MAX}});
            }).kind(),
            ErrorKind::data);
}

TEST_F(SqliteTest, ValuesWithoutAFormAreRefusedByLoadAndRehearsalAlike) {
  const std::pair<const char*, Value> cases[] = {
      {"REAL", std::nan("")},
      {"REAL", integer(9007199254740993)},
      {"BOOLEAN", integer(2)},
      {"INTEGER", text("1.5")},
      {"INTEGER", UINT64_MAX},
      {"NUMERIC(5,2)", text("1.234")},
      {"NUMERIC(5,2)", text("1000.00")},
      {"NUMERIC", text("0.12345678901234567")},
      {"NUMERIC", text("NaN")},
      {"DECIMAL_TEXT(20,0)", text("0.5")},
      {"DECIMAL_TEXT", text("1e5")},
      {"TEXT", integer(5)},
      {"TEXT", Bytes{"x"}},
      {"BLOB", text("x")},
      {"JSON", text("1.10")},
      {"DATE", integer(2932897)},
      {"DATE", integer(-719163)},
      {"DATETIME", integer(INT64_MAX)},
      {"DATETIME(3)", integer(1)},
      {"TIME", integer(-1)},
      {"UUID", Bytes{"short"}},
  };
  int number = 0;
  for (const auto& [type, value] : cases) {
    const std::string name = "t" + std::to_string(number++);
    make("a.db", {"CREATE TABLE " + name + "(\"the column\" " + type + ")"});
    const auto writer = target("a.db");
    const WriteSpec spec = write_spec(writer->session(), name, {});
    const Error error = caught([&] { load(*writer, spec, {{value}}); });
    EXPECT_EQ(error.kind(), ErrorKind::data) << type;
    EXPECT_THAT(error.what(), HasSubstr("the column"));
    EXPECT_THAT(rows(writer->session(), "SELECT * FROM " + name), IsEmpty());
    const auto rehearsal = writer->rehearse(spec, cells_layout());
    EXPECT_STREQ(caught([&] { rehearsal->write(batch_of({{value}})); }).what(), error.what());
  }
  // NaN must not become NULL in the native layout either.
  make("a.db", {"CREATE TABLE r(a REAL)"});
  const auto writer = target("a.db");
  const WriteSpec spec = write_spec(writer->session(), "r", {});
  EXPECT_EQ(caught([&] {
              load(*writer, spec, {{std::nan("")}}, LoadMode::direct, writer->layouts(spec)[0]);
            }).kind(),
            ErrorKind::data);
}

// ---- loading

TEST_F(SqliteTest, NativeRowsPassThroughUnchanged) {
  const std::string ddl =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n NUMERIC, s TEXT, r REAL, b BLOB, d)";
  make("a.db",
       {ddl,
        "INSERT INTO t VALUES (1, 'abc', x'00', 1, 'text', NULL), (2, 1.5, 'x', 'nan', x'', 5), "
        "(3, NULL, '', -0.0, 1.5, 1e300)"});
  make("b.db", {ddl});
  const auto from = source("a.db");
  const auto to = target("b.db");
  const ReadSpec spec = read_spec(from->session(), "t", {"id"});
  const WriteSpec write = write_spec(to->session(), "t", {"id"});
  const RowLayout layout = from->layouts(spec)[0];
  ASSERT_EQ(layout, to->layouts(write)[0]);
  EXPECT_EQ(from->layouts(spec).back(), cells_layout());
  to->session().begin();
  {
    const auto stream = from->read(spec, {}, layout);
    const auto sink = to->load(write, layout, LoadMode::direct);
    RowBatch batch;
    while (stream->next(batch)) sink->write(batch);
    EXPECT_EQ(sink->finish().inserted, 3u);
  }
  to->session().commit();
  const char* const dump =
      "SELECT id, quote(n), quote(s), quote(r), quote(b), quote(d) FROM t ORDER BY id";
  EXPECT_EQ(rows(to->session(), dump), rows(from->session(), dump));
  EXPECT_EQ(rows(to->session(), "SELECT typeof(n), typeof(r) FROM t"),
            rows(from->session(), "SELECT typeof(n), typeof(r) FROM t"));
}

TEST_F(SqliteTest, AnyOfStrictTablesIsAnotherType) {
  make("a.db", {"CREATE TABLE s(a ANY) STRICT", "CREATE TABLE l(a ANY)"});
  const auto reader = source("a.db");
  EXPECT_NE(reader->layouts(read_spec(reader->session(), "s", {}))[0],
            reader->layouts(read_spec(reader->session(), "l", {}))[0]);
}

TEST_F(SqliteTest, ManyRowsOfAllSizesArriveInBatches) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT, b BLOB)",
                "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                "WHERE i < 20000) "
                "SELECT i, printf('%.*c', i % 50, 'x'), CASE WHEN i % 5000 = 0 THEN "
                "randomblob(3000000) END FROM n"});
  make("b.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT, b BLOB)"});
  const auto from = source("a.db");
  const auto to = target("b.db");
  for (const bool native : {true, false}) {
    to->session().execute("DELETE FROM t");
    const ReadSpec spec = read_spec(from->session(), "t", {"id"});
    const WriteSpec write = write_spec(to->session(), "t", {"id"});
    const RowLayout layout = native ? from->layouts(spec)[0] : cells_layout();
    std::size_t batches = 0;
    to->session().begin();
    {
      const auto stream = from->read(spec, {}, layout);
      const auto sink = to->load(write, layout, LoadMode::direct);
      RowBatch batch;
      while (stream->next(batch)) {
        ++batches;
        sink->write(batch);
      }
      EXPECT_TRUE(batch.empty());
      EXPECT_EQ(sink->finish().inserted, 20000u);
    }
    to->session().commit();
    EXPECT_GT(batches, 4u);
    const char* const sum =
        "SELECT count(*), sum(length(s)), sum(length(b)), min(hex(substr(b, 1, 9))) FROM t";
    EXPECT_EQ(rows(to->session(), sum), rows(from->session(), sum));
  }
}

TEST_F(SqliteTest, DuplicateKeysFailADirectLoadAndMergeLeavesThemAlone) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT UNIQUE)",
                "INSERT INTO t VALUES (2, 'old')"});
  const auto writer = target("a.db");
  const WriteSpec spec = write_spec(writer->session(), "t", {"id"});
  const std::vector<std::vector<Value>> three = {
      {integer(1), text("a")}, {integer(2), text("b")}, {integer(3), text("c")}};
  const Error error = caught([&] { load(*writer, spec, three); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_TRUE(error.duplicate_key());
  EXPECT_EQ(error.table(), "t");
  EXPECT_EQ(one(writer->session(), "SELECT count(*) FROM t"), "[1]");

  const LoadCount count = load(*writer, spec, three, LoadMode::merge);
  EXPECT_EQ(count.inserted, 2u);
  EXPECT_EQ(count.present, 1u);
  EXPECT_EQ(one(writer->session(), "SELECT group_concat(v) FROM t"), R"(["a,old,c"])");

  // A conflict with another unique key is an error, not a row that is there.
  const Error other = caught([&] {
    load(*writer, spec, {{integer(9), text("a")}}, LoadMode::merge);
  });
  EXPECT_TRUE(other.duplicate_key());
  EXPECT_EQ(other.code(), std::to_string(SQLITE_CONSTRAINT_UNIQUE));
}

TEST_F(SqliteTest, MergeGoesByTheKeyWhateverItsIndexLooksLike) {
  make("a.db",
       {"CREATE TABLE t(a TEXT COLLATE NOCASE, b INT, x INT, PRIMARY KEY(b, a)) WITHOUT ROWID",
        "INSERT INTO t VALUES ('one', 1, 0)", "CREATE TABLE n(a TEXT NOT NULL, x INT)",
        "CREATE UNIQUE INDEX n_a ON n(a COLLATE NOCASE)", "INSERT INTO n VALUES ('one', 0)",
        "CREATE TABLE none(a INT, x INT)", "CREATE UNIQUE INDEX none_part ON none(a) WHERE x > 0",
        "CREATE UNIQUE INDEX none_more ON none(a, x)"});
  const auto writer = target("a.db");
  const LoadCount count =
      load(*writer, write_spec(writer->session(), "t", {"a", "b"}),
           {{text("ONE"), integer(1), integer(5)}, {text("two"), integer(1), integer(5)}},
           LoadMode::merge);
  EXPECT_EQ(count.present, 1u);
  EXPECT_EQ(load(*writer, write_spec(writer->session(), "n", {"a"}), {{text("One"), integer(1)}},
                 LoadMode::merge)
                .present,
            1u);
  const Error error = caught([&] {
    load(*writer, write_spec(writer->session(), "none", {"a"}), {{integer(1), integer(1)}},
         LoadMode::merge);
  });
  EXPECT_EQ(error.kind(), ErrorKind::permanent);
  EXPECT_THAT(error.remedy(), HasSubstr("CREATE UNIQUE INDEX"));
}

TEST_F(SqliteTest, ConflictClausesAndTriggersOfTheTargetNeverLoseOrInventARow) {
  make("a.db",
       {"CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT UNIQUE ON CONFLICT REPLACE, w INT NOT NULL "
        "ON "
        "CONFLICT IGNORE)",
        "INSERT INTO t VALUES (1, 'a', 1)", "CREATE TABLE log(a)",
        "CREATE TRIGGER t1 BEFORE INSERT ON t WHEN new.id = 5 BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER t2 AFTER INSERT ON t BEGIN INSERT INTO log VALUES(new.id); END"});
  const auto writer = target("a.db");
  const WriteSpec spec = write_spec(writer->session(), "t", {"id"});
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    EXPECT_TRUE(caught([&] {
                  load(*writer, spec, {{integer(2), text("a"), integer(1)}}, mode);
                }).duplicate_key());
    EXPECT_EQ(caught([&] {
                load(*writer, spec, {{integer(3), text("c"), std::monostate{}}}, mode);
              }).code(),
              std::to_string(SQLITE_CONSTRAINT_NOTNULL));
  }
  EXPECT_EQ(load(*writer, spec, {{integer(5), text("e"), integer(1)}}).inserted, 1u);
  EXPECT_EQ(one(writer->session(), "SELECT group_concat(id) FROM t"), R"(["1,5"])");
  EXPECT_EQ(one(writer->session(), "SELECT count(*) FROM log"), "[0]");
  writer->session().execute("INSERT INTO t VALUES (6, 'f', 1)");  // others' triggers fire again
  EXPECT_EQ(one(writer->session(), "SELECT count(*) FROM log"), "[1]");
}

TEST_F(SqliteTest, AutoincrementGoesOnBehindTheHighestLoadedKey) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v INT)"});
  const auto writer = target("a.db");
  const WriteSpec spec = write_spec(writer->session(), "t", {"id"});
  load(*writer, spec, {{integer(41), integer(1)}, {integer(7), integer(1)}});
  for (const std::string& sql : dialect().after_load(table(writer->session(), "t")))
    writer->session().execute(sql);
  writer->session().execute("DELETE FROM t");
  writer->session().execute("INSERT INTO t(v) VALUES (1)");
  EXPECT_EQ(one(writer->session(), "SELECT id FROM t"), "[42]");
}

TEST_F(SqliteTest, OneStreamOrSinkAtATimeAndOnlyInATransaction) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)"});
  const auto reader = source("a.db");
  const auto writer = target("a.db");
  const ReadSpec spec = read_spec(reader->session(), "t", {"id"});
  const WriteSpec write = write_spec(writer->session(), "t", {"id"});
  EXPECT_EQ(caught([&] { writer->load(write, cells_layout(), LoadMode::direct); }).kind(),
            ErrorKind::invariant);
  {
    const auto stream = reader->read(spec, {}, cells_layout());
    EXPECT_EQ(caught([&] { reader->session().execute("SELECT 1"); }).kind(), ErrorKind::invariant);
    EXPECT_EQ(caught([&] { reader->count(spec, {}); }).kind(), ErrorKind::invariant);
  }
  EXPECT_EQ(reader->count(spec, {}), 1u);
  writer->session().begin();
  {
    const auto sink = writer->load(write, cells_layout(), LoadMode::direct);
    EXPECT_EQ(caught([&] { writer->session().execute("SELECT 1"); }).kind(), ErrorKind::invariant);
    EXPECT_EQ(caught([&] {
                sink->write(batch_of({{integer(5), integer(6)}}));
              }).kind(),
              ErrorKind::invariant);
  }
  writer->session().rollback();
}

TEST_F(SqliteTest, CancellerStopsALoad) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT)"});
  const auto writer = target("a.db");
  const WriteSpec spec = write_spec(writer->session(), "t", {"id"});
  const auto canceller = writer->session().canceller();
  writer->session().begin();
  std::atomic<bool> done = false;
  std::jthread other([&] {
    while (!done) {
      canceller->cancel();
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  {
    const auto sink = writer->load(spec, cells_layout(), LoadMode::direct);
    std::int64_t id = 0;
    const auto start = Clock::now();
    const Error error = caught([&] {
      while (Clock::now() - start < milliseconds(5000)) {
        std::vector<std::vector<Value>> batch;
        for (int i = 0; i < 1000; ++i) batch.push_back({integer(++id), text("x")});
        sink->write(batch_of(batch));
      }
    });
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
  done = true;
  other.join();
  writer->session().rollback();
  EXPECT_EQ(one(writer->session(), "SELECT count(*) FROM t"), "[0]");
}

TEST_F(SqliteTest, CancellerStopsAStream) {
  make("a.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT)",
                "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                "WHERE i < 50000) "
                "SELECT i, printf('%.*c', 50, 'x') FROM n"});
  const auto reader = source("a.db");
  {
    const auto stream = reader->read(read_spec(reader->session(), "t", {"id"}), {}, cells_layout());
    RowBatch batch;
    ASSERT_TRUE(stream->next(batch));
    reader->session().canceller()->cancel();
    EXPECT_EQ(caught([&] {
                while (stream->next(batch)) {
                }
              }).kind(),
              ErrorKind::cancelled);
  }
  EXPECT_EQ(one(reader->session(), "SELECT 1"), "[1]");
}

// ---- colocation

class SqliteColocation : public SqliteTest {
 protected:
  void SetUp() override {
    SqliteTest::SetUp();
    make(
        "a b?.db",
        {"CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, o)",
         "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
         "1000) "
         "SELECT i * 3, 'v' || i, CASE i % 3 WHEN 0 THEN i WHEN 1 THEN x'00' ELSE 1.5 END FROM n"});
    make("b.db", {"CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, o)"});
    from_ = adapter().open_source(Url::parse("sqlite:" + path("a%20b%3F.db")), {});
    to_ = target("b.db");
  }
  // The fixture's `make` takes a name for a URL.
  void make(const std::string& name, const std::vector<std::string>& statements) const {
    std::string encoded;
    for (const char c : name) encoded += c == ' ' ? "%20" : c == '?' ? "%3F" : std::string(1, c);
    SqliteTest::make(encoded, statements);
  }
  std::unique_ptr<Source> from_;
  std::unique_ptr<Target> to_;
};

TEST_F(SqliteColocation, CopiesRangesWithinTheTargetsTransaction) {
  const ReadSpec read = read_spec(from_->session(), "t", {"id"});
  const WriteSpec write = write_spec(to_->session(), "t", {"id"});
  const auto colocation = to_->colocate(*from_);
  ASSERT_NE(colocation, nullptr);
  EXPECT_EQ(colocation->description(), "ATTACH");
  std::optional<Key> lower;
  std::uint64_t copied = 0;
  do {
    const auto upper = from_->nth_key(read, {lower, std::nullopt}, 300);
    to_->session().begin();
    copied += colocation->copy(read, write, {lower, upper}, LoadMode::direct).inserted;
    to_->session().commit();
    lower = upper;
  } while (lower);
  EXPECT_EQ(copied, 1000u);
  const char* const dump = "SELECT id, quote(v), quote(o) FROM t ORDER BY id";
  EXPECT_EQ(rows(to_->session(), dump), rows(from_->session(), dump));

  to_->session().begin();
  const Error error = caught([&] {
    colocation->copy(read, write, {std::nullopt, Key{integer(30)}}, LoadMode::direct);
  });
  EXPECT_TRUE(error.duplicate_key());
  to_->session().rollback();
}

TEST_F(SqliteColocation, MergeInsertsWhatIsAbsentAndRollsBackWithTheTransaction) {
  ReadSpec read = read_spec(from_->session(), "t", {"id"});
  const WriteSpec write = write_spec(to_->session(), "t", {"id"});
  to_->session().execute("INSERT INTO t VALUES (3, 'mine', NULL), (900, 'mine', NULL)");
  const auto colocation = to_->colocate(*from_);
  to_->session().begin();
  LoadCount count = colocation->copy(read, write, {}, LoadMode::merge);
  EXPECT_EQ(count.inserted, 998u);
  EXPECT_EQ(count.present, 2u);
  to_->session().rollback();
  EXPECT_EQ(one(to_->session(), "SELECT count(*) FROM t"), "[2]");
  read.where = "id % 2 = 0";
  to_->session().begin();
  count = colocation->copy(read, write, {Key{integer(0)}, Key{integer(60)}}, LoadMode::merge);
  to_->session().commit();
  EXPECT_EQ(count.inserted, 10u);
  EXPECT_EQ(one(to_->session(), "SELECT v FROM t WHERE id = 3"), R"(["mine"])");
}

TEST_F(SqliteColocation, SourceIsAttachedReadOnlyAndStaysWritableForOthers) {
  const auto colocation = to_->colocate(*from_);
  to_->session().begin();
  // BEGIN IMMEDIATE took no lock on the source.
  from_->session().execute("INSERT INTO t VALUES (1, 'x', NULL)");
  EXPECT_EQ(caught([&] { to_->session().execute("DELETE FROM _migrator_source.t"); }).kind(),
            ErrorKind::permanent);
  to_->session().rollback();
}

TEST_F(SqliteColocation, OneFileNeedsNoAttachAndATableIsNotCopiedIntoItself) {
  make("b.db",
       {"CREATE TABLE u(id INTEGER PRIMARY KEY, v TEXT, o)", "INSERT INTO t VALUES (1, 'x', 2)"});
  const auto same = source("b.db");
  const auto colocation = to_->colocate(*same);
  ASSERT_NE(colocation, nullptr);
  EXPECT_EQ(colocation->description(), "one file");
  const ReadSpec read = read_spec(same->session(), "t", {"id"});
  to_->session().begin();
  EXPECT_EQ(colocation->copy(read, write_spec(same->session(), "u", {"id"}), {}, LoadMode::direct)
                .inserted,
            1u);
  EXPECT_EQ(caught([&] {
              colocation->copy(read, write_spec(same->session(), "t", {"id"}), {}, LoadMode::merge);
            }).kind(),
            ErrorKind::permanent);
  to_->session().commit();
  EXPECT_EQ(one(to_->session(), "SELECT v FROM u"), R"(["x"])");
}

TEST_F(SqliteColocation, IsNotOfferedWhereItCannotWork) {
  const auto memory = adapter().open_source(Url::parse("sqlite::memory:"), {});
  EXPECT_EQ(to_->colocate(*memory), nullptr);
  SqliteTest::make("wide.db",
                   {"PRAGMA encoding = 'UTF-16'", "CREATE TABLE t(id INTEGER PRIMARY KEY)"});
  const auto wide = source("wide.db");
  EXPECT_EQ(to_->colocate(*wide), nullptr);
  EXPECT_NE(to_->colocate(*from_), nullptr) << "a refused ATTACH leaves nothing behind";
  EXPECT_NE(to_->colocate(*from_), nullptr) << "and neither does one that has been used";
}

}  // namespace
}  // namespace migrator
