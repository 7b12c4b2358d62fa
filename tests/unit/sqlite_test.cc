// The SQLite backend on real files in a temporary folder.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/adapter.h"
#include "adapters/codec.h"
#include "adapters/sqlite/adapter.h"
#include "adapters/sqlite/codec.h"
#include "adapters/sqlite/create_table.h"
#include "adapters/sqlite/decimal.h"
#include "adapters/sqlite/errors.h"
#include "adapters/sqlite/tokens.h"
#include "adapters/sqlite/types.h"

namespace migrator {
namespace {

using sqlite::adapter;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Clock = std::chrono::steady_clock;

const Dialect& dialect() { return adapter().dialect(); }

Error caught(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return {ErrorKind::invariant, "none"};
}

Value text(const char* value) { return std::string(value); }
Value integer(std::int64_t value) { return value; }

// A value as a test can name it: its storage class and its digits.
std::string shown(const Value& value) { return encode_key({value}); }

class SqliteTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sqlite_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  Url url(const std::string& name, const std::string& parameters = "") const {
    return Url::parse("sqlite:" + path(name) + parameters);
  }
  std::unique_ptr<Target> target(const std::string& name, const std::string& parameters = "",
                                 const SessionOptions& options = {}) const {
    return adapter().open_target(url(name, parameters), options);
  }
  std::unique_ptr<Source> source(const std::string& name, const std::string& parameters = "",
                                 const SessionOptions& options = {}) const {
    return adapter().open_source(url(name, parameters), options);
  }
  // Runs statements in a file of that name.
  void make(const std::string& name, const std::vector<std::string>& statements) const {
    const auto database = target(name);
    for (const std::string& statement : statements) database->session().execute(statement);
  }
  static TableSchema table(Session& session, const std::string& name) {
    const Catalog catalog = session.catalog();
    const TableSchema* found = catalog.find_table({"", name});
    EXPECT_NE(found, nullptr) << name;
    return found == nullptr ? TableSchema{} : *found;
  }
  static ReadSpec read_spec(Session& session, const std::string& name,
                            const std::vector<std::string>& key) {
    const TableSchema schema = table(session, name);
    ReadSpec spec{{"", name}, schema.columns, {}, ""};
    for (const std::string& column : key) spec.key.push_back(*schema.find_column(column));
    return spec;
  }
  static WriteSpec write_spec(Session& session, const std::string& name,
                              const std::vector<std::string>& key) {
    const ReadSpec spec = read_spec(session, name, key);
    WriteSpec result{spec.table, {}, spec.key};
    for (const Column& column : spec.columns) {
      if (!column.generated) result.columns.push_back(column);
    }
    return result;
  }
  static std::vector<std::vector<Value>> rows(Session& session, const std::string& sql) {
    return session.query(sql).rows;
  }
  static std::string one(Session& session, const std::string& sql) {
    return shown(session.query(sql).rows.at(0).at(0));
  }

  std::filesystem::path folder_;
};

// The cells of all rows of a read, as JSON texts.
std::vector<std::string> read_all(Source& source, const ReadSpec& spec, const KeyRange& range = {},
                                  const RowLayout& layout = cells_layout(),
                                  ReadOrder order = ReadOrder::any) {
  std::vector<std::string> result;
  const auto stream = source.read(spec, range, layout, order);
  RowBatch batch;
  while (stream->next(batch)) {
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      Key key;
      for (std::size_t i = 0; i < batch.columns(); ++i) {
        const Cell& cell = batch.row(row)[i];
        switch (cell.tag) {
          case Cell::Tag::null:
            key.emplace_back(std::monostate{});
            break;
          case Cell::Tag::integer:
            key.emplace_back(cell.integer);
            break;
          case Cell::Tag::unsigned_integer:
            key.emplace_back(cell.unsigned_integer);
            break;
          case Cell::Tag::real:
            key.emplace_back(cell.real);
            break;
          case Cell::Tag::text:
            key.emplace_back(std::string(batch.bytes_of(cell)));
            break;
          case Cell::Tag::bytes:
            key.emplace_back(Bytes{std::string(batch.bytes_of(cell))});
            break;
          case Cell::Tag::misfit:
            key.emplace_back("misfit: " + std::string(batch.bytes_of(cell)));
            break;
        }
      }
      result.push_back(encode_key(key));
    }
  }
  return result;
}

