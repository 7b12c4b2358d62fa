// Capture by triggers: every change of a row is in the journal when it is committed, under a key
// that finds the row again, whatever the writer's session is set to.
#include "adapters/capture.h"

#include <algorithm>
#include <set>

#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

class Capture : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    target_ = open_target();
    Session& session = target_->session();
    schema_ = session.server().schema;
    session.execute(capture().create_journal(schema_));
    session.execute(capture().create_journal(schema_));  // there already
  }
  const CaptureDialect& capture() const { return target_->session().dialect().capture(); }

  CaptureSpec spec_of(const std::string& name) {
    CaptureSpec spec;
    spec.migration = "it's";
    spec.relation = name;
    spec.table = table(target_->session(), name);
    spec.key = read_spec(spec.table).key;
    spec.journal_schema = schema_;
    return spec;
  }
  void install(const CaptureSpec& spec) {
    for (const CaptureGap& gap : capture().gaps(spec)) EXPECT_FALSE(gap.refused) << gap.text;
    for (int times = 0; times < 2; ++times) {  // again, in place of those that are there
      for (const std::string& sql : capture().create_triggers(spec)) {
        target_->session().execute(sql);
      }
    }
    const TableSchema now = table(target_->session(), spec.relation);
    for (const std::string& name : capture().trigger_names(spec)) {
      EXPECT_TRUE(std::any_of(now.triggers.begin(), now.triggers.end(),
                              [&](const Trigger& trigger) { return trigger.name == name; }))
          << name;
    }
  }

  // The keys of all entries, and an empty journal.
  std::vector<Key> drain(const CaptureSpec& spec) {
    std::vector<Key> keys;
    const Result entries = target_->session().query(
        fmt::format("SELECT migration, relation, row_key, {} FROM {} ORDER BY seq",
                    capture().age_ms(), kJournalTable));
    for (const auto& row : entries.rows) {
      EXPECT_EQ(as_text(row[0]), spec.migration);
      EXPECT_EQ(as_text(row[1]), spec.relation);
      EXPECT_GE(as_integer(row[3]), -1000);
      EXPECT_LT(as_integer(row[3]), 600'000);
      if (is_null(row[2])) {
        keys.emplace_back();
        continue;
      }
      keys.push_back(capture().decode(spec.key, as_text(row[2])));
      EXPECT_EQ(capture().decode(spec.key, capture().encode(spec.key, keys.back())), keys.back());
    }
    target_->session().execute(fmt::format("DELETE FROM {}", kJournalTable));
    return keys;
  }
  // The key of every row, as the source gives it.
  static std::vector<Key> walk(Source& source, const ReadSpec& spec) {
    std::vector<Key> keys;
    std::optional<Key> lower;
    while (auto key = source.nth_key(spec, {lower, {}}, 1)) {
      keys.push_back(*key);
      lower = key;
    }
    return keys;
  }
  static std::multiset<std::string> texts(const std::vector<Key>& keys) {
    std::multiset<std::string> result;
    for (const Key& key : keys) result.insert(encode_key(key));
    return result;
  }

  std::unique_ptr<Target> target_;
  std::string schema_;
};

TEST_P(Capture, WritesKeysOfEveryKindAsTheSourceGivesThem) {
  const auto source = open_source();
  make_key_tables(source->session(), true);
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const std::string name = "k_" + set.name;
    const CaptureSpec spec = spec_of(name);
    const auto gaps = capture().gaps(spec);
    if (std::any_of(gaps.begin(), gaps.end(), [](const auto& gap) { return gap.refused; })) {
      continue;  // said so, and so not installed
    }
    install(spec);
    db.exec(key_rows(set));  // a writer of its own, with settings that print values otherwise
    const ReadSpec read = read_spec(spec.table);
    const std::vector<Key> keys = walk(*source, read);
    EXPECT_EQ(keys.size(), set.rows.size());
    EXPECT_EQ(texts(drain(spec)), texts(keys));
    db.exec(quirks.odd_session + "UPDATE " + name + " SET ordinal = ordinal + 1;");
    EXPECT_EQ(texts(drain(spec)), texts(keys));
    db.exec(quirks.odd_session + "DELETE FROM " + name + " WHERE ordinal > 0;");
    EXPECT_EQ(texts(drain(spec)), texts(keys));
  }
}

