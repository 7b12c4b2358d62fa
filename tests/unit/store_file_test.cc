// The file of a checkpoint store: who may open it, and what it is refused for.
#include "tests/unit/store_fixture.h"

namespace migrator {
namespace {

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
    expect_error(ErrorKind::permanent, "up to 3", open);
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
  const auto known = checkpoint::schema_migrations();
  const int newest = known.back().to;
  std::vector<SchemaMigration> broken(known.begin(), known.end());
  broken.push_back({newest + 1, "ALTER TABLE steps ADD COLUMN note TEXT"});
  std::vector<SchemaMigration> whole = broken;
  broken.push_back({newest + 2, "UPDATE steps SET note = 'x'; DROP TABLE nope"});
  whole.push_back({newest + 2, "UPDATE steps SET note = 'x'"});
  Connection connection(path, checkpoint::OpenMode::read_write);
  EXPECT_EQ(checkpoint::identify(connection, whole), newest);
  expect_error(ErrorKind::permanent, fmt::format("format version {}", newest),
               [&] { checkpoint::require_current(connection, whole, newest); });
  EXPECT_ANY_THROW(checkpoint::bring_schema_forward(connection, broken, newest));
  EXPECT_EQ(checkpoint::identify(connection, whole), newest);
  EXPECT_EQ(
      connection.integer("SELECT count(*) FROM pragma_table_info('steps') WHERE name = 'note'"), 0);
  checkpoint::bring_schema_forward(connection, whole, newest);
  EXPECT_EQ(checkpoint::identify(connection, whole), newest + 2);
  EXPECT_EQ(connection.integer("SELECT count(*) FROM steps WHERE note = 'x'"), 2);
  EXPECT_EQ(connection.integer("PRAGMA application_id"), checkpoint::kApplicationId);
}

TEST(StoreSchema, HasEveryVersionOnce) {
  int version = 0;
  for (const auto& migration : checkpoint::schema_migrations()) EXPECT_EQ(migration.to, ++version);
}

}  // namespace
}  // namespace migrator
