// What only a real MySQL or MariaDB server can show. MIGRATOR_TEST_MYSQL_URL names a database whose
// user may create databases; tables named t_* in it are dropped. Runs alike against MariaDB and
// Oracle's MySQL.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "adapters/mysql/adapter.h"
#include "adapters/mysql/session.h"
#include "adapters/mysql/target.h"

namespace migrator::mysql {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string live_url() {
  const char* url = std::getenv("MIGRATOR_TEST_MYSQL_URL");
  if (url == nullptr || *url == '\0')
    throw std::runtime_error("MIGRATOR_TEST_MYSQL_URL is not set");
  return url;
}

std::string with_parameter(const std::string& url, const std::string& parameter) {
  return url + (url.find('?') == std::string::npos ? "?" : "&") + parameter;
}

std::unique_ptr<Source> open_source(const SessionOptions& options = {},
                                    const std::string& url = live_url()) {
  return adapter().open_source(Url::parse(url), options);
}

std::unique_ptr<Target> open_target(const std::string& load = "auto",
                                    const SessionOptions& options = {}) {
  return adapter().open_target(Url::parse(with_parameter(live_url(), "load=" + load)), options);
}

bool on_mariadb(Session& session) { return session.server().product.starts_with("MariaDB"); }

class MysqlLive : public testing::Test {
 protected:
  void SetUp() override {
    source_ = open_source();
    for (const TableSchema& table : source_->session().catalog().tables) {
      if (table.name.name.starts_with("t_")) run("DROP TABLE " + table.name.name);
    }
  }

  Session& session() { return source_->session(); }
  void run(const std::string& sql) { session().execute(sql); }
  Value one(const std::string& sql) { return session().query(sql).rows.at(0).at(0); }

  std::vector<std::string> load_paths() {
    if (on_mariadb(session())) return {"bulk", "load-data", "insert"};
    return {"load-data", "insert"};
  }

  TableSchema table(const std::string& name) {
    const Catalog catalog = session().catalog();
    const TableSchema* found = catalog.find_table({"", name});
    if (found == nullptr) throw std::runtime_error("no table " + name);
    return *found;
  }

  static std::vector<Column> columns_named(const TableSchema& table,
                                           const std::vector<std::string>& names) {
    std::vector<Column> columns;
    for (const std::string& name : names) columns.push_back(*table.find_column(name));
    return columns;
  }

  ReadSpec reading(const std::string& name, std::vector<std::string> key = {}) {
    const TableSchema schema = table(name);
    ReadSpec spec{.table = schema.name, .columns = {}, .key = {}, .where = ""};
    for (const Column& column : schema.columns) {
      if (!column.generated) spec.columns.push_back(column);
    }
    spec.key = columns_named(schema, key.empty() ? schema.primary_key : key);
    return spec;
  }

  WriteSpec writing(const std::string& name) {
    const ReadSpec spec = reading(name);
    return {spec.table, spec.columns, spec.key};
  }

  LoadCount copy(const std::string& from, const std::string& to, const RowLayout& layout,
                 const std::string& path, LoadMode mode = LoadMode::direct,
                 const KeyRange& range = {}) {
    const std::unique_ptr<Target> target = open_target(path);
    target->session().begin();
    LoadCount count;
    {
      const std::unique_ptr<RowSink> sink = target->load(writing(to), layout, mode);
      const std::unique_ptr<RowStream> rows = source_->read(reading(from), range, layout);
      RowBatch batch;
      while (rows->next(batch)) sink->write(batch);
      count = sink->finish();
    }
    target->session().commit();
    return count;
  }

