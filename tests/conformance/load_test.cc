// Loading: direct and merged, refused and abandoned.
#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kMarker = "MARKER4711";

class Load : public Conformance {
 protected:
  void make_table() {
    create_table("l", "id " + quirks.int_type +
                          " NOT NULL PRIMARY KEY, code varchar(30) NOT NULL "
                          "UNIQUE, n " +
                          quirks.small_type + ", short " + quirks.short_text_type);
  }
  WriteSpec spec_of(Target& target, const std::string& table_name = "l") {
    return write_spec(table(target.session(), table_name));
  }
  static Row row(std::int64_t id, const std::string& code) {
    return {id, code, std::int64_t{7}, std::string("s")};
  }
  std::string ids() const { return db.cli("SELECT id FROM l ORDER BY id;"); }
};

TEST_P(Load, DirectLoadsEveryRow) {
  make_numbered_table(0);
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target, "t");
  target->session().begin();
  const auto sink = target->load(spec, cells_layout(), LoadMode::direct);
  for (std::int64_t batch = 0; batch < 10; ++batch) {
    Rows rows;
    for (std::int64_t at = 0; at < 1237; ++at) {
      rows.push_back({batch * 1237 + at, "note " + std::to_string(at)});
    }
    sink->write(batch_of(rows));
  }
  const LoadCount count = sink->finish();
  EXPECT_EQ(count.inserted, 12370u);
  EXPECT_EQ(count.present, 0u);
  EXPECT_EQ(count_of("t"), "0") << "not before the commit";
}

TEST_P(Load, CommitsWithTheTransaction) {
  make_numbered_table(0);
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target, "t");
  target->session().begin();
  EXPECT_EQ(load_rows(*target, spec, {{std::int64_t{1}, std::string("a")}}).inserted, 1u);
  EXPECT_TRUE(target->session().in_transaction());
  target->session().execute("INSERT INTO t VALUES (2, 'fence')");
  EXPECT_EQ(load_rows(*target, spec, {{std::int64_t{3}, {}}}).inserted, 1u);
  target->session().commit();
  EXPECT_EQ(db.cli("SELECT id, note FROM t ORDER BY id;"), "1\ta\n2\tfence\n3\tNULL\n");
}

TEST_P(Load, DirectRefusesADuplicateKey) {
  make_table();
  db.exec("INSERT INTO l VALUES (5, 'five', 5, 's');");
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target);
  target->session().begin();
  const auto error = expect_error(ErrorKind::data, [&] {
    load_rows(*target, spec, {row(4, "four"), row(5, kMarker), row(6, "six")});
  });
  target->session().rollback();
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->duplicate_key());
  EXPECT_NE(error->scope(), ErrorScope::session);
  EXPECT_THAT(all_text(*error), Not(HasSubstr(kMarker)));
  EXPECT_EQ(ids(), "5\n");
  target->session().begin();
  EXPECT_EQ(load_rows(*target, spec, {row(4, "four")}).inserted, 1u);
  target->session().commit();
  EXPECT_EQ(ids(), "4\n5\n");
}

TEST_P(Load, DirectRefusesADuplicateWithinTheLoad) {
  make_table();
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target);
  target->session().begin();
  const auto error = expect_error(ErrorKind::data, [&] {
    load_rows(*target, spec, {row(4, "four"), row(4, "other")});
  });
  target->session().rollback();
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->duplicate_key());
  EXPECT_EQ(ids(), "");
}

TEST_P(Load, MergeLeavesPresentRowsAlone) {
  make_table();
  db.exec("INSERT INTO l VALUES (2, 'old two', 1, 'x'), (5, 'old five', 1, 'x');");
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target);
  target->session().begin();
  const LoadCount count =
      load_rows(*target, spec, {row(1, "one"), row(2, "two"), row(3, "three"), row(5, "five")},
                LoadMode::merge);
  EXPECT_EQ(count.inserted, 2u);
  EXPECT_EQ(count.present, 2u);
  target->session().commit();
  EXPECT_EQ(db.cli("SELECT id, code FROM l ORDER BY id;"),
            "1\tone\n2\told two\n3\tthree\n5\told five\n");
  target->session().begin();
  const LoadCount again =
      load_rows(*target, spec, {row(1, "x"), row(2, "y"), row(3, "z")}, LoadMode::merge);
  target->session().commit();
  EXPECT_EQ(again.inserted, 0u);
  EXPECT_EQ(again.present, 3u);
}

