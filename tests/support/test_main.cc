// main() of test executables that need servers: the shared ones of the run, or else its own.
#include <cstdio>
#include <exception>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/support/servers.h"

int main(int argc, char** argv) {
  bool only_lists = false;
  for (int i = 1; i < argc; ++i) {
    only_lists = only_lists || std::string_view(argv[i]).starts_with("--gtest_list_tests");
  }
  try {
    // Before the tests are registered: which of them there are depends on the servers.
    migrator::test::export_servers(!only_lists);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