  // Both tables' rows as text that shows every bit of every value.
  void expect_equal(const std::string& a, const std::string& b) {
    std::string list;
    for (const Column& column : table(a).columns) {
      const bool real =
          column.native_type.starts_with("float") || column.native_type.starts_with("double");
      if (!list.empty()) list += ", ";
      list += real ? fmt::format("CONCAT(`{}`*1e0)", column.name)
                   : fmt::format("HEX(CAST(`{}` AS BINARY))", column.name);
    }
    const auto rows = [&](const std::string& name) {
      return session().query("SELECT " + list + " FROM " + name + " ORDER BY 1").rows;
    };
    const auto ours = rows(a), theirs = rows(b);
    ASSERT_FALSE(ours.empty());
    ASSERT_EQ(ours.size(), theirs.size());
    const std::vector<Column> columns = table(a).columns;
    for (std::size_t row = 0; row < ours.size(); ++row) {
      for (std::size_t i = 0; i < columns.size(); ++i) {
        EXPECT_EQ(ours[row][i], theirs[row][i])
            << columns[i].name << " of row " << as_text(ours[row][0]);
      }
    }
  }

  std::unique_ptr<Source> source_;
};

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

// A table whose rows the target takes only in part.
TEST_F(MysqlLive, ValuesThatTheTargetWouldAlterAreRefusedOnEveryPath) {
  struct Case {
    const char* source_type;
    const char* value;
    const char* target_type;
    const char* number;
  };
  const std::vector<Case> cases = {
      {"varchar(10)", "'too long'", "varchar(3)", ""},
      {"varchar(10)", "'abc  '", "varchar(3)", "1265"},
      {"varchar(10)", "'x1'", "int", "1366"},
      {"varchar(40)", "'99999999999'", "int", "1264"},
      {"varchar(10)", "'1.255'", "decimal(5,2)", "1265"},
      {"varchar(20)", "'2024-02-30x'", "datetime", ""},
      {"varchar(10)", "'nope'", "enum('a','b')", "1265"},
      {"varchar(10)", "NULL", "varchar(10) NOT NULL", "1048"},
  };
  for (const Case& c : cases) {
    run("DROP TABLE IF EXISTS t_from");
    run("DROP TABLE IF EXISTS t_to");
    run(
        fmt::format("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, v {} CHARACTER SET utf8mb4) "
                    "ENGINE=InnoDB",
                    c.source_type));
    run(
        fmt::format("CREATE TABLE t_to (id int NOT NULL PRIMARY KEY, v {}) ENGINE=InnoDB DEFAULT "
                    "CHARSET=utf8mb4",
                    c.target_type));
    run(fmt::format("INSERT INTO t_from VALUES (1, {})", c.value));
    for (const std::string& path : load_paths()) {
      SCOPED_TRACE(fmt::format("{} into {} by {}", c.value, c.target_type, path));
      const auto target = open_target(path);
      target->session().begin();
      WriteSpec spec = writing("t_to");
      spec.columns[1].type = {
          .kind = TypeKind::text};  // as text, so that it is the server that refuses
      try {
        const auto sink = target->load(spec, cells_layout(), LoadMode::direct);
        const auto rows = source_->read(reading("t_from"), {}, cells_layout());
        RowBatch batch;
        while (rows->next(batch)) sink->write(batch);
        sink->finish();
        ADD_FAILURE() << "was taken";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::data) << error.what();
        EXPECT_NE(error.code().find(c.number), std::string::npos)
            << error.code() << " " << error.what();
        for (const char* word : {"too long'", "x1'", "nope", "02-30x", "9999"}) {
          EXPECT_EQ(std::string(error.what()).find(word), std::string::npos) << error.what();
        }
      }
      target->session().rollback();
      EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to")), 0);
    }
  }
}