TEST_P(Load, MergeTwiceInOneTransaction) {
  make_table();
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target);
  target->session().begin();
  EXPECT_EQ(load_rows(*target, spec, {row(1, "one")}, LoadMode::merge).inserted, 1u);
  const LoadCount second =
      load_rows(*target, spec, {row(1, "again"), row(2, "two")}, LoadMode::merge);
  EXPECT_EQ(second.inserted, 1u);
  EXPECT_EQ(second.present, 1u);
  target->session().commit();
  EXPECT_EQ(ids(), "1\n2\n");
}

TEST_P(Load, MergeNeverSwallowsAConflictWithAnotherUniqueKey) {
  make_table();
  db.exec(std::string("INSERT INTO l VALUES (5, '") + kMarker + "', 1, 'x');");
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target);
  target->session().begin();
  const auto error = expect_error(ErrorKind::data, [&] {
    load_rows(*target, spec, {row(4, "four"), row(6, kMarker)}, LoadMode::merge);
  });
  target->session().rollback();
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->duplicate_key());
  EXPECT_THAT(all_text(*error), Not(HasSubstr(kMarker)));
  EXPECT_EQ(ids(), "5\n");
}

TEST_P(Load, MergeByACompositeKey) {
  create_table("m", "a " + quirks.int_type + " NOT NULL, b varchar(20) NOT NULL, c " +
                        quirks.int_type + ", PRIMARY KEY (b, a)");
  db.exec("INSERT INTO m VALUES (1, 'x', 0);");
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target, "m");
  target->session().begin();
  const std::int64_t one = 1, two = 2;
  const std::string x = "x", y = "y";
  const LoadCount count =
      load_rows(*target, spec, {{one, x, one}, {one, y, one}, {two, x, one}}, LoadMode::merge);
  target->session().commit();
  EXPECT_EQ(count.inserted, 2u);
  EXPECT_EQ(count.present, 1u);
  EXPECT_EQ(db.value("SELECT c FROM m WHERE a = 1 AND b = 'x';"), "0");
}

class MysqlLoad : public Load {};

TEST_P(MysqlLoad, MergeInTheTargetsOwnCollation) {
  create_table("ci",
               "k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL PRIMARY "
               "KEY, n int");
  db.exec("INSERT INTO ci VALUES ('Anna', 0);");
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target, "ci");
  target->session().begin();
  const std::int64_t one = 1;
  const LoadCount count = load_rows(
      *target, spec, {{std::string("anna"), one}, {std::string("b"), one}}, LoadMode::merge);
  target->session().commit();
  EXPECT_EQ(count.inserted, 1u);
  EXPECT_EQ(count.present, 1u);
}

TEST_P(Load, MergeOfManyRows) {
  make_numbered_table(3000);
  db.exec("DELETE FROM t WHERE id % 3 = 0;");
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target, "t");
  Rows rows;
  for (std::int64_t id = 1; id <= 6000; ++id) rows.push_back({id, std::string("merged")});
  target->session().begin();
  const LoadCount count = load_rows(*target, spec, rows, LoadMode::merge);
  target->session().commit();
  EXPECT_EQ(count.inserted, 4000u);
  EXPECT_EQ(count.present, 2000u);
  EXPECT_EQ(count_of("t"), "6000");
  EXPECT_EQ(db.value("SELECT COUNT(*) FROM t WHERE note = 'merged';"), "4000");
}

