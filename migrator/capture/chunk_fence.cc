#include "migrator/capture/chunk_fence.h"

#include <array>

#include <fmt/format.h>

#include "migrator/capture/own_table.h"

namespace migrator {
namespace {

constexpr std::string_view kState = "_migrator_state";
constexpr std::string_view kChunk = "_migrator_chunk";

Value text_of(const std::optional<Key>& key) { return key ? Value(encode_key(*key)) : Value(); }

Error fenced(const Chunk& chunk, std::uint64_t epoch, const std::string& found) {
  return Error(ErrorKind::fenced,
               fmt::format("chunk {} of {} was claimed at epoch {}, but the target's fence says {}",
                           chunk.number, chunk.table, epoch, found))
      .remedy(
          "another run of this plan has taken over; let it go on, and do not start a second one");
}

}  // namespace

void ChunkFence::install(Session& target) const {
  const Dialect& dialect = target.dialect();
  target.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (migration {} NOT NULL PRIMARY KEY, id {} NOT NULL, "
      "format {} NOT NULL){}",
      dialect.quote(kState), dialect.own_key_type(), dialect.own_text_type(),
      dialect.own_integer_type(), dialect.own_table_options()));
  target.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {0} (migration {1} NOT NULL, source_table {1} NOT NULL, "
      "chunk_number {2} NOT NULL, epoch {2} NOT NULL, chunk_state {1} NOT NULL, lower_key {3}, "
      "upper_key {3}, chunk_rows {2} NOT NULL, PRIMARY KEY (migration, source_table, "
      "chunk_number)){4}",
      dialect.quote(kChunk), dialect.own_key_type(), dialect.own_integer_type(),
      dialect.own_text_type(), dialect.own_table_options()));
}

std::optional<std::string> ChunkFence::owner_id(Session& target) const {
  const std::array<Value, 1> parameters{migration_};
  const Result found = target.query(
      spell(target.dialect(), "SELECT id FROM _migrator_state WHERE migration = {1}"), parameters);
  if (found.empty()) return std::nullopt;
  return as_text(found.rows[0][0]);
}

void ChunkFence::adopt(Session& target, const std::string& id) const {
  if (!owner_id(target)) {
    const std::array<Value, 3> parameters{migration_, id, std::int64_t{1}};
    try {
      target.query(
          spell(target.dialect(),
                "INSERT INTO _migrator_state (migration, id, format) VALUES ({1}, {2}, {3})"),
          parameters);
    } catch (const Error& error) {
      if (!error.duplicate_key()) throw;  // another process was quicker: judged below
    }
  }
  if (owner_id(target) == id) return;
  throw Error(ErrorKind::gate,
              fmt::format("the target already holds a migration named {}, begun from another "
                          "checkpoint store",
                          migration_))
      .remedy(
          "go on with that checkpoint store; or, if it is lost, empty the target tables, run "
          "`migrate start PLAN --forget-target`, and begin anew");
}

std::uint64_t ChunkFence::highest_epoch(Session& target) const {
  const std::array<Value, 1> parameters{migration_};
  const Result found = target.query(
      spell(target.dialect(),
            "SELECT COALESCE(MAX(epoch), 0) FROM _migrator_chunk WHERE migration = {1}"),
      parameters);
  return static_cast<std::uint64_t>(as_integer(found.rows.at(0).at(0)));
}

std::map<std::string, std::vector<KeyRange>> ChunkFence::in_flight(Session& target) const {
  const std::array<Value, 1> parameters{migration_};
  const Result found =
      target.query(spell(target.dialect(),
                         "SELECT source_table, lower_key, upper_key FROM _migrator_chunk "
                         "WHERE migration = {1} AND chunk_state = 'in_flight'"),
                   parameters);
  const auto key = [](const Value& text) {
    return is_null(text) ? std::nullopt : std::optional(decode_key(as_text(text)));
  };
  std::map<std::string, std::vector<KeyRange>> ranges;
  for (const auto& row : found.rows) {
    ranges[as_text(row[0])].push_back({key(row[1]), key(row[2])});
  }
  return ranges;
}

std::map<std::string, ChunkFence::Done> ChunkFence::done(Session& target) const {
  const std::array<Value, 1> parameters{migration_};
  const Result found =
      target.query(spell(target.dialect(),
                         "SELECT source_table, COUNT(*), SUM(chunk_rows) FROM _migrator_chunk "
                         "WHERE migration = {1} AND chunk_state = 'done' GROUP BY source_table"),
                   parameters);
  std::map<std::string, Done> done;
  for (const auto& row : found.rows) {
    done[as_text(row[0])] = {static_cast<std::uint64_t>(as_integer(row[1])),
                             static_cast<std::uint64_t>(as_integer(row[2]))};
  }
  return done;
}