TEST_F(MysqlLive, NullInATimestampOrIdentityNeverBecomesAValue) {
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, ts timestamp NULL, n int) ENGINE=InnoDB");
  run("CREATE TABLE t_to (id int NOT NULL PRIMARY KEY, ts timestamp NOT NULL DEFAULT "
      "CURRENT_TIMESTAMP, n int NOT NULL AUTO_INCREMENT, KEY (n)) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (1, NULL, 1), (2, '2024-01-01', NULL)");
  for (const std::string& path : load_paths()) {
    for (const int id : {1, 2}) {
      const auto target = open_target(path);
      target->session().begin();
      const auto sink = target->load(writing("t_to"), source_->layouts(reading("t_from")).front(),
                                     LoadMode::direct);
      ReadSpec spec = reading("t_from");
      spec.where = fmt::format("id = {}", id);
      const auto rows = source_->read(spec, {}, source_->layouts(spec).front());
      RowBatch batch;
      ASSERT_TRUE(rows->next(batch));
      try {
        sink->write(batch);
        sink->finish();
        ADD_FAILURE() << path << id;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::data);
      }
    }
  }
}

TEST_F(MysqlLive, ZeroIsAValueOfAutoIncrementAndTheCounterGoesPastTheRows) {
  run("CREATE TABLE t_from (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, v int) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (0, 1), (-5, 2), (41, 3)");
  for (const std::string& path : load_paths()) {
    run("DROP TABLE IF EXISTS t_to");
    run("CREATE TABLE t_to LIKE t_from");
    copy("t_from", "t_to", cells_layout(), path);
    expect_equal("t_from", "t_to");
    run("INSERT INTO t_to (v) VALUES (9)");
    EXPECT_EQ(as_integer(one("SELECT MAX(id) FROM t_to")), 42) << path;
  }
}

TEST_F(MysqlLive, ADuplicateKeyFailsADirectLoadAndIsSaidToBeOne) {
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, u varchar(20) NOT NULL) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (1, 'secret'), (2, 'b')");
  for (const std::string& path : load_paths()) {
    SCOPED_TRACE(path);
    run("DROP TABLE IF EXISTS t_to");
    run("CREATE TABLE t_to (id int NOT NULL PRIMARY KEY, u varchar(20) NOT NULL, UNIQUE KEY u (u)) "
        "ENGINE=InnoDB");
    run("INSERT INTO t_to VALUES (7, 'secret')");
    try {
      copy("t_from", "t_to", cells_layout(), path);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      EXPECT_TRUE(error.duplicate_key());
      EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
      // Which key it is, LOAD DATA does not tell before MySQL 5.7.
      const bool tells = path != "load-data" || session().server().version >= 50700;
      EXPECT_EQ(std::string(error.what()).find("'u'") != std::string::npos, tells) << error.what();
    }
    EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to")), 1);
    // A conflict with another key is an error for a merge too, and nothing is swallowed.
    EXPECT_THROW(copy("t_from", "t_to", cells_layout(), path, LoadMode::merge), Error);
    EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to")), 1);
  }
}

