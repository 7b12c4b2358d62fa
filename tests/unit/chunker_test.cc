// Chunks cut a table without gaps and without overlap, whatever its key.
#include "migrator/copy/chunker.h"

#include <filesystem>
#include <numeric>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "adapters/sqlite/adapter.h"
#include "migrator/copy/table_copy.h"

namespace migrator {
namespace {

namespace fs = std::filesystem;

// A SQLite file with a table t, and a checkpoint store beside it.
class ChunkerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "migrator-chunker-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    fs::permissions(folder_, fs::perms::owner_all);
    target_ = sqlite::adapter().open_target(Url::parse("sqlite:" + file()), {});
    new_store(0, 0);
  }
  void TearDown() override {
    source_.reset();
    target_.reset();
    store_.reset();
    fs::remove_all(folder_);
  }

  void new_store(std::uint64_t rows_estimate, std::uint64_t bytes_estimate) {
    store_ = open_store((folder_ / fmt::format("c{}.db", ++stores_)).string(), "test");
    store_->begin_migration({"0123456789abcdef0123456789abcdef", "test", "f", {}});
    store_->put_table("t", rows_estimate, bytes_estimate);
  }
  std::string file() const { return (folder_ / "t.db").string(); }
  void exec(const std::string& sql) { target_->session().execute(sql); }

  ReadSpec spec() {
    source_ = sqlite::adapter().open_source(Url::parse("sqlite:" + file()), {});
    const Catalog catalog = source_->session().catalog();
    const TableSchema& table = catalog.tables.at(0);
    ReadSpec spec{table.name, table.columns, {}, ""};
    for (const std::string& name : table.primary_key) spec.key.push_back(*table.find_column(name));
    return spec;
  }

  // Cuts to the end, and counts each row's visits by asking the database for the ranges' rows.
  // learn says how long a chunk of so many rows took.
  std::uint64_t walk(Chunker& chunker, const ReadSpec& spec, std::chrono::microseconds per_row) {
    std::uint64_t rows = 0;
    std::optional<Key> expected_lower;
    while (const auto chunk = chunker.next(*source_)) {
      EXPECT_EQ(chunk->range.lower, expected_lower) << "a gap or an overlap";
      expected_lower = chunk->range.upper;
      const std::uint64_t in_chunk = source_->count(spec, chunk->range);
      rows += in_chunk;
      ++chunks_;
      largest_ = std::max(largest_, in_chunk);
      store_->claim_chunk("t", chunk->number, 1, std::chrono::seconds(1));
      store_->finish_chunk("t", chunk->number, {in_chunk, in_chunk * 100, {}});
      chunker.learn(*chunk, in_chunk, in_chunk * 100,
                    per_row * static_cast<std::int64_t>(in_chunk));
    }
    EXPECT_FALSE(expected_lower.has_value()) << "the last chunk must have no upper bound";
    return rows;
  }

  fs::path folder_;
  std::unique_ptr<Target> target_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<CheckpointStore> store_;
  int stores_ = 0;
  std::uint64_t chunks_ = 0, largest_ = 0;
};

const ChunkLimits kLimits{std::chrono::milliseconds(500), 5000, 16u << 20};

TEST_F(ChunkerTest, VisitsEachRowOfADenseIntegerKeyOnce) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT -3000 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) "
      "INSERT INTO t SELECT i FROM n");
  const ReadSpec table = spec();
  Chunker chunker(*store_, "t", table, kLimits);
  EXPECT_EQ(walk(chunker, table, std::chrono::microseconds(1)), 43'001u);
  EXPECT_LE(largest_, kLimits.rows_max);
  EXPECT_LT(chunks_, 20u) << "the size did not grow";
}

TEST_F(ChunkerTest, VisitsBothExtremesOfTheKeyAndJumpsGaps) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec(
      "INSERT INTO t VALUES (-9223372036854775808), (-9223372036854775807), (-1), (0), (1), "
      "(9223372036854775806), (9223372036854775807)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
      "INSERT INTO t SELECT i * 1000000007 FROM n");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
      "INSERT INTO t SELECT 5000000000000000000 + i FROM n");
  const ReadSpec table = spec();
  Chunker chunker(*store_, "t", table, kLimits);
  EXPECT_EQ(walk(chunker, table, std::chrono::microseconds(1)), 18'007u);
  EXPECT_LE(largest_, kLimits.rows_max);
}

