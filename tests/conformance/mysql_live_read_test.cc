// Values, keys and the catalog as a real server gives them.
#include "tests/conformance/mysql_live.h"

namespace migrator::mysql {
namespace {

constexpr const char* kAllTypes = R"(CREATE TABLE t_all (
  id int NOT NULL PRIMARY KEY,
  ti tinyint, tu tinyint unsigned, tb tinyint(1), si smallint, mi mediumint unsigned, bi bigint, bu bigint unsigned,
  de decimal(30,10), fl float, db double,
  ch char(5) CHARACTER SET utf8mb4, vc varchar(60) CHARACTER SET utf8mb4, l1 varchar(300) CHARACTER SET latin1,
  sj varchar(60) CHARACTER SET sjis, u2 varchar(60) CHARACTER SET ucs2, tt tinytext, lt longtext CHARACTER SET utf8mb4,
  bn binary(4), vb varbinary(300), bl longblob,
  da date, ti6 time(6), dt datetime, dt6 datetime(6), ts timestamp(3) NULL DEFAULT NULL, ye year,
  en enum('x','y z','it''s','back\\slash') CHARACTER SET latin1, st set('p','q','r'),
  b1 bit(1), b9 bit(9), b64 bit(64), ge geometry
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4)";

// The extremes of every type, every byte in text and bytes, and what only MySQL knows.
void fill_all_types(Session& session) {
  session.execute("INSERT INTO t_all (id) VALUES (1)");
  session.execute(
      "INSERT INTO t_all VALUES (2, -128, 255, 2, -32768, 16777215, -9223372036854775808, "
      "18446744073709551615, "
      "-12345678901234567890.0123456789, 0.1, 0.1, 'ab', 'tab\\tnl\\nbs\\\\nul\\0q''x\\Z\\r', "
      "CONVERT(UNHEX('E9C3A9') USING latin1), "
      "CONVERT(_utf8mb4 0xE697A5E69CAC USING sjis), CONVERT(_utf8mb4 0xE697A5E69CAC USING ucs2), "
      "'', REPEAT('x', 70000), "
      "0x61000000, 0x00610a5c095c4e, CONCAT(0x00ff0d0a, REPEAT(0xe9, 300000)), "
      "'2024-02-29', '-838:59:59', '9999-12-31 23:59:59', '2024-01-01 00:00:00.000001', "
      "'2024-01-01 12:00:00.123', 2155, "
      "'it''s', 'p,r', b'1', b'100000001', 18446744073709551615, ST_GeomFromText('POINT(1.5 -2)', "
      "4326))");
  session.execute(
      "INSERT INTO t_all VALUES (3, 127, 0, 0, 32767, 0, 9223372036854775807, 0, "
      "0.0000000001, 3.4e38, -1.7976931348623157e308, '', 'N', '', '', '', '\\\\N', '\\\\N', "
      "'', '', '', '0000-00-00', '25:00:00.5', '0000-00-00 00:00:00', '2024-00-00 00:00:00', "
      "'1970-01-01 00:00:01', 0, "
      "'back\\\\slash', '', b'0', b'0', 0, ST_GeomFromText('LINESTRING(0 0, 1 1)'))");
  session.execute(
      "INSERT INTO t_all (id, fl, db, ti6) VALUES (4, -0e0, -0e0, '838:59:59'), (5, 1e-38, 5e-324, "
      "'00:00:00.000001')");
  session.execute(
      "INSERT INTO t_all (id, fl) VALUES (6, 16777217), (7, 1.17549435e-38), (8, 123456.789)");
  // Every byte that latin1 and binary columns can hold, one a row.
  for (int byte = 0; byte < 256; ++byte) {
    session.execute(
        fmt::format("INSERT INTO t_all (id, l1, vb, bl) VALUES ({0}, _latin1 0x41{1:02X}42, "
                    "0x{1:02X}, 0x42{1:02X}{1:02X})",
                    100 + byte, byte));
  }
  session.execute(
      "INSERT INTO t_all (id, vc) VALUES (50, _utf8mb4 0xF09F9880), (51, _utf8mb4 0xC280EFBFBD), "
      "(52, 'trailing  ')");
}

TEST_F(MysqlLive, EveryTypeArrivesBitByBitInTheWireLayout) {
  run(kAllTypes);
  fill_all_types(session());
  const RowLayout layout = source_->layouts(reading("t_all")).front();
  ASSERT_EQ(layout.format, "mysql-text");
  for (const std::string& path : load_paths()) {
    SCOPED_TRACE(path);
    run("DROP TABLE IF EXISTS t_copy");
    run("CREATE TABLE t_copy LIKE t_all");
    const LoadCount count = copy("t_all", "t_copy", layout, path);
    EXPECT_EQ(count.inserted,
              static_cast<std::uint64_t>(as_integer(one("SELECT COUNT(*) FROM t_all"))));
    expect_equal("t_all", "t_copy");
  }
}

TEST_F(MysqlLive, EveryNeutralTypeArrivesBitByBitAsCells) {
  run(kAllTypes);
  fill_all_types(session());
  // What no neutral type has is refused by name, and not altered.
  for (const char* bad :
       {"tb NOT IN (0, 1)", "da = 0", "ti6 > '24:00:00' OR ti6 < 0", "dt = 0", "MONTH(dt6) = 0"}) {
    ReadSpec spec = reading("t_all");
    spec.where = bad;
    const auto rows = source_->read(spec, {}, cells_layout());
    RowBatch batch;
    try {
      rows->next(batch);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data) << bad;
      EXPECT_FALSE(error.remedy().empty());
    }
  }
  run("UPDATE t_all SET tb = 1 WHERE tb > 1");
  run("UPDATE t_all SET da = NULL WHERE da = 0");
  run("UPDATE t_all SET ti6 = '24:00:00' WHERE ti6 > '24:00:00' OR ti6 < 0");
  run("UPDATE t_all SET dt = '0001-01-01' WHERE dt = 0");
  run("UPDATE t_all SET dt6 = '1969-12-31 23:59:59.999999' WHERE MONTH(dt6) = 0");
  for (const std::string& path : load_paths()) {
    SCOPED_TRACE(path);
    run("DROP TABLE IF EXISTS t_copy");
    run("CREATE TABLE t_copy LIKE t_all");
    copy("t_all", "t_copy", cells_layout(), path);
    expect_equal("t_all", "t_copy");
  }
}

