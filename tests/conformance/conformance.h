// The base of every conformance test: one test, one server, one fresh database.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/adapter.h"
#include "tests/conformance/quirks.h"
#include "tests/conformance/rows.h"
#include "tests/support/test_database.h"

namespace migrator::test {

class Conformance : public testing::TestWithParam<ServerKind> {
 protected:
  Conformance();

  const Adapter& adapter() const { return adapter_for(quirks.engine); }
  const Dialect& dialect() const { return adapter().dialect(); }
  std::unique_ptr<Source> open_source() const;
  std::unique_ptr<Target> open_target() const;
  std::unique_ptr<Source> open_source(const TestDatabase& other) const;
  std::unique_ptr<Target> open_target(const TestDatabase& other) const;

  // The table as the catalog has it. Fails the test and throws if it is not there.
  TableSchema table(Session& session, const std::string& name) const;
  // CREATE TABLE name (columns) with the quirks' suffix, in db or another database.
  void create_table(const std::string& name, const std::string& columns) const;
  void create_table(const TestDatabase& where, const std::string& name,
                    const std::string& columns) const;
  // A table `t` (id integer key, note text) with rows first..last; note is "row <id>".
  void make_numbered_table(int rows) const;
  // A table k_<name> for each key set of the engine, by the sets' names: the key's columns and
  // `ordinal`, which numbers the rows; filled, in another order than the key's, unless `empty`.
  // All by one client, as starting one takes longer than all of its work.
  std::map<std::string, TableSchema> make_key_tables(Session& session, bool empty = false) const;
  // The INSERT of a set's rows.
  std::string key_rows(const KeySet& set) const;
  // What a session knows of itself, for others to kill it.
  std::string count_of(const std::string& table_name) const;

  const Quirks& quirks;
  TestDatabase db;
  SessionOptions options;
};

// What an action threw. Fails the test if it threw nothing, or something else than migrator::Error.
std::optional<Error> error_of(const std::function<void()>& action);

// Fails unless the action threw an Error of that kind, and what it says has none of the secrets in
// it. Returns it for more questions.
std::optional<Error> expect_error(ErrorKind kind, const std::function<void()>& action);

// Everything an Error says, in one text.
std::string all_text(const Error& error);

// Waits, checking every few milliseconds, until the condition holds; false after the deadline.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds deadline = std::chrono::seconds(10));

std::string server_name(const testing::TestParamInfo<ServerKind>& info);

class Stopwatch {
 public:
  std::chrono::milliseconds elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 start_);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace migrator::test

// Runs a suite on every server of the run.
#define MIGRATOR_CONFORMANCE_SUITE(suite)                                       \
  INSTANTIATE_TEST_SUITE_P(Conformance, suite,                                  \
                           testing::ValuesIn(migrator::test::tested_servers()), \
                           migrator::test::server_name)
// Runs a suite on those servers whose quirks meet the predicate.
#define MIGRATOR_CONFORMANCE_SUITE_WHERE(suite, ...)                                       \
  INSTANTIATE_TEST_SUITE_P(Conformance, suite,                                             \
                           testing::ValuesIn(migrator::test::tested_servers(__VA_ARGS__)), \
                           migrator::test::server_name)
