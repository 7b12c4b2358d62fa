// Loads into a real PostgreSQL, and copies within one server.
#include "tests/conformance/postgres_live.h"

namespace migrator::postgres {
namespace {

TEST_F(PostgresLive, MergeInsertsOnlyAbsentKeys) {
  for (const char* table : {"a", "b"}) {
    s().execute(
        std::string("CREATE TABLE ") + table +
        " (id bigint GENERATED ALWAYS AS IDENTITY, k text, v text UNIQUE, PRIMARY KEY (k, id))");
  }
  s().execute(
      "INSERT INTO a OVERRIDING SYSTEM VALUE SELECT i, 'k', 'v' || i FROM generate_series(1, 1000) "
      "i");
  s().execute(
      "INSERT INTO b OVERRIDING SYSTEM VALUE SELECT i, 'k', 'kept' || i FROM generate_series(500, "
      "600) i");
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  for (const RowLayout& layout : source_->layouts(from)) {
    t().execute("DELETE FROM b WHERE v NOT LIKE 'kept%'");
    const LoadCount count = copy(from, to, layout, LoadMode::merge);
    EXPECT_EQ(count.inserted, 899u);
    EXPECT_EQ(count.present, 101u);
    EXPECT_EQ(number("SELECT count(*) FROM b WHERE v LIKE 'kept%'"), 101);
    EXPECT_EQ(number("SELECT count(*) FROM b"), 1000);
  }
  const LoadCount again = copy(from, to, cells_layout(), LoadMode::merge);
  EXPECT_EQ(again.inserted, 0u);
  EXPECT_EQ(again.present, 1000u);
}

TEST_F(PostgresLive, AConflictWithAnotherKeyIsNeverSwallowed) {
  for (const char* table : {"a", "b"}) {
    s().execute(std::string("CREATE TABLE ") + table + " (id int PRIMARY KEY, v text UNIQUE)");
  }
  s().execute("INSERT INTO a VALUES (1, 'x')");
  s().execute("INSERT INTO b VALUES (2, 'x')");
  for (const LoadMode mode : {LoadMode::merge, LoadMode::direct}) {
    const auto error = error_of([&] { copy(reading("a"), writing("b"), cells_layout(), mode); });
    t().rollback();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::data);
    EXPECT_TRUE(error->duplicate_key());
    EXPECT_EQ(error->table(), "b");
  }
}

TEST_F(PostgresLive, DirectLoadFailsOnADuplicateAndMergeAfterTheSavepointWorks) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + " (id int PRIMARY KEY)");
  s().execute("INSERT INTO a SELECT generate_series(1, 10)");
  s().execute("INSERT INTO b VALUES (5)");
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  t().begin();
  for (int i = 0; i < 3; ++i) {
    t().execute("SAVEPOINT load");
    for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
      auto sink = target_->load(to, cells_layout(), mode);
      auto stream = source_->read(from, {}, cells_layout());
      RowBatch batch;
      while (stream->next(batch)) sink->write(batch);
      if (mode == LoadMode::direct) {
        const auto error = error_of([&] { sink->finish(); });
        ASSERT_TRUE(error);
        EXPECT_TRUE(error->duplicate_key());
        sink.reset();
        t().execute("ROLLBACK TO SAVEPOINT load");
      } else {
        EXPECT_EQ(sink->finish().present, i == 0 ? 1u : 10u);
      }
    }
  }
  t().commit();
  EXPECT_EQ(number("SELECT count(*) FROM b"), 10);
}

