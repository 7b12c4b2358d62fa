// Catalog, values and keys as a real PostgreSQL gives them.
#include "tests/conformance/postgres_live.h"

namespace migrator::postgres {
namespace {

TEST_F(PostgresLive, CatalogTellsEverything) {
  for (const char* sql :
       {"CREATE TYPE mood AS ENUM ('sad', 'happy')",
        "CREATE DOMAIN email AS varchar(80) CHECK (value ~ '@')",
        "CREATE DOMAIN tags AS text[]",
        "CREATE TABLE customers (id serial PRIMARY KEY, mail email NOT NULL UNIQUE, mood mood "
        "DEFAULT 'sad',"
        " name varchar(40) COLLATE \"C\", big numeric(12,2), tags tags)",
        "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, customer int, at "
        "timestamptz(3) DEFAULT"
        " now(), qty int CHECK (qty > 0), twice int GENERATED ALWAYS AS (qty * 2) STORED, PRIMARY "
        "KEY"
        " (customer, id), FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE "
        "DEFERRABLE)",
        "CREATE INDEX orders_at ON orders (at DESC, qty)",
        "CREATE INDEX orders_part ON orders (qty) WHERE qty > 5",
        "CREATE INDEX orders_expr ON orders ((qty + 1))",
        "CREATE UNIQUE INDEX orders_incl ON orders (qty) INCLUDE (at)",
        "CREATE INDEX orders_ops ON customers (name text_pattern_ops)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER tr BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TABLE part (k int PRIMARY KEY, v text) PARTITION BY RANGE (k)",
        "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200)",
        "INSERT INTO part SELECT i, 'x' FROM generate_series(0, 199) i",
        "ANALYZE part",
        "CREATE TABLE base (i int)",
        "CREATE TABLE child () INHERITS (base)",
        "CREATE UNLOGGED TABLE ul (i int)",
        "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE SEQUENCE free",
        "CREATE TABLE shared (i int DEFAULT nextval('free'))",
        "CREATE TABLE _migrator_x (i int)",
        "ALTER TABLE ul ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE ex (r int4range, EXCLUDE USING gist (r WITH &&))",
        "CREATE TABLE \"Odd \"\"Name\" (\"A b\" int)"}) {
    s().execute(sql);
  }
  const Catalog catalog = s().catalog();
  std::vector<std::string> names;
  for (const TableSchema& table : catalog.tables) names.push_back(table.name.text());
  EXPECT_THAT(names, ElementsAre("Odd \"Name", "base", "child", "customers", "ex", "orders", "part",
                                 "shared", "ul"));

  const TableSchema& customers = *catalog.find_table({"", "customers"});
  EXPECT_TRUE(customers.find_column("id")->identity);
  EXPECT_FALSE(customers.find_column("id")->default_sql);
  EXPECT_EQ(customers.find_column("mail")->native_type, "email");
  EXPECT_EQ(customers.find_column("mail")->type, (Type{TypeKind::text, 80}));
  EXPECT_FALSE(customers.find_column("mail")->nullable);
  EXPECT_THAT(customers.find_column("mood")->enum_values, ElementsAre("sad", "happy"));
  EXPECT_EQ(customers.find_column("mood")->type.kind, TypeKind::text);
  EXPECT_EQ(customers.find_column("mood")->default_sql, "'sad'::mood");
  EXPECT_EQ(customers.find_column("name")->collation, "C");
  EXPECT_EQ(customers.find_column("mail")->collation, "");
  EXPECT_EQ(customers.find_column("big")->native_type, "numeric(12,2)");
  EXPECT_EQ(customers.find_column("tags")->type.kind, TypeKind::opaque);
  ASSERT_EQ(customers.indexes.size(), 2u);
  EXPECT_EQ(customers.indexes[0].name, "customers_mail_key");
  EXPECT_TRUE(customers.indexes[0].unique && customers.indexes[0].plain);
  EXPECT_FALSE(customers.indexes[1].plain);

  const TableSchema& orders = *catalog.find_table({"", "orders"});
  EXPECT_THAT(orders.primary_key, ElementsAre("customer", "id"));
  EXPECT_TRUE(orders.find_column("id")->identity_always);
  EXPECT_EQ(orders.find_column("at")->type, (Type{TypeKind::timestamptz, 0, 3}));
  EXPECT_EQ(orders.find_column("at")->default_sql, "now()");
  EXPECT_TRUE(orders.find_column("twice")->generated);
  EXPECT_EQ(orders.find_column("twice")->generated_sql, "(qty * 2)");
  ASSERT_EQ(orders.foreign_keys.size(), 1u);
  EXPECT_EQ(orders.foreign_keys[0].referenced_table, (TableName{"", "customers"}));
  EXPECT_EQ(orders.foreign_keys[0].on_delete, "CASCADE");
  EXPECT_TRUE(orders.foreign_keys[0].deferrable);
  ASSERT_EQ(orders.checks.size(), 1u);
  EXPECT_EQ(orders.checks[0].sql, "(qty > 0)");
  ASSERT_EQ(orders.triggers.size(), 1u);
  EXPECT_EQ(orders.triggers[0].description, "BEFORE INSERT OR UPDATE");
  ASSERT_EQ(orders.indexes.size(), 4u);
  EXPECT_EQ(orders.indexes[0].name, "orders_at");
  EXPECT_TRUE(orders.indexes[0].plain);
  EXPECT_THAT(orders.indexes[0].descending, ElementsAre(true, false));
  for (std::size_t at = 1; at < 4; ++at)
    EXPECT_FALSE(orders.indexes[at].plain) << orders.indexes[at].name;

  const TableSchema& part = *catalog.find_table({"", "part"});
  EXPECT_TRUE(part.partitioned);
  EXPECT_EQ(part.rows_estimate, 200u);
  EXPECT_GT(part.bytes_estimate, 0u);
  EXPECT_THAT(part.not_carried, ElementsAre(HasSubstr("PARTITION BY RANGE (k)")));
  EXPECT_THAT(catalog.find_table({"", "base"})->not_carried, ElementsAre(HasSubstr("inheritance")));
  EXPECT_THAT(catalog.find_table({"", "child"})->not_carried,
              ElementsAre(HasSubstr("inheritance")));
  EXPECT_THAT(catalog.find_table({"", "ul"})->not_carried, ElementsAre("row security", "unlogged"));
  EXPECT_THAT(catalog.find_table({"", "ex"})->not_carried, ElementsAre(HasSubstr("exclusion")));
  EXPECT_EQ(catalog.find_table({"", "shared"})->columns[0].identity, false);
  EXPECT_TRUE(catalog.find_table({"", "shared"})->columns[0].default_sql);
  EXPECT_THAT(catalog.not_carried, Contains("view v"));
  EXPECT_THAT(catalog.not_carried, Contains("function f"));
  EXPECT_THAT(catalog.not_carried, Contains("sequence free"));
  EXPECT_THAT(catalog.not_carried, Contains("domain email"));
  EXPECT_THAT(catalog.not_carried, Not(Contains(HasSubstr("customers_id_seq"))));

  // By its name, the schema is in every table's.
  const Catalog named = t().catalog(schema_);
  EXPECT_TRUE(named.find_table({schema_, "orders"}));
  EXPECT_EQ(named.find_table({schema_, "orders"})->foreign_keys[0].referenced_table.schema,
            schema_);
  EXPECT_THAT(t().catalog("no_such_schema").tables, IsEmpty());
}

TEST_F(PostgresLive, ItsOwnDdlMakesTheSameTableAgain) {
  s().execute("CREATE TYPE mood AS ENUM ('sad', 'it''s')");
  s().execute("CREATE TABLE p (id int PRIMARY KEY)");
  s().execute(
      "CREATE TABLE a (id bigserial PRIMARY KEY, m mood DEFAULT 'sad', n numeric(5,2) NOT NULL "
      "CHECK (n > 0),"
      " g int GENERATED ALWAYS AS (id + 1) STORED, t text COLLATE \"C\", p int REFERENCES p ON "
      "DELETE SET NULL,"
      " x timestamp(2) DEFAULT CURRENT_TIMESTAMP)");
  s().execute("CREATE UNIQUE INDEX a_t ON a (t DESC, n)");
  s().execute("CREATE INDEX a_lower ON a (lower(t)) WHERE n > 5");
  TableSchema table = described("a");
  for (Column& column : table.columns)
    column = t().dialect().map_column(column, Engine::postgres).column;
  s().execute("ALTER TABLE a RENAME TO a_old");
  s().execute("ALTER TABLE a_old RENAME CONSTRAINT a_p_fkey TO old_fkey");
  s().execute("DROP INDEX a_t, a_lower");
  for (const std::string& sql : t().dialect().create_table(table)) t().execute(sql);
  for (const Index& index : table.indexes) t().execute(t().dialect().create_index(table, index));
  for (const ForeignKey& key : table.foreign_keys)
    t().execute(t().dialect().add_foreign_key(table, key));
  t().execute("INSERT INTO a (id, n) VALUES (41, 1)");
  for (const std::string& sql : t().dialect().after_load(table)) t().execute(sql);
  t().execute("INSERT INTO a (n) VALUES (2)");
  EXPECT_EQ(number("SELECT max(id) FROM a"), 42);
  for (const std::string& sql : t().dialect().after_load(table)) t().execute(sql);
  EXPECT_EQ(number("SELECT nextval(pg_get_serial_sequence('a', 'id'))"), 43);
  const TableSchema again = described("a");
  ASSERT_EQ(again.columns.size(), table.columns.size());
  for (std::size_t at = 0; at < table.columns.size(); ++at) {
    const Column &was = table.columns[at], &is = again.columns[at];
    EXPECT_EQ(is.native_type, was.native_type);
    EXPECT_EQ(is.default_sql, was.default_sql) << is.name;
    EXPECT_EQ(is.nullable, was.nullable) << is.name;
    EXPECT_EQ(is.generated_sql, was.generated_sql);
    EXPECT_EQ(is.identity, was.identity);
    EXPECT_EQ(is.collation, was.collation);
  }
  EXPECT_EQ(again.primary_key, table.primary_key);
  ASSERT_EQ(again.indexes.size(), 2u);
  for (std::size_t at = 0; at < 2; ++at)
    EXPECT_EQ(again.indexes[at].definition, table.indexes[at].definition);
  ASSERT_EQ(again.foreign_keys.size(), 1u);
  EXPECT_EQ(again.foreign_keys[0].on_delete, "SET NULL");
}

// --- rows

const char* const kManyTypes =
    "(id bigint PRIMARY KEY, b bool, i2 int2, i4 int4, f4 real, f8 float8, n numeric, n2 "
    "numeric(12,4), t text,"
    " v varchar(20), c char(5), by bytea, d date, ti time, ts timestamp, tz timestamptz(3), j "
    "json, jb jsonb,"
    " u uuid)";
const char* const kManyRows =
    " VALUES (-9223372036854775808, true, -32768, -2147483648, 'NaN', '-0', 'NaN', -0.5, '', '', "
    "'', '\\x', "
    "'0001-01-01', '00:00', '0044-03-15 10:00 BC', '1970-01-01 00:00:00Z', '{}', '{}', "
    "'00000000-0000-0000-0000-000000000000'),"
    "(0, false, 0, 0, 'Infinity', '-Infinity', 123456789012345678901234567890.0123456789, "
    "12345678.1234,"
    " E'tab\\tnew\\nline\\\\back\\r', E'\\\\N', 'ab', '\\x00ff5c0a', '9999-12-31', '24:00', "
    "'294246-12-31 23:59:59.999999', '2024-02-29 12:34:56.789Z', '{\"a\" : [1, null]}', '{\"b\": "
    "1.50}', "
    "'550e8400-e29b-41d4-a716-446655440000'),"
    "(1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
    "NULL, NULL, "
    "NULL),"
    "(9223372036854775807, true, 32767, 2147483647, 1.17549435e-38, 5e-324, "
    "0.000000000000000000001, 0.1, "
    "'Grüße 🎉', 'äöü', 'x', '\\xdeadbeef', '2000-01-01', '13:05:09.000123', '2000-01-01', "
    "'1969-12-31 "
    "23:59:59.999Z', '1', 'null', 'ffffffff-ffff-ffff-ffff-ffffffffffff')";

TEST_F(PostgresLive, EveryLayoutCarriesEveryValue) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + kManyTypes);
  s().execute(std::string("INSERT INTO a") + kManyRows);
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  for (const RowLayout& layout : source_->layouts(from)) {
    t().execute("TRUNCATE b");
    EXPECT_EQ(copy(from, to, layout).inserted, 4u) << layout.format;
    EXPECT_EQ(differences("a", "b"), 0) << layout.format;
    EXPECT_EQ(number("SELECT count(*) FROM b WHERE f8 = 0 AND f8::text = '-0'"), 1)
        << layout.format;
  }
}

