#include "migrator/verify/mismatch_log.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace migrator {
namespace {

// Readers of the log rely on every member of it: a change is a new version and a new file.
TEST(MismatchLog, IsThatOfItsGoldenFile) {
  const auto at = std::chrono::system_clock::from_time_t(1767323045);
  const auto line = [&](const Difference& one) {
    return mismatch_line(one, {"shop",
                               "sales.st\xC3\xA4"
                               "dte",
                               "backfill", 4711, at});
  };
  std::string lines =
      line({DifferenceKind::missing, {std::int64_t{7}, std::string("a\"b")}, {}, {}, 1});
  lines += line({DifferenceKind::extra, {Bytes{std::string("\x00\xff", 2)}}, {}, {}, 2});
  lines += line({DifferenceKind::differs,
                 {std::string("\xff")},
                 {"note", "paid"},
                 {{"hmac:0123456789abcdef", "null"}, {"\"a\"", "1.5"}},
                 1});
  const std::string path = MIGRATOR_GOLDEN "/mismatches-v1.jsonl";
  // For a new version.
  if (std::getenv("MIGRATOR_WRITE_GOLDEN") != nullptr) std::ofstream(path) << lines;
  std::ifstream file(path);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(lines, golden.str());
}

}  // namespace
}  // namespace migrator