TEST_F(MysqlLive, MergeLeavesPresentRowsAloneByTheDatabasesOwnEquality) {
  struct Case {
    const char* columns;
    const char* key;
    const char* rows;
    const char* present;  // a row of the target whose key equals one of the source's
  };
  const std::vector<Case> cases = {
      {"a int NOT NULL", "a", "(-1, 'n'), (0, 'n'), (5, 'n')", "(5, 'old')"},
      {"a bigint unsigned NOT NULL", "a",
       "(18446744073709551615, 'n'), (9223372036854775808, 'n'), (5, 'n')",
       "(18446744073709551615, 'old')"},
      {"a varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL", "a",
       "('abc', 'n'), ('x', 'n'), ('', 'n')", "('ABC  ', 'old')"},
      {"a varchar(20) CHARACTER SET latin1 NOT NULL", "a",
       "(_latin1 0xE9, 'n'), ('x', 'n'), ('y', 'n')", "(_latin1 0xC9, 'old')"},
      {"a varbinary(20) NOT NULL", "a", "(0x00, 'n'), (0x0000, 'n'), (0xff, 'n')", "(0x00, 'old')"},
      {"a decimal(30,5) NOT NULL", "a", "(99999999999999999999.12345, 'n'), (1, 'n'), (2, 'n')",
       "(99999999999999999999.12345, 'old')"},
      {"a datetime(6) NOT NULL", "a",
       "('2024-01-01 00:00:00.000001', 'n'), ('2024-01-01', 'n'), ('2024-01-02', 'n')",
       "('2024-01-01 00:00:00.000001', 'old')"},
      {"a enum('z','a','b') CHARACTER SET latin1 NOT NULL", "a",
       "('z', 'n'), ('a', 'n'), ('b', 'n')", "('a', 'old')"},
      {"a bit(12) NOT NULL", "a", "(b'1', 'n'), (b'100000001', 'n'), (b'0', 'n')",
       "(b'100000001', 'old')"},
      {"a double NOT NULL", "a", "(0.1, 'n'), (0.3, 'n'), (1e300, 'n')", "(0.1, 'old')"},
  };
  for (const Case& c : cases) {
    run("DROP TABLE IF EXISTS t_from");
    run(fmt::format("CREATE TABLE t_from ({}, v varchar(9), PRIMARY KEY ({})) ENGINE=InnoDB",
                    c.columns, c.key));
    run(fmt::format("INSERT INTO t_from VALUES {}", c.rows));
    for (const RowLayout& layout : source_->layouts(reading("t_from"))) {
      if (layout.format == "cells" && std::string(c.columns).starts_with("a bit"))
        continue;  // opaque has no order
      for (const std::string& path : load_paths()) {
        SCOPED_TRACE(fmt::format("{} {} {}", c.columns, layout.format, path));
        run("DROP TABLE IF EXISTS t_to");
        run("CREATE TABLE t_to LIKE t_from");
        run(fmt::format("INSERT INTO t_to VALUES {}", c.present));
        const LoadCount count = copy("t_from", "t_to", layout, path, LoadMode::merge);
        EXPECT_EQ(count.inserted, 2u);
        EXPECT_EQ(count.present, 1u);
        EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to WHERE v = 'old'")), 1);
        EXPECT_EQ(copy("t_from", "t_to", layout, path, LoadMode::merge).present, 3u);
      }
    }
  }
}

TEST_F(MysqlLive, AFailedLoadIsRolledBackToItsSavepointAndTheTransactionGoesOn) {
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (1), (2), (3), (4)");
  for (const std::string& path : load_paths()) {
    SCOPED_TRACE(path);
    run("DROP TABLE IF EXISTS t_to");
    run("CREATE TABLE t_to LIKE t_from");
    run("INSERT INTO t_to VALUES (3)");
    const auto target = open_target(path);
    Session& there = target->session();
    there.begin();
    int failed = 0;
    for (std::int64_t id = 1; id <= 4; ++id) {
      there.execute("SAVEPOINT one");
      try {
        const auto sink = target->load(writing("t_to"), cells_layout(), LoadMode::direct);
        const KeyRange range{Key{id - 1}, Key{id}};
        const auto rows = source_->read(reading("t_from"), range, cells_layout());
        RowBatch batch;
        while (rows->next(batch)) sink->write(batch);
        sink->finish();
        EXPECT_THROW(there.query("SELECT 1"), Error);  // the sink has the session to itself
      } catch (const Error& error) {
        EXPECT_TRUE(error.duplicate_key()) << error.what();
        ++failed;
        there.execute("ROLLBACK TO SAVEPOINT one");
      }
    }
    there.commit();
    EXPECT_EQ(failed, 1);
    EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_to")), 4);
  }
}

TEST_F(MysqlLive, MergeWantsAUniqueIndexOnExactlyTheKey) {
  run("CREATE TABLE t_from (a int NOT NULL, b int NOT NULL, PRIMARY KEY (a, b)) ENGINE=InnoDB");
  const auto target = open_target();
  target->session().begin();
  WriteSpec spec = writing("t_from");
  spec.key.pop_back();
  EXPECT_THROW(target->load(spec, cells_layout(), LoadMode::merge), Error);
}

