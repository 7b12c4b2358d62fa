// A migration that is about to be ill-treated: two databases with known rows, a folder with a plan
// in it, and the real `migrate` to be run, killed, and run again.
//
// What the target holds is judged by the engines' own command line clients: every row of both sides
// is printed in key order and compared as text, so nothing of the product takes part in the
// verdict.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"
#include "tests/support/test_database.h"

namespace migrator::test {

using namespace std::chrono_literals;

// Polls every 5 ms (or as long as asking takes) until it is true; false if it has not become so in
// that time.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds time = 20s);

// For messages of failed expectations.
std::string shown(const CommandResult& result);
std::string shown(const Child& child);

using Environment = std::map<std::string, std::string>;

// How many rows the two tables of a trial have.
struct Rows {
  int entries = 6000;  // entries(id, account, note): an integer key with gaps
  int marks = 3000;    // marks(region, seq, body): a composite key that begins with text
};

class Trial {
 public:
  Trial(ServerKind from, ServerKind to);
  // With the target on a server of the test's own.
  Trial(ServerKind from, ServerKind to, const std::string& target_url);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  const ServerKind from, to;
  // What `migrate` is told; a test may put something in between.
  std::string source_url, target_url;

  // Makes and fills the source's tables, and writes plan.yaml.
  void prepare(const Rows& rows, const std::string& backfill = "jobs: 2, chunk: {max_rows: 500}");
  // Another plan for the same migration: FILE with that checkpoint.
  void write_plan(const std::string& file, const std::string& checkpoint) const;
  // The target's tables, the checkpoint and the fences are gone; the source stays.
  void begin_anew();

  // Through the clients, and never through what stands in between.
  std::string source_sql(const std::string& script) const {
    return run_sql(source_direct_, script);
  }
  std::string target_sql(const std::string& script) const {
    return run_sql(target_direct_, script);
  }
  long long target_number(const std::string& query) const;
  // A client of the target that runs the script beside the test, `\!` and `.shell` lines included:
  // to hold locks for as long as the Child lives.
  Child target_client(const std::string& script) const;

  std::string path(const std::string& file) const { return folder_ + "/" + file; }

  Command command(const std::vector<std::string>& arguments,
                  const Environment& environment = {}) const;
  CommandResult migrate(const std::vector<std::string>& arguments,
                        const Environment& environment = {}) const;
  Child start(const std::vector<std::string>& arguments, const Environment& environment = {}) const;
  // Runs `migrate backfill` until it ends well, but no more often than that. A run that fails must
  // say so with status 1 and a remedy. Returns how many runs it took.
  int backfill_until_done(int runs, const std::vector<std::string>& options = {}) const;

  // `migrate status --json`; of no store: one without tables.
  nlohmann::json status(const std::string& plan = "plan.yaml") const;
  // Rows of the chunks that the store knows to be done.
  long long rows_recorded(const std::string& plan = "plan.yaml") const;
  // How often a chunk had to be copied again, by the store's events.
  long long chunks_retried() const;

  // Both sides have the same rows, and each once.
  void expect_equal() const;
  // The target lacks exactly the rows of the source that this condition names.
  void expect_equal_without(const std::string& condition) const;
  // In the middle of a migration: what the fences call done is in the target, no more and no less,
  // and the store is not ahead of it (I6). Returns rows_recorded(), as it was.
  long long expect_never_ahead() const;
  // At the end: everything is finished by the word of the store and of the fences, which agree.
  void expect_finished() const;

 private:
  void expect_same_rows(const std::string& entries_condition) const;
  // The target's answers to several queries, each of one row, from one client.
  std::vector<std::string> target_rows(const std::string& queries) const;

  std::optional<TestDatabase> source_database_, target_database_;
  std::string source_direct_, target_direct_, folder_, backfill_;
  Rows rows_;
};

}  // namespace migrator::test