TEST_F(MysqlLive, TypesOfNewerServersArriveInBothLayouts) {
  // What this server does not have stays out; there is always the text.
  std::string columns = "id int NOT NULL PRIMARY KEY, t text CHARACTER SET utf8mb4";
  std::string values = "1, 'x'";
  const ServerInfo& server = session().server();
  if (on_mariadb(session()) || server.version >= 50708) {
    columns += ", j json";
    values += ", '{\"a\": [1, \"\u00e9\\\\n\"]}'";
  }
  if (on_mariadb(session()) && server.version >= 101000) {
    columns += ", u uuid, i4 inet4, i6 inet6";
    values += ", '550e8400-e29b-41d4-a716-446655440000', '10.0.0.1', 'fe80::1'";
  }
  run("CREATE TABLE t_from (" + columns + ") ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (" + values + ")");
  for (const RowLayout& layout : source_->layouts(reading("t_from"))) {
    for (const std::string& path : load_paths()) {
      SCOPED_TRACE(layout.format + " " + path);
      run("DROP TABLE IF EXISTS t_to");
      run("CREATE TABLE t_to LIKE t_from");
      copy("t_from", "t_to", layout, path);
      expect_equal("t_from", "t_to");
    }
  }
}

TEST_F(MysqlLive, OneColumnTablesAndEmptyValuesLoad) {
  run("CREATE TABLE t_one (k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL "
      "PRIMARY KEY) ENGINE=InnoDB");
  run("INSERT INTO t_one VALUES (''), ('a'), ('\\\\N'), ('N'), ('NULL'), ('\\n'), ('\\\\')");
  for (const std::string& path : load_paths()) {
    run("DROP TABLE IF EXISTS t_two");
    run("CREATE TABLE t_two LIKE t_one");
    copy("t_one", "t_two", source_->layouts(reading("t_one")).front(), path);
    expect_equal("t_one", "t_two");
  }
}