TEST_F(PostgresLive, OpaqueTypesTravelAsWireOrAsText) {
  s().execute("CREATE TYPE mood AS ENUM ('sad', 'happy')");
  s().execute("CREATE TYPE pair AS (a int, b text)");
  s().execute("CREATE DOMAIN docs AS jsonb");
  for (const char* table : {"a", "b"}) {
    s().execute(
        std::string("CREATE TABLE ") + table +
        " (id int PRIMARY KEY, m mood, p pair, r int4range, i inet, ia int[], ta text[], iv "
        "interval,"
        " mo money, x xml, bi bit(3), o oid, d docs, pt point, tsv tsvector, \"c\" \"char\")");
  }
  s().execute(
      "INSERT INTO a VALUES (1, 'happy', '(1,\"a \\\\ \"\"b\"\"\")', '[1,5)', '10.0.0.1/8', "
      "'{{1,2},{3,NULL}}',"
      " E'{\"a\\tb\",NULL,\"\\\\\\\\\"}', '1 mon -3 days 04:05:06.789', 12.34, '<a>b</a>', '101', "
      "4294967295,"
      " '{\"a\":1}', '(1.5,-2)', 'a:1 b:2', 'z')");
  s().execute("INSERT INTO a (id) VALUES (2)");
  const ReadSpec from = reading("a");
  for (const RowLayout& layout : source_->layouts(from)) {
    EXPECT_NE(layout.format, "pgcopy-binary");
    t().execute("TRUNCATE b");
    EXPECT_EQ(copy(from, writing("b"), layout).inserted, 2u) << layout.format;
    EXPECT_EQ(differences("a", "b"), 0) << layout.format;
  }
}

