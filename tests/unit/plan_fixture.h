#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "migrator/include/migrator/error.h"
#include "plans/plan.h"

namespace migrator {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const fs::path kRoot = fs::path(__FILE__).parent_path().parent_path().parent_path();

inline Environment variables(std::map<std::string, std::string> values = {}) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

inline Plan read(std::string_view yaml, const Environment& environment = variables()) {
  return read_plan(yaml, "p.yaml", environment);
}

// The error of a plan that must not be read. Any other exception fails the test by itself.
inline Error refusal(std::string_view yaml, const Environment& environment = variables()) {
  try {
    read(yaml, environment);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
    EXPECT_FALSE(error.remedy().empty()) << error.what();
    return error;
  }
  ADD_FAILURE() << "was read:\n" << yaml.substr(0, 400);
  return Error(ErrorKind::invariant, "was read");
}

// Four lines that every plan starts with, so that what is under test starts on line 5.
const std::string kHead = "version: 1\nname: shop\nsource: sqlite:a.db\ntarget: sqlite:b.db\n";
const std::string kTables = "tables: [{name: orders}]\n";

inline TablePlan table(std::string name, std::string to = "", std::vector<std::string> key = {},
                       std::string where = "") {
  TablePlan plan;
  plan.name = std::move(name);
  plan.to = std::move(to);
  plan.key = std::move(key);
  plan.where = std::move(where);
  return plan;
}

inline std::string file_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// Everything but `file`.
inline void expect_equal(const Plan& a, const Plan& b, const std::string& yaml) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.source_url, b.source_url);
  EXPECT_EQ(a.target_url, b.target_url);
  EXPECT_EQ(a.checkpoint, b.checkpoint);
  EXPECT_EQ(a.capture, b.capture);
  EXPECT_TRUE(a.tables == b.tables) << yaml;
  EXPECT_TRUE(a.backfill == b.backfill) << yaml;
  EXPECT_TRUE(a.verify == b.verify) << yaml;
}

class PlanFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "plan-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
  Error refusal_of(const std::string& path) {
    try {
      read_plan_file(path, variables());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
      EXPECT_FALSE(error.remedy().empty()) << error.what();
      return error;
    }
    ADD_FAILURE() << "was read: " << path;
    return Error(ErrorKind::invariant, "was read");
  }

  fs::path folder_;
};

}  // namespace migrator