// Walks a table by ranges of n rows and checks that every row comes once.
void expect_walk_covers(Source& source, const ReadSpec& spec, std::uint64_t rows, std::uint64_t n) {
  std::uint64_t seen = 0;
  KeyRange range;
  for (int guard = 0; guard < 100'000; ++guard) {
    const std::optional<Key> upper = source.nth_key(spec, range, n);
    KeyRange chunk{range.lower, upper};
    const std::uint64_t counted = source.count(spec, chunk);
    if (upper) {
      ASSERT_EQ(counted, n) << describe(chunk);
    }
    std::uint64_t read = 0;
    {
      const auto stream = source.read(spec, chunk, source.layouts(spec).front());
      RowBatch batch;
      while (stream->next(batch)) read += batch.rows();
    }
    ASSERT_EQ(read, counted) << describe(chunk);
    seen += read;
    if (!upper) break;
    ASSERT_EQ(decode_key(encode_key(*upper)), *upper);
    range.lower = upper;
  }
  EXPECT_EQ(seen, rows);
  const AccessPath path = source.explain(spec);
  EXPECT_TRUE(path.by_index) << path.description;
}

TEST_F(MysqlLive, KeysOfEveryKindAreWalkedWithoutGapsByAnIndex) {
  struct Case {
    const char* name;
    const char* columns;
    std::vector<std::string> key;
    std::string values;
  };
  const std::vector<Case> cases = {
      {"integers with both extremes",
       "a bigint NOT NULL",
       {"a"},
       "(-9223372036854775808),(-9223372036854775807),(-1),(0),(1),(2),(3),(500),("
       "9223372036854775806),(9223372036854775807)"},
      {"unsigned",
       "a bigint unsigned NOT NULL",
       {"a"},
       "(0),(1),(9223372036854775807),(9223372036854775808),(18446744073709551614),("
       "18446744073709551615)"},
      {"case-insensitive text",
       "a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL",
       {"a"},
       "('a'),('B'),('c'),('D'),('G'),('f'),('ab'),('aC '),('z z'),('Zz'),(''),(_utf8mb4 "
       "0xC3A9),('\\\\'),(''''),('a\\tb')"},
      {"padded binary collation",
       "a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
       {"a"},
       "('a'),('A'),('a\\t'),('a!'),('aa'),(' '),('b  '),('b\\t')"},
      {"latin1 text",
       "a varchar(20) CHARACTER SET latin1 NOT NULL",
       {"a"},
       "('a'),('Z'),(_latin1 0xE9),(_latin1 0xFF),(_latin1 0x80),('m')"},
      {"bytes",
       "a varbinary(20) NOT NULL",
       {"a"},
       "(0x00),(0x0000),(''),(0xff),(0x61),(0x6100),(0x7f),(0x80)"},
      {"fixed bytes",
       "a binary(3) NOT NULL",
       {"a"},
       "(0x00),(0x000001),(0xff),(0x61),(0x616263),(0x20)"},
      {"decimals beyond doubles",
       "a decimal(30,5) NOT NULL",
       {"a"},
       "(0),(-1.00001),(-1),(99999999999999999999.12345),(99999999999999999999.12346),("
       "9007199254740993)"},
      {"doubles",
       "a double NOT NULL",
       {"a"},
       "(0.1),(0.30000000000000004),(0.3),(-1e300),(1e-300),(5),(6)"},
      {"dates",
       "a date NOT NULL",
       {"a"},
       "('2024-01-01'),('0000-00-00'),('9999-12-31'),('2024-00-00'),('2023-12-31')"},
      {"datetimes",
       "a datetime(6) NOT NULL",
       {"a"},
       "('2024-01-01 00:00:00'),('2024-01-01 00:00:00.000001'),('2024-01-01 "
       "00:00:00.000002'),('1000-01-01')"},
      {"timestamps",
       "a timestamp NOT NULL DEFAULT '2000-01-01'",
       {"a"},
       "('2024-03-31 01:00:00'),('2024-03-31 02:30:00'),('2024-10-27 01:30:00')"},
      {"times", "a time NOT NULL", {"a"}, "('-10:00:00'),('00:00:00'),('100:00:00'),('01:00:00')"},
      {"enum in its own order",
       "a enum('z','m','a') NOT NULL, b int NOT NULL",
       {"a", "b"},
       "('z',1),('z',2),('m',1),('m',5),('a',1),('a',7),('z',3)"},
      {"bits",
       "a bit(12) NOT NULL",
       {"a"},
       "(b'1'),(b'0'),(b'111111111111'),(b'100000000'),(b'11')"},
      {"mixed composite",
       "a varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, b int unsigned "
       "NOT NULL, c datetime NOT NULL",
       {"a", "b", "c"},
       "('x',1,'2024-01-01'),('X',1,'2024-01-02'),('x',2,'2024-01-01'),('Y',0,'2024-01-01'),('y',"
       "4294967295,'2024-01-01'),"
       "('',0,'0000-00-00'),('x',1,'2023-01-01'),('z ',3,'2024-01-01')"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::string key;
    for (const std::string& column : c.key) key += (key.empty() ? "" : ", ") + column;
    for (const bool primary : {true, false}) {
      run("DROP TABLE IF EXISTS t_key");
      run(fmt::format(
          "CREATE TABLE t_key ({}, filler varchar(200), {} ({})) ENGINE=InnoDB", c.columns,
          primary ? "PRIMARY KEY" : "id int NOT NULL AUTO_INCREMENT PRIMARY KEY, UNIQUE KEY walk",
          key));
      run(fmt::format("INSERT INTO t_key ({}) VALUES {}", key, c.values));
      // Enough rows elsewhere would make the optimiser's choice realistic; FORCE INDEX makes it
      // certain.
      const auto rows = static_cast<std::uint64_t>(as_integer(one("SELECT COUNT(*) FROM t_key")));
      const ReadSpec spec = reading("t_key", c.key);
      for (const std::uint64_t n : {1, 2, 3, 100}) expect_walk_covers(*source_, spec, rows, n);
    }
  }
}

TEST_F(MysqlLive, AnInvalidEnumValueInAKeyIsNotLost) {
  run("CREATE TABLE t_key (a enum('z','m','a') NOT NULL, b int NOT NULL, PRIMARY KEY (a, b)) "
      "ENGINE=InnoDB");
  run("SET SESSION sql_mode=''");
  run("INSERT INTO t_key VALUES ('bogus', 1), ('bogus', 2), ('z', 1), ('a', 1)");
  for (const std::uint64_t n : {1, 2, 3}) expect_walk_covers(*source_, reading("t_key"), 4, n);
}

TEST_F(MysqlLive, KeysThatNoIndexWalkCanGoByAreRefused) {
  for (const char* type : {"float", "set('a','b')"}) {
    run("DROP TABLE IF EXISTS t_key");
    run(fmt::format("CREATE TABLE t_key (a {} NOT NULL PRIMARY KEY) ENGINE=InnoDB", type));
    try {
      source_->nth_key(reading("t_key"), {}, 1);
      ADD_FAILURE() << type;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::permanent);
    }
  }
}