TEST_F(PostgresLive, MergeWaitsForAConcurrentWriterOfTheSameKey) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + " (id int PRIMARY KEY, v text)");
  s().execute("INSERT INTO a VALUES (1, 'copied')");
  const ReadSpec from = reading("a");
  const WriteSpec to = writing("b");
  auto writer = adapter().open_target(Url::parse(server_url()), {});
  use_schema(writer->session());
  writer->session().begin();
  writer->session().execute("INSERT INTO b VALUES (1, 'live')");
  const std::int64_t pid = backend(t());
  LoadCount count;
  {
    const std::jthread merger([&] {
      EXPECT_FALSE(error_of([&] { count = copy(from, to, cells_layout(), LoadMode::merge); }));
    });
    EXPECT_TRUE(eventually([&] {
      return as_integer(writer->session()
                            .query("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " +
                                   std::to_string(pid))
                            .rows.at(0)
                            .at(0)) == 1;
    }));
    writer->session().commit();
  }
  EXPECT_EQ(count.present, 1u);
  EXPECT_EQ(number("SELECT count(*) FROM b WHERE v = 'live'"), 1);
}

TEST_F(PostgresLive, MergeNeedsAUniqueIndexOnTheKeyAndTakesADeferrableOne) {
  s().execute("CREATE TABLE a (id int PRIMARY KEY, v int)");
  s().execute("INSERT INTO a SELECT i, i FROM generate_series(1, 10) i");
  s().execute("CREATE TABLE b (id int, v int, UNIQUE (id, v))");
  WriteSpec to = writing("b");
  to.key = {to.columns[0]};
  auto error = error_of([&] { copy(reading("a"), to, cells_layout(), LoadMode::merge); });
  t().rollback();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::permanent);
  s().execute("ALTER TABLE b ADD UNIQUE (id) DEFERRABLE");
  s().execute("INSERT INTO b VALUES (3, 0)");
  EXPECT_EQ(copy(reading("a"), to, cells_layout(), LoadMode::merge).inserted, 9u);
}

TEST_F(PostgresLive, KeysThatTheTargetHoldsEqualAreNotSwallowed) {
  s().execute(
      "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
  s().execute("CREATE TABLE a (k text PRIMARY KEY)");
  s().execute("CREATE TABLE b (k text COLLATE blind PRIMARY KEY)");
  s().execute("INSERT INTO a VALUES ('a'), ('A')");
  const auto error =
      error_of([&] { copy(reading("a"), writing("b"), cells_layout(), LoadMode::merge); });
  t().rollback();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::data);
  EXPECT_TRUE(error->duplicate_key());
}

TEST_F(PostgresLive, RowsThatATriggerThrowsAwayAreMissed) {
  for (const char* table : {"a", "b"})
    s().execute(std::string("CREATE TABLE ") + table + " (id int PRIMARY KEY)");
  s().execute("INSERT INTO a SELECT generate_series(1, 10)");
  s().execute(
      "CREATE FUNCTION drop5() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 5 THEN "
      "RETURN NULL; END "
      "IF; RETURN NEW; END'");
  s().execute("CREATE TRIGGER drop5 BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION drop5()");
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    const auto error = error_of([&] { copy(reading("a"), writing("b"), cells_layout(), mode); });
    t().rollback();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::data);
  }
  auto colocation = target_->colocate(*source_);
  ASSERT_TRUE(colocation);
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    t().begin();
    EXPECT_TRUE(error_of([&] { colocation->copy(reading("a"), writing("b"), {}, mode); }));
    t().rollback();
  }
}

TEST_F(PostgresLive, AnUnfinishedLoadLeavesNothing) {
  s().execute("CREATE TABLE b (id int PRIMARY KEY)");
  const WriteSpec to = writing("b");
  EXPECT_EQ(error_of([&] { target_->load(to, cells_layout(), LoadMode::direct); })->kind(),
            ErrorKind::invariant);
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    t().begin();
    {
      auto sink = target_->load(to, cells_layout(), mode);
      RowBatch batch;
      batch.clear();
      batch.set_columns(1);
      batch.push_integer(1);
      batch.end_cell_row();
      sink->write(batch);
    }
    t().rollback();
    EXPECT_FALSE(t().in_transaction());
  }
  EXPECT_EQ(number("SELECT count(*) FROM b"), 0);
}