void push(RowBatch& batch, const Value& value) {
  if (is_null(value)) return batch.push_null();
  if (const auto* i = std::get_if<std::int64_t>(&value)) return batch.push_integer(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return batch.push_unsigned(*u);
  if (const auto* d = std::get_if<double>(&value)) return batch.push_real(*d);
  if (const auto* s = std::get_if<std::string>(&value)) return batch.push_text(*s);
  batch.push_bytes(std::get<Bytes>(value).data);
}

RowBatch batch_of(const std::vector<std::vector<Value>>& rows) {
  RowBatch batch;
  batch.set_columns(rows.at(0).size());
  for (const auto& row : rows) {
    for (const Value& value : row) push(batch, value);
    batch.end_cell_row();
  }
  return batch;
}

LoadCount load(Target& target, const WriteSpec& spec, const std::vector<std::vector<Value>>& rows,
               LoadMode mode = LoadMode::direct, const RowLayout& layout = cells_layout()) {
  target.session().begin();
  try {
    LoadCount count;
    {
      const auto sink = target.load(spec, layout, mode);
      sink->write(batch_of(rows));
      count = sink->finish();
    }
    target.session().commit();
    return count;
  } catch (...) {
    target.session().rollback();
    throw;
  }
}

// ---- errors, types, small parsers

TEST(SqliteErrors, AreClassifiedByTable) {
  struct Case {
    int code;
    ErrorKind kind;
    bool duplicate;
  };
  const Case cases[] = {
      {SQLITE_CONSTRAINT_UNIQUE, ErrorKind::data, true},
      {SQLITE_CONSTRAINT_PRIMARYKEY, ErrorKind::data, true},
      {SQLITE_CONSTRAINT_ROWID, ErrorKind::data, true},
      {SQLITE_CONSTRAINT_NOTNULL, ErrorKind::data, false},
      {SQLITE_CONSTRAINT_CHECK, ErrorKind::data, false},
      {SQLITE_CONSTRAINT_DATATYPE, ErrorKind::data, false},
      {SQLITE_CONSTRAINT_FOREIGNKEY, ErrorKind::data, false},
      {SQLITE_CONSTRAINT_TRIGGER, ErrorKind::data, false},
      {SQLITE_MISMATCH, ErrorKind::data, false},
      {SQLITE_TOOBIG, ErrorKind::data, false},
      {SQLITE_BUSY, ErrorKind::transient, false},
      {SQLITE_BUSY_SNAPSHOT, ErrorKind::transient, false},
      {SQLITE_BUSY_RECOVERY, ErrorKind::transient, false},
      {SQLITE_LOCKED, ErrorKind::transient, false},
      {SQLITE_LOCKED_SHAREDCACHE, ErrorKind::transient, false},
      {SQLITE_PROTOCOL, ErrorKind::transient, false},
      {SQLITE_ABORT_ROLLBACK, ErrorKind::transient, false},
      {SQLITE_INTERRUPT, ErrorKind::cancelled, false},
      {SQLITE_FULL, ErrorKind::permanent, false},
      {SQLITE_READONLY, ErrorKind::permanent, false},
      {SQLITE_READONLY_DBMOVED, ErrorKind::permanent, false},
      {SQLITE_CANTOPEN, ErrorKind::permanent, false},
      {SQLITE_CORRUPT, ErrorKind::permanent, false},
      {SQLITE_NOTADB, ErrorKind::permanent, false},
      {SQLITE_IOERR_WRITE, ErrorKind::permanent, false},
      {SQLITE_IOERR_LOCK, ErrorKind::transient, false},
      {SQLITE_NOMEM, ErrorKind::transient, false},
      {SQLITE_ERROR, ErrorKind::permanent, false},
      {SQLITE_MISUSE, ErrorKind::invariant, false},
  };
  for (const Case& c : cases) {
    const Error error = sqlite::classify(c.code, "doing", "message");
    EXPECT_EQ(error.kind(), c.kind) << c.code;
    EXPECT_EQ(error.duplicate_key(), c.duplicate) << c.code;
    EXPECT_EQ(error.code(), std::to_string(c.code));
    EXPECT_STREQ(error.what(), "doing: message");
    if (c.kind == ErrorKind::permanent) {
      EXPECT_FALSE(error.remedy().empty()) << c.code;
    }
  }
}

TEST(SqliteTypes, NeutralTypesOfDeclaredTypes) {
  const std::pair<const char*, const char*> cases[] = {
      {"INTEGER", "int64"},
      {"int", "int64"},
      {"BIGINT UNSIGNED", "int64"},
      {"tinyint(1)", "int64"},
      {"BOOLEAN", "boolean"},
      {"bool", "boolean"},
      {"DECIMAL(12,2)", "decimal(12,2)"},
      {"numeric( 5 , 1 )", "decimal(5,1)"},
      {"NUMERIC", "decimal"},
      {"DECIMAL_TEXT(30,4)", "decimal(30,4)"},
      {"REAL", "float64"},
      {"DOUBLE PRECISION", "float64"},
      {"VARCHAR(40)", "text(40)"},
      {"NATIVE CHARACTER(70)", "text(70)"},
      {"TEXT", "text"},
      {"CLOB", "text"},
      {"BLOB", "bytes"},
      {"VARBINARY(16)", "bytes(16)"},
      {"DATE", "date"},
      {"JSON", "json"},
      {"JSON_TEXT", "json"},
      {"UUID", "uuid"},
      {"", "opaque"},
      {"STRING", "opaque"},
      {"INTERVAL", "opaque"},
      {"GEOMETRY", "opaque"},
  };
  for (const auto& [declared, neutral] : cases) {
    EXPECT_EQ(describe(sqlite::neutral_type(declared)), neutral) << declared;
  }
  EXPECT_EQ(sqlite::neutral_type("DATETIME").kind, TypeKind::timestamp);
  EXPECT_EQ(sqlite::neutral_type("DATETIME").precision, 6u);
  EXPECT_EQ(sqlite::neutral_type("DATETIME(0)").precision, 0u);
  EXPECT_EQ(sqlite::neutral_type("TIMESTAMP(3) WITH TIME ZONE").kind, TypeKind::timestamptz);
  EXPECT_EQ(sqlite::neutral_type("TIMESTAMP(3) WITH TIME ZONE").precision, 3u);
  EXPECT_EQ(sqlite::neutral_type("timestamp without time zone").kind, TypeKind::timestamp);
  EXPECT_FALSE(sqlite::neutral_type("CHAR(4)").fixed);
  EXPECT_EQ(sqlite::neutral_type("DECIMAL(5,-2)").precision, 0u);
}

TEST(SqliteTypes, AffinityFollowsTheRulesOfTheManual) {
  using sqlite::Affinity;
  EXPECT_EQ(sqlite::affinity_of("CHARINT"), Affinity::integer);
  EXPECT_EQ(sqlite::affinity_of("FLOATING POINT"), Affinity::integer);
  EXPECT_EQ(sqlite::affinity_of("JSON_TEXT"), Affinity::text);
  EXPECT_EQ(sqlite::affinity_of("DECIMAL_TEXT(20,0)"), Affinity::text);
  EXPECT_EQ(sqlite::affinity_of("JSON"), Affinity::numeric);
  EXPECT_EQ(sqlite::affinity_of(""), Affinity::blob);
  EXPECT_EQ(sqlite::affinity_of("FLOAT"), Affinity::real);
}

TEST(SqliteDecimal, ComparesByValueAndNotByText) {
  using sqlite::compare_decimals;
  EXPECT_EQ(compare_decimals("1.50", "1.5"), 0);
  EXPECT_EQ(compare_decimals("-0", "0.00"), 0);
  const char* const ascending[] = {"-Infinity", "-10", "-9.5", "-0.51",
                                   "-0.5",      "0",   "0.09", "0.1",
                                   "1",         "9",   "10",   "18446744073709551615",
                                   "Infinity",  "NaN"};
  for (std::size_t i = 0; i + 1 < std::size(ascending); ++i) {
    EXPECT_LT(compare_decimals(ascending[i], ascending[i + 1]), 0) << ascending[i];
    EXPECT_GT(compare_decimals(ascending[i + 1], ascending[i]), 0) << ascending[i];
  }
}

TEST(SqliteDecimal, PrintsDoublesWithoutAnExponent) {
  const std::pair<double, const char*> cases[] = {
      {12.5, "12.5"}, {1e22, "10000000000000000000000"}, {1e-7, "0.0000001"}, {-0.1, "-0.1"}};
  for (const auto& [value, expected] : cases) {
    std::string out;
    sqlite::print_plain(out, value);
    EXPECT_EQ(out, expected);
  }
  std::string tiny;
  sqlite::print_plain(tiny, -std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(std::strtod(tiny.c_str(), nullptr), -std::numeric_limits<double>::denorm_min());
}

TEST(SqliteCreateTable, ReadsChecksGeneratedColumnsAndForeignKeys) {
  sqlite::CreatedTable created;
  ASSERT_TRUE(sqlite::parse_create_table(
      "CREATE TABLE IF NOT EXISTS \"my \"\"table\" ( -- a comment, with a comma\n"
      "  id INTEGER PRIMARY KEY, [check] TEXT DEFAULT 'it''s (a) CHECK' CHECK(length([check]) > 0),"
      "  n INT CONSTRAINT positive CHECK (n > (0)) UNIQUE ON CONFLICT REPLACE,"
      "  d INT AS (n * 2) STORED, e TEXT GENERATED ALWAYS AS (printf('%s)', n)),"
      "  p INT REFERENCES p(id) ON DELETE SET NULL ON UPDATE NO ACTION DEFERRABLE INITIALLY "
      "DEFERRED"
      "    NOT NULL,"
      "  CONSTRAINT both CHECK (n < d) CONSTRAINT up FOREIGN KEY (n, d) REFERENCES q(a, b)"
      "    NOT DEFERRABLE INITIALLY DEFERRED"
      ") STRICT",
      created));
  std::vector<std::string> names;
  for (const auto& column : created.columns)
    names.push_back(column.name + "|" + column.generated_sql);
  EXPECT_THAT(names, ElementsAre("id|", "check|", "n|", "d|n * 2", "e|printf('%s)', n)", "p|"));
  ASSERT_EQ(created.checks.size(), 3u);
  EXPECT_EQ(created.checks[0].sql, "length([check]) > 0");
  EXPECT_EQ(created.checks[1].name, "positive");
  EXPECT_EQ(created.checks[1].sql, "n > (0)");
  EXPECT_EQ(created.checks[2].name, "both");
  ASSERT_EQ(created.foreign_keys.size(), 2u);
  EXPECT_TRUE(created.foreign_keys[0].deferrable);
  EXPECT_EQ(created.foreign_keys[1].name, "up");
  EXPECT_FALSE(created.foreign_keys[1].deferrable);
  EXPECT_TRUE(created.conflict_clauses);
  EXPECT_FALSE(sqlite::parse_create_table("CREATE TABLE t(a CHECK (a > 'x", created));
  EXPECT_FALSE(sqlite::parse_create_table("CREATE VIRTUAL TABLE t USING fts5(a)", created));
}

TEST(SqliteCreateTable, DescribesTriggers) {
  EXPECT_EQ(sqlite::describe_trigger("CREATE TRIGGER a AFTER UPDATE OF x ON t BEGIN SELECT 1; END"),
            "AFTER UPDATE");
  EXPECT_EQ(sqlite::describe_trigger(
                "create trigger if not exists main.\"b c\" delete on t begin select 1; end"),
            "BEFORE DELETE");
  EXPECT_EQ(sqlite::describe_trigger("CREATE TRIGGER v INSTEAD OF INSERT ON w BEGIN SELECT 1; END"),
            "INSTEAD OF INSERT");
}

// ---- sessions

TEST_F(SqliteTest, SourceThatDoesNotExistIsAnErrorAndIsNotMade) {
  for (const char* parameters : {"", "?mode=rw", "?mode=rwc", "?mode=ro"}) {
    const Error error = caught([&] { source("none.db", parameters); });
    EXPECT_EQ(error.kind(), ErrorKind::permanent);
    EXPECT_FALSE(error.remedy().empty());
    EXPECT_FALSE(std::filesystem::exists(path("none.db")));
  }
  EXPECT_EQ(caught([&] { target("none.db", "?mode=ro"); }).kind(), ErrorKind::permanent);
  EXPECT_FALSE(std::filesystem::exists(path("none.db")));
}

TEST_F(SqliteTest, TargetIsMadeInWalModeWithNeitherForeignKeysNorTrust) {
  const auto database = target("new.db");
  Session& session = database->session();
  EXPECT_EQ(one(session, "PRAGMA journal_mode"), R"(["wal"])");
  EXPECT_EQ(one(session, "PRAGMA synchronous"), "[1]");
  EXPECT_EQ(one(session, "PRAGMA foreign_keys"), "[0]");
  EXPECT_EQ(one(session, "PRAGMA trusted_schema"), "[0]");
  EXPECT_EQ(session.server().product, std::string("SQLite ") + sqlite3_libversion());
  EXPECT_FALSE(session.server().read_only);
  EXPECT_EQ(session.server().version / 10000, 3);
}

TEST_F(SqliteTest, JournalModeIsTheUrlsForTargetsAndUntouchedForSources) {
  {
    const auto database = target("a.db", "?journal_mode=delete");
    EXPECT_EQ(one(database->session(), "PRAGMA journal_mode"), R"(["delete"])");
    database->session().execute("CREATE TABLE t(a)");
  }
  const auto reader = source("a.db");
  EXPECT_EQ(one(reader->session(), "PRAGMA journal_mode"), R"(["delete"])");
  EXPECT_EQ(caught([&] { target("a.db", "?journal_mode=off"); }).kind(), ErrorKind::usage);
  EXPECT_EQ(caught([&] { target("a.db", "?colour=red"); }).kind(), ErrorKind::usage);
}

TEST_F(SqliteTest, NamesWithOddCharactersAreOpened) {
  const std::string odd = "a b#c%41é'\".db";
  {
    const auto database = adapter().open_target(
        Url::parse("sqlite:" + path("a%20b%23c%2541%C3%A9'%22.db")), SessionOptions{});
    database->session().execute("CREATE TABLE t(a)");
  }
  EXPECT_TRUE(std::filesystem::exists(path(odd)));
}

TEST_F(SqliteTest, ReadOnlyFilesSaySoAndRefuseWrites) {
  make("a.db", {"CREATE TABLE t(a INTEGER PRIMARY KEY)"});
  const auto reader = source("a.db", "?mode=ro");
  EXPECT_TRUE(reader->session().server().read_only);
  const Error error = caught([&] { reader->session().execute("INSERT INTO t VALUES(1)"); });
  EXPECT_EQ(error.kind(), ErrorKind::permanent);
  EXPECT_EQ(error.code(), std::to_string(SQLITE_READONLY));
  reader->session().begin();  // a snapshot
  EXPECT_TRUE(reader->session().in_transaction());
  reader->session().commit();
}

TEST_F(SqliteTest, FilesThatAreNoDatabaseAreNamed) {
  std::ofstream(path("text.db")) << std::string(5000, 'x');
  const Error error = caught([&] { source("text.db"); });
  EXPECT_EQ(error.kind(), ErrorKind::permanent);
  EXPECT_EQ(error.code(), std::to_string(SQLITE_NOTADB));
  EXPECT_THAT(error.what(), HasSubstr("text.db"));
  EXPECT_FALSE(error.remedy().empty());
  EXPECT_EQ(caught([&] { target("no/such/folder.db"); }).code(), std::to_string(SQLITE_CANTOPEN));
}

TEST_F(SqliteTest, QueryBindsAndReturnsEveryStorageClass) {
  const auto database = target("a.db");
  Session& session = database->session();
  session.execute("CREATE TABLE t(a)");
  const std::vector<Value> values{std::monostate{},
                                  std::numeric_limits<std::int64_t>::min(),
                                  std::numeric_limits<std::int64_t>::max(),
                                  -0.5,
                                  std::string("a\0b", 3),
                                  std::string(),
                                  Bytes{std::string("\0\xff", 2)},
                                  Bytes{}};
  for (const Value& value : values) {
    const std::vector<Value> parameters{value};
    EXPECT_EQ(session.query("INSERT INTO t VALUES(?)", parameters).affected, 1u);
  }
  const Result result = session.query("SELECT a FROM t ORDER BY rowid");
  ASSERT_EQ(result.rows.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(result.rows[i][0], values[i]) << i;
  EXPECT_EQ(result.affected, 0u);
  EXPECT_EQ(session.query("UPDATE t SET a = 1 WHERE rowid < 4").affected, 3u);
  EXPECT_EQ(session.query("DELETE FROM t WHERE rowid > 99").affected, 0u);
  const std::vector<Value> nan{std::nan("")};
  EXPECT_EQ(caught([&] { session.query("INSERT INTO t VALUES(?)", nan); }).kind(), ErrorKind::data);
  EXPECT_EQ(caught([&] { session.query("INSERT INTO t VALUES(?)"); }).kind(), ErrorKind::invariant);
  EXPECT_EQ(caught([&] { session.query("SELECT 1; SELECT 2"); }).kind(), ErrorKind::invariant);
  EXPECT_NO_THROW(session.execute("SELECT 1; -- that is all\n"));
  EXPECT_EQ(caught([&] { session.execute("SELECT * FROM nowhere"); }).kind(), ErrorKind::permanent);
}

TEST_F(SqliteTest, BeginTakesTheWriteLockAndWaitsForItUpToTheLockTimeout) {
  const auto first = target("a.db");
  SessionOptions options;
  options.lock_timeout = milliseconds(150);
  const auto second = target("a.db", "", options);
  first->session().begin();
  const auto start = Clock::now();
  const Error error = caught([&] { second->session().begin(); });
  const auto waited = Clock::now() - start;
  EXPECT_EQ(error.kind(), ErrorKind::transient);
  EXPECT_GE(waited, milliseconds(140));
  EXPECT_LT(waited, milliseconds(5000));
  EXPECT_FALSE(second->session().in_transaction());
  first->session().rollback();
  second->session().begin();
  second->session().commit();
  EXPECT_EQ(caught([&] { second->session().commit(); }).kind(), ErrorKind::invariant);
}

TEST_F(SqliteTest, SavepointsRollBackAPart) {
  const auto database = target("a.db");
  Session& session = database->session();
  session.execute("CREATE TABLE t(a INTEGER PRIMARY KEY)");
  session.begin();
  session.execute("INSERT INTO t VALUES(1)");
  session.execute("SAVEPOINT x");
  session.execute("INSERT INTO t VALUES(2)");
  session.execute("ROLLBACK TO SAVEPOINT x");
  session.execute("RELEASE SAVEPOINT x");
  EXPECT_TRUE(session.in_transaction());
  session.commit();
  EXPECT_EQ(one(session, "SELECT group_concat(a) FROM t"), R"(["1"])");
}

constexpr const char* kEndless =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

TEST_F(SqliteTest, CancellerStopsAStatementWithinASecond) {
  const auto database = target("a.db");
  Session& session = database->session();
  const auto canceller = session.canceller();
  canceller->cancel();  // idle: no effect
  EXPECT_EQ(one(session, "SELECT 1"), "[1]");
  std::atomic<bool> done = false;
  std::jthread other([&] {
    // Until it has taken effect: the first may come before the statement.
    while (!done) {
      canceller->cancel();
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  const auto start = Clock::now();
  const Error error = caught([&] { session.execute(kEndless); });
  done = true;
  other.join();
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_LT(Clock::now() - start, milliseconds(1000));
  EXPECT_EQ(one(session, "SELECT 1"), "[1]");
}

TEST_F(SqliteTest, CancellerStopsTheWaitForALock) {
  const auto first = target("a.db");
  const auto second = target("a.db");
  first->session().begin();
  const auto canceller = second->session().canceller();
  std::atomic<bool> done = false;
  std::jthread other([&] {
    while (!done) {
      canceller->cancel();
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  const auto start = Clock::now();
  const Error error = caught([&] { second->session().begin(); });
  done = true;
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_LT(Clock::now() - start, milliseconds(1000));
  first->session().rollback();
}

TEST_F(SqliteTest, CancellerOutlivesItsSession) {
  std::shared_ptr<Canceller> canceller;
  {
    const auto database = target("a.db");
    canceller = database->session().canceller();
  }
  canceller->cancel();
}

TEST_F(SqliteTest, CancelledWriteSaysThatTheTransactionIsLost) {
  const auto database = target("a.db");
  Session& session = database->session();
  session.execute("CREATE TABLE t(a)");
  session.begin();
  session.execute("INSERT INTO t VALUES(1)");
  const auto canceller = session.canceller();
  std::atomic<bool> done = false;
  std::jthread other([&] {
    while (!done) {
      canceller->cancel();
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  const Error error = caught([&] {
    session.execute(
        "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n "
        "FROM c");
  });
  done = true;
  other.join();
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_EQ(error.scope() == ErrorScope::transaction, !session.in_transaction());
  session.rollback();
  EXPECT_EQ(one(session, "SELECT count(*) FROM t"), "[0]");
}

TEST_F(SqliteTest, StatementTimeoutStopsALongStatement) {
  SessionOptions options;
  options.statement_timeout = milliseconds(50);
  const auto database = target("a.db", "", options);
  const Error error = caught([&] { database->session().execute(kEndless); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_THAT(error.what(), HasSubstr("statement timeout"));
  EXPECT_EQ(one(database->session(), "SELECT 1"), "[1]");
}

TEST_F(SqliteTest, FullDiskIsPermanentAndLosesOnlyTheTransaction) {
  const auto database = target("a.db");
  Session& session = database->session();
  session.execute("CREATE TABLE t(a)");
  session.execute("PRAGMA max_page_count = 10");
  session.begin();
  const Error error = caught([&] {
    for (int i = 0; i < 100; ++i) session.execute("INSERT INTO t VALUES(zeroblob(4000))");
  });
  EXPECT_EQ(error.kind(), ErrorKind::permanent);
  EXPECT_EQ(error.code(), std::to_string(SQLITE_FULL));
  EXPECT_EQ(error.scope() == ErrorScope::transaction, !session.in_transaction());
  session.rollback();
  EXPECT_EQ(one(session, "SELECT count(*) FROM t"), "[0]");
}

// ---- catalog

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

// ---- dialect

TEST(SqliteDialect, MapsColumnsOfOtherEngines) {
  struct Case {
    TypeKind kind;
    std::uint32_t precision, scale;
    const char* native;
  };
  const Case cases[] = {
      {TypeKind::int16, 0, 0, "INTEGER"},
      {TypeKind::decimal, 15, 4, "NUMERIC(15,4)"},
      {TypeKind::decimal, 16, 0, "DECIMAL_TEXT(16,0)"},
      {TypeKind::decimal, 0, 0, "DECIMAL_TEXT"},
      {TypeKind::timestamp, 3, 0, "DATETIME(3)"},
      {TypeKind::timestamptz, 6, 0, "TIMESTAMPTZ"},
      {TypeKind::json, 0, 0, "JSON_TEXT"},
      {TypeKind::float32, 0, 0, "FLOAT"},
      {TypeKind::uuid, 0, 0, "UUID"},
      {TypeKind::boolean, 0, 0, "BOOLEAN"},
  };
  for (const Case& c : cases) {
    Column column;
    column.name = "c";
    column.type.kind = c.kind;
    column.type.precision = c.precision;
    column.type.scale = c.scale;
    EXPECT_EQ(dialect().map_column(column, Engine::postgres).column.native_type, c.native);
  }
  Column opaque;
  opaque.native_type = "tsvector";
  EXPECT_THAT(dialect().map_column(opaque, Engine::postgres).refused, HasSubstr("tsvector"));
  EXPECT_EQ(dialect().map_column(opaque, Engine::sqlite).refused, "");
}

TEST(SqliteDialect, TranslatesLiteralDefaultsAndDropsTheRestWithANote) {
  struct Case {
    Engine from;
    TypeKind kind;
    const char* sql;
    const char* expected;  // "" is dropped
  };
  const Case cases[] = {
      {Engine::postgres, TypeKind::text, "'it''s'::character varying(10)", "'it''s'"},
      {Engine::postgres, TypeKind::int64, "(-1)", "-1"},
      {Engine::postgres, TypeKind::boolean, "true", "1"},
      {Engine::postgres, TypeKind::timestamp, "now()", "CURRENT_TIMESTAMP"},
      {Engine::postgres, TypeKind::timestamptz, "CURRENT_TIMESTAMP",
       "(strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'))"},
      {Engine::postgres, TypeKind::date, "'2024-01-01'::date", "'2024-01-01'"},
      {Engine::postgres, TypeKind::text, "NULL::text", "NULL"},
      {Engine::postgres, TypeKind::text, "lower('X'::text)", ""},
      {Engine::postgres, TypeKind::text, "('a'::text || 'b'::text)", ""},
      {Engine::postgres, TypeKind::uuid, "gen_random_uuid()", ""},
      {Engine::postgres, TypeKind::bytes, "'\\x00'::bytea", ""},
      {Engine::mysql, TypeKind::timestamp, "current_timestamp(6)", "CURRENT_TIMESTAMP"},
      {Engine::mysql, TypeKind::int64, "'5'", "5"},
      {Engine::mysql, TypeKind::text, "'a\\nb'", ""},
      {Engine::mysql, TypeKind::date, "'0000-00-00'", ""},
  };
  for (const Case& c : cases) {
    Column column;
    column.name = "c";
    column.type.kind = c.kind;
    column.type.precision = 6;
    column.default_sql = c.sql;
    const MappedColumn mapped = dialect().map_column(column, c.from);
    EXPECT_EQ(mapped.column.default_sql.value_or(""), c.expected) << c.sql;
    EXPECT_EQ(mapped.notes.empty(), std::string(c.expected) != "") << c.sql;
  }
  Column decimal;
  decimal.type.kind = TypeKind::decimal;
  decimal.type.precision = 20;
  decimal.default_sql = "0.50";
  EXPECT_EQ(dialect().map_column(decimal, Engine::mysql).column.default_sql, "'0.50'");
}

TEST(SqliteDialect, QuotesAndRefusesNames) {
  EXPECT_EQ(dialect().quote("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(dialect().quote(TableName{"", "t"}), "\"t\"");
  EXPECT_EQ(caught([] { dialect().quote(""); }).kind(), ErrorKind::usage);
  EXPECT_EQ(caught([] { dialect().quote(std::string_view("a\0b", 3)); }).kind(), ErrorKind::usage);
  EXPECT_EQ(dialect().placeholder(7), "?");
}

TEST(SqliteDialect, TypesOfAPlanAreKnownOrRefused) {
  EXPECT_EQ(dialect().column_of_type("a", "numeric(12,2)").type.kind, TypeKind::decimal);
  EXPECT_EQ(dialect().column_of_type("a", "VARCHAR(3)").type.length, 3u);
  for (const char* wrong :
       {"jsonn", "STRING", "", "TEXT); DROP TABLE t; --", "INTEGER PRIMARY KEY, x INT"}) {
    EXPECT_EQ(caught([&] { dialect().column_of_type("a", wrong); }).kind(), ErrorKind::usage)
        << wrong;
  }
}

}  // namespace
}  // namespace migrator