TEST_F(MysqlLive, CompositeRangesStayRangesOnALargeTable) {
  run("CREATE TABLE t_big (a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT "
      "NULL, b int unsigned NOT NULL, "
      "c datetime NOT NULL, filler varchar(100), PRIMARY KEY (a, b, c), KEY (b)) ENGINE=InnoDB");
  run("INSERT INTO t_big SELECT CONCAT('k', x.n DIV 50), x.n, '2024-01-01', 'x' FROM (SELECT p.d + "
      "10*q.d + 100*r.d + 1000*s.d AS n FROM "
      "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 "
      "UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) p, "
      "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 "
      "UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) q, "
      "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 "
      "UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) r, "
      "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3) s) x");
  session().query("ANALYZE TABLE t_big");
  const ReadSpec spec = reading("t_big");
  const AccessPath path = source_->explain(spec);
  EXPECT_TRUE(path.by_index);
  EXPECT_NE(path.description.find("range on PRIMARY"), std::string::npos) << path.description;
  expect_walk_covers(*source_, spec, 4000, 333);
  // Another index does not tempt it, nor does a condition of the plan's.
  ReadSpec narrowed = spec;
  narrowed.where = "b < 100 -- few\n";
  EXPECT_TRUE(source_->explain(narrowed).by_index);
  EXPECT_EQ(source_->count(narrowed, {}), 100u);
}

