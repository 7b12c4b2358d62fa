// A migration as a user runs it: the real `migrate` in a folder of its own, between two fresh
// databases.
//
// Everything that `migrate` prints and every file that it leaves in the folder is searched for the
// databases' passwords when the test ends.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"
#include "tests/support/test_database.h"

namespace migrator::test {

using nlohmann::json;
using namespace std::chrono_literals;

// What ended, for messages of failed expectations.
std::string shown(const CommandResult& result);
// Standard output as the one document that it must be; a test failure, and null, if it is not.
json document(const CommandResult& result);
// The names of an object's members, in order.
std::vector<std::string> keys_of(const json& object);

// A table expression with one column n: 1 .. count.
std::string numbers(ServerKind kind, int count);

// Polls every 20 ms (or as long as asking takes) until it is true, but no longer than that. False
// if it never was.
bool eventually(const std::function<bool()>& condition, std::chrono::seconds time = 20s);

class MigrationCase {
 public:
  MigrationCase(ServerKind from, ServerKind to);
  ~MigrationCase();  // fails the test if a password is anywhere

  TestDatabase source, target;
  // In the environment of every command.
  std::string source_url, target_url;
  std::map<std::string, std::string> environment;  // more of it

  const std::string& folder() const { return folder_; }
  std::string path(const std::string& file) const { return folder_ + "/" + file; }
  std::string read(const std::string& file) const;
  void write(const std::string& file, const std::string& text) const;
  bool exists(const std::string& file) const;

  // Writes plan.yaml with state.db as its checkpoint. tables: the YAML below `tables:`, indented by
  // two; rest: more top-level keys.
  void plan(const std::string& tables, const std::string& rest = "");
  // One line a table: "  - name: x".
  static std::string tables(const std::vector<std::string>& names);

  // `migrate` with these arguments, to its end, in the folder.
  CommandResult migrate(const std::vector<std::string>& arguments);
  // The same under `sh -c "PREPARE; exec migrate ..."`.
  CommandResult migrate_under(const std::string& prepare,
                              const std::vector<std::string>& arguments);
  // The same, without waiting.
  Child start(const std::vector<std::string>& arguments);
  // For what a Child has printed.
  void remember(const Child& child) { printed_ += child.out() + child.err(); }

  // A secret besides those of the two databases.
  void add_secret(const std::string& secret) { secrets_.push_back(secret); }

  // `migrate status --json`.
  json status();
  // Rows that the checkpoint store counts as copied.
  std::uint64_t rows_recorded();

  // The independent comparison (oracle.py). table names: "a" or "a:b"; none: all.
  CommandResult oracle(const std::vector<std::string>& tables = {}) const;

  // These must succeed and find both sides equal.
  void expect_equal(const std::vector<std::string>& tables = {});
  // The target has no table at all, not even one of ours.
  void expect_target_untouched() const;

 private:
  Command command(const std::vector<std::string>& arguments) const;

  std::string folder_;
  std::vector<std::string> secrets_;
  std::string printed_;
};

// "to do:" with what to do, the exit code, and each of the texts.
void expect_refusal(const CommandResult& result, int status, const std::vector<std::string>& texts);

// A server kind pair as a test's name.
std::string pair_name(const testing::TestParamInfo<std::pair<ServerKind, ServerKind>>& info);
// All nine ordered pairs.
std::vector<std::pair<ServerKind, ServerKind>> all_pairs();

}  // namespace migrator::test
