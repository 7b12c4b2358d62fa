#include "migrator/copy/table_copy.h"

#include <algorithm>

#include <fmt/format.h>

namespace migrator {
namespace {

// Bytes that all workers' read-ahead may hold together, and the least that each has. 64 MiB is some
// 150'000 rows of 400 bytes: more than what a server sends while the other commits.
constexpr std::size_t kReadAheadBytes = 64u << 20;
constexpr std::size_t kReadAheadBytesLeast = 2u << 20;

}  // namespace

std::size_t read_ahead_bytes(int workers) {
  return std::max(kReadAheadBytesLeast, kReadAheadBytes / static_cast<std::size_t>(workers));
}

namespace {

// How long a claim is good for in a store that many processes share; this one's lock is the process
// itself.
constexpr std::chrono::milliseconds kLease{60'000};

}  // namespace

void refuse_rows_that_cannot_be_told(const TableRoute& route, Session& target) {
  if (!route.read.key.empty()) return;
  const std::string table = target.dialect().quote(route.write.table);
  if (target.query(fmt::format("SELECT 1 FROM {} LIMIT 1", table)).empty()) return;
  throw Error(ErrorKind::gate,
              fmt::format("{}: the target table holds rows, and has no key by which to tell them "
                          "from those that are to come",
                          route.name))
      .table(route.name)
      .remedy("empty the target table, and run the same command again");
}

std::optional<Chunk> TableCopy::next_chunk(Source& source, CopyContext& context) {
  std::optional<Chunk> chunk = chunker.next(source);
  if (!chunk) return chunk;
  chunk->epoch = context.epoch;
  try {
    context.store.claim_chunk(route.name, chunk->number, chunk->epoch, kLease);
  } catch (...) {
    chunker.give_back(*chunk);
    throw;
  }
  return chunk;
}

const TableCopy::Form& TableCopy::form(Source& source, Target& target) {
  const std::lock_guard lock(mutex_);
  if (form_) return *form_;
  form_ = row_form(route, source, target);
  if (way_.empty()) way_ = form_->layout.format;
  return *form_;
}

void TableCopy::set_way(const std::string& way) {
  const std::lock_guard lock(mutex_);
  way_ = way;
}

std::string TableCopy::way() const {
  const std::lock_guard lock(mutex_);
  return way_;
}

}  // namespace migrator