TEST_P(Load, RefusedRowsAreDataErrorsWithoutTheirValues) {
  make_table();
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target);
  Rows refused = {{std::int64_t{1}, {}, std::int64_t{7}, std::string("s")}};  // NULL in NOT NULL
  if (quirks.has_lengths) {
    refused.push_back({std::int64_t{1}, std::string("c"), std::int64_t{7}, std::string(kMarker)});
    refused.push_back({std::int64_t{1}, std::string("c"), std::int64_t{400711}, std::string("s")});
  }
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    for (const Row& bad : refused) {
      target->session().begin();
      const auto error = expect_error(ErrorKind::data, [&] {
        load_rows(*target, spec, {row(8, "before"), bad, row(9, "behind")}, mode);
      });
      target->session().rollback();
      ASSERT_TRUE(error) << show(bad);
      EXPECT_FALSE(error->duplicate_key());
      EXPECT_THAT(all_text(*error), Not(HasSubstr(kMarker)));
      EXPECT_THAT(all_text(*error), Not(HasSubstr("400711")));
      EXPECT_EQ(ids(), "");
    }
  }
}

class CheckedLoad : public Load {};

TEST_P(CheckedLoad, ViolatedChecksAreDataErrors) {
  create_table("c", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, s " + quirks.text_type +
                        ", CONSTRAINT short_only CHECK (length(s) < 3)");
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target, "c");
  target->session().begin();
  const auto error = expect_error(ErrorKind::data, [&] {
    load_rows(*target, spec, {{std::int64_t{1}, std::string(kMarker)}});
  });
  target->session().rollback();
  ASSERT_TRUE(error);
  EXPECT_THAT(all_text(*error), Not(HasSubstr(kMarker)));
  EXPECT_EQ(count_of("c"), "0");
}

TEST_P(Load, ASavepointTakesBackAFailedLoadAlone) {
  make_table();
  const auto target = open_target();
  Session& session = target->session();
  const WriteSpec spec = spec_of(*target);
  session.begin();
  load_rows(*target, spec, {row(1, "one")});
  session.execute("SAVEPOINT chunk");
  expect_error(ErrorKind::data, [&] {
    load_rows(*target, spec, {row(2, "two"), row(1, "double")});
  });
  session.execute("ROLLBACK TO SAVEPOINT chunk");
  EXPECT_EQ(load_rows(*target, spec, {row(1, "double"), row(2, "two")}, LoadMode::merge).inserted,
            1u);
  session.commit();
  EXPECT_EQ(ids(), "1\n2\n");
}

TEST_P(Load, AnAbandonedSinkLeavesNothingBehind) {
  make_table();
  const auto target = open_target();
  Session& session = target->session();
  const WriteSpec spec = spec_of(*target);
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    session.begin();
    {
      const auto sink = target->load(spec, cells_layout(), mode);
      sink->write(batch_of({row(1, "one"), row(2, "two")}));
    }
    session.rollback();
    EXPECT_EQ(ids(), "");
    session.begin();
    session.execute("SAVEPOINT chunk");
    { const auto unused = target->load(spec, cells_layout(), mode); }
    session.execute("ROLLBACK TO SAVEPOINT chunk");
    EXPECT_EQ(load_rows(*target, spec, {row(3, "three")}, mode).inserted, 1u);
    session.commit();
    EXPECT_EQ(ids(), "3\n");
    db.exec("DELETE FROM l;");
  }
}

TEST_P(Load, OfNothingIsNothing) {
  make_table();
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target);
  target->session().begin();
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    const LoadCount count = load_rows(*target, spec, {}, mode);
    EXPECT_EQ(count.inserted, 0u);
    EXPECT_EQ(count.present, 0u);
  }
  target->session().commit();
  EXPECT_EQ(ids(), "");
}