TEST_P(Capture, WritesBothKeysOfAKeyChange) {
  create_table("t", "a " + quirks.int_type + " NOT NULL, b varchar(40) NOT NULL, v " +
                        quirks.int_type + ", PRIMARY KEY (a, b)");
  const CaptureSpec spec = spec_of("t");
  install(spec);
  db.exec("INSERT INTO t VALUES (1, 'x,y', 0), (2, 'back\\\\slash', 0);");
  drain(spec);
  db.exec("UPDATE t SET a = 5, v = 1 WHERE a = 1;");
  const std::string y = "x,y";
  EXPECT_EQ(texts(drain(spec)), texts({{std::int64_t{1}, y}, {std::int64_t{5}, y}}));
  db.exec("UPDATE t SET b = 'X,Y' WHERE a = 5;");
  EXPECT_EQ(texts(drain(spec)),
            texts({{std::int64_t{5}, y}, {std::int64_t{5}, std::string("X,Y")}}));
}

TEST_P(Capture, IsPartOfTheWritersTransaction) {
  make_numbered_table(10);
  const CaptureSpec spec = spec_of("t");
  install(spec);
  db.exec("BEGIN; UPDATE t SET note = 'x' WHERE id = 3; ROLLBACK;");
  EXPECT_TRUE(drain(spec).empty());
  db.exec("BEGIN; UPDATE t SET note = 'x' WHERE id = 3; DELETE FROM t WHERE id = 4; COMMIT;");
  EXPECT_EQ(drain(spec), (std::vector<Key>{{std::int64_t{3}}, {std::int64_t{4}}}));
}

// Seen as a change of any row, or made impossible.
TEST_P(Capture, TruncateIsNoWayAround) {
  make_numbered_table(10);
  const CaptureSpec spec = spec_of("t");
  install(spec);
  if (quirks.engine == Engine::mysql) {
    EXPECT_THROW(db.exec("TRUNCATE TABLE t;"), std::exception);
    EXPECT_EQ(db.value("SELECT count(*) FROM t"), "10");
    db.exec("DELETE FROM t;");
    EXPECT_EQ(drain(spec).size(), 10u);
  } else if (quirks.engine == Engine::postgres) {
    db.exec("TRUNCATE TABLE t;");
    EXPECT_EQ(drain(spec), (std::vector<Key>{{}}));
  } else {
    db.exec("DELETE FROM t;");
    EXPECT_EQ(drain(spec).size(), 10u);
  }
}

TEST_P(Capture, IsGoneAfterItsRemoval) {
  make_numbered_table(10);
  const CaptureSpec spec = spec_of("t");
  install(spec);
  for (int times = 0; times < 2; ++times) {
    for (const std::string& sql : capture().drop_triggers(spec)) target_->session().execute(sql);
  }
  EXPECT_TRUE(table(target_->session(), "t").triggers.empty());
  db.exec("UPDATE t SET note = 'x' WHERE id = 3;");
  EXPECT_TRUE(drain(spec).empty());
}

MIGRATOR_CONFORMANCE_SUITE(Capture);

// --- what only one engine has

class PostgresCapture : public Capture {};

TEST_P(PostgresCapture, SeesPartitionsHoweverTheyAreNamed) {
  db.exec(
      "CREATE TABLE p (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);"
      "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);");
  const CaptureSpec spec = spec_of("p");
  ASSERT_EQ(spec.table.partitions.size(), 2u);
  install(spec);
  const auto key = [](std::int64_t id) { return Key{id}; };
  db.exec("INSERT INTO p VALUES (1, 0), (101, 0); INSERT INTO p2 VALUES (102, 0);");
  EXPECT_EQ(texts(drain(spec)), texts({key(1), key(101), key(102)}));
  db.exec("UPDATE p SET id = 150 WHERE id = 1;");  // from one partition into the other
  EXPECT_EQ(texts(drain(spec)), texts({key(1), key(150)}));
  db.exec("DELETE FROM p2 WHERE id = 102; DELETE FROM p WHERE id = 101;");
  EXPECT_EQ(texts(drain(spec)), texts({key(101), key(102)}));
  db.exec("TRUNCATE p2;");
  EXPECT_EQ(drain(spec), (std::vector<Key>{{}}));
}

// Replication's own writes, and a restore with triggers turned off, set this.
TEST_P(PostgresCapture, SeesSessionsInReplicaMode) {
  make_numbered_table(3);
  const CaptureSpec spec = spec_of("t");
  install(spec);
  db.exec("SET session_replication_role = replica; DELETE FROM t WHERE id = 2;");
  EXPECT_EQ(drain(spec), (std::vector<Key>{{std::int64_t{2}}}));
}