TEST_F(MysqlLive, LastKeyAndNullKeysAreFound) {
  run("CREATE TABLE t_key (a int NOT NULL, b int, PRIMARY KEY (a), UNIQUE KEY (b)) ENGINE=InnoDB");
  EXPECT_FALSE(source_->last_key(reading("t_key")));
  EXPECT_FALSE(source_->nth_key(reading("t_key"), {}, 1));
  EXPECT_TRUE(source_->explain(reading("t_key")).by_index);
  run("INSERT INTO t_key VALUES (-5, NULL), (7, 1), (3, NULL)");
  EXPECT_EQ(source_->last_key(reading("t_key")), (Key{std::int64_t{7}}));
  EXPECT_EQ(source_->null_keys(reading("t_key")), 0u);
  EXPECT_EQ(source_->null_keys(reading("t_key", {"b"})), 2u);
}

TEST_F(MysqlLive, CanonicalOrderIsTheBytesOfTheText) {
  run("CREATE TABLE t_key (a varchar(20) CHARACTER SET latin1 NOT NULL, PRIMARY KEY (a)) "
      "ENGINE=InnoDB");
  run("INSERT INTO t_key VALUES ('b'), ('A'), ('a\\t'), ('C'), (_latin1 0xE9), ('z'), ('d')");
  const auto rows = source_->read(reading("t_key"), {}, cells_layout(), ReadOrder::canonical);
  std::vector<std::string> seen;
  RowBatch batch;
  while (rows->next(batch)) {
    for (std::size_t i = 0; i < batch.rows(); ++i)
      seen.emplace_back(batch.bytes_of(batch.row(i)[0]));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"A", "C", "a\t", "b", "d", "z", "\xC3\xA9"}));
}

// As a boundary it would be another text, and the walk might go back.
TEST_F(MysqlLive, AKeyThatUnicodeDoesNotHaveIsRefused) {
  run("CREATE TABLE t_key (a varchar(20) CHARACTER SET greek NOT NULL, PRIMARY KEY (a)) "
      "ENGINE=InnoDB");
  run("INSERT INTO t_key VALUES ('a?'), (_greek 0x61AE), (_greek 0xE1)");
  EXPECT_EQ(source_->nth_key(reading("t_key"), {}, 1), Key{std::string("a?")});
  EXPECT_THROW(source_->nth_key(reading("t_key"), {}, 2), Error);
  EXPECT_EQ(source_->last_key(reading("t_key")), Key{std::string("\xCE\xB1")});
}