TEST_F(PostgresLive, CellsAreWhatTheNeutralTypesSay) {
  s().execute(
      "CREATE TABLE a (i int PRIMARY KEY, d date, t time, ts timestamp, n numeric(9,3), b bool, u "
      "uuid, f real)");
  s().execute(
      "INSERT INTO a VALUES (7, '1970-01-02', '00:00:01', '1969-12-31 23:59:59', 1.5, true, "
      "'01020304-0506-0708-090a-0b0c0d0e0f10', 0.1)");
  const ReadSpec spec = reading("a");
  auto stream = source_->read(spec, {}, cells_layout());
  RowBatch batch;
  ASSERT_TRUE(stream->next(batch));
  ASSERT_EQ(batch.rows(), 1u);
  const Cell* row = batch.row(0);
  EXPECT_EQ(row[0].integer, 7);
  EXPECT_EQ(row[1].integer, 1);
  EXPECT_EQ(row[2].integer, kMicrosPerSecond);
  EXPECT_EQ(row[3].integer, -kMicrosPerSecond);
  EXPECT_EQ(batch.bytes_of(row[4]), "1.500");
  EXPECT_EQ(row[5].integer, 1);
  EXPECT_EQ(batch.bytes_of(row[6]).substr(0, 4), "\1\2\3\4");
  EXPECT_EQ(row[7].real, static_cast<double>(0.1F));
  EXPECT_FALSE(stream->next(batch));
  EXPECT_TRUE(batch.empty());
}

