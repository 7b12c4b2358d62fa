// What only a real MySQL or MariaDB server can show. MIGRATOR_TEST_MYSQL_URL names a database whose
// user may create databases; tables named t_* in it are dropped. Runs alike against MariaDB and
// Oracle's MySQL.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "adapters/mysql/adapter.h"
#include "adapters/mysql/session.h"
#include "adapters/mysql/target.h"

namespace migrator::mysql {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

inline std::string live_url() {
  const char* url = std::getenv("MIGRATOR_TEST_MYSQL_URL");
  if (url == nullptr || *url == '\0')
    throw std::runtime_error("MIGRATOR_TEST_MYSQL_URL is not set");
  return url;
}

inline std::string with_parameter(const std::string& url, const std::string& parameter) {
  return url + (url.find('?') == std::string::npos ? "?" : "&") + parameter;
}

inline std::unique_ptr<Source> open_source(const SessionOptions& options = {},
                                           const std::string& url = live_url()) {
  return adapter().open_source(Url::parse(url), options);
}

inline std::unique_ptr<Target> open_target(const std::string& load = "auto",
                                           const SessionOptions& options = {}) {
  return adapter().open_target(Url::parse(with_parameter(live_url(), "load=" + load)), options);
}

inline bool on_mariadb(Session& session) { return session.server().product.starts_with("MariaDB"); }

class MysqlLive : public testing::Test {
 protected:
  void SetUp() override {
    source_ = open_source();
    for (const TableSchema& table : source_->session().catalog().tables) {
      if (table.name.name.starts_with("t_")) run("DROP TABLE " + table.name.name);
    }
  }

  Session& session() { return source_->session(); }
  void run(const std::string& sql) { session().execute(sql); }
  Value one(const std::string& sql) { return session().query(sql).rows.at(0).at(0); }

  std::vector<std::string> load_paths() {
    if (on_mariadb(session())) return {"bulk", "load-data", "insert"};
    return {"load-data", "insert"};
  }

  TableSchema table(const std::string& name) {
    const Catalog catalog = session().catalog();
    const TableSchema* found = catalog.find_table({"", name});
    if (found == nullptr) throw std::runtime_error("no table " + name);
    return *found;
  }

  static std::vector<Column> columns_named(const TableSchema& table,
                                           const std::vector<std::string>& names) {
    std::vector<Column> columns;
    for (const std::string& name : names) columns.push_back(*table.find_column(name));
    return columns;
  }

  ReadSpec reading(const std::string& name, std::vector<std::string> key = {}) {
    const TableSchema schema = table(name);
    ReadSpec spec{.table = schema.name, .columns = {}, .key = {}, .where = ""};
    for (const Column& column : schema.columns) {
      if (!column.generated) spec.columns.push_back(column);
    }
    spec.key = columns_named(schema, key.empty() ? schema.primary_key : key);
    return spec;
  }

  WriteSpec writing(const std::string& name) {
    const ReadSpec spec = reading(name);
    return {spec.table, spec.columns, spec.key};
  }

  LoadCount copy(const std::string& from, const std::string& to, const RowLayout& layout,
                 const std::string& path, LoadMode mode = LoadMode::direct,
                 const KeyRange& range = {}) {
    const std::unique_ptr<Target> target = open_target(path);
    target->session().begin();
    LoadCount count;
    {
      const std::unique_ptr<RowSink> sink = target->load(writing(to), layout, mode);
      const std::unique_ptr<RowStream> rows = source_->read(reading(from), range, layout);
      RowBatch batch;
      while (rows->next(batch)) sink->write(batch);
      count = sink->finish();
    }
    target->session().commit();
    return count;
  }

  // Both tables' rows as text that shows every bit of every value.
  void expect_equal(const std::string& a, const std::string& b) {
    std::string list;
    for (const Column& column : table(a).columns) {
      const bool real =
          column.native_type.starts_with("float") || column.native_type.starts_with("double");
      if (!list.empty()) list += ", ";
      list += real ? fmt::format("CONCAT(`{}`*1e0)", column.name)
                   : fmt::format("HEX(CAST(`{}` AS BINARY))", column.name);
    }
    const auto rows = [&](const std::string& name) {
      return session().query("SELECT " + list + " FROM " + name + " ORDER BY 1").rows;
    };
    const auto ours = rows(a), theirs = rows(b);
    ASSERT_FALSE(ours.empty());
    ASSERT_EQ(ours.size(), theirs.size());
    const std::vector<Column> columns = table(a).columns;
    for (std::size_t row = 0; row < ours.size(); ++row) {
      for (std::size_t i = 0; i < columns.size(); ++i) {
        EXPECT_EQ(ours[row][i], theirs[row][i])
            << columns[i].name << " of row " << as_text(ours[row][0]);
      }
    }
  }

  std::unique_ptr<Source> source_;
};

}  // namespace migrator::mysql