TEST_F(MysqlLive, ManyRowsOfManySizesArriveOnEveryPath) {
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, v longblob, w varchar(50)) ENGINE=InnoDB");
  const auto target = open_target("insert");
  for (int i = 0; i < 5000; ++i) {
    if (i % 500 == 0) run("START TRANSACTION");
    session().query("INSERT INTO t_from VALUES (?, REPEAT(?, ?), ?)",
                    std::vector<Value>{std::int64_t{i}, Bytes{std::string(1, static_cast<char>(i))},
                                       std::int64_t{i % 1000 == 7 ? 700'000 : i % 97},
                                       std::string(static_cast<std::size_t>(i % 50), 'x')});
    if (i % 500 == 499) run("COMMIT");
  }
  for (const RowLayout& layout : source_->layouts(reading("t_from"))) {
    for (const std::string& path : load_paths()) {
      run("DROP TABLE IF EXISTS t_to");
      run("CREATE TABLE t_to LIKE t_from");
      EXPECT_EQ(copy("t_from", "t_to", layout, path).inserted, 5000u);
      EXPECT_EQ(
          one("SELECT COUNT(*) FROM t_from a JOIN t_to b USING (id) WHERE a.v = b.v AND a.w = b.w"),
          Value(std::int64_t{5000}));
    }
  }
}

TEST_F(MysqlLive, ARowBeyondThePacketIsAnErrorOfThatRowAndNotOfTheSession) {
  run("CREATE TABLE t_to (id int NOT NULL PRIMARY KEY, v longblob) ENGINE=InnoDB");
  const auto target = open_target("insert");
  target->session().begin();
  RowBatch batch;
  batch.set_columns(2);
  batch.push_integer(1);
  batch.push_bytes(std::string(
      static_cast<std::size_t>(as_integer(one("SELECT @@max_allowed_packet"))) + 1, 'x'));
  batch.end_cell_row();
  {
    const auto sink = target->load(writing("t_to"), cells_layout(), LoadMode::direct);
    try {
      sink->write(batch);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data);
      EXPECT_EQ(error.scope(), ErrorScope::statement);
    }
  }
  EXPECT_EQ(target->session().query("SELECT 1").rows.size(), 1u);
}

TEST_F(MysqlLive, ForeignKeysDoNotStopALoadAndAreCheckedWhenTheyAreAdded) {
  run("CREATE TABLE t_parent (id int NOT NULL PRIMARY KEY) ENGINE=InnoDB");
  run("CREATE TABLE t_child (id int NOT NULL PRIMARY KEY, p int, CONSTRAINT t_fk FOREIGN KEY (p) "
      "REFERENCES t_parent (id)) ENGINE=InnoDB");
  run("CREATE TABLE t_from (id int NOT NULL PRIMARY KEY, p int) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES (1, 99)");
  copy("t_from", "t_child", cells_layout(), "auto");
  run("DROP TABLE t_child");
  run("CREATE TABLE t_child LIKE t_from");
  run("INSERT INTO t_child VALUES (1, 99)");
  const auto target = open_target();
  const ForeignKey key{.name = "t_fk",
                       .columns = {"p"},
                       .referenced_table = {"", "t_parent"},
                       .referenced_columns = {"id"}};
  TableSchema child;
  child.name = {"", "t_child"};
  const std::string ddl = target->session().dialect().add_foreign_key(child, key);
  EXPECT_THROW(target->session().execute(ddl), Error);
  run("INSERT INTO t_parent VALUES (99)");
  target->session().execute(ddl);
  EXPECT_EQ(table("t_child").foreign_keys.size(), 1u);
}