TEST_F(PostgresLive, InfiniteDatesHaveNoCellButTravelAsWire) {
  for (const char* table : {"a", "b"}) {
    s().execute(std::string("CREATE TABLE ") + table +
                " (i int PRIMARY KEY, d date, t timestamptz)");
  }
  s().execute("INSERT INTO a VALUES (1, 'infinity', '-infinity')");
  const ReadSpec spec = reading("a");
  copy(spec, writing("b"), layout_of(spec, "pgcopy-binary"));
  EXPECT_EQ(differences("a", "b"), 0);
  const auto error = error_of([&] {
    auto stream = source_->read(spec, {}, cells_layout());
    RowBatch batch;
    stream->next(batch);
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::data);
  EXPECT_EQ(number("SELECT 1"), 1);  // the session is usable again
}

TEST_F(PostgresLive, EmptyTablesAndHugeRows) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + " (i int PRIMARY KEY, t text)");
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  for (const RowLayout& layout : source_->layouts(from)) {
    EXPECT_EQ(copy(from, to, layout).inserted, 0u) << layout.format;
  }
  EXPECT_FALSE(source_->nth_key(from, {}, 1));
  EXPECT_FALSE(source_->last_key(from));
  EXPECT_TRUE(source_->explain(from).by_index);
  s().execute("INSERT INTO a SELECT i, repeat('x', 5000000) FROM generate_series(1, 3) i");
  for (const RowLayout& layout : source_->layouts(from)) {
    t().execute("TRUNCATE b");
    EXPECT_EQ(copy(from, to, layout).inserted, 3u) << layout.format;
    EXPECT_EQ(differences("a", "b"), 0) << layout.format;
  }
}

