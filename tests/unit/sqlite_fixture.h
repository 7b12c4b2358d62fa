// The SQLite backend on real files in a temporary folder.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/adapter.h"
#include "adapters/codec.h"
#include "adapters/sqlite/adapter.h"
#include "adapters/sqlite/codec.h"
#include "adapters/sqlite/create_table.h"
#include "adapters/sqlite/decimal.h"
#include "adapters/sqlite/errors.h"
#include "adapters/sqlite/tokens.h"
#include "adapters/sqlite/types.h"

namespace migrator {

using sqlite::adapter;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Clock = std::chrono::steady_clock;

inline const Dialect& dialect() { return adapter().dialect(); }

inline Error caught(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return {ErrorKind::invariant, "none"};
}

inline Value text(const char* value) { return std::string(value); }
inline Value integer(std::int64_t value) { return value; }

// A value as a test can name it: its storage class and its digits.
inline std::string shown(const Value& value) { return encode_key({value}); }

class SqliteTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sqlite_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  Url url(const std::string& name, const std::string& parameters = "") const {
    return Url::parse("sqlite:" + path(name) + parameters);
  }
  std::unique_ptr<Target> target(const std::string& name, const std::string& parameters = "",
                                 const SessionOptions& options = {}) const {
    return adapter().open_target(url(name, parameters), options);
  }
  std::unique_ptr<Source> source(const std::string& name, const std::string& parameters = "",
                                 const SessionOptions& options = {}) const {
    return adapter().open_source(url(name, parameters), options);
  }
  // Runs statements in a file of that name.
  void make(const std::string& name, const std::vector<std::string>& statements) const {
    const auto database = target(name);
    for (const std::string& statement : statements) database->session().execute(statement);
  }
  static TableSchema table(Session& session, const std::string& name) {
    const Catalog catalog = session.catalog();
    const TableSchema* found = catalog.find_table({"", name});
    EXPECT_NE(found, nullptr) << name;
    return found == nullptr ? TableSchema{} : *found;
  }
  static ReadSpec read_spec(Session& session, const std::string& name,
                            const std::vector<std::string>& key) {
    const TableSchema schema = table(session, name);
    ReadSpec spec{{"", name}, schema.columns, {}, ""};
    for (const std::string& column : key) spec.key.push_back(*schema.find_column(column));
    return spec;
  }
  static WriteSpec write_spec(Session& session, const std::string& name,
                              const std::vector<std::string>& key) {
    const ReadSpec spec = read_spec(session, name, key);
    WriteSpec result{spec.table, {}, spec.key};
    for (const Column& column : spec.columns) {
      if (!column.generated) result.columns.push_back(column);
    }
    return result;
  }
  static std::vector<std::vector<Value>> rows(Session& session, const std::string& sql) {
    return session.query(sql).rows;
  }
  static std::string one(Session& session, const std::string& sql) {
    return shown(session.query(sql).rows.at(0).at(0));
  }

  std::filesystem::path folder_;
};

// The cells of all rows of a read, as JSON texts.
inline std::vector<std::string> read_all(Source& source, const ReadSpec& spec,
                                         const KeyRange& range = {},
                                         const RowLayout& layout = cells_layout(),
                                         ReadOrder order = ReadOrder::any) {
  std::vector<std::string> result;
  const auto stream = source.read(spec, range, layout, order);
  RowBatch batch;
  while (stream->next(batch)) {
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      Key key;
      for (std::size_t i = 0; i < batch.columns(); ++i) {
        const Cell& cell = batch.row(row)[i];
        switch (cell.tag) {
          case Cell::Tag::null:
            key.emplace_back(std::monostate{});
            break;
          case Cell::Tag::integer:
            key.emplace_back(cell.integer);
            break;
          case Cell::Tag::unsigned_integer:
            key.emplace_back(cell.unsigned_integer);
            break;
          case Cell::Tag::real:
            key.emplace_back(cell.real);
            break;
          case Cell::Tag::text:
            key.emplace_back(std::string(batch.bytes_of(cell)));
            break;
          case Cell::Tag::bytes:
            key.emplace_back(Bytes{std::string(batch.bytes_of(cell))});
            break;
          case Cell::Tag::misfit:
            key.emplace_back("misfit: " + std::string(batch.bytes_of(cell)));
            break;
        }
      }
      result.push_back(encode_key(key));
    }
  }
  return result;
}

inline void push(RowBatch& batch, const Value& value) {
  if (is_null(value)) return batch.push_null();
  if (const auto* i = std::get_if<std::int64_t>(&value)) return batch.push_integer(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return batch.push_unsigned(*u);
  if (const auto* d = std::get_if<double>(&value)) return batch.push_real(*d);
  if (const auto* s = std::get_if<std::string>(&value)) return batch.push_text(*s);
  batch.push_bytes(std::get<Bytes>(value).data);
}

inline RowBatch batch_of(const std::vector<std::vector<Value>>& rows) {
  RowBatch batch;
  batch.set_columns(rows.at(0).size());
  for (const auto& row : rows) {
    for (const Value& value : row) push(batch, value);
    batch.end_cell_row();
  }
  return batch;
}

inline LoadCount load(Target& target, const WriteSpec& spec,
                      const std::vector<std::vector<Value>>& rows, LoadMode mode = LoadMode::direct,
                      const RowLayout& layout = cells_layout()) {
  target.session().begin();
  try {
    LoadCount count;
    {
      const auto sink = target.load(spec, layout, mode);
      sink->write(batch_of(rows));
      count = sink->finish();
    }
    target.session().commit();
    return count;
  } catch (...) {
    target.session().rollback();
    throw;
  }
}

}  // namespace migrator