TEST_F(MysqlLive, CatalogTellsWhatTheTablesAre) {
  run("CREATE TABLE t_parent (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY) "
      "ENGINE=InnoDB");
  run("CREATE TABLE t_full (a int NOT NULL DEFAULT 5, b varchar(40) CHARACTER SET latin1 NOT NULL "
      "DEFAULT 'it''s', c text, "
      "d timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, e enum('x','y') "
      "NOT NULL DEFAULT 'x', p bigint unsigned, "
      "PRIMARY KEY (a, b), UNIQUE KEY u (e, p), KEY pre (c(10)), FULLTEXT KEY ft (c), "
      "CONSTRAINT t_full_fk FOREIGN KEY (p) REFERENCES t_parent (id) ON DELETE CASCADE) "
      "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
  run("CREATE TRIGGER t_full_ins BEFORE INSERT ON t_full FOR EACH ROW SET NEW.p = NEW.p");
  run("CREATE TABLE t_old (id int NOT NULL PRIMARY KEY) ENGINE=MyISAM");
  run("CREATE TABLE t_part (id int NOT NULL PRIMARY KEY) ENGINE=InnoDB PARTITION BY HASH (id) "
      "PARTITIONS 2");
  run("CREATE OR REPLACE VIEW v_view AS SELECT 1 AS one");
  run("CREATE TABLE IF NOT EXISTS _migrator_probe (id int) ENGINE=InnoDB");
  const Catalog catalog = session().catalog();
  const TableSchema full = table("t_full");
  EXPECT_EQ(full.primary_key, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(full.find_column("a")->default_sql, "5");
  EXPECT_EQ(full.find_column("b")->default_sql, "'it''s'");
  EXPECT_EQ(full.find_column("b")->charset, "latin1");
  EXPECT_EQ(full.find_column("c")->default_sql, std::nullopt);
  EXPECT_EQ(full.find_column("e")->enum_values, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(full.find_column("p")->type.kind, TypeKind::uint64);
  ASSERT_TRUE(full.find_column("d")->default_sql);
  EXPECT_NE(full.find_column("d")->default_sql->find("ON UPDATE"), std::string::npos);
  EXPECT_TRUE(table("t_parent").find_column("id")->identity);
  std::set<std::string> not_plain;
  for (const Index& index : full.indexes) {
    if (!index.plain) not_plain.insert(index.name);
  }
  EXPECT_EQ(not_plain, (std::set<std::string>{"ft", "pre"}));
  ASSERT_EQ(full.foreign_keys.size(), 1u);
  EXPECT_EQ(full.foreign_keys[0].on_delete, "CASCADE");
  EXPECT_EQ(full.foreign_keys[0].referenced_table, (TableName{"", "t_parent"}));
  ASSERT_EQ(full.triggers.size(), 1u);
  EXPECT_EQ(full.triggers[0].description, "BEFORE INSERT");
  EXPECT_TRUE(table("t_part").partitioned);
  EXPECT_FALSE(table("t_old").not_carried.empty());
  EXPECT_EQ(catalog.find_table({"", "_migrator_probe"}), nullptr);
  EXPECT_EQ(catalog.find_table({"", "v_view"}), nullptr);
  EXPECT_NE(std::find(catalog.not_carried.begin(), catalog.not_carried.end(), "view v_view"),
            catalog.not_carried.end());
  run("DROP VIEW v_view");
  run("DROP TABLE _migrator_probe");
  EXPECT_THROW(session().catalog("there_is_no_such_schema"), Error);
}

// Tables made again from what the catalog says of them say the same of themselves.
TEST_F(MysqlLive, TheCatalogsDdlMakesTheSameTableAgain) {
  const bool generated = on_mariadb(session()) || session().server().version >= 50700;
  const bool mariadb = on_mariadb(session());
  run("CREATE TABLE t_parent (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY) "
      "ENGINE=InnoDB");
  run(std::string("CREATE TABLE t_full (a int NOT NULL DEFAULT -5, b varchar(40) CHARACTER SET "
                  "latin1 COLLATE latin1_german1_ci NOT NULL DEFAULT 'it''s \\\\x', "
                  "c text COLLATE utf8mb4_general_ci, d timestamp NOT NULL DEFAULT "
                  "CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, n timestamp NULL, "
                  "e enum('x','it''s','b\\\\s') NOT NULL DEFAULT 'x', f datetime(3) DEFAULT "
                  "CURRENT_TIMESTAMP(3), g bit(3) DEFAULT b'101', "
                  "s set('p','q') DEFAULT 'p,q', bi binary(3), de decimal(12,4) unsigned DEFAULT "
                  "1.5, p bigint unsigned, h date DEFAULT '0000-00-00'") +
      (generated ? ", gv int GENERATED ALWAYS AS (a + 1) VIRTUAL, gs varchar(50) GENERATED ALWAYS "
                   "AS (concat(b, 'x''y')) STORED"
                 : "") +
      (mariadb ? ", j json, te text DEFAULT 'q', uu uuid, CONSTRAINT positive CHECK (a < 100)"
               : "") +
      ", PRIMARY KEY (a, b), UNIQUE KEY u (e, p), KEY pre (c(10), p), FULLTEXT KEY ft (c), "
      "CONSTRAINT t_full_fk FOREIGN KEY (p) REFERENCES t_parent (id) ON DELETE SET NULL ON UPDATE "
      "CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
  const TableSchema before = table("t_full");
  if (mariadb) {
    EXPECT_EQ(before.find_column("j")->type.kind, TypeKind::json);
    EXPECT_EQ(before.checks.size(), 1u);
    EXPECT_EQ(before.find_column("uu")->type.kind, TypeKind::uuid);
  }
  run("DROP TABLE t_full");
  const auto target = open_target();
  const Dialect& dialect = target->session().dialect();
  for (const std::string& sql : dialect.create_table(before)) target->session().execute(sql);
  for (const Index& index : before.indexes)
    target->session().execute(dialect.create_index(before, index));
  for (const ForeignKey& key : before.foreign_keys)
    target->session().execute(dialect.add_foreign_key(before, key));
  for (const std::string& sql : dialect.after_load(before)) target->session().execute(sql);
  const TableSchema after = table("t_full");
  ASSERT_EQ(before.columns.size(), after.columns.size());
  for (std::size_t i = 0; i < before.columns.size(); ++i) {
    const Column &b = before.columns[i], &a = after.columns[i];
    EXPECT_EQ(b.name, a.name);
    EXPECT_EQ(b.native_type, a.native_type) << b.name;
    EXPECT_EQ(b.default_sql, a.default_sql) << b.name;
    EXPECT_EQ(b.nullable, a.nullable) << b.name;
    EXPECT_EQ(b.collation, a.collation) << b.name;
    EXPECT_EQ(b.generated_sql, a.generated_sql) << b.name;
    EXPECT_EQ(b.generated_stored, a.generated_stored) << b.name;
    EXPECT_EQ(b.enum_values, a.enum_values) << b.name;
    EXPECT_EQ(b.type, a.type) << b.name;
  }
  EXPECT_EQ(before.primary_key, after.primary_key);
  EXPECT_EQ(before.checks.size(), after.checks.size());
  ASSERT_EQ(before.indexes.size(), after.indexes.size());
  for (std::size_t i = 0; i < before.indexes.size(); ++i) {
    EXPECT_EQ(before.indexes[i].name, after.indexes[i].name);
    EXPECT_EQ(before.indexes[i].columns, after.indexes[i].columns);
    EXPECT_EQ(before.indexes[i].unique, after.indexes[i].unique);
    EXPECT_EQ(before.indexes[i].definition, after.indexes[i].definition);
  }
  ASSERT_EQ(after.foreign_keys.size(), 1u);
  EXPECT_EQ(after.foreign_keys[0].on_update, "CASCADE");
}

// Columns of another engine: the DDL is one that the server takes, and cells arrive in it.
TEST_F(MysqlLive, ColumnsOfOtherEnginesGetATableThatTakesTheirCells) {
  TableSchema made;
  made.name = {"", "t_made"};
  const auto target = open_target();
  const Dialect& dialect = target->session().dialect();
  const auto add = [&](const std::string& name, const Type& type, bool nullable = true,
                       const std::string& default_sql = "") {
    Column column;
    column.name = name;
    column.native_type = "their " + name;
    column.type = type;
    column.nullable = nullable;
    if (!default_sql.empty()) column.default_sql = default_sql;
    if (name == "id") column.identity = true;
    const MappedColumn mapped = dialect.map_column(column, Engine::postgres);
    EXPECT_EQ(mapped.refused, "") << name;
    made.columns.push_back(mapped.column);
  };
  add("id", {.kind = TypeKind::int64}, false);
  add("bo", {.kind = TypeKind::boolean}, false, "true");
  add("nu", {.kind = TypeKind::decimal, .precision = 20, .scale = 4}, true, "1.5");
  add("fl", {.kind = TypeKind::float32});
  add("db", {.kind = TypeKind::float64});
  add("te", {.kind = TypeKind::text});
  add("vc", {.kind = TypeKind::text, .length = 40}, true, "'a''b'::character varying");
  add("ch", {.kind = TypeKind::text, .length = 5, .fixed = true});
  add("by", {.kind = TypeKind::bytes});
  add("da", {.kind = TypeKind::date});
  add("ti", {.kind = TypeKind::time, .precision = 6});
  add("ts", {.kind = TypeKind::timestamp, .precision = 6});
  add("tz", {.kind = TypeKind::timestamptz, .precision = 6});
  add("js", {.kind = TypeKind::json});
  add("uu", {.kind = TypeKind::uuid});
  add("kt", {.kind = TypeKind::text}, false);
  made.primary_key = {"kt", "id"};
  for (const std::string& sql : dialect.create_table(made)) target->session().execute(sql);
  EXPECT_EQ(table("t_made").find_column("kt")->native_type,
            on_mariadb(session()) ? "varchar(255)" : "varchar(191)");
  RowBatch batch;
  batch.set_columns(made.columns.size());
  batch.push_integer(7);
  batch.push_integer(1);
  batch.push_text("-1234567890123456.7890");
  batch.push_real(static_cast<double>(0.1f));
  batch.push_real(0.1);
  batch.push_text("t\t\n\\\xF0\x9F\x98\x80");
  batch.push_text("trailing  ");
  batch.push_text("ab   ");
  batch.push_bytes(std::string("\0\\\t\n\xff", 5));
  batch.push_integer(-719162);  // 0001-01-01
  batch.push_integer(86'400'000'000);
  batch.push_integer(-1);
  batch.push_integer(1'700'000'000'123'456);
  batch.push_text("{\"a\": [1, 2]}");
  batch.push_text("30313233-3435-3637-3839-616263646566");  // a UUID travels as its text here
  batch.push_text("key");
  batch.end_cell_row();
  for (const std::string& path : load_paths()) {
    SCOPED_TRACE(path);
    run("DELETE FROM t_made");
    const auto loading = open_target(path);
    loading->session().begin();
    const WriteSpec spec{made.name, made.columns, {}};
    {
      const auto rehearsal = loading->rehearse(spec, cells_layout());
      rehearsal->write(batch);
      EXPECT_EQ(rehearsal->finish().inserted, 1u);
      const auto sink = loading->load(spec, cells_layout(), LoadMode::direct);
      sink->write(batch);
      EXPECT_EQ(sink->finish().inserted, 1u);
    }
    loading->session().commit();
    ReadSpec back{made.name, made.columns, {made.columns.back(), made.columns.front()}, ""};
    const auto rows = source_->read(back, {}, cells_layout());
    RowBatch got;
    ASSERT_TRUE(rows->next(got));
    ASSERT_EQ(got.rows(), 1u);
    for (std::size_t i = 0; i < made.columns.size(); ++i) {
      const Cell &sent = batch.row(0)[i], &came = got.row(0)[i];
      ASSERT_EQ(static_cast<int>(sent.tag), static_cast<int>(came.tag)) << made.columns[i].name;
      if (sent.tag == Cell::Tag::text || sent.tag == Cell::Tag::bytes) {
        EXPECT_EQ(batch.bytes_of(sent), got.bytes_of(came)) << made.columns[i].name;
      } else {
        EXPECT_EQ(sent.integer, came.integer) << made.columns[i].name;
      }
    }
  }
}

}  // namespace
}  // namespace migrator::mysql
