// The checkpoint store: what it remembers, and what it survives.
#pragma once

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoints/schema_migrations.h"
#include "checkpoints/sqlite_connection.h"
#include "checkpoints/sqlite_store.h"
#include "checkpoints/store.h"
#include "migrator/include/migrator/error.h"

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

namespace migrator {

inline bool operator==(const Event& a, const Event& b) {
  return a.at == b.at && a.kind == b.kind && a.table == b.table && a.text == b.text;
}

class Folder {
 public:
  Folder() {
    std::string name = fs::temp_directory_path() / "checkpoint-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = fs::canonical(name);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Plain SQLite, independent of the code under test.
class Sqlite {
 public:
  explicit Sqlite(const std::string& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db_));
    sqlite3_busy_timeout(db_, 10'000);
  }
  ~Sqlite() { sqlite3_close(db_); }
  using Rows = std::vector<std::vector<std::string>>;
  Rows rows(const std::string& sql) {
    Rows rows;
    char* error = nullptr;
    sqlite3_exec(
        db_, sql.c_str(),
        [](void* out, int columns, char** cells, char**) {
          auto& row = static_cast<Rows*>(out)->emplace_back();
          for (int i = 0; i < columns; ++i)
            row.emplace_back(cells[i] != nullptr ? cells[i] : "NULL");
          return 0;
        },
        &rows, &error);
    if (error != nullptr) throw std::runtime_error(std::string(error) + ": " + sql);
    return rows;
  }
  std::string cell(const std::string& sql) { return rows(sql).at(0).at(0); }

 private:
  sqlite3* db_ = nullptr;
};

inline std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void put_contents(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorKind::usage, "");
}

inline void expect_error(ErrorKind kind, const std::string& text,
                         const std::function<void()>& act) {
  const Error error = error_of(act);
  EXPECT_EQ(name(error.kind()), name(kind)) << error.what();
  EXPECT_THAT(error.what(), HasSubstr(text));
  EXPECT_FALSE(error.remedy().empty()) << error.what();
}

// Runs in a process of its own; true is success there.
struct Child {
  pid_t pid = 0;
  explicit Child(const std::function<bool()>& body) {
    pid = ::fork();
    if (pid == 0) {
      try {
        ::_exit(body() ? 0 : 1);
      } catch (const std::exception& error) {
        fmt::print(stderr, "in the child: {}\n", error.what());
        ::_exit(2);
      }
    }
  }
  int wait() {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  void kill() {
    ::kill(pid, SIGKILL);
    wait();
  }
};

struct Pipe {
  int ends[2];
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  }
  ~Pipe() {
    ::close(ends[0]);
    close_write();
  }
  void close_write() { ::close(std::exchange(ends[1], -1)); }
  void put(char c) {
    if (::write(ends[1], &c, 1) != 1) ::_exit(3);
  }
  std::optional<char> get() {
    char c = 0;
    return ::read(ends[0], &c, 1) == 1 ? std::optional(c) : std::nullopt;
  }
};

inline Key key(std::int64_t number) { return {number}; }

inline Clock::time_point at(std::int64_t seconds) {
  return Clock::time_point(std::chrono::seconds(1'767'323'045 + seconds) +
                           std::chrono::microseconds(678'901));
}

const std::string kCommand = "migrate backfill shop.yaml";

// The store's own sums against counts over all rows, by plain SQLite.
inline void expect_consistent(const std::string& path) {
  Sqlite raw(path);
  EXPECT_EQ(raw.cell("PRAGMA quick_check"), "ok");
  EXPECT_EQ(
      raw.rows("SELECT t.name FROM tables t WHERE"
               " chunks_cut <> (SELECT count(*) FROM chunks WHERE table_id = t.id)"
               " OR chunks_done <> (SELECT count(*) FROM chunks WHERE table_id = t.id"
               "   AND state = 'done')"
               " OR rows <> (SELECT coalesce(sum(rows), 0) FROM chunks WHERE table_id = t.id"
               "   AND state = 'done')"
               " OR bytes <> (SELECT coalesce(sum(bytes), 0) FROM chunks WHERE table_id = t.id"
               "   AND state = 'done')"
               " OR rejects_open <> (SELECT count(*) FROM rejects WHERE table_id = t.id AND open)"
               " OR chunks_cut <> (SELECT coalesce(max(number) + 1, 0) FROM chunks"
               "   WHERE table_id = t.id)"
               " OR frontier IS NOT (SELECT upper FROM chunks WHERE table_id = t.id"
               "   ORDER BY number DESC LIMIT 1)"),
      Sqlite::Rows{});
  EXPECT_EQ(raw.rows("SELECT b.number FROM chunks a JOIN chunks b ON a.table_id = b.table_id"
                     " AND b.number = a.number + 1 WHERE a.upper IS NOT b.lower"),
            Sqlite::Rows{});
}

// ---------------------------------------------------------------- one of everything

inline Key every_value() {
  return {std::monostate{},
          std::int64_t{-42},
          std::uint64_t{18'446'744'073'709'551'615u},
          0.1,
          std::string("Zürich \"x\"\n"),
          std::string("\xff\xfe"),
          Bytes{std::string("\0\xff", 2)}};
}

inline Migration shop_migration() {
  return {"0123456789abcdef0123456789abcdef",
          "shop-to-postgres",
          "9f86d081884c7d65",
          {"table orders: key id", "table städte: where pop > 0"}};
}

inline Mismatch mismatch(const Key& key, const std::string& kind,
                         const std::vector<std::string>& columns) {
  Mismatch one;
  one.key = key;
  one.kind = kind;
  one.columns = columns;
  return one;
}

inline void put_one_of_everything(CheckpointStore& store) {
  store.begin_migration(shop_migration());
  EXPECT_EQ(store.next_epoch(), 1u);
  EXPECT_EQ(store.next_epoch(41), 42u);
  store.mark_step("schema");
  store.mark_step("indexes:orders");
  store.put_table("orders", 2'000'000, 800'000'000);
  store.put_table("sales.städte", 3, 120);
  store.put_table("empty", 0, 0);
  store.put_table("late", 7, 70);
  store.set_table_state("orders", TableState::copying);
  store.set_table_state("sales.städte", TableState::finished);
  store.set_table_state("empty", TableState::copied);
  store.cut_chunk("orders", key(50'000));
  store.cut_chunk("orders", key(100'000));
  store.cut_chunk("orders", key(150'000));
  store.claim_chunk("orders", 0, 41, std::chrono::seconds(30));
  store.finish_chunk("orders", 0, {50'000, 20'000'000, std::chrono::milliseconds(487)});
  store.claim_chunk("orders", 1, 41, std::chrono::seconds(30));
  store.claim_chunk("orders", 1, 42, std::chrono::seconds(30));
  store.cut_chunk("sales.städte", every_value());
  store.cut_chunk("sales.städte", std::nullopt);
  store.finish_chunk("sales.städte", 0, {2, 80, std::chrono::milliseconds(1)});
  store.finish_chunk("sales.städte", 1, {1, 40, std::chrono::milliseconds(2)});
  store.put_reject(
      {0, "orders", key(17), 0, "22001", "value too long for column note", at(1), true, ""});
  store.put_reject({0, "orders", key(18), 0, "23505", "duplicate key", at(2), true, ""});
  store.put_reject(
      {0, "sales.städte", every_value(), 0, "22021", "invalid byte sequence", at(3), true, ""});
  store.resolve_reject(2, "merged by hand");
  store.add_event({at(0), "backfill_started", "", "4 jobs"});
  store.add_event({at(4), "table_finished", "sales.städte", "3 rows"});
  store.put_verify({"orders", at(5), 49'999, 1, 2, 3, false});
  store.put_verify({"sales.städte", at(6), 3, 0, 0, 0, true, 4});
  store.put_mismatches("orders", {mismatch(key(17), "missing", {}), mismatch(key(18), "extra", {})},
                       false);
  store.put_mismatches("sales.städte", {mismatch(every_value(), "differs", {"name", "größe"})},
                       true);
  store.resolve_mismatch(2, "made by hand");
  Mismatch with_values = mismatch(key(19), "differs", {"note", "paid"});
  with_values.values = {{"\"a\"", "\"ä\""}, {"null", "1"}};
  with_values.phase = "backfill";
  store.put_mismatches("orders", {with_values}, false);
  store.put_verify_progress({"orders", at(7), key(30), 30, 31});
}

// Those of version 2 on.
inline void expect_mismatches(CheckpointStore& store) {
  EXPECT_EQ(store.verify_outcomes().back().in_flux, 4u);
  const auto all = store.mismatches("", false);
  ASSERT_GE(all.size(), 3u);
  EXPECT_EQ(all[0].id, 1);
  EXPECT_EQ(all[0].table, "orders");
  EXPECT_EQ(all[0].key, key(17));
  EXPECT_EQ(all[0].kind, "missing");
  EXPECT_TRUE(all[0].open);
  EXPECT_EQ(all[0].found, all[0].seen);
  EXPECT_FALSE(all[1].open);
  EXPECT_EQ(all[1].resolution, "made by hand");
  EXPECT_EQ(all[2].key, every_value());
  EXPECT_THAT(all[2].columns, ElementsAre("name", "größe"));
  const std::size_t more = all.size() - 3;  // of a later version
  EXPECT_EQ(store.open_mismatches(), 2u + more);
  EXPECT_EQ(store.open_mismatches("orders"), 1u + more);
  EXPECT_THAT(store.mismatches("orders"), SizeIs(1 + more));
}

// Those of version 3 on.
inline void expect_verify_progress(CheckpointStore& store) {
  const std::vector<Mismatch> all = store.mismatches("", false);
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_TRUE(all[2].values.empty());
  EXPECT_EQ(all[3].values, (std::vector<Mismatch::Values>{{"\"a\"", "\"ä\""}, {"null", "1"}}));
  EXPECT_EQ(all[3].phase, "backfill");
  const std::vector<VerifyProgress> progress = store.verify_progress();
  ASSERT_THAT(progress, SizeIs(1));
  EXPECT_EQ(progress[0].table, "orders");
  EXPECT_EQ(progress[0].begun, at(7));
  EXPECT_EQ(progress[0].upto, key(30));
  EXPECT_EQ(progress[0].rows_source, 30u);
  EXPECT_EQ(progress[0].rows_target, 31u);
  EXPECT_EQ(store.digest_key().size(), 32u);
}

inline void expect_one_of_everything(CheckpointStore& store) {
  const Migration migration = store.migration().value();
  EXPECT_EQ(migration.id, shop_migration().id);
  EXPECT_EQ(migration.name, shop_migration().name);
  EXPECT_EQ(migration.plan_fingerprint, shop_migration().plan_fingerprint);
  EXPECT_EQ(migration.plan_meaning, shop_migration().plan_meaning);
  EXPECT_TRUE(store.step_done("schema"));
  EXPECT_TRUE(store.step_done("indexes:orders"));
  EXPECT_FALSE(store.step_done("indexes"));

  const auto tables = store.tables();
  ASSERT_THAT(tables, SizeIs(4));
  const TableProgress& orders = tables[0];
  EXPECT_EQ(orders.table, "orders");
  EXPECT_EQ(orders.state, TableState::copying);
  EXPECT_EQ(orders.rows_estimate, 2'000'000u);
  EXPECT_EQ(orders.bytes_estimate, 800'000'000u);
  EXPECT_EQ(orders.chunks_cut, 3u);
  EXPECT_EQ(orders.chunks_done, 1u);
  EXPECT_EQ(orders.rows, 50'000u);
  EXPECT_EQ(orders.bytes, 20'000'000u);
  EXPECT_EQ(orders.rejects_open, 1u);
  EXPECT_EQ(orders.frontier, key(150'000));
  EXPECT_FALSE(orders.cut_to_end);
  const TableProgress cities = store.table("sales.städte");
  EXPECT_EQ(cities.table, "sales.städte");
  EXPECT_EQ(cities.state, TableState::finished);
  EXPECT_EQ(cities.chunks_cut, 2u);
  EXPECT_EQ(cities.chunks_done, 2u);
  EXPECT_EQ(cities.rows, 3u);
  EXPECT_EQ(cities.bytes, 120u);
  EXPECT_EQ(cities.frontier, std::nullopt);
  EXPECT_TRUE(cities.cut_to_end);
  EXPECT_EQ(tables[2].state, TableState::copied);
  EXPECT_EQ(tables[3].state, TableState::pending);

  const auto open = store.open_chunks("orders");
  ASSERT_THAT(open, SizeIs(2));
  EXPECT_EQ(open[0].table, "orders");
  EXPECT_EQ(open[0].number, 1u);
  EXPECT_EQ(open[0].range, (KeyRange{key(50'000), key(100'000)}));
  EXPECT_EQ(open[0].state, ChunkState::claimed);
  EXPECT_EQ(open[0].epoch, 42u);
  EXPECT_EQ(open[0].attempts, 2);
  EXPECT_EQ(open[1].number, 2u);
  EXPECT_EQ(open[1].state, ChunkState::pending);
  EXPECT_EQ(open[1].epoch, 0u);
  EXPECT_EQ(open[1].attempts, 0);
  EXPECT_EQ(store.chunk("orders", 0)->state, ChunkState::done);
  EXPECT_EQ(store.chunk("orders", 0)->range, (KeyRange{std::nullopt, key(50'000)}));
  EXPECT_EQ(store.chunk("sales.städte", 0)->range, (KeyRange{std::nullopt, every_value()}));
  EXPECT_EQ(store.chunk("sales.städte", 1)->range, (KeyRange{every_value(), std::nullopt}));
  EXPECT_THAT(store.open_chunks("sales.städte"), SizeIs(0));

  const auto rejects = store.rejects("", false);
  ASSERT_THAT(rejects, SizeIs(3));
  EXPECT_EQ(rejects[0].id, 1);
  EXPECT_EQ(rejects[0].table, "orders");
  EXPECT_EQ(rejects[0].key, key(17));
  EXPECT_EQ(rejects[0].chunk, 0u);
  EXPECT_EQ(rejects[0].code, "22001");
  EXPECT_EQ(rejects[0].error, "value too long for column note");
  EXPECT_EQ(rejects[0].at, at(1));
  EXPECT_TRUE(rejects[0].open);
  EXPECT_EQ(rejects[0].resolution, "");
  EXPECT_FALSE(rejects[1].open);
  EXPECT_EQ(rejects[1].resolution, "merged by hand");
  EXPECT_EQ(rejects[2].key, every_value());
  EXPECT_EQ(store.open_rejects(), 2u);

  EXPECT_THAT(store.events(10),
              ElementsAre(Event{at(0), "backfill_started", "", "4 jobs"},
                          Event{at(4), "table_finished", "sales.städte", "3 rows"}));
  const auto outcomes = store.verify_outcomes();
  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_EQ(outcomes[0].table, "orders");
  EXPECT_EQ(outcomes[0].at, at(5));
  EXPECT_EQ(outcomes[0].rows, 49'999u);
  EXPECT_EQ(outcomes[0].missing, 1u);
  EXPECT_EQ(outcomes[0].extra, 2u);
  EXPECT_EQ(outcomes[0].differing, 3u);
  EXPECT_FALSE(outcomes[0].complete);
  EXPECT_TRUE(outcomes[1].complete);
}

inline void expect_steered(const Control& control) {
  EXPECT_TRUE(control.paused);
  EXPECT_EQ(control.settings,
            (std::map<std::string, std::string>{{"jobs", "2"}, {"rows_per_second", "20000"}}));
  EXPECT_EQ(control.version, 2u);
}

inline void steer(const std::string& path) {
  change_control(path, true, {});
  change_control(path, std::nullopt, {{"rows_per_second", "20000"}, {"jobs", "2"}});
}

}  // namespace migrator