TEST_F(MysqlLive, CancelStopsAQueryAndAStreamWithinASecond) {
  run("CREATE TABLE t_big (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, v varchar(200)) "
      "ENGINE=InnoDB");
  run("INSERT INTO t_big (v) VALUES (REPEAT('x', 200)), (REPEAT('y', 200))");
  for (int i = 0; i < 15; ++i) run("INSERT INTO t_big (v) SELECT v FROM t_big");
  const auto cancelled_within = [&](const std::function<void()>& work) {
    std::atomic<bool> ended = false;
    const auto canceller = session().canceller();
    steady_clock::time_point asked;
    std::thread other([&] {
      std::this_thread::sleep_for(milliseconds(300));
      asked = steady_clock::now();
      while (!ended) {
        canceller->cancel();
        std::this_thread::sleep_for(milliseconds(20));
      }
    });
    try {
      work();
      ADD_FAILURE() << "was not cancelled";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::cancelled) << error.what();
    }
    const auto took = steady_clock::now();
    ended = true;
    other.join();
    EXPECT_LT(took - asked, std::chrono::seconds(1));
    // Idle, it is not disturbed.
    canceller->cancel();
    EXPECT_EQ(session().query("SELECT 1").rows.size(), 1u);
  };
  cancelled_within([&] {
    session().query("SELECT COUNT(*) FROM t_big a, t_big b, t_big c WHERE a.v < b.v AND b.v < c.v");
  });
  cancelled_within([&] {
    ReadSpec spec = reading("t_big");
    spec.where = "SLEEP(0.001) = 0";
    const auto rows = source_->read(spec, {}, cells_layout());
    RowBatch batch;
    while (rows->next(batch)) {
    }
  });
}

TEST_F(MysqlLive, AStreamLeftEarlyLeavesTheSessionUsable) {
  run("CREATE TABLE t_big (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, v varchar(200)) "
      "ENGINE=InnoDB");
  run("INSERT INTO t_big (v) VALUES (REPEAT('x', 200)), (REPEAT('y', 200))");
  for (int i = 0; i < 14; ++i) run("INSERT INTO t_big (v) SELECT v FROM t_big");
  const auto rows_all = static_cast<std::uint64_t>(as_integer(one("SELECT COUNT(*) FROM t_big")));
  for (int i = 0; i < 20; ++i) {
    RowBatch batch;
    {
      const auto rows = source_->read(reading("t_big"), {}, cells_layout());
      ASSERT_TRUE(rows->next(batch));
      EXPECT_THROW(session().query("SELECT 1"), Error);  // the stream has the session to itself
    }
    EXPECT_EQ(source_->count(reading("t_big"), {}), rows_all);
  }
}

TEST_F(MysqlLive, TheStatementTimeoutIsTransientAndLeavesTheSession) {
  SessionOptions options;
  options.statement_timeout = milliseconds(300);
  const auto source = open_source(options);
  const auto begun = steady_clock::now();
  try {
    source->session().query(
        "SELECT COUNT(*) FROM information_schema.COLLATIONS a, information_schema.COLLATIONS b, "
        "information_schema.COLLATIONS c, information_schema.COLLATIONS d WHERE a.COLLATION_NAME < "
        "d.COLLATION_NAME");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::transient) << error.what();
    EXPECT_EQ(error.scope(), ErrorScope::statement);
  }
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(3));
  EXPECT_EQ(source->session().query("SELECT 1").rows.size(), 1u);
}

TEST_F(MysqlLive, ALockIsWaitedForNoLongerThanAsked) {
  run("CREATE TABLE t_key (id int NOT NULL PRIMARY KEY, v int) ENGINE=InnoDB");
  run("INSERT INTO t_key VALUES (1, 1)");
  SessionOptions options;
  options.lock_timeout = milliseconds(1000);
  const auto other = open_target("auto", options);
  session().begin();
  session().query("SELECT * FROM t_key WHERE id = 1 FOR UPDATE");
  other->session().begin();
  try {
    other->session().query("SELECT * FROM t_key WHERE id = 1 FOR UPDATE");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::transient);
    EXPECT_EQ(error.scope(), ErrorScope::statement);
  }
  other->session().rollback();
  session().rollback();
}