ChunkFence::Claim ChunkFence::claim(Session& target, const Chunk& chunk,
                                    std::uint64_t epoch) const {
  const auto number = static_cast<std::int64_t>(chunk.number);
  const std::array<Value, 3> identity{migration_, chunk.table, number};
  const Result found = target.query(
      spell(target.dialect(),
            "SELECT epoch, chunk_state, chunk_rows, lower_key, upper_key FROM _migrator_chunk "
            "WHERE migration = {1} AND source_table = {2} AND chunk_number = {3} {lock}"),
      identity);
  const Value lower = text_of(chunk.range.lower), upper = text_of(chunk.range.upper);
  if (found.empty()) {
    const std::array<Value, 7> row{
        migration_, chunk.table, number, static_cast<std::int64_t>(epoch), std::string("in_flight"),
        lower,      upper};
    target.query(spell(target.dialect(),
                       "INSERT INTO _migrator_chunk (migration, source_table, chunk_number, epoch, "
                       "chunk_state, lower_key, upper_key, chunk_rows) "
                       "VALUES ({1}, {2}, {3}, {4}, {5}, {6}, {7}, 0)"),
                 row);
    return {};
  }
  const std::vector<Value>& row = found.rows[0];
  const auto same = [](const Value& ours, const Value& theirs) {
    return is_null(ours) == is_null(theirs) && (is_null(ours) || as_text(ours) == as_text(theirs));
  };
  if (!same(lower, row[3]) || !same(upper, row[4])) {
    throw Error(
        ErrorKind::invariant,
        fmt::format("chunk {} of {} is {} in the checkpoint store, but another range in the "
                    "target's fence",
                    chunk.number, chunk.table, describe(chunk.range)))
        .remedy(
            "the checkpoint store does not belong to this target: give the plan its own one back");
  }
  if (as_text(row[1]) == "done") return {true, static_cast<std::uint64_t>(as_integer(row[2]))};
  if (static_cast<std::uint64_t>(as_integer(row[0])) > epoch) {
    throw fenced(chunk, epoch, fmt::format("epoch {}", as_integer(row[0])));
  }
  const std::array<Value, 4> raise{static_cast<std::int64_t>(epoch), migration_, chunk.table,
                                   number};
  target.query(spell(target.dialect(),
                     "UPDATE _migrator_chunk SET epoch = {1} "
                     "WHERE migration = {2} AND source_table = {3} AND chunk_number = {4}"),
               raise);
  return {};
}

void ChunkFence::lock(Session& target, const Chunk& chunk, std::uint64_t epoch) const {
  const std::array<Value, 3> identity{migration_, chunk.table,
                                      static_cast<std::int64_t>(chunk.number)};
  const Result found = target.query(
      spell(target.dialect(),
            "SELECT epoch, chunk_state FROM _migrator_chunk "
            "WHERE migration = {1} AND source_table = {2} AND chunk_number = {3} {lock}"),
      identity);
  if (found.empty()) throw fenced(chunk, epoch, "nothing: its row is gone");
  const auto held = static_cast<std::uint64_t>(as_integer(found.rows[0][0]));
  const std::string state = as_text(found.rows[0][1]);
  if (held != epoch || state != "in_flight") {
    throw fenced(chunk, epoch, fmt::format("{} at epoch {}", state, held));
  }
}

void ChunkFence::complete(Session& target, const Chunk& chunk, std::uint64_t epoch,
                          std::uint64_t rows) const {
  const std::array<Value, 6> parameters{std::string("done"),
                                        static_cast<std::int64_t>(rows),
                                        migration_,
                                        chunk.table,
                                        static_cast<std::int64_t>(chunk.number),
                                        static_cast<std::int64_t>(epoch)};
  const Result changed = target.query(
      spell(target.dialect(),
            "UPDATE _migrator_chunk SET chunk_state = {1}, chunk_rows = {2} WHERE migration = {3} "
            "AND source_table = {4} AND chunk_number = {5} AND epoch = {6}"),
      parameters);
  if (changed.affected != 1) throw fenced(chunk, epoch, "another epoch");
}

// A row of the fence table of its own, which no count of chunks sees: number -1 - id.
bool ChunkFence::mark_retried(Session& target, const Reject& reject) const {
  const std::array<Value, 3> identity{migration_, reject.table, -1 - reject.id};
  const Result found = target.query(
      spell(target.dialect(),
            "SELECT chunk_state FROM _migrator_chunk "
            "WHERE migration = {1} AND source_table = {2} AND chunk_number = {3} {lock}"),
      identity);
  if (!found.empty()) return false;
  target.query(spell(target.dialect(),
                     "INSERT INTO _migrator_chunk (migration, source_table, chunk_number, epoch, "
                     "chunk_state, chunk_rows) VALUES ({1}, {2}, {3}, 0, 'retried', 0)"),
               identity);
  return true;
}

void ChunkFence::remove(Session& target) const {
  for (const std::string_view table : {kChunk, kState}) {
    remove_own_rows(target, table, migration_);
  }
}

}  // namespace migrator