TEST_P(PostgresCapture, WaitsForTransactionsThatWroteBefore) {
  make_numbered_table(3);
  const auto writer = open_target();
  writer->session().begin();
  writer->session().execute("UPDATE t SET note = 'uncaptured' WHERE id = 1");
  target_->session().execute("SET lock_timeout = '100ms'");
  const CaptureSpec spec = spec_of("t");
  const auto error = error_of([&] {
    for (const std::string& sql : capture().create_triggers(spec)) target_->session().execute(sql);
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::transient);
  writer->session().commit();
  install(spec);
}

MIGRATOR_CONFORMANCE_SUITE_WHERE(PostgresCapture, [](const Quirks& quirks) {
  return quirks.engine == Engine::postgres;
});

class SqliteCapture : public Capture {};

// REPLACE deletes the rows that are in its way, and runs no trigger for them.
TEST_P(SqliteCapture, SeesWhatReplaceDeletes) {
  db.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, a INT, b INT, UNIQUE (a, b));"
      "INSERT INTO t VALUES (1, 'x', 1, 1), (2, 'y', 2, 2), (3, 'z', 3, 3);");
  const CaptureSpec spec = spec_of("t");
  install(spec);
  const auto key = [](std::int64_t id) { return encode_key({id}); };
  db.exec("INSERT OR REPLACE INTO t VALUES (9, 'x', 2, 2);");
  std::multiset<std::string> seen = texts(drain(spec));
  EXPECT_EQ((std::set<std::string>(seen.begin(), seen.end())),
            (std::set<std::string>{key(1), key(2), key(9)}));
  db.exec("UPDATE OR REPLACE t SET u = 'z' WHERE id = 9;");
  seen = texts(drain(spec));
  EXPECT_EQ((std::set<std::string>(seen.begin(), seen.end())),
            (std::set<std::string>{key(3), key(9)}));
  EXPECT_EQ(db.value("SELECT group_concat(id) FROM t"), "9");
}

TEST_P(SqliteCapture, ReadsTheKeysOfFilesInUtf16) {
  for (const std::string encoding : {"UTF-16le", "UTF-16be"}) {
    SCOPED_TRACE(encoding);
    const TestDatabase other = TestDatabase::on(GetParam());
    other.exec("PRAGMA encoding = '" + encoding +
               "'; CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, v INT);");
    const auto target = open_target(other);
    Session& session = target->session();
    session.execute(capture().create_journal(""));
    CaptureSpec spec;
    spec.migration = "m";
    spec.relation = "t";
    spec.table = table(session, "t");
    spec.key = read_spec(spec.table).key;
    for (const std::string& sql : capture().create_triggers(spec)) session.execute(sql);
    std::set<std::string> keys{"plain", "na\xC3\xAFve", "\xE2\x82\xAC", "\xF0\x9F\x98\x80 a"};
    for (const std::string& key : keys) other.exec("INSERT INTO t VALUES ('" + key + "', 1);");
    std::set<std::string> seen;
    for (const auto& row : session.query("SELECT row_key FROM _migrator_journal").rows) {
      seen.insert(std::get<std::string>(capture().decode(spec.key, as_text(row[0])).at(0)));
    }
    EXPECT_EQ(seen, keys);
  }
}

TEST_P(SqliteCapture, IsRefusedWhereReplaceCouldNotBeFollowed) {
  db.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT); CREATE UNIQUE INDEX part ON t(u) WHERE id "
      "> "
      "5;");
  const auto gaps = capture().gaps(spec_of("t"));
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_TRUE(gaps[0].refused);
}

MIGRATOR_CONFORMANCE_SUITE_WHERE(SqliteCapture, [](const Quirks& quirks) {
  return quirks.engine == Engine::sqlite;
});

class MysqlCapture : public Capture {};

TEST_P(MysqlCapture, IsRefusedWhereCascadesChangeRows) {
  db.exec(
      "CREATE TABLE p (id INT PRIMARY KEY) ENGINE=InnoDB;"
      "CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE "
      "CASCADE) ENGINE=InnoDB;"
      "CREATE TABLE d (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)) "
      "ENGINE=InnoDB;");
  const auto gaps = capture().gaps(spec_of("c"));
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_TRUE(gaps[0].refused);
  EXPECT_TRUE(capture().gaps(spec_of("d")).empty());
}

TEST_P(MysqlCapture, TellsKeysApartThatTheirCollationTakesForOne) {
  create_table("t",
               "k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL "
               "PRIMARY KEY, v int");
  const CaptureSpec spec = spec_of("t");
  install(spec);
  db.exec("INSERT INTO t VALUES ('a', 1);");
  drain(spec);
  db.exec("UPDATE t SET k = 'A';");
  EXPECT_EQ(texts(drain(spec)), texts({{std::string("a")}, {std::string("A")}}));
}

MIGRATOR_CONFORMANCE_SUITE_WHERE(MysqlCapture, [](const Quirks& quirks) {
  return quirks.engine == Engine::mysql;
});

}  // namespace
}  // namespace migrator::test
