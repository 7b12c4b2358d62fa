// What only a real PostgreSQL can show of its backend, beyond the conformance suite that all
// engines pass. The server's URL comes from the environment variable MIGRATOR_TEST_POSTGRES_URL;
// its user may create schemas. Every test works in a schema of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/codec.h"
#include "adapters/postgres/adapter.h"
#include "adapters/postgres/connection.h"
#include "adapters/postgres/session.h"

namespace migrator::postgres {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Clock = std::chrono::steady_clock;

inline std::string server_url() {
  const char* url = std::getenv("MIGRATOR_TEST_POSTGRES_URL");
  if (!url)
    throw std::runtime_error("MIGRATOR_TEST_POSTGRES_URL is not set: these tests need a server");
  return url;
}

// Waits for a condition; false if it has not come true in time.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds limit = 10s) {
  const auto until = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

inline std::optional<Error> error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return {};
}

class PostgresLive : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    schema_ = std::string("live_") + info->name();
    source_ = adapter().open_source(Url::parse(server_url()), {});
    target_ = adapter().open_target(Url::parse(server_url()), {});
    s().execute("DROP SCHEMA IF EXISTS \"" + schema_ + "\" CASCADE");
    s().execute("CREATE SCHEMA \"" + schema_ + "\"");
    use_schema(s());
    use_schema(t());
  }
  void TearDown() override {
    if (!source_) return;
    target_.reset();
    source_.reset();
    adapter()
        .open_source(Url::parse(server_url()), {})
        ->session()
        .execute("DROP SCHEMA IF EXISTS \"" + schema_ + "\" CASCADE");
  }

  void use_schema(Session& session) { session.execute("SET search_path = \"" + schema_ + "\""); }
  Session& s() { return source_->session(); }
  Session& t() { return target_->session(); }
  std::int64_t number(const std::string& sql) {
    return as_integer(s().query(sql).rows.at(0).at(0));
  }

  const TableSchema& described(const std::string& table) {
    catalog_ = s().catalog();
    const TableSchema* found = catalog_.find_table({"", table});
    if (!found) throw std::runtime_error("no table " + table);
    return *found;
  }
  static std::vector<Column> columns_of(const TableSchema& table,
                                        const std::vector<std::string>& names) {
    std::vector<Column> columns;
    for (const std::string& name : names) columns.push_back(*table.find_column(name));
    return columns;
  }
  ReadSpec reading(const std::string& table) {
    const TableSchema& schema = described(table);
    ReadSpec spec{schema.name, {}, columns_of(schema, schema.primary_key), ""};
    for (const Column& column : schema.columns) {
      if (!column.generated) spec.columns.push_back(column);
    }
    return spec;
  }
  WriteSpec writing(const std::string& table) {
    const ReadSpec spec = reading(table);
    return {spec.table, spec.columns, spec.key};
  }

  LoadCount copy(const ReadSpec& from, const WriteSpec& to, const RowLayout& layout,
                 LoadMode mode = LoadMode::direct, const KeyRange& range = {}) {
    t().begin();
    LoadCount count;
    {
      auto sink = target_->load(to, layout, mode);
      auto stream = source_->read(from, range, layout);
      RowBatch batch;
      while (stream->next(batch)) sink->write(batch);
      count = sink->finish();
    }
    t().commit();
    return count;
  }
  // Rows in which the two tables differ, by their text.
  std::int64_t differences(const std::string& a, const std::string& b) {
    const auto rows = [](const std::string& table) {
      return "SELECT whole_row::text FROM " + table + " whole_row";
    };
    return number("SELECT count(*) FROM ((" + rows(a) + " EXCEPT ALL " + rows(b) + ") UNION ALL (" +
                  rows(b) + " EXCEPT ALL " + rows(a) + ")) d");
  }
  RowLayout layout_of(const ReadSpec& spec, const std::string& format) {
    for (const RowLayout& layout : source_->layouts(spec)) {
      if (layout.format == format) return layout;
    }
    throw std::runtime_error("no layout " + format);
  }
  // Until the session with this backend waits for something of the kind.
  bool waits_for(std::int64_t pid, const std::string& kind) {
    return eventually([&] {
      return number("SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(pid) +
                    " AND wait_event_type = '" + kind + "'") == 1;
    });
  }
  static std::int64_t backend(Session& session) {
    return as_integer(session.query("SELECT pg_backend_pid()").rows.at(0).at(0));
  }

  std::string schema_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Target> target_;
  Catalog catalog_;
};

}  // namespace migrator::postgres