TEST_F(PostgresLive, AChangedColumnIsNoticed) {
  s().execute("CREATE TABLE a (i int PRIMARY KEY, f int8)");
  const ReadSpec spec = reading("a");
  s().execute("ALTER TABLE a ALTER f TYPE float8");
  const auto error = error_of([&] { source_->read(spec, {}, cells_layout()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::permanent);
}

TEST_F(PostgresLive, RowsOfChildTablesAreNotReadWithTheirParent) {
  s().execute("CREATE TABLE base (i int PRIMARY KEY)");
  s().execute("CREATE TABLE child () INHERITS (base)");
  s().execute("INSERT INTO base VALUES (1), (2)");
  s().execute("INSERT INTO child VALUES (1), (3)");
  EXPECT_EQ(source_->count(reading("base"), {}), 2u);
  EXPECT_EQ(source_->last_key(reading("base")), (Key{std::int64_t{2}}));
  s().execute("CREATE TABLE part (i int PRIMARY KEY) PARTITION BY RANGE (i)");
  s().execute("CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10)");
  s().execute("CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20)");
  s().execute("INSERT INTO part SELECT generate_series(0, 19)");
  EXPECT_EQ(source_->count(reading("part"), {}), 20u);
  EXPECT_TRUE(source_->explain(reading("part")).by_index);
}

TEST_F(PostgresLive, RowSecurityIsAnErrorAndNeverAFilter) {
  s().execute("CREATE TABLE a (i int PRIMARY KEY)");
  s().execute("INSERT INTO a VALUES (1), (2)");
  s().execute("ALTER TABLE a ENABLE ROW LEVEL SECURITY");
  s().execute("DROP ROLE IF EXISTS live_plain");
  s().execute("CREATE ROLE live_plain");
  s().execute("GRANT USAGE ON SCHEMA \"" + schema_ + "\" TO live_plain");
  s().execute("GRANT SELECT ON a TO live_plain");
  const ReadSpec spec = reading("a");
  s().execute("SET ROLE live_plain");
  const auto error = error_of([&] { source_->count(spec, {}); });
  EXPECT_EQ(s().load().active_sessions.has_value(), true);  // decided when the session began
  s().execute("RESET ROLE");
  s().execute("DROP OWNED BY live_plain");
  s().execute("DROP ROLE live_plain");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), "42501");
}