TEST_F(ChunkerTest, SplitsCompositeKeysWithoutGaps) {
  exec(
      "CREATE TABLE t (a TEXT NOT NULL COLLATE NOCASE, b INTEGER NOT NULL, c BLOB NOT NULL, "
      "PRIMARY KEY (a, b, c))");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
      "INSERT OR IGNORE INTO t SELECT char(65 + i % 3) || char(97 + i % 5), i % 100 - 50, "
      "CAST(i AS BLOB) FROM n");
  const ReadSpec table = spec();
  Chunker chunker(*store_, "t", table, {std::chrono::milliseconds(500), 777, 16u << 20});
  EXPECT_EQ(walk(chunker, table, std::chrono::microseconds(1)), 20'000u);
  EXPECT_LE(largest_, 777u);
}

// By the catalog's estimate of the rows that are left. A wrong estimate makes chunks smaller near
// its end, and never for good.
TEST_F(ChunkerTest, CutsTheLastChunksSmallerForSeveralWorkers) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) "
      "INSERT INTO t SELECT i FROM n");
  const ReadSpec table = spec();
  const auto sizes = [&](std::uint64_t estimate, int workers) {
    new_store(estimate, estimate * 1000);
    Chunker chunker(*store_, "t", table,
                    {std::chrono::milliseconds(500), 100'000, 256u << 20, workers});
    std::vector<std::uint64_t> rows;
    while (const auto chunk = chunker.next(*source_)) {
      rows.push_back(source_->count(table, chunk->range));
      chunker.learn(*chunk, rows.back(), rows.back() * 1000, std::chrono::microseconds(1));
    }
    return rows;
  };
  const auto one = sizes(400'000, 1);
  EXPECT_THAT(one, testing::ElementsAre(8388, 100'000, 100'000, 100'000, 91'612, 0));
  const auto four = sizes(400'000, 4);
  EXPECT_THAT(std::vector(four.end() - 4, four.end()), testing::Each(testing::Le(17'000u)));
  EXPECT_EQ(std::accumulate(four.begin(), four.end(), std::uint64_t{0}), 400'000u);
  const auto wrong = sizes(100'000, 4);
  EXPECT_THAT(wrong, testing::Contains(100'000u));
}

// Some megabytes a row, and fewer of them than workers.
TEST_F(ChunkerTest, CutsAtLeastOneRow) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec("INSERT INTO t VALUES (1), (2), (3)");
  const ReadSpec table = spec();
  new_store(2, std::uint64_t{2} * (64u << 20));
  Chunker chunker(*store_, "t", table, {.workers = 4});
  EXPECT_EQ(walk(chunker, table, std::chrono::microseconds(1)), 3u);
}

// As several workers do, which each cut three chunks ahead.
TEST_F(ChunkerTest, GrowsTheFirstChunksBeforeOneIsCopied) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) "
      "INSERT INTO t SELECT i FROM n");
  const ReadSpec table = spec();
  new_store(400'000, 400'000'000);
  Chunker chunker(*store_, "t", table, {});
  std::vector<std::uint64_t> rows;
  for (int cut = 0; cut < 5; ++cut) {
    rows.push_back(source_->count(table, chunker.next(*source_)->range));
  }
  EXPECT_THAT(rows, testing::ElementsAre(8388, 16'776, 33'552, 33'552, 33'552));
}

TEST_F(ChunkerTest, RandomKeysRandomSizes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  target_->session().begin();
  std::uint64_t rows = 0;
  for (int i = 0; i < 600; ++i) {
    const int shape = static_cast<int>(random() % 4);
    const auto value = static_cast<std::int64_t>(shape == 0   ? random()
                                                 : shape == 1 ? random() % 2000
                                                              : 1'000'000 + random() % 100'000);
    const std::vector<Value> parameters{value};
    rows += target_->session().query("INSERT OR IGNORE INTO t VALUES (?)", parameters).affected;
  }
  target_->session().commit();
  const ReadSpec table = spec();
  for (const std::uint64_t size : {1u, 2u, 7u, 500u, 100'000u}) {
    // A new table in the store for each walk, as a chunk is cut once only.
    store_ = nullptr;
    fs::remove(folder_ / "c.db");
    store_ = open_store((folder_ / "c.db").string(), "test");
    store_->begin_migration({"0123456789abcdef0123456789abcdef", "test", "f", {}});
    store_->put_table("t", 0, 0);
    Chunker chunker(*store_, "t", table, {std::chrono::milliseconds(500), size, 16u << 20});
    EXPECT_EQ(walk(chunker, table, std::chrono::microseconds(1)), rows) << size;
  }
}

TEST_F(ChunkerTest, AnEmptyTableIsOneChunk) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  const ReadSpec table = spec();
  Chunker chunker(*store_, "t", table, kLimits);
  EXPECT_EQ(walk(chunker, table, std::chrono::microseconds(1)), 0u);
  EXPECT_EQ(chunks_, 1u);
}

TEST_F(ChunkerTest, ShrinksWhenChunksTakeTooLong) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
      "INSERT INTO t SELECT i FROM n");
  const ReadSpec table = spec();
  Chunker chunker(*store_, "t", table, kLimits);
  walk(chunker, table, std::chrono::microseconds(5000));  // 100 rows are half a second
  EXPECT_NEAR(static_cast<double>(chunker.chunk_rows()), 100, 1);
}

TEST_F(ChunkerTest, KeepsChunksWithinTheByteLimit) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
      "INSERT INTO t SELECT i FROM n");
  const ReadSpec table = spec();
  Chunker chunker(*store_, "t", table, {std::chrono::milliseconds(500), 100'000, 50'000});
  walk(chunker, table, std::chrono::microseconds(1));  // rows of 100 bytes
  EXPECT_EQ(chunker.chunk_rows(), 500u);
}

TEST_F(ChunkerTest, HandsOutFirstWhatAnEarlierRunLeftOpen) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
      "INSERT INTO t SELECT i FROM n");
  const ReadSpec table = spec();
  Chunk first, second;
  {
    Chunker chunker(*store_, "t", table, kLimits);
    first = *chunker.next(*source_);
    second = *chunker.next(*source_);
  }
  store_->claim_chunk("t", second.number, 1, std::chrono::seconds(1));
  store_->finish_chunk("t", second.number, {});
  Chunker again(*store_, "t", table, kLimits);
  const Chunk resumed = *again.next(*source_);
  EXPECT_EQ(resumed.number, first.number);
  EXPECT_EQ(resumed.range, first.range);
  const Chunk third = *again.next(*source_);
  EXPECT_EQ(third.number, 2u);
  EXPECT_EQ(third.range.lower, second.range.upper);
}

// A claim that fails leaves no gap: the chunk that was cut for it is the next one again.
TEST_F(ChunkerTest, ChunkWhoseClaimFailedIsHandedOutAgain) {
  exec("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) "
      "INSERT INTO t SELECT i FROM n");
  TableRoute route;
  route.name = "t";
  route.read = spec();
  TableCopy table(route, *store_, kLimits);
  const Chunk cut = *table.chunker.next(*source_);
  store_->claim_chunk("t", cut.number, 5, std::chrono::seconds(1));
  table.chunker.give_back(cut);

  const Endpoints endpoints{Url::parse("sqlite:" + file()), Url::parse("sqlite:" + file()), {}, {}};
  Interrupt interrupt;
  Pacer pacer(interrupt);
  const ChunkFence fence("test");
  CopyContext context{endpoints, *store_, fence, interrupt, pacer, {}};
  context.epoch = 4;  // someone with a higher one has it
  EXPECT_THROW(table.next_chunk(*source_, context), Error);
  context.epoch = 6;
  EXPECT_EQ(table.next_chunk(*source_, context)->number, cut.number);
  EXPECT_EQ(table.next_chunk(*source_, context)->number, cut.number + 1);
}

}  // namespace
}  // namespace migrator
