// Values and rows on their way through the shim that are not like the others: those that the other
// side has no form for, those that are not there, and those that do not fit.
//
// What each guard is worth, tried out by taking it away:
// - Transaction::journal_absence(): AnEraseIsWrittenDownThoughNoRowWasSeen fails;
// - what inline_rows() does about a row that could not be read:
// ARowThatCannotTravelIsLeftToTheRelay
//   fails from SQLite.
#include <limits>

#include "tests/live/shim_case.h"

namespace migrator::test {
namespace {

class ShimValues : public OnShim {};
// NaN is a value of PostgreSQL's alone, and only SQLite keeps a word in a column of numbers.
class NoFormThere : public OnShim {};
// SQLite knows no lengths, and MariaDB cuts a text where its sql_mode says so.
class LengthsMatter : public OnShim {};

// A delete that saw no row when it asked for one may still take one away that came in between; the
// entry of that row's writer may be relayed before this transaction commits. PostgreSQL writes the
// entries of what was deleted in the statement that deletes, and so none of what was not.
TEST_P(ShimValues, AnEraseIsWrittenDownThoughNoRowWasSeen) {
  begin("shim", false);
  Shim shim(options(WriteMode::async));
  Transaction transaction = shim.begin();
  transaction.erase("t", {{"id", std::int64_t{7}}});
  transaction.commit();
  EXPECT_EQ(journal(), GetParam().from == ServerKind::postgres ? "0" : "1");
  expect_relayed_and_equal();
}

TEST_P(NoFormThere, ARowThatCannotTravelIsLeftToTheRelay) {
  trial.source.exec("CREATE TABLE reals (id bigint NOT NULL PRIMARY KEY, d double precision);");
  trial.plan(MigrationCase::tables({"reals"}), "capture: shim\ninline_writes: true\n");
  run({"start", "plan.yaml"});
  Shim shim(options(WriteMode::sync));
  const auto write = [&](const Value& value) {
    Transaction transaction = shim.begin();
    transaction.upsert("reals", {{"id", std::int64_t{1}}, {"d", value}});
    transaction.commit();
  };
  write(1.5);
  EXPECT_EQ(shim.counters().inline_written, 1u);
  // The one is read and cannot be turned into the target's type; the other cannot even be read.
  write(GetParam().from == ServerKind::sqlite ? Value("a word")
                                              : Value(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(shim.counters().inline_failed, 1u);
  // As it was: neither deleted nor changed to something else.
  EXPECT_EQ(trial.target.value("SELECT d FROM reals WHERE id = 1"), "1.5");
  // It is on the reject list, and in the journal still: a person is told.
  run({"backfill", "plan.yaml"}, 3);
  EXPECT_NE(journal(), "0");
  write(2.5);
  run({"relay", "plan.yaml"});
  EXPECT_EQ(trial.target.value("SELECT d FROM reals WHERE id = 1"), "2.5");
  EXPECT_EQ(journal(), "0");
}

// What the application's own INSERT would have said, the shim's says.
TEST_P(LengthsMatter, ATextThatDoesNotFitIsRefusedAndNotCut) {
  begin("shim", true);
  Shim shim(options(WriteMode::sync));
  upsert(shim, 1, "fits");
  const std::string longer(41, 'x');
  EXPECT_THROW(upsert(shim, 2, longer), Error);
  Transaction transaction = shim.begin();
  transaction.update("t", {{"id", std::int64_t{1}}}, {{"v", longer}});
  EXPECT_THROW(transaction.commit(), Error);
  EXPECT_EQ(trial.source.value("SELECT COUNT(*) FROM t"), "1");
  EXPECT_EQ(trial.source.value("SELECT v FROM t WHERE id = 1"), "fits");
  EXPECT_EQ(on_target("w", 1), "fits");
}

INSTANTIATE_TEST_SUITE_P(Routes, ShimValues, testing::ValuesIn(kRoutes), route_name);
INSTANTIATE_TEST_SUITE_P(Routes, NoFormThere,
                         testing::ValuesIn(routes_where([](const ShimRoute& route) {
                           return route.to == ServerKind::mariadb;
                         })),
                         route_name);
INSTANTIATE_TEST_SUITE_P(Routes, LengthsMatter,
                         testing::ValuesIn(routes_where([](const ShimRoute& route) {
                           return route.from == ServerKind::postgres;
                         })),
                         route_name);

}  // namespace
}  // namespace migrator::test
