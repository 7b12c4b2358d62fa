// Hints of applications, on their way to a verify: none stops it, and each is deleted only when its
// row has been looked at.
#include "migrator/engine/reported_reads.h"

#include <gtest/gtest.h>

#include "tests/unit/sqlite_fixture.h"

namespace migrator {
namespace {

class ReportedReadsTest : public SqliteTest {
 protected:
  void SetUp() override {
    SqliteTest::SetUp();
    make("source.db", {"CREATE TABLE t (id INTEGER PRIMARY KEY)"});
    endpoints.source_url = url("source.db");
    endpoints.target_url = url("target.db");
    writer = target("source.db");
    reports.install(writer->session());
  }
  void report(const std::string& relation, const std::string& key) {
    reports.add(writer->session(), relation, key);
  }
  std::size_t left() { return reports.read(writer->session()).size(); }

  Endpoints endpoints;
  Interrupt interrupt;
  const ShadowReports reports{"shop", ""};
  std::unique_ptr<Target> writer;
};

TEST_F(ReportedReadsTest, AreDeletedWhenTheyAreJudged) {
  ReportedReads reads(&reports, endpoints, interrupt);
  EXPECT_TRUE(reads.fresh().empty());
  report("t", "i1");
  report("t", "i2");
  report("u", "i1");
  auto fresh = reads.fresh();
  ASSERT_EQ(fresh["t"].size(), 2u);
  ASSERT_EQ(fresh["u"].size(), 1u);
  EXPECT_EQ(reads.of("t").size(), 2u);
  report("t", "i2");  // once more, meanwhile
  reads.judged(fresh["t"]);
  EXPECT_EQ(left(), 2u) << "that of u, and the newer one";
  // Who reads a wrong row all the time does not have it looked at all the time.
  report("t", "i1");
  EXPECT_FALSE(reads.fresh().contains("t"));
  EXPECT_EQ(left(), 3u);
}

TEST_F(ReportedReadsTest, OfMoreRowsThanAreNamedTheTableIsCompared) {
  ReportedReads reads(&reports, endpoints, interrupt);
  writer->session().begin();
  for (std::int64_t row = 0; row <= ShadowReports::kMostRows; ++row) {
    report("t", "i" + std::to_string(row));
  }
  writer->session().commit();
  EXPECT_FALSE(reads.comparison_due("t"));
  EXPECT_TRUE(reads.fresh().empty());
  EXPECT_TRUE(reads.comparison_due("t"));
  EXPECT_FALSE(reads.comparison_due("u"));
  EXPECT_EQ(reads.of("t").size(), static_cast<std::size_t>(ShadowReports::kMostRows) + 1);
  reads.compared("t");
  EXPECT_FALSE(reads.comparison_due("t"));
  reads.fresh();
  EXPECT_FALSE(reads.comparison_due("t")) << "not again at once";
}

TEST_F(ReportedReadsTest, ThatCannotBeAskedForStopNothing) {
  report("t", "i1");
  endpoints.source_url = url("nowhere/else.db");
  ReportedReads reads(&reports, endpoints, interrupt);
  EXPECT_TRUE(reads.of("t").empty());
  EXPECT_TRUE(reads.fresh().empty());
  reads.judged({{"t", "=i1", "i1", 1, 1}});
  EXPECT_EQ(left(), 1u);
  interrupt.request();
  EXPECT_EQ(caught([&] { reads.fresh(); }).kind(), ErrorKind::cancelled);
  ReportedReads none(nullptr, endpoints, interrupt);
  EXPECT_TRUE(none.fresh().empty());
}

}  // namespace
}  // namespace migrator
