#include "migrator/copy/chunk_recovery.h"

#include <algorithm>

#include <fmt/format.h>

#include "migrator/copy/stop_point.h"

namespace migrator {
namespace {

constexpr std::chrono::milliseconds kLease{60'000};
// Where a unique value is in the way and a relay is there, this many rows are left to it together:
// it knows what to do about one of them, and to find the one takes six more halvings of two reads,
// a load and a savepoint each.
constexpr std::uint64_t kLeftToRelay = 100;

// Whether keys that the database takes for equal are always written alike. 'a' and 'A' may be
// equal, 1.0 and 1.00 are.
bool spelled_in_one_way(const std::vector<Column>& key) {
  return std::none_of(key.begin(), key.end(), [](const Column& column) {
    switch (column.type.kind) {
      case TypeKind::text:
      case TypeKind::json:
      case TypeKind::decimal:
      case TypeKind::float32:
      case TypeKind::float64:
      case TypeKind::opaque:
        return true;
      default:
        return false;
    }
  });
}

// Without a key a row can neither be looked for, nor left out and named.
Error cannot_be_told_apart(const Error& error) {
  return Error(ErrorKind::permanent,
               fmt::format("{} (nothing of the table was copied: it has no key by which the row "
                           "could be left out)",
                           error.what()))
      .table(error.table())
      .code(error.code())
      .duplicate_key(error.duplicate_key())
      .remedy(fmt::format(
          "{}{}", error.remedy().empty() ? "" : error.remedy() + "; or ",
          error.duplicate_key()
              ? "drop the unique index of the target that the source has not, until the rows are in"
              : "correct the row on the source, or the plan's types for this table, or give it a "
                "unique key there"));
}

}  // namespace

void ChunkRecovery::open_sessions() {
  if (!sessions_.writer) sessions_.writer = open_target(context_.endpoints, context_.interrupt);
  if (!sessions_.recovery) sessions_.recovery = open_source(context_.endpoints, context_.interrupt);
}

// Which of the two sessions was lost an error does not say; opening one anew costs little.
void ChunkRecovery::close_sessions(const Error& error) {
  if (sessions_.writer) sessions_.writer.session().rollback();
  if (error.scope() != ErrorScope::session) return;
  sessions_.writer.close();
  sessions_.recovery.close();
}

ChunkDone ChunkRecovery::run(Error error) {
  Backoff backoff(context_.retry, context_.interrupt);
  Way way = Way::direct;
  while (true) {
    if (error.kind() == ErrorKind::data) {
      if (table_.route.read.key.empty()) throw cannot_be_told_apart(error);
      if (way == Way::bisect) throw error;
      way = error.duplicate_key() && way == Way::direct ? Way::merge : Way::bisect;
    } else if (!backoff.again(error)) {
      context_.interrupt.check();
      throw error;
    }
    try {
      open_sessions();
      if (const auto already = claim()) return *already;
      return copy(way, error.scope() == ErrorScope::session);
    } catch (const Error& next) {
      close_sessions(next);
      context_.interrupt.check();
      error = next;
      table_.retries.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

// Claims the chunk anew. If its fence says done, the commit whose answer was lost has happened.
std::optional<ChunkDone> ChunkRecovery::claim() {
  Session& session = sessions_.writer.session();
  epoch_ = context_.store.next_epoch(context_.epoch);
  context_.store.claim_chunk(table_.route.name, chunk_.number, epoch_, kLease);
  session.begin();
  const ChunkFence::Claim claim = context_.fence.claim(session, chunk_, epoch_);
  session.commit();
  if (!claim.done) return std::nullopt;
  return ChunkDone{claim.rows, 0, {}};
}

ChunkDone ChunkRecovery::copy(Way way, bool beside_relay) {
  Session& session = sessions_.writer.session();
  count_ = {};
  present_ = 0;
  rejects_.clear();
  session.begin();
  held_off_ = context_.lease && !beside_relay;
  if (held_off_) context_.lease->hold_off(session);
  context_.fence.lock(session, chunk_, epoch_);
  refuse_rows_that_cannot_be_told(table_.route, session);
  // What an attempt that died before its commit had refused is judged anew.
  context_.store.clear_rejects(table_.route.name, chunk_.number);
  if (way == Way::bisect) {
    bisect(chunk_.range);
  } else {
    load(chunk_.range, way == Way::merge ? LoadMode::merge : LoadMode::direct);
  }
  // The rejects are written down before the commit that makes the chunk done: after a crash in
  // between the chunk is copied again, and its rejects with it. The other way round they would be
  // forgotten.
  for (const Reject& reject : rejects_) context_.store.put_reject(reject);
  stop_point("rejects_recorded");
  context_.fence.complete(session, chunk_, epoch_, count_.rows);
  session.commit();
  stop_point("chunk_recovered");
  if (held_off_) context_.pacer.admit(count_.rows, count_.bytes);
  table_.expects_present = present_ > 0;
  return count_;
}

void ChunkRecovery::load(const KeyRange& range, LoadMode mode) {
  const TableCopy::Form& form = table_.form(*sessions_.recovery, *sessions_.writer);
  const auto rows = sessions_.recovery->read(table_.route.read, range, form.layout);
  const auto sink = sessions_.writer->load(table_.route.write, form.layout, mode);
  RowBatch batch;
  std::uint64_t bytes = 0;
  while (rows->next(batch)) {
    if (form.transcoder) form.transcoder->apply(batch);
    bytes += batch.bytes();
    // Not while a relay waits: that is made up for afterwards.
    if (!held_off_) context_.pacer.admit(batch.rows(), batch.bytes());
    sink->write(batch);
  }
  const LoadCount count = sink->finish();
  if (count.present > 0 && !context_.allow_present) {
    throw Error(ErrorKind::data,
                table_.route.name + ": the target takes this key for that of another row")
        .table(table_.route.name)
        .duplicate_key(true)
        .remedy("give the target's key column a collation that tells all keys of the source apart");
  }
  count_.rows += count.inserted + count.present;
  count_.bytes += bytes;
  present_ += count.present;
}

void ChunkRecovery::bisect(const KeyRange& range) {
  Session& session = sessions_.writer.session();
  context_.interrupt.check();
  session.execute("SAVEPOINT migrator_bisect");
  try {
    load(range, LoadMode::merge);
    session.execute("RELEASE SAVEPOINT migrator_bisect");
    return;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data || error.scope() == ErrorScope::session) throw;
    session.execute("ROLLBACK TO SAVEPOINT migrator_bisect");
    session.execute("RELEASE SAVEPOINT migrator_bisect");
    // Boundaries count the rows that `where` leaves out, too.
    ReadSpec all = table_.route.read;
    all.where.clear();
    const std::uint64_t rows = sessions_.recovery->count(all, range);
    if (context_.feed && error.duplicate_key() && rows <= kLeftToRelay) {
      leave_to_relay(range);
      return;
    }
    if (rows <= 1) {
      // Which row it is: another one may have come beside it since.
      const std::optional<Key> key = sessions_.recovery->nth_key(all, range, 1);
      if (!key) return;  // deleted meanwhile
      if (range.upper && encode_key(*key) == encode_key(*range.upper)) {
        reject(*key, error);
        return;
      }
      bisect({range.lower, key});
      bisect({key, range.upper});
      return;
    }
    const std::optional<Key> middle = sessions_.recovery->nth_key(all, range, rows / 2);
    if (!middle || (range.upper && *middle == *range.upper)) {
      throw Error(ErrorKind::transient,
                  table_.route.name + ": rows went away while they were searched")
          .table(table_.route.name)
          .remedy("run the same command again");
    }
    const KeyRange upper_half{middle, range.upper};
    bisect({range.lower, middle});
    bisect(upper_half);
  }
}

std::optional<Error> ChunkRecovery::retry(const Reject& reject) {
  open_sessions();
  ReadSpec all = table_.route.read;
  all.where.clear();
  // The range that holds this key alone: from the key before it.
  KeyRange range{chunk_.range.lower, reject.key};
  const std::uint64_t rows = sessions_.recovery->count(all, range);
  if (rows == 0) return std::nullopt;  // gone from the source
  const std::optional<Key> last = sessions_.recovery->nth_key(all, range, rows);
  // What is last in the range is another row, which is in. (Compared as text: NaN equals no NaN.)
  if (!last || encode_key(*last) != encode_key(reject.key)) {
    if (spelled_in_one_way(all.key)) return std::nullopt;
    return Error(ErrorKind::data, table_.route.name + ": no row is spelled with this key any more")
        .table(table_.route.name)
        .remedy(
            "if it is gone from the source, settle it with --resolve; if its key was only "
            "respelled, copy the row by hand, and then settle it");
  }
  if (rows > 1) range.lower = sessions_.recovery->nth_key(all, range, rows - 1);
  Session& session = sessions_.writer.session();
  try {
    session.begin();
    if (context_.lease) context_.lease->hold_off(session);
    // Marked in the transaction that brings the row in, so that a crash before the store knows of
    // it is no second attempt, which would find its own row in the way.
    if (context_.fence.mark_retried(session, reject)) load(range, LoadMode::merge);
    session.commit();
    stop_point("reject_retried");
    return std::nullopt;
  } catch (const Error& error) {
    close_sessions(error);
    if (error.kind() != ErrorKind::data) throw;
    return error;
  }
}

// The chunk is in flight still, so the relay takes these keys once the other rows are in.
void ChunkRecovery::leave_to_relay(const KeyRange& range) {
  ReadSpec all = table_.route.read;
  all.where.clear();
  std::vector<Key> keys;
  KeyRange rest = range;
  while (std::optional<Key> key = sessions_.recovery->nth_key(all, rest, 1)) {
    rest.lower = key;
    keys.push_back(std::move(*key));
    if (range.upper && encode_key(keys.back()) == encode_key(*range.upper)) break;
  }
  Session& source = sessions_.recovery.session();
  source.begin();
  try {
    for (const Key& key : keys) {
      context_.feed->append(source, table_.route.name,
                            source.dialect().capture().encode(all.key, key));
    }
    source.commit();
  } catch (...) {
    source.rollback();
    throw;
  }
}

void ChunkRecovery::reject(const Key& key, const Error& error) {
  Reject reject;
  reject.table = table_.route.name;
  reject.key = key;
  reject.chunk = chunk_.number;
  reject.code = error.code();
  reject.error = error.what();
  reject.at = Clock::now();
  rejects_.push_back(std::move(reject));
  const std::uint64_t before = context_.store.open_rejects(table_.route.name);
  if (before + rejects_.size() <= context_.rejects_max) return;
  for (const Reject& one : rejects_)
    context_.store.put_reject(one);  // for `migrate rejects` to show
  throw Error(ErrorKind::permanent,
              fmt::format("{}: more than {} rows were refused by the target; the last one: {}",
                          table_.route.name, context_.rejects_max, error.what()))
      .table(table_.route.name)
      .code(error.code())
      .remedy(
          "see `migrate rejects PLAN`, correct the plan's types for this table, or raise "
          "backfill.max_rejects");
}

}  // namespace migrator