TEST_F(MysqlLive, ADeadlockEndsTheTransactionAndIsNotUsedOn) {
  run("CREATE TABLE t_key (id int NOT NULL PRIMARY KEY, v int) ENGINE=InnoDB");
  run("INSERT INTO t_key VALUES (1, 1), (2, 1)");
  const auto a = open_target(), b = open_target();
  a->session().begin();
  b->session().begin();
  a->session().query("UPDATE t_key SET v = 2 WHERE id = 1");
  b->session().query("UPDATE t_key SET v = 2 WHERE id = 2");
  std::atomic<int> deadlocks = 0;
  const auto cross = [&](Session& s, int id) {
    try {
      s.query(fmt::format("UPDATE t_key SET v = 3 WHERE id = {}", id));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::transient);
      EXPECT_EQ(error.scope(), ErrorScope::transaction);
      ++deadlocks;
      EXPECT_THROW(s.query("INSERT INTO t_key VALUES (9, 9)"), Error);  // would commit by itself
      s.rollback();
    }
  };
  std::thread other([&] { cross(b->session(), 1); });
  cross(a->session(), 2);
  other.join();
  EXPECT_EQ(deadlocks, 1);
  a->session().rollback();
  b->session().rollback();
  EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM t_key")), 2);
}

TEST_F(MysqlLive, ALostConnectionAtCommitIsInDoubt) {
  run("CREATE TABLE t_key (id int NOT NULL PRIMARY KEY) ENGINE=InnoDB");
  const auto target = open_target();
  const std::int64_t id = as_integer(target->session().query("SELECT CONNECTION_ID()").rows[0][0]);
  target->session().begin();
  target->session().query("INSERT INTO t_key VALUES (1)");
  run(fmt::format("KILL {}", id));
  try {
    target->session().commit();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::in_doubt) << error.what();
    EXPECT_EQ(error.scope(), ErrorScope::session);
  }
}