TEST_P(Load, RehearsingSendsNothing) {
  make_table();
  const auto target = open_target();
  const WriteSpec spec = spec_of(*target);
  {
    const auto sink = target->rehearse(spec, cells_layout());
    Rows rows;
    for (std::int64_t id = 0; id < 5000; ++id)
      rows.push_back(row(id, "code " + std::to_string(id)));
    sink->write(batch_of(rows));
    sink->write(batch_of(rows));  // the keys are not looked at
    sink->finish();
  }
  {
    const auto abandoned = target->rehearse(spec, cells_layout());
    abandoned->write(batch_of({row(1, "x")}));
  }
  EXPECT_FALSE(target->session().in_transaction());
  EXPECT_EQ(ids(), "");
  // In every layout that the target takes from its own kind of source.
  db.exec("INSERT INTO l VALUES (1, 'one', 1, 's');");
  const auto source = open_source();
  const ReadSpec read = read_spec(table(source->session(), "l"));
  for (const RowLayout& layout : target->layouts(spec)) {
    const auto offered = source->layouts(read);
    if (std::find(offered.begin(), offered.end(), layout) == offered.end()) continue;
    const auto stream = source->read(read, {}, layout);
    const auto sink = target->rehearse(spec, layout);
    RowBatch batch;
    while (stream->next(batch)) sink->write(batch);
    EXPECT_NO_THROW(sink->finish()) << layout.format;
  }
  EXPECT_EQ(ids(), "1\n");
}

TEST_P(Load, IdentityKeysAreLoadedAsGivenAndGoOnBehindTheHighest) {
  create_table("i", "id " + quirks.identity_type + ", note " + quirks.text_type);
  const auto target = open_target();
  const TableSchema schema = table(target->session(), "i");
  EXPECT_TRUE(schema.find_column("id")->identity);
  const Rows rows = {{std::int64_t{-5}, std::string("a")},
                     {std::int64_t{0}, std::string("zero")},
                     {std::int64_t{7}, std::string("c")}};
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    target->session().begin();
    EXPECT_EQ(load_rows(*target, write_spec(schema), rows, mode).inserted, 3u);
    target->session().commit();
    EXPECT_EQ(db.cli("SELECT id, note FROM i ORDER BY id;"), "-5\ta\n0\tzero\n7\tc\n");
    if (mode == LoadMode::direct) db.exec("DELETE FROM i;");
  }
  for (const std::string& statement : dialect().after_load(schema)) {
    target->session().execute(statement);
  }
  db.exec("INSERT INTO i (note) VALUES ('new');");
  EXPECT_EQ(db.value("SELECT id FROM i WHERE note = 'new';"), "8");
}

TEST_P(Load, AfterLoadOfAnEmptyTableStartsAtOne) {
  create_table("i", "id " + quirks.identity_type + ", note " + quirks.text_type);
  const auto target = open_target();
  for (const std::string& statement : dialect().after_load(table(target->session(), "i"))) {
    target->session().execute(statement);
  }
  db.exec("INSERT INTO i (note) VALUES ('new');");
  EXPECT_EQ(db.value("SELECT id FROM i;"), "1");
}

TEST_P(Load, ColumnsLeftOutGetTheirDefaults) {
  create_table("d", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, a " + quirks.int_type +
                        " DEFAULT 42, b " + quirks.int_type);
  const auto target = open_target();
  WriteSpec spec = spec_of(*target, "d");
  spec.columns = {spec.columns[2], spec.columns[0]};  // b, id
  for (const LoadMode mode : {LoadMode::direct, LoadMode::merge}) {
    const std::int64_t id = mode == LoadMode::direct ? 1 : 2;
    target->session().begin();
    load_rows(*target, spec, {{std::int64_t{9}, id}}, mode);
    target->session().commit();
  }
  EXPECT_EQ(db.cli("SELECT id, a, b FROM d ORDER BY id;"), "1\t42\t9\n2\t42\t9\n");
}

MIGRATOR_CONFORMANCE_SUITE(Load);
MIGRATOR_CONFORMANCE_SUITE_WHERE(CheckedLoad,
                                 [](const Quirks& quirks) { return quirks.has_checks; });
MIGRATOR_CONFORMANCE_SUITE_WHERE(MysqlLoad, [](const Quirks& quirks) {
  return quirks.engine == Engine::mysql;
});

}  // namespace
}  // namespace migrator::test
