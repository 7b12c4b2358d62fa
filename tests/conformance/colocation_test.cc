// Copying inside one session, where both sides are within its reach.
#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Colocated : public Conformance {
 protected:
  // Where a copy inside one session goes to: another database of the same server or another file. A
  // PostgreSQL session is confined to its database, so there it is another schema.
  Colocated() : other(TestDatabase::on(GetParam())) {}

  const TestDatabase& destination() const { return quirks.engine == Engine::postgres ? db : other; }
  std::string target_name() const {
    return quirks.engine == Engine::postgres ? "elsewhere.t" : "t";
  }

  void prepare(int rows) {
    make_numbered_table(rows);
    if (quirks.engine == Engine::postgres) db.exec("CREATE SCHEMA elsewhere;");
    create_table(destination(), target_name(),
                 "id " + quirks.int_type + " NOT NULL PRIMARY KEY, note " + quirks.text_type);
    source = open_source();
    target = open_target(destination());
    from = read_spec(table(source->session(), "t"));
    const TableName name{quirks.engine == Engine::postgres ? "elsewhere" : "", "t"};
    to = {name, from.columns, from.key};
  }
  std::string copied() const {
    return destination().value("SELECT COUNT(*) FROM " + target_name() + ";");
  }

  TestDatabase other;
  std::unique_ptr<Source> source;
  std::unique_ptr<Target> target;
  ReadSpec from;
  WriteSpec to;
};

TEST_P(Colocated, CopiesRangesInsideOneSession) {
  prepare(1000);
  const auto colocation = target->colocate(*source);
  ASSERT_NE(colocation, nullptr) << "the engine can do it";
  EXPECT_NE(colocation->description(), "");
  KeyRange range;
  std::uint64_t copied_rows = 0;
  do {
    range.upper = source->nth_key(from, {range.lower, {}}, 300);
    target->session().begin();
    copied_rows += colocation->copy(from, to, range, LoadMode::direct).inserted;
    target->session().commit();
    range.lower = range.upper;
  } while (range.upper);
  EXPECT_EQ(copied_rows, 1000u);
  const std::string order = " ORDER BY id;";
  EXPECT_EQ(destination().cli("SELECT * FROM " + target_name() + order),
            db.cli("SELECT * FROM t" + order));
}

TEST_P(Colocated, TakesPartInTheTransaction) {
  prepare(100);
  const auto colocation = target->colocate(*source);
  ASSERT_NE(colocation, nullptr);
  target->session().execute("CREATE TABLE fence (n " + quirks.int_type + ")");
  target->session().begin();
  target->session().execute("INSERT INTO fence VALUES (1)");
  EXPECT_EQ(colocation->copy(from, to, {}, LoadMode::direct).inserted, 100u);
  target->session().rollback();
  EXPECT_EQ(copied(), "0");
  EXPECT_EQ(destination().value("SELECT COUNT(*) FROM fence;"), "0");
}

TEST_P(Colocated, ModesAreThoseOfLoading) {
  prepare(100);
  destination().exec("INSERT INTO " + target_name() + " VALUES (50, 'already here');");
  const auto colocation = target->colocate(*source);
  ASSERT_NE(colocation, nullptr);
  target->session().begin();
  const auto error =
      expect_error(ErrorKind::data, [&] { colocation->copy(from, to, {}, LoadMode::direct); });
  target->session().rollback();
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->duplicate_key());
  EXPECT_EQ(copied(), "1");
  target->session().begin();
  const LoadCount merged = colocation->copy(from, to, {}, LoadMode::merge);
  target->session().commit();
  EXPECT_EQ(merged.inserted, 99u);
  EXPECT_EQ(merged.present, 1u);
  EXPECT_EQ(destination().value("SELECT note FROM " + target_name() + " WHERE id = 50;"),
            "already here");
}

TEST_P(Colocated, MergeNeverSwallowsAConflictWithAnotherUniqueKey) {
  prepare(10);
  destination().exec("CREATE UNIQUE INDEX notes_differ ON " + target_name() +
                     (quirks.engine == Engine::mysql ? " (note(100));" : " (note);"));
  destination().exec("INSERT INTO " + target_name() + " VALUES (5000, 'row 7');");
  const auto colocation = target->colocate(*source);
  ASSERT_NE(colocation, nullptr);
  target->session().begin();
  const auto error =
      expect_error(ErrorKind::data, [&] { colocation->copy(from, to, {}, LoadMode::merge); });
  target->session().rollback();
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->duplicate_key());
  EXPECT_THAT(all_text(*error), Not(HasSubstr("row 7")));
  EXPECT_EQ(copied(), "1");
}

TEST_P(Colocated, HonoursWhere) {
  prepare(20);
  from.where = "id < 3 OR id = 20";
  const auto colocation = target->colocate(*source);
  ASSERT_NE(colocation, nullptr);
  target->session().begin();
  EXPECT_EQ(
      colocation->copy(from, to, {Key{std::int64_t{1}}, Key{std::int64_t{10}}}, LoadMode::direct)
          .inserted,
      1u);
  target->session().commit();
  EXPECT_EQ(copied(), "1");
}

class NetworkColocated : public Colocated {};

TEST_P(NetworkColocated, OtherServersAreOutOfReach) {
  make_numbered_table(1);
  const auto elsewhere = TestDatabase::sqlite();
  const auto foreign = adapter_for(Engine::sqlite).open_source(elsewhere.url(), options);
  EXPECT_EQ(open_target()->colocate(*foreign), nullptr);
  if (quirks.engine == Engine::postgres) {
    const auto other_database = open_source(other);
    EXPECT_EQ(open_target()->colocate(*other_database), nullptr);
  }
}

MIGRATOR_CONFORMANCE_SUITE(Colocated);
MIGRATOR_CONFORMANCE_SUITE_WHERE(NetworkColocated,
                                 [](const Quirks& quirks) { return quirks.has_server; });

}  // namespace
}  // namespace migrator::test