TEST_F(MysqlLive, PreparedAndPlainQueriesGiveTheSameValues) {
  run("CREATE TABLE t_v (i int, u int unsigned, b bigint unsigned, d double, n decimal(20,5), t "
      "varchar(20), x varbinary(20), "
      "dt datetime(6), da date, ti time(3), y year, bi bit(9), bl longblob) ENGINE=InnoDB DEFAULT "
      "CHARSET=utf8mb4");
  run("INSERT INTO t_v VALUES (-1, 4294967295, 18446744073709551615, 0.1, 12345678901234.50000, "
      "'text', 0x00ff, "
      "'2024-02-29 01:02:03.000004', '2024-02-29', '-12:00:00.5', 2024, b'100000001', REPEAT('x', "
      "100000))");
  const auto plain = session().query("SELECT * FROM t_v");
  const auto prepared =
      session().query("SELECT * FROM t_v WHERE i = ?", std::vector<Value>{std::int64_t{-1}});
  EXPECT_EQ(plain.columns, prepared.columns);
  EXPECT_EQ(plain.rows, prepared.rows);
  const std::vector<Value>& row = plain.rows.at(0);
  EXPECT_EQ(row[1], Value(std::uint64_t{4294967295}));
  EXPECT_EQ(row[4], Value(std::string("12345678901234.50000")));
  EXPECT_EQ(row[6], Value(Bytes{std::string("\0\xff", 2)}));
  EXPECT_EQ(row[7], Value(std::string("2024-02-29 01:02:03.000004")));
  EXPECT_EQ(row[11], Value(std::uint64_t{257}));
  const auto back = session().query(
      "SELECT ?, ?, ?, ?, ?",
      std::vector<Value>{std::int64_t{-5}, std::string("é"), Bytes{"a"}, Value(), 1.5});
  EXPECT_EQ(as_integer(back.rows[0][0]), -5);
  EXPECT_EQ(as_text(back.rows[0][1]), "é");
  EXPECT_TRUE(is_null(back.rows[0][3]));
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

TEST_F(MysqlLive, ColocationCopiesBetweenTwoDatabasesOfOneServer) {
  const std::string other = session().server().database + "_co";
  run("DROP DATABASE IF EXISTS " + other);
  run("CREATE DATABASE " + other + " DEFAULT CHARACTER SET utf8mb4");
  run("CREATE TABLE t_from (a varchar(20) CHARACTER SET latin1 NOT NULL, b int NOT NULL, v double, "
      "PRIMARY KEY (a, b)) ENGINE=InnoDB");
  run("INSERT INTO t_from VALUES ('a', 1, 0.1), ('A', 2, NULL), ('b', 1, -0e0), ('c', 1, 1e300)");
  run("CREATE TABLE " + other + ".t_from LIKE t_from");
  run("INSERT INTO " + other + ".t_from VALUES ('B', 1, 42)");
  const auto target = open_target();
  const auto colocation = target->colocate(*source_);
  ASSERT_NE(colocation, nullptr);
  ReadSpec from = reading("t_from");
  WriteSpec to{{other, "t_from"}, from.columns, from.key};
  target->session().begin();
  const KeyRange first{std::nullopt, Key{std::string("A"), std::int64_t{2}}};
  EXPECT_EQ(colocation->copy(from, to, first, LoadMode::direct).inserted, 2u);
  const KeyRange rest{first.upper, std::nullopt};
  EXPECT_THROW(colocation->copy(from, to, rest, LoadMode::direct), Error);
  target->session().rollback();
  target->session().begin();
  from.where = "t_from.b > 0";
  EXPECT_EQ(colocation->copy(from, to, first, LoadMode::merge).inserted, 2u);
  const LoadCount count = colocation->copy(from, to, rest, LoadMode::merge);
  EXPECT_EQ(count.inserted, 1u);
  EXPECT_EQ(count.present, 1u);
  EXPECT_THROW(
      colocation->copy(from, WriteSpec{from.table, from.columns, from.key}, {}, LoadMode::merge),
      Error);
  target->session().commit();
  EXPECT_EQ(as_integer(one("SELECT COUNT(*) FROM " + other + ".t_from")), 4);
  run("DROP DATABASE " + other);
}

TEST_F(MysqlLive, LoadIsSampledWithoutPrivilegesToo) {
  const LoadSample sample = session().load();
  EXPECT_TRUE(sample.active_sessions);
  EXPECT_TRUE(sample.lock_waits);
}

TEST_F(MysqlLive, TheSessionIsStrictInUtcAndSaysWhatTheServerIs) {
  EXPECT_EQ(as_text(one("SELECT @@session.time_zone")), "+00:00");
  EXPECT_NE(as_text(one("SELECT @@session.sql_mode")).find("STRICT_ALL_TABLES"), std::string::npos);
  EXPECT_EQ(as_text(one("SELECT @@session.character_set_client")), "utf8mb4");
  EXPECT_FALSE(session().server().read_only);
  EXPECT_GT(session().server().version, 50000);
  EXPECT_EQ(as_integer(one("SELECT @@session.foreign_key_checks")), 1);
}

TEST_F(MysqlLive, WrongPasswordsAndNamesSayWhatToDo) {
  const Url url = Url::parse(live_url());
  const auto kind_of = [](const std::string& text) {
    try {
      open_source({}, text);
    } catch (const Error& error) {
      EXPECT_FALSE(error.remedy().empty()) << error.what();
      EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos);
      return error.kind();
    }
    return ErrorKind::invariant;
  };
  EXPECT_EQ(kind_of(fmt::format("mysql://nobody_such:hunter2@{}:{}/x", url.host(), url.port())),
            ErrorKind::permanent);
  EXPECT_EQ(kind_of(fmt::format("mysql://u:hunter2@{}:1/x", url.host())), ErrorKind::transient);
  EXPECT_EQ(kind_of(with_parameter(live_url(), "sockt=/x")), ErrorKind::usage);
}

}  // namespace
}  // namespace migrator::mysql
