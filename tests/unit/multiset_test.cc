// Tables without a key, compared by how often each row is there.
#include "migrator/verify/multiset.h"

#include <map>

#include <fmt/format.h>

#include "tests/unit/sqlite_fixture.h"

namespace migrator {
namespace {

class Multisets : public SqliteTest {
 protected:
  void SetUp() override {
    SqliteTest::SetUp();
    for (const char* file : {"source.db", "target.db"}) {
      make(file, {"CREATE TABLE t (n INTEGER, txt TEXT)",
                  "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 3000) "
                  "INSERT INTO t SELECT n % 1000, NULLIF('row ' || (n % 1000), 'row 7') FROM s"});
    }
  }

  // readings: how often each side was read, with this many hashes at a time.
  RangeFindings compare(std::size_t keep, std::uint64_t counted_at_once) {
    const auto here = source("source.db"), there = source("target.db");
    TableRoute route;
    route.name = "t";
    route.read = read_spec(here->session(), "t", {});
    route.write = write_spec(there->session(), "t", {});
    const ComparedTable table(route, true);
    readings = 0;
    const auto open = [&](bool of_source) {
      if (of_source && ++readings == 2 && at_second) at_second();
      return RangeRows(of_source ? *here : *there, of_source ? table.source : table.target, {},
                       cells_layout(), nullptr, [](auto, auto) {});
    };
    return compare_multisets(table, open, keep, counted_at_once);
  }

  int readings = 0;
  std::function<void()> at_second;
};

TEST_F(Multisets, EqualOnesAreReadOnce) {
  EXPECT_EQ(compare(10, 100).differences(), 0u);
  EXPECT_EQ(readings, 1);
}

TEST_F(Multisets, AreCountedInAsManyReadingsAsMemoryAllows) {
  make("target.db", {"DELETE FROM t WHERE n = 1", "INSERT INTO t VALUES (2, 'row 2'), (2, 'row 2')",
                     "UPDATE t SET txt = 'another' WHERE n = 3",
                     "UPDATE t SET n = NULL WHERE n = 4", "UPDATE t SET txt = '' WHERE n = 7"});
  // Each row is there three times: what is different fills seven or eight buckets, of 3 to 5 rows.
  for (const auto& [at_once, least, most] : {std::tuple{std::uint64_t{1'000}, 2, 3},
                                             {std::uint64_t{10}, 4, 8},
                                             {std::uint64_t{1}, 8, 10}}) {
    SCOPED_TRACE(at_once);
    const RangeFindings found = compare(100, at_once);
    EXPECT_EQ(found.missing, 3u + 3 + 3 + 3);
    EXPECT_EQ(found.extra, 2u + 3 + 3 + 3);
    EXPECT_EQ(found.found.size(), 8u);
    // One reading to add up, one to name what is missing, the others to count.
    EXPECT_GE(readings, least);
    EXPECT_LE(readings, most);
  }
}

TEST_F(Multisets, MoreThanAreNamedAreCountedForSure) {
  make("target.db", {"DELETE FROM t WHERE n < 500", "INSERT INTO t VALUES (-1, NULL)"});
  const RangeFindings found = compare(5, 10);
  EXPECT_EQ(found.missing, 1500u);
  EXPECT_EQ(found.extra, 1u);
  EXPECT_LE(found.found.size(), 5u);
  EXPECT_LT(readings, 10);
}

// What differed when it was added up, and then no more: nothing is known.
TEST_F(Multisets, ThoseThatChangeMeanwhileAreNoResult) {
  make("target.db", {"DELETE FROM t WHERE n = 1"});
  at_second = [this] { make("target.db", {"INSERT INTO t SELECT 1, 'row 1' FROM t LIMIT 3"}); };
  const Error error = caught([&] { compare(10, 100); });
  EXPECT_EQ(error.kind(), ErrorKind::transient);
  EXPECT_THAT(std::string(error.what()), HasSubstr("changed while they were compared"));
}

}  // namespace
}  // namespace migrator