// --- keys

// Walks the table in chunks of `size` and expects each row once.
void walk(Source& source, const ReadSpec& spec, std::uint64_t size, std::uint64_t expected) {
  KeyRange range;
  std::uint64_t rows = 0;
  std::set<std::string> seen;
  while (true) {
    range.upper = source.nth_key(spec, {range.lower, {}}, size);
    if (range.upper) {
      EXPECT_EQ(source.count(spec, range), size);
    }
    auto stream = source.read(spec, range, source.layouts(spec).front());
    RowBatch batch;
    std::uint64_t here = 0;
    while (stream->next(batch)) {
      for (std::size_t row = 0; row < batch.rows(); ++row) seen.emplace(batch.wire_row(row));
      here += batch.rows();
    }
    if (range.upper) {
      EXPECT_EQ(here, size) << describe(range);
    }
    rows += here;
    if (!range.upper) break;
    // The bound itself lies in its range, also after it has been stored.
    EXPECT_EQ(encode_key(decode_key(encode_key(*range.upper))), encode_key(*range.upper));
    EXPECT_EQ(encode_key(source.nth_key(spec, range, size).value()), encode_key(*range.upper));
    EXPECT_FALSE(source.nth_key(spec, range, size + 1));
    range.lower = range.upper;
  }
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(seen.size(), expected);
}

TEST_F(PostgresLive, KeysOfEveryTypeAreWalkedWithoutGaps) {
  const std::pair<const char*, const char*> keys[] = {
      {"int8",
       "SELECT i FROM generate_series(-50, 49) i UNION ALL VALUES (-9223372036854775808), "
       "(9223372036854775807)"},
      {"int2", "SELECT i::int2 FROM generate_series(-51, 50) i"},
      {"numeric(30,5)", "SELECT i / 7.0 FROM generate_series(-51, 50) i"},
      {"float8",
       "SELECT i / 7.0 FROM generate_series(-50, 49) i UNION ALL VALUES ('NaN'::float8), "
       "('-Infinity')"},
      {"real", "SELECT i / 7.0 FROM generate_series(-51, 50) i"},
      {"text",
       "SELECT CASE i % 3 WHEN 0 THEN 'A' WHEN 1 THEN 'a' ELSE E'\\\\ä''' END || i FROM "
       "generate_series(1, 102) i"},
      {"varchar(5)", "SELECT 'v' || i FROM generate_series(1, 102) i"},
      {"char(7)", "SELECT 'c' || i FROM generate_series(1, 102) i"},
      {"bytea", "SELECT decode(lpad(to_hex(i * 2), 4, '0'), 'hex') FROM generate_series(1, 102) i"},
      {"uuid", "SELECT md5(i::text)::uuid FROM generate_series(1, 102) i"},
      {"date",
       "SELECT '2000-01-01'::date + i FROM generate_series(1, 100) i UNION ALL VALUES "
       "('infinity'::date), ('-infinity')"},
      {"timestamptz", "SELECT now() + i * interval '1 us' FROM generate_series(1, 102) i"},
      {"timestamp(0)",
       "SELECT '2000-01-01'::timestamp + i * interval '1 s' FROM generate_series(1, 102) i"},
      {"interval", "SELECT i * interval '1 s' FROM generate_series(-51, 50) i"},
      {"inet", "SELECT '10.0.0.0'::inet + i FROM generate_series(1, 102) i"},
      {"time", "SELECT '00:00'::time + i * interval '1 s' FROM generate_series(1, 102) i"},
      {"bit(8)", "SELECT i::bit(8) FROM generate_series(1, 102) i"}};
  int table = 0;
  for (const auto& [type, rows] : keys) {
    SCOPED_TRACE(type);
    const std::string name = "k" + std::to_string(++table);
    s().execute("CREATE TABLE " + name + " (k " + type + " PRIMARY KEY)");
    s().execute("INSERT INTO " + name + " " + rows);
    const ReadSpec spec = reading(name);
    for (const std::uint64_t size : {1u, 7u, 102u, 103u}) walk(*source_, spec, size, 102);
    EXPECT_TRUE(source_->explain(spec).by_index);
    const auto last = source_->last_key(spec);
    ASSERT_TRUE(last);
    EXPECT_EQ(encode_key(source_->nth_key(spec, {}, 102).value()), encode_key(*last));
  }
}

