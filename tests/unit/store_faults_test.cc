// What a checkpoint store survives: power cuts, full disks, kills, many threads.
#include "tests/unit/store_fixture.h"

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
namespace {

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