TEST_F(PostgresLive, RehearsalThrowsWhatTheLoadWouldAndSendsNothing) {
  s().execute("CREATE TABLE b (id int PRIMARY KEY, t varchar(3))");
  const WriteSpec to = writing("b");
  for (const bool good : {true, false}) {
    auto sink = target_->rehearse(to, cells_layout());
    RowBatch batch;
    batch.clear();
    batch.set_columns(2);
    batch.push_integer(1);
    batch.push_text(good ? "abc" : "abcd");
    batch.end_cell_row();
    const auto error = error_of([&] { sink->write(batch); });
    EXPECT_EQ(error.has_value(), !good);
    if (error) {
      EXPECT_EQ(error->table(), "b");
    }
  }
  EXPECT_EQ(number("SELECT count(*) FROM b"), 0);
}

// --- one server

TEST_F(PostgresLive, TwoSchemasOfOneServerAreCopiedInside) {
  s().execute("CREATE TYPE mood AS ENUM ('x', 'y')");
  s().execute("CREATE TABLE a (id int, m mood, v text, PRIMARY KEY (m, id))");
  s().execute(
      "INSERT INTO a SELECT i, (ARRAY['x','y'])[1 + i % 2]::mood, 'v' FROM generate_series(1, 100) "
      "i");
  const ReadSpec from = reading("a");
  // The target session looks elsewhere.
  s().execute("DROP SCHEMA IF EXISTS \"" + schema_ + "_2\" CASCADE");
  s().execute("CREATE SCHEMA \"" + schema_ + "_2\"");
  t().execute("SET search_path = \"" + schema_ + "_2\"");
  t().execute("CREATE TABLE a (id int, m \"" + schema_ + "\".mood, v text, PRIMARY KEY (m, id))");
  const WriteSpec to{{"", "a"}, from.columns, from.key};
  auto colocation = target_->colocate(*source_);
  ASSERT_TRUE(colocation);
  ReadSpec filtered = from;
  filtered.where = "id <> 3";
  const KeyRange range{Key{std::string("x"), std::int64_t{50}},
                       Key{std::string("y"), std::int64_t{51}}};
  const std::uint64_t expected = source_->count(filtered, range);
  EXPECT_GT(expected, 40u);
  t().begin();
  EXPECT_EQ(colocation->copy(filtered, to, range, LoadMode::direct).inserted, expected);
  t().commit();
  t().begin();
  const LoadCount merged = colocation->copy(from, to, {}, LoadMode::merge);
  t().commit();
  EXPECT_EQ(merged.inserted, 100 - expected);
  EXPECT_EQ(merged.present, expected);
  EXPECT_EQ(differences("a", "\"" + schema_ + "_2\".a"), 0);
  // Onto itself it is refused.
  use_schema(t());
  auto same = target_->colocate(*source_);
  t().begin();
  EXPECT_EQ(error_of([&] { same->copy(from, to, {}, LoadMode::merge); })->kind(),
            ErrorKind::permanent);
  t().rollback();
  s().execute("DROP SCHEMA \"" + schema_ + "_2\" CASCADE");
}

TEST_F(PostgresLive, AnotherDatabaseOrUserIsNotColocated) {
  const Url url = Url::parse(server_url());
  if (url.database() != "postgres") {
    const std::string elsewhere = "postgresql://" + url.user() +
                                  (url.password().empty() ? "" : ":" + url.password()) + "@" +
                                  url.host() + ":" + std::to_string(url.port()) + "/postgres";
    auto other = adapter().open_source(Url::parse(elsewhere), {});
    EXPECT_FALSE(target_->colocate(*other));
  }
  s().execute("CREATE ROLE live_other");
  s().execute("SET ROLE live_other");
  EXPECT_FALSE(target_->colocate(*source_));
  s().execute("RESET ROLE");
  s().execute("DROP ROLE live_other");
  EXPECT_TRUE(target_->colocate(*source_));
}

}  // namespace
}  // namespace migrator::postgres