TEST_F(PostgresLive, CompositeAndCollatedKeysAreWalkedByTheirIndex) {
  s().execute("CREATE TYPE mood AS ENUM ('z', 'm', 'a')");
  s().execute(
      "CREATE TABLE a (x text COLLATE \"en-x-icu\", m mood, y int DEFAULT 5, pad text, PRIMARY KEY "
      "(x, m, y))");
  s().execute(
      "INSERT INTO a SELECT chr(97 + i % 5), (ARRAY['z','m','a'])[1 + i % 3]::mood, i, repeat('p', "
      "200)"
      " FROM generate_series(1, 3000) i");
  ReadSpec spec = reading("a");
  // Never analysed, and still not a scan of all rows a chunk.
  EXPECT_TRUE(source_->explain(spec).by_index) << source_->explain(spec).description;
  for (const std::uint64_t size : {1000u, 700u, 99u}) walk(*source_, spec, size, 3000);
  spec.key = columns_of(described("a"), {"y"});
  EXPECT_FALSE(source_->explain(spec).by_index);
}

TEST_F(PostgresLive, TheConditionHoldsForRowsButNotForKeys) {
  s().execute("CREATE TABLE a (i int PRIMARY KEY)");
  s().execute("INSERT INTO a SELECT generate_series(1, 100)");
  ReadSpec spec = reading("a");
  spec.where = "i % 2 = 0 OR i = 1 -- odd";
  EXPECT_EQ(source_->count(spec, {Key{std::int64_t{1}}, Key{std::int64_t{10}}}), 5u);
  EXPECT_EQ(source_->nth_key(spec, {}, 10), (Key{std::int64_t{10}}));
  auto stream = source_->read(spec, {{}, Key{std::int64_t{10}}}, cells_layout());
  RowBatch batch;
  ASSERT_TRUE(stream->next(batch));
  EXPECT_EQ(batch.rows(), 6u);
  EXPECT_FALSE(stream->next(batch));
}

TEST_F(PostgresLive, CanonicalOrderIsByBytes) {
  s().execute("CREATE TABLE a (t text COLLATE \"en-x-icu\" PRIMARY KEY)");
  s().execute("INSERT INTO a VALUES ('b'), ('B'), ('a'), ('ä'), ('Z'), (''), ('🎉'), (U&'\\FFFD')");
  const ReadSpec spec = reading("a");
  auto stream = source_->read(spec, {}, cells_layout(), ReadOrder::canonical);
  RowBatch batch;
  ASSERT_TRUE(stream->next(batch));
  std::vector<std::string> texts;
  for (std::size_t row = 0; row < batch.rows(); ++row)
    texts.emplace_back(batch.bytes_of(batch.row(row)[0]));
  EXPECT_TRUE(std::is_sorted(texts.begin(), texts.end()));
  EXPECT_EQ(texts.size(), 8u);
}

}  // namespace
}  // namespace migrator::postgres
