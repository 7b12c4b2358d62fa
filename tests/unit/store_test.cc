// The checkpoint store: what it remembers, and what it survives.
#include "checkpoints/store.h"

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
#include "migrator/include/migrator/error.h"

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// What of a file has reached the disk: its size when it was last synced. SQLite's own calls end up
// here, as this executable's definitions come before the C library's.
namespace {
std::atomic<int> syncs{0};
std::map<std::string, std::uintmax_t>& synced_sizes() {
  static std::map<std::string, std::uintmax_t> sizes;
  return sizes;
}
std::atomic<bool> note_syncs{false};

void note_sync(int descriptor) {
  ++syncs;
  if (!note_syncs) return;
  std::error_code error;
  const fs::path path = fs::read_symlink(fmt::format("/proc/self/fd/{}", descriptor), error);
  if (!error && fs::is_regular_file(path)) synced_sizes()[path] = fs::file_size(path);
}
}  // namespace

// Nothing here outlives the machine, so nothing waits for its disk.
extern "C" int fdatasync(int descriptor) {
  note_sync(descriptor);
  return 0;
}
extern "C" int fsync(int descriptor) {
  note_sync(descriptor);
  return 0;
}

namespace migrator {

bool operator==(const Event& a, const Event& b) {
  return a.at == b.at && a.kind == b.kind && a.table == b.table && a.text == b.text;
}

namespace {

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

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put_contents(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorKind::usage, "");
}

void expect_error(ErrorKind kind, const std::string& text, const std::function<void()>& act) {
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

Key key(std::int64_t number) { return {number}; }

Clock::time_point at(std::int64_t seconds) {
  return Clock::time_point(std::chrono::seconds(1'767'323'045 + seconds) +
                           std::chrono::microseconds(678'901));
}

const std::string kCommand = "migrate backfill shop.yaml";

// The store's own sums against counts over all rows, by plain SQLite.
void expect_consistent(const std::string& path) {
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

Key every_value() {
  return {std::monostate{},
          std::int64_t{-42},
          std::uint64_t{18'446'744'073'709'551'615u},
          0.1,
          std::string("Zürich \"x\"\n"),
          std::string("\xff\xfe"),
          Bytes{std::string("\0\xff", 2)}};
}

Migration shop_migration() {
  return {"0123456789abcdef0123456789abcdef",
          "shop-to-postgres",
          "9f86d081884c7d65",
          {"table orders: key id", "table städte: where pop > 0"}};
}

void put_one_of_everything(CheckpointStore& store) {
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
  store.put_verify({"sales.städte", at(6), 3, 0, 0, 0, true});
}

void expect_one_of_everything(CheckpointStore& store) {
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

void expect_steered(const Control& control) {
  EXPECT_TRUE(control.paused);
  EXPECT_EQ(control.settings,
            (std::map<std::string, std::string>{{"jobs", "2"}, {"rows_per_second", "20000"}}));
  EXPECT_EQ(control.version, 2u);
}

void steer(const std::string& path) {
  change_control(path, true, {});
  change_control(path, std::nullopt, {{"rows_per_second", "20000"}, {"jobs", "2"}});
}

TEST(Store, RemembersOneOfEverythingAcrossReopening) {
  Folder folder;
  const std::string path = folder / "shop.migrate.db";
  {
    auto store = open_store(path, kCommand);
    EXPECT_EQ(store->migration().has_value(), false);
    EXPECT_EQ(store->control().version, 0u);
    put_one_of_everything(*store);
    steer(path);
    expect_one_of_everything(*store);
    expect_steered(store->control());
    expect_one_of_everything(*open_store_for_reading(path));
  }
  {
    auto store = open_store(path, kCommand);
    expect_one_of_everything(*store);
    expect_steered(store->control());
    EXPECT_GT(store->next_epoch(), 42u);
  }
  expect_one_of_everything(*open_store_for_reading(path));
  expect_steered(open_store_for_reading(path)->control());
  expect_consistent(path);
}

// ---------------------------------------------------------------- the golden file

const fs::path kGolden = fs::path(__FILE__).parent_path().parent_path() / "golden";

// Every table's schema and every cell, for a person to read.
std::string dump(const std::string& path) {
  Sqlite raw(path);
  std::string text =
      fmt::format("application_id {}\nuser_version {}\n", raw.cell("PRAGMA application_id"),
                  raw.cell("PRAGMA user_version"));
  for (const auto& schema :
       raw.rows("SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")) {
    text += fmt::format("\n{};\n", schema[2]);
    if (schema[1] != "table") continue;
    for (const auto& cells : raw.rows(
             fmt::format("SELECT group_concat(quote(name) || ', ' || 'quote(' || name || ')', ', ')"
                         " FROM pragma_table_info({})",
                         "'" + schema[0] + "'"))) {
      for (const auto& row :
           raw.rows(fmt::format("SELECT {} FROM {} ORDER BY 2, 4", cells[0], schema[0]))) {
        text += "  row";
        for (std::size_t i = 0; i + 1 < row.size(); i += 2)
          text += fmt::format(" {}={}", row[i], row[i + 1]);
        text += "\n";
      }
    }
  }
  return text;
}

// Run it by name, with --gtest_also_run_disabled_tests, when there is a new version of the format:
// and give the files its number, as those of old versions stay.
TEST(GoldenCheckpoint, DISABLED_Write) {
  const std::string path =
      kGolden / fmt::format("checkpoint-v{}.db", checkpoint::schema_migrations().back().to);
  ASSERT_FALSE(fs::exists(path)) << "golden files are never written over";
  put_one_of_everything(*open_store(path, kCommand));
  steer(path);
  Sqlite(path).rows(
      "UPDATE owner SET pid = 4711, host = 'db1.example', since = 1767323045678901,"
      " released_at = NULL");  // a host that is nobody's
  fs::remove(path + ".lock");
  put_contents(fs::path(path).replace_extension(".txt"), dump(path));
}

TEST(GoldenCheckpoint, Version1IsReadInEveryField) {
  Folder folder;
  const std::string path = folder / "copy.db";
  fs::copy_file(kGolden / "checkpoint-v1.db", path);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(dump(path), contents(kGolden / "checkpoint-v1.txt"));
  expect_one_of_everything(*open_store_for_reading(path));
  EXPECT_FALSE(store_owner(path).has_value()) << "its owner row is stale";
  auto store = open_store(path, kCommand);
  expect_one_of_everything(*store);
  expect_steered(store->control());
  EXPECT_GT(store->next_epoch(), 42u);
  Sqlite raw(path);
  EXPECT_EQ(
      raw.rows("SELECT rows, bytes, took_ms, lease_until, finished_at >= claimed_at FROM chunks"
               " WHERE table_id = 1 AND number = 0"),
      (Sqlite::Rows{{"50000", "20000000", "487", "NULL", "1"}}));
  EXPECT_EQ(
      raw.cell("SELECT lease_until - claimed_at FROM chunks WHERE table_id = 1 AND number = 1"),
      "30000000");
}

// ---------------------------------------------------------------- meaning of the calls

class StoreCalls : public testing::Test {
 protected:
  StoreCalls() { store->put_table("t", 100, 1000); }
  Folder folder;
  const std::string path = folder / "t.db";
  std::unique_ptr<CheckpointStore> store = open_store(path, kCommand);
};

TEST_F(StoreCalls, EpochsOnlyRiseAndAreNeverGivenTwice) {
  std::uint64_t last = 0;
  for (int opening = 0; opening < 3; ++opening) {
    for (std::uint64_t i = 0; i < checkpoint::kEpochBlock + 5; ++i) {
      const std::uint64_t epoch = store->next_epoch();
      ASSERT_GT(epoch, last);
      last = epoch;
    }
    EXPECT_EQ(store->next_epoch(last + 10), last + 11);
    EXPECT_EQ(store->next_epoch(3), last + 12);
    last += 12;
    store.reset();
    store = open_store(path, kCommand);
  }
  constexpr std::uint64_t kLast = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(store->next_epoch(kLast - 1), kLast);
  expect_error(ErrorKind::invariant, "no epoch after", [&] { store->next_epoch(); });
  expect_error(ErrorKind::invariant, "no epoch after", [&] { store->next_epoch(~0ull); });
}

TEST_F(StoreCalls, CutsChunksFromTheFrontierWithoutGaps) {
  const Chunk first = store->cut_chunk("t", key(10));
  EXPECT_EQ(first.number, 0u);
  EXPECT_EQ(first.range, (KeyRange{std::nullopt, key(10)}));
  EXPECT_EQ(first.state, ChunkState::pending);
  EXPECT_EQ(store->table("t").frontier, key(10));
  EXPECT_EQ(store->cut_chunk("t", key(25)).range, (KeyRange{key(10), key(25)}));
  const Chunk last = store->cut_chunk("t", std::nullopt);
  EXPECT_EQ(last.number, 2u);
  EXPECT_EQ(last.range, (KeyRange{key(25), std::nullopt}));
  EXPECT_TRUE(store->table("t").cut_to_end);
  expect_error(ErrorKind::invariant, "cut to its end", [&] { store->cut_chunk("t", key(30)); });
  expect_error(ErrorKind::invariant, "cut to its end",
               [&] { store->cut_chunk("t", std::nullopt); });
  EXPECT_EQ(store->table("t").chunks_cut, 3u);
  expect_consistent(path);
}

TEST_F(StoreCalls, RefusesAChunkThatCanHoldNoRow) {
  store->cut_chunk("t", key(10));
  expect_error(ErrorKind::invariant, "end where it begins",
               [&] { store->cut_chunk("t", key(10)); });
  EXPECT_EQ(store->table("t").chunks_cut, 1u);
}

TEST_F(StoreCalls, ATableMayBeCutAsOneChunkWithoutBounds) {
  EXPECT_EQ(store->cut_chunk("t", std::nullopt).range, KeyRange{});
  EXPECT_TRUE(store->table("t").cut_to_end);
}

TEST_F(StoreCalls, ClaimsCountAttemptsAndRefuseOlderEpochs) {
  store->cut_chunk("t", key(10));
  store->claim_chunk("t", 0, 5, std::chrono::seconds(1));
  store->claim_chunk("t", 0, 6, std::chrono::seconds(1));
  expect_error(ErrorKind::fenced, "epoch 6", [&] { store->claim_chunk("t", 0, 5, {}); });
  EXPECT_EQ(store->chunk("t", 0)->epoch, 6u);
  EXPECT_EQ(store->chunk("t", 0)->attempts, 2);
  store->finish_chunk("t", 0, {1, 1, {}});
  expect_error(ErrorKind::invariant, "is done", [&] { store->claim_chunk("t", 0, 7, {}); });
  expect_error(ErrorKind::invariant, "no chunk 1", [&] { store->claim_chunk("t", 1, 7, {}); });
}

TEST_F(StoreCalls, FinishingTwiceCountsOnce) {
  store->cut_chunk("t", key(10));
  store->finish_chunk("t", 0,
                      {10, 100, std::chrono::milliseconds(3)});  // unclaimed: the fence said so
  store->finish_chunk("t", 0, {99, 999, std::chrono::milliseconds(9)});
  EXPECT_EQ(store->table("t").rows, 10u);
  EXPECT_EQ(store->table("t").bytes, 100u);
  EXPECT_EQ(store->table("t").chunks_done, 1u);
  expect_error(ErrorKind::invariant, "no chunk 1", [&] { store->finish_chunk("t", 1, {}); });
  expect_consistent(path);
}

TEST_F(StoreCalls, UnknownTablesAreErrors) {
  expect_error(ErrorKind::invariant, "no table u", [&] { store->table("u"); });
  expect_error(ErrorKind::invariant, "no table u", [&] { store->cut_chunk("u", key(1)); });
  expect_error(ErrorKind::invariant, "no table u", [&] { store->open_chunks("u"); });
  expect_error(ErrorKind::invariant, "no table u",
               [&] { store->set_table_state("u", TableState::copied); });
  expect_error(ErrorKind::invariant, "no table u", [&] {
    store->put_reject({0, "u", key(1), 0, "", "", at(0), true, ""});
  });
  EXPECT_FALSE(store->chunk("t", 0).has_value());
  EXPECT_THAT(store->rejects("u"), SizeIs(0));
  EXPECT_EQ(store->open_rejects("u"), 0u);
}

TEST_F(StoreCalls, PuttingATableAgainKeepsWhatIsThere) {
  store->cut_chunk("t", key(10));
  store->set_table_state("t", TableState::copying);
  store->put_table("t", 7, 7);
  EXPECT_EQ(store->table("t").chunks_cut, 1u);
  EXPECT_EQ(store->table("t").state, TableState::copying);
  EXPECT_EQ(store->table("t").rows_estimate, 100u);
}

TEST_F(StoreCalls, StepsAreDoneOnceUntilCleared) {
  EXPECT_FALSE(store->step_done("schema"));
  store->mark_step("schema");
  store->mark_step("schema");
  EXPECT_TRUE(store->step_done("schema"));
  store->clear_step("schema");
  EXPECT_FALSE(store->step_done("schema"));
}

TEST_F(StoreCalls, BelongsToOneMigration) {
  Migration migration = shop_migration();
  store->begin_migration(migration);
  migration.plan_meaning = {"changed"};
  migration.plan_fingerprint = "other";
  store->begin_migration(migration);
  EXPECT_EQ(store->migration()->plan_meaning, migration.plan_meaning);
  EXPECT_EQ(store->migration()->plan_fingerprint, "other");
  migration.id = "another";
  expect_error(ErrorKind::invariant, "belongs to migration",
               [&] { store->begin_migration(migration); });
  EXPECT_EQ(store->migration()->id, shop_migration().id);
}

TEST_F(StoreCalls, RejectsAreIdentifiedByTableAndKey) {
  store->put_table("u", 0, 0);
  const auto put = [&](const std::string& table, std::int64_t k, std::uint64_t chunk) {
    return store->put_reject({0, table, key(k), chunk, "22001", "too long", at(0), true, ""});
  };
  const auto first = put("t", 1, 0);
  const auto second = put("t", 2, 1);
  const auto other = put("u", 1, 0);
  EXPECT_NE(first, other);
  EXPECT_EQ(put("t", 1, 0), first);
  EXPECT_EQ(store->open_rejects("t"), 2u);
  EXPECT_EQ(store->open_rejects(), 3u);
  EXPECT_THAT(store->rejects("t"), SizeIs(2));
  EXPECT_THAT(store->rejects("", true, 1), SizeIs(1));

  store->resolve_reject(first, "retried");
  store->resolve_reject(first, "retried again");
  EXPECT_EQ(store->open_rejects("t"), 1u);
  EXPECT_EQ(store->reject(first)->resolution, "retried again");
  EXPECT_THAT(store->rejects("t"), SizeIs(1));
  EXPECT_THAT(store->rejects("t", false), SizeIs(2));
  put("t", 1, 0);  // it was refused again
  EXPECT_EQ(store->open_rejects("t"), 2u);

  store->resolve_reject(first, "dropped");
  store->clear_rejects("t", 0);
  EXPECT_TRUE(store->reject(first).has_value()) << "what a person decided is kept";
  store->clear_rejects("t", 1);
  EXPECT_FALSE(store->reject(second).has_value());
  EXPECT_EQ(store->open_rejects("t"), 0u);
  EXPECT_EQ(store->open_rejects("u"), 1u);
  EXPECT_GT(put("t", 3, 1), other) << "an id that a person may have noted is never another row's";
  expect_error(ErrorKind::usage, "no reject 999", [&] { store->resolve_reject(999, "x"); });
  expect_consistent(path);
}

TEST_F(StoreCalls, KeepsTheNewestTenThousandEvents) {
  for (int i = 0; i < checkpoint::kEventsMax + 5; ++i)
    store->add_event({at(i), "k", "t", std::to_string(i)});
  const auto events = store->events(1'000'000);
  ASSERT_THAT(events, SizeIs(checkpoint::kEventsMax));
  EXPECT_EQ(events.front().text, "5");
  EXPECT_EQ(events.back().text, "10004");
  EXPECT_THAT(store->events(2), ElementsAre(events[9'998], events[9'999]));
}

TEST_F(StoreCalls, KeepsTheLatestVerifyOutcomeOfATable) {
  store->put_verify({"v", at(0), 10, 1, 1, 1, true});
  store->put_verify({"v", at(1), 20, 0, 0, 0, false});
  const auto outcomes = store->verify_outcomes();
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(outcomes[0].rows, 20u);
  EXPECT_EQ(outcomes[0].missing, 0u);
  EXPECT_FALSE(outcomes[0].complete);
}

TEST_F(StoreCalls, ARunningCommandSeesWhatIsChangedBesideIt) {
  EXPECT_EQ(change_control(path, true, {{"jobs", "8"}}).version, 1u);
  EXPECT_TRUE(store->control().paused);
  EXPECT_EQ(change_control(path, true, {{"jobs", "8"}}).version, 1u) << "nothing is different";
  const Control control = change_control(path, false, {{"jobs", ""}, {"rows_per_second", "5"}});
  EXPECT_FALSE(control.paused);
  EXPECT_EQ(store->control().version, 2u);
  EXPECT_EQ(store->control().settings,
            (std::map<std::string, std::string>{{"rows_per_second", "5"}}));
}

TEST_F(StoreCalls, AReaderSeesChangesAndCanMakeNone) {
  const auto reader = open_store_for_reading(path);
  store->cut_chunk("t", key(10));
  EXPECT_EQ(reader->table("t").chunks_cut, 1u);
  expect_error(ErrorKind::invariant, "for reading", [&] { reader->cut_chunk("t", key(20)); });
  expect_error(ErrorKind::invariant, "for reading", [&] { reader->next_epoch(); });
}

TEST_F(StoreCalls, NumbersThatSqliteCannotHoldAreRefused) {
  store->cut_chunk("t", key(10));
  expect_error(ErrorKind::invariant, "9223372036854775807", [&] {
    store->finish_chunk("t", 0, {~0ull, 0, {}});
  });
  EXPECT_EQ(store->chunk("t", 0)->state, ChunkState::pending);
  store->put_table("big", ~0ull, ~0ull);  // an estimate is only that
  EXPECT_EQ(store->table("big").rows_estimate, 9'223'372'036'854'775'807u);
}

// ---------------------------------------------------------------- one process per plan

TEST(StoreLock, ASecondOpenIsToldWhoRunsThePlan) {
  Folder folder;
  const std::string path = folder / "t.db";
  EXPECT_FALSE(store_owner(path).has_value());
  Pipe ready, stop;
  Child holder([&] {
    auto store = open_store(path, "migrate backfill shop.yaml");
    ready.put('r');
    stop.close_write();
    stop.get();
    return true;
  });
  ASSERT_TRUE(ready.get());
  const Error error = error_of([&] { open_store(path, "migrate verify"); });
  EXPECT_EQ(error.kind(), ErrorKind::gate);
  EXPECT_THAT(error.what(), HasSubstr(fmt::format("pid {} on ", holder.pid)));
  EXPECT_THAT(error.what(), HasSubstr("`migrate backfill shop.yaml`"));
  EXPECT_THAT(error.remedy(), HasSubstr("wait"));
  EXPECT_EQ(store_owner(path)->pid, holder.pid);
  EXPECT_EQ(store_owner(path)->command, "migrate backfill shop.yaml");
  EXPECT_LT(Clock::now() - store_owner(path)->since, std::chrono::minutes(1));
  EXPECT_TRUE(change_control(path, true, {}).paused) << "works beside a running command";
  stop.close_write();
  EXPECT_EQ(holder.wait(), 0);
  EXPECT_FALSE(store_owner(path).has_value());
  EXPECT_TRUE(open_store(path, "migrate verify")->control().paused);
}

TEST(StoreLock, HoldsWithinOneProcessUnderEveryName) {
  Folder folder;
  const std::string path = folder / "t.db";
  fs::create_symlink(path, folder / "link.db");
  auto store = open_store(path, "migrate backfill");
  expect_error(ErrorKind::gate, fmt::format("pid {} ", ::getpid()), [&] { open_store(path, "x"); });
  expect_error(ErrorKind::gate, "`migrate backfill`", [&] { open_store(folder / "link.db", "x"); });
  EXPECT_EQ(store_owner(folder / "link.db")->pid, ::getpid());
  open_store_for_reading(path)->tables();
  expect_error(ErrorKind::gate, "`migrate backfill`", [&] { open_store(path, "x"); });
  store.reset();
  open_store(folder / "link.db", "x");
}

TEST(StoreLock, DiesWithItsProcessAndLeavesAReadableStore) {
  Folder folder;
  const std::string path = folder / "t.db";
  Pipe ready;
  Child holder([&] {
    auto store = open_store(path, kCommand);
    put_one_of_everything(*store);
    ready.put('r');
    ::pause();
    return false;
  });
  ASSERT_TRUE(ready.get());
  EXPECT_TRUE(store_owner(path).has_value());
  holder.kill();
  EXPECT_FALSE(store_owner(path).has_value()) << "the row is there, the lock is not";
  EXPECT_GT(fs::file_size(path + "-wal"), 0u);
  const std::string before = contents(path);
  expect_one_of_everything(*open_store_for_reading(path));
  EXPECT_EQ(contents(path), before) << "reading changes nothing";
  EXPECT_GT(fs::file_size(path + "-wal"), 0u);
  expect_one_of_everything(*open_store(path, kCommand));
}

// ---------------------------------------------------------------- the file

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

TEST(StoreFile, IsItsOwnersAlone) {
  Folder folder;
  const std::string path = folder / "t.db";
  const mode_t before = ::umask(0);
  auto store = open_store(path, kCommand);
  store->mark_step("x");
  ::umask(before);
  for (const char* suffix : {"", "-wal", "-shm", ".lock"})
    EXPECT_EQ(mode_of(path + suffix), 0600) << suffix;
  EXPECT_FALSE(fs::exists(path + ".new"));
}

TEST(StoreFile, IsRefusedWhenOthersCouldHaveWrittenIt) {
  Folder folder;
  const std::string path = folder / "t.db";
  open_store(path, kCommand);
  for (const mode_t mode : {0620, 0602, 0666}) {
    ::chmod(path.c_str(), mode);
    expect_error(ErrorKind::permanent, "others", [&] { open_store(path, kCommand); });
    expect_error(ErrorKind::permanent, "others", [&] { change_control(path, true, {}); });
  }
  ::chmod(path.c_str(), 0644);
  open_store(path, kCommand);
  fs::create_hard_link(path, folder / "second.db");
  expect_error(ErrorKind::permanent, "second name", [&] { open_store(path, kCommand); });
  fs::remove(folder / "second.db");
  if (::geteuid() != 0) return;  // only root can give files away
  ::symlink(path.c_str(), (folder / "link.db").c_str());
  ASSERT_EQ(::lchown((folder / "link.db").c_str(), 65534, 65534), 0);
  expect_error(ErrorKind::permanent, "symbolic link of user",
               [&] { open_store(folder / "link.db", kCommand); });
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  expect_error(ErrorKind::permanent, "belongs to user", [&] { open_store(path, kCommand); });
}

TEST(StoreFile, MissingOnesAndFoldersAreNamed) {
  Folder folder;
  expect_error(ErrorKind::permanent, "no checkpoint at",
               [&] { open_store_for_reading(folder / "t.db"); });
  expect_error(ErrorKind::permanent, "no checkpoint at",
               [&] { change_control(folder / "t.db", true, {}); });
  expect_error(ErrorKind::permanent, "no/such",
               [&] { open_store(folder / "no/such/t.db", kCommand); });
  expect_error(ErrorKind::permanent, "regular file", [&] { open_store(folder.path(), kCommand); });
  expect_error(ErrorKind::usage, "no usable path", [&] { open_store("", kCommand); });
  EXPECT_FALSE(fs::exists(folder / "t.db"));
}

TEST(StoreFile, OtherFilesAreRefusedAndLeftAsTheyAre) {
  Folder folder;
  const std::string path = folder / "t.db";
  { Sqlite(path).rows("CREATE TABLE orders (id); INSERT INTO orders VALUES (1)"); }
  const std::string shop = contents(path);
  const std::string words(5000, 'x');
  for (const auto& [bytes, text] : std::vector<std::pair<std::string, std::string>>{
           {shop, "another program"}, {words, "not a database"}, {"", "empty"}}) {
    put_contents(path, bytes);
    ::chmod(path.c_str(), 0600);
    expect_error(ErrorKind::permanent, text, [&] { open_store(path, kCommand); });
    expect_error(ErrorKind::permanent, path, [&] { open_store_for_reading(path); });
    expect_error(ErrorKind::permanent, text, [&] { change_control(path, true, {}); });
    EXPECT_THAT(error_of([&] { open_store(path, kCommand); }).remedy(), HasSubstr("keep the file"));
    EXPECT_EQ(contents(path), bytes);
  }
}

TEST(StoreFile, ANewerVersionIsRefusedAndBothAreNamed) {
  Folder folder;
  const std::string path = folder / "t.db";
  open_store(path, kCommand);
  Sqlite(path).rows("PRAGMA user_version = 7");
  for (const auto& open : std::vector<std::function<void()>>{
           [&] { open_store(path, kCommand); }, [&] { open_store_for_reading(path); },
           [&] { change_control(path, true, {}); }}) {
    expect_error(ErrorKind::permanent, "version 7", open);
    expect_error(ErrorKind::permanent, "up to 1", open);
    EXPECT_THAT(error_of(open).remedy(), HasSubstr("upgrade migrate"));
  }
}

std::string filled_store(const std::string& path) {
  auto store = open_store(path, kCommand);
  store->put_table("t", 0, 0);
  for (int i = 1; i <= 2000; ++i) store->cut_chunk("t", key(i));
  store.reset();
  return contents(path);
}

TEST(StoreFile, DamageIsFoundWhenItIsOpened) {
  Folder folder;
  const std::string path = folder / "t.db";
  const std::string good = filled_store(path);
  ASSERT_GT(good.size(), 20u * 4096);
  std::vector<std::string> bad = {good.substr(0, 50), good.substr(0, 4096), good.substr(0, 10'000),
                                  good.substr(0, good.size() - 4096)};
  for (std::size_t page = 1; page < 20; page += 3) {
    bad.push_back(good);
    std::fill_n(bad.back().begin() + static_cast<std::ptrdiff_t>(page) * 4096, 4096, '\x5a');
  }
  for (const std::string& bytes : bad) {
    put_contents(path, bytes);
    expect_error(ErrorKind::permanent, path, [&] { open_store(path, kCommand); });
    EXPECT_THAT(error_of([&] { open_store(path, kCommand); }).remedy(), HasSubstr("copy back"));
    EXPECT_EQ(contents(path), bytes) << "kept for inspection";
  }
  put_contents(path, good);
  EXPECT_EQ(open_store(path, kCommand)->table("t").chunks_cut, 2000u);
}

TEST(StoreFile, DamageIsFoundWhenItIsRead) {
  Folder folder;
  const std::string path = folder / "t.db";
  std::string bytes = filled_store(path);
  // All but the schema and the roots of its tables, which are the first pages.
  std::fill(bytes.begin() + 25 * 4096, bytes.end(), '\x5a');
  put_contents(path, bytes);
  expect_error(ErrorKind::permanent, path, [&] { open_store_for_reading(path)->open_chunks("t"); });
}

TEST(StoreFile, ItsRemovalIsNoticedBeforeAnythingMoreIsWritten) {
  Folder folder;
  const std::string path = folder / "t.db";
  auto store = open_store(path, kCommand);
  fs::rename(path, folder / "away.db");
  expect_error(ErrorKind::permanent, "moved", [&] { store->mark_step("x"); });
}

TEST(StoreFile, AFolderThatCannotBeWrittenIsNamedToAReader) {
  Folder folder;
  fs::create_directory(folder / "locked");
  const std::string path = folder / "locked/t.db";
  open_store(path, kCommand);
  constexpr uid_t kNobody = 65534;
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path.c_str(), kNobody, kNobody), 0);
    ::chmod(folder.path().c_str(), 0755);
  }
  ::chmod((folder / "locked").c_str(), 0555);
  Child reader([&] {
    if (::geteuid() == 0 && ::setuid(kNobody) != 0) return false;  // root may write everywhere
    expect_error(ErrorKind::permanent, "folder cannot be written",
                 [&] { open_store_for_reading(path); });
    expect_error(ErrorKind::permanent, "Permission denied", [&] { open_store(path, kCommand); });
    return !testing::Test::HasFailure();
  });
  EXPECT_EQ(reader.wait(), 0);
  ::chmod((folder / "locked").c_str(), 0755);
}

// ---------------------------------------------------------------- versions of the format

TEST(StoreSchema, MigratesForwardInOneTransaction) {
  using checkpoint::Connection;
  using checkpoint::SchemaMigration;
  Folder folder;
  const std::string path = folder / "t.db";
  put_one_of_everything(*open_store(path, kCommand));
  const SchemaMigration v1 = checkpoint::schema_migrations().front();
  const std::vector<SchemaMigration> broken = {v1,
                                               {2, "ALTER TABLE steps ADD COLUMN note TEXT"},
                                               {3, "UPDATE steps SET note = 'x'; DROP TABLE nope"}};
  const std::vector<SchemaMigration> whole = {
      v1, {2, "ALTER TABLE steps ADD COLUMN note TEXT"}, {3, "UPDATE steps SET note = 'x'"}};
  Connection connection(path, checkpoint::OpenMode::read_write);
  EXPECT_EQ(checkpoint::identify(connection, whole), 1);
  expect_error(ErrorKind::permanent, "format version 1",
               [&] { checkpoint::require_current(connection, whole, 1); });
  EXPECT_ANY_THROW(checkpoint::bring_schema_forward(connection, broken, 1));
  EXPECT_EQ(checkpoint::identify(connection, whole), 1);
  EXPECT_EQ(
      connection.integer("SELECT count(*) FROM pragma_table_info('steps') WHERE name = 'note'"), 0);
  checkpoint::bring_schema_forward(connection, whole, 1);
  EXPECT_EQ(checkpoint::identify(connection, whole), 3);
  EXPECT_EQ(connection.integer("SELECT count(*) FROM steps WHERE note = 'x'"), 2);
  EXPECT_EQ(connection.integer("PRAGMA application_id"), checkpoint::kApplicationId);
}

TEST(StoreSchema, HasEveryVersionOnce) {
  int version = 0;
  for (const auto& migration : checkpoint::schema_migrations()) EXPECT_EQ(migration.to, ++version);
}

// ---------------------------------------------------------------- faults

// What a power cut would leave: the log up to its last sync.
std::string after_power_cut(const std::string& path, const Folder& folder,
                            const std::string& name) {
  const std::string copy = folder / name;
  fs::copy_file(path, copy);
  fs::copy_file(path + "-wal", copy + "-wal");
  fs::resize_file(copy + "-wal", synced_sizes()[path + "-wal"]);
  return copy;
}

TEST(StorePowerCut, TakesNothingThatTheTargetCannotGiveBack) {
  Folder folder;
  const std::string path = folder / "t.db";
  note_syncs = true;
  auto store = open_store(path, kCommand);
  int copies = 0;
  const auto survivor = [&] {
    return open_store_for_reading(after_power_cut(path, folder, fmt::format("cut{}.db", ++copies)));
  };
  store->begin_migration(shop_migration());
  EXPECT_TRUE(survivor()->migration().has_value());
  store->put_table("t", 0, 0);
  const std::uint64_t epoch = store->next_epoch();
  store->cut_chunk("t", key(10));
  store->claim_chunk("t", 0, epoch, std::chrono::seconds(1));
  EXPECT_EQ(survivor()->chunk("t", 0)->range.upper, key(10)) << "its fence may be on the target";
  {
    auto next = open_store(after_power_cut(path, folder, "epochs.db"), kCommand);
    EXPECT_GT(next->next_epoch(), epoch);
  }
  store->put_reject({0, "t", key(3), 0, "22001", "too long", at(0), true, ""});
  EXPECT_EQ(survivor()->open_rejects("t"), 1u);
  store->mark_step("indexes:t");
  store->set_table_state("t", TableState::finished);
  EXPECT_TRUE(survivor()->step_done("indexes:t"));
  store->clear_step("indexes:t");
  EXPECT_FALSE(survivor()->step_done("indexes:t"));
  store->set_table_state("t", TableState::copying);
  EXPECT_EQ(survivor()->table("t").state, TableState::copying);
  store->put_verify({"t", at(0), 1, 1, 0, 0, true});
  EXPECT_THAT(survivor()->verify_outcomes(), SizeIs(1));

  // What follows the target is not waited for.
  const int before = syncs;
  store->finish_chunk("t", 0, {1, 1, {}});
  store->cut_chunk("t", key(20));
  store->add_event({at(0), "k", "", ""});
  store->next_epoch();
  EXPECT_EQ(syncs, before);
  EXPECT_EQ(survivor()->table("t").chunks_done, 0u) << "or this test proves nothing";
  store->claim_chunk("t", 1, 9, std::chrono::seconds(1));
  const int saved = syncs;
  EXPECT_GT(saved, before);
  store->claim_chunk("t", 1, 9, std::chrono::seconds(1));
  EXPECT_EQ(syncs, saved) << "its bounds are on the disk";
  note_syncs = false;
}

// Writes until the store fails, as with a disk of that many bytes; then goes on with a larger one.
bool survives_full_disk(const std::string& path, rlim_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);  // as a program must that wants the error
  auto store = open_store(path, kCommand);
  store->put_table("t", 0, 0);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{bytes, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::uint64_t done = 0;
  const Error error = error_of([&] {
    for (int i = 0; i < 100'000; ++i) {
      const Chunk chunk = store->cut_chunk("t", key(i));
      store->finish_chunk("t", chunk.number, {1, 1, {}});
      ++done;
    }
  });
  EXPECT_EQ(name(error.kind()), name(ErrorKind::permanent)) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("no space left"));
  EXPECT_THAT(error.what(), HasSubstr(path));
  EXPECT_THAT(error.remedy(), HasSubstr("free space"));
  EXPECT_EQ(store->table("t").chunks_done, done);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  store->cut_chunk("t", key(1'000'000));
  EXPECT_EQ(store->table("t").frontier, key(1'000'000));
  store.reset();
  expect_consistent(path);
  return done > 10 && !testing::Test::HasFailure();
}

TEST(StoreDisk, FullWhileRunningIsAnErrorWithARemedyAndLosesNothing) {
  Folder folder;
  Child child([&] { return survives_full_disk(folder / "t.db", 600'000); });
  EXPECT_EQ(child.wait(), 0);
}

TEST(StoreDisk, FullAtCreationLeavesNoHalfStore) {
  Folder folder;
  const std::string path = folder / "t.db";
  Child child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{20'000, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &small);
    expect_error(ErrorKind::permanent, "no space left", [&] { open_store(path, kCommand); });
    return !testing::Test::HasFailure();
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(path + ".new"));
  open_store(path, kCommand);
}

TEST(StoreDisk, SqlitesOwnWordForFullIsUnderstood) {
  Folder folder;
  const std::string path = folder / "t.db";
  open_store(path, kCommand);
  checkpoint::Connection connection(path, checkpoint::OpenMode::read_write);
  connection.execute("PRAGMA max_page_count = 1");
  expect_error(ErrorKind::permanent, "no space left", [&] {
    for (int i = 0; i < 1000; ++i)
      connection.execute("INSERT INTO steps VALUES (hex(randomblob(2000)), 0)");
  });
}

// One life of a process that copies chunks; each call that has returned is told through the pipe.
[[noreturn]] void work_until_killed(const std::string& path, Pipe& told) {
  auto store = open_store(path, kCommand);
  store->put_table("t", 0, 0);
  const std::uint64_t epoch = store->next_epoch();
  for (std::int64_t i = 0;; ++i) {
    std::uint64_t number = 0;
    if (const auto open = store->open_chunks("t"); open.empty()) {
      number = store->cut_chunk("t", key(static_cast<std::int64_t>(store->table("t").chunks_cut)))
                   .number;
      told.put('c');
    } else {
      number = open.front().number;
    }
    store->claim_chunk("t", number, epoch, std::chrono::seconds(1));
    if (i % 7 == 3) {
      store->put_reject(
          {0, "t", key(static_cast<std::int64_t>(number)), number, "22001", "x", at(i), true, ""});
      told.put('r');
    }
    store->add_event({at(i), "chunk_done", "t", ""});
    store->finish_chunk("t", number, {3, 30, std::chrono::milliseconds(1)});
    told.put('f');
  }
}

TEST(StoreCrash, FiftyKillsLoseNothingThatWasAcknowledged) {
  Folder folder;
  const std::string path = folder / "t.db";
  std::mt19937 random(20260102);
  std::map<char, std::uint64_t> told;
  std::uint64_t last_epoch = 0;
  for (int kill = 0; kill < 50; ++kill) {
    Pipe pipe;
    Child child([&]() -> bool { work_until_killed(path, pipe); });
    pipe.close_write();
    // So many calls further, and at whatever instruction the signal then finds it.
    for (auto calls = std::uniform_int_distribution(0, 60)(random); calls > 0; --calls) {
      const auto call = pipe.get();
      ASSERT_TRUE(call) << "the child failed";
      ++told[*call];
    }
    child.kill();
    while (const auto call = pipe.get()) ++told[*call];
    if (!fs::exists(path)) continue;  // killed before the store was made
    EXPECT_FALSE(store_owner(path).has_value());
    expect_consistent(path);
    auto store = open_store(path, kCommand);
    const std::uint64_t epoch = store->next_epoch();
    ASSERT_GT(epoch, last_epoch);
    last_epoch = epoch;
    if (store->tables().empty()) continue;
    const TableProgress t = store->table("t");
    EXPECT_GE(t.chunks_cut, told['c']);
    EXPECT_GE(t.chunks_done, told['f']);
    EXPECT_GE(t.rejects_open, told['r'] > 0 ? 1u : 0u);
    // At most one call a life was done and not told.
    EXPECT_LE(t.chunks_done, told['f'] + static_cast<std::uint64_t>(kill) + 1);
    EXPECT_LE(store->open_chunks("t").size(), 1u);
  }
  EXPECT_GT(told['f'], 100u);
}

// ---------------------------------------------------------------- threads

TEST(StoreThreads, FourWorkersFinishEveryChunkOnceBesideReadersAndControl) {
  Folder folder;
  const std::string path = folder / "t.db";
  auto store = open_store(path, kCommand);
  store->put_table("t", 0, 0);
  constexpr int kChunks = 400;
  std::atomic<int> finished{0};
  std::mutex cutting;
  int cut = 0;
  std::mutex epochs_mutex;
  std::vector<std::uint64_t> epochs;
  {
    std::vector<std::jthread> threads;
    for (int worker = 0; worker < 4; ++worker) {
      threads.emplace_back([&] {
        for (;;) {
          std::optional<Chunk> chunk;
          {
            std::lock_guard guard(cutting);
            if (cut == kChunks) return;
            ++cut;
            chunk = store->cut_chunk("t", cut == kChunks ? std::optional<Key>() : key(cut));
          }
          const std::uint64_t epoch = store->next_epoch();
          store->claim_chunk("t", chunk->number, epoch, std::chrono::seconds(1));
          if (chunk->number % 50 == 0) {
            store->put_reject({0, "t", key(static_cast<std::int64_t>(chunk->number)), chunk->number,
                               "22001", "x", at(0), true, ""});
          }
          store->add_event({at(0), "chunk_done", "t", ""});
          store->finish_chunk("t", chunk->number, {2, 20, std::chrono::milliseconds(1)});
          ++finished;
          std::lock_guard guard(epochs_mutex);
          epochs.push_back(epoch);
        }
      });
    }
    threads.emplace_back([&] {
      const auto reader = open_store_for_reading(path);
      std::uint64_t before = 0;
      while (finished < kChunks) {
        const TableProgress t = reader->table("t");
        EXPECT_EQ(t.rows, 2 * t.chunks_done);
        EXPECT_GE(t.chunks_done, before);
        before = t.chunks_done;
      }
    });
    for (int i = 0; i < 20; ++i) change_control(path, i % 2 == 0, {{"jobs", std::to_string(i)}});
  }
  EXPECT_EQ(store->control().version, 20u);
  EXPECT_EQ(store->table("t").chunks_done, static_cast<std::uint64_t>(kChunks));
  EXPECT_THAT(store->open_chunks("t"), SizeIs(0));
  std::sort(epochs.begin(), epochs.end());
  EXPECT_EQ(std::unique(epochs.begin(), epochs.end()), epochs.end());
  store.reset();
  expect_consistent(path);
}

}  // namespace
}  // namespace migrator
