#include "migrator/capture/journal.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "migrator/capture/own_table.h"

namespace migrator {
namespace {

constexpr std::uint64_t kBacklogCounted = 100'000;
// Numbers a statement: some 10 kB of SQL.
constexpr std::size_t kSeqsPerStatement = 1000;

// A journal that is not there, or has other columns: what was in it and not yet followed is lost.
Error altered(const Error& error) {
  return Error(ErrorKind::gate,
               std::string("the journal of the source cannot be read: ") + error.what())
      .code(error.code())
      .remedy(
          "if it was dropped or altered, changes of the source may be lost: stop the relay, and "
          "begin the migration anew with empty target tables");
}

template <typename Work>
auto asked(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::permanent) throw;
    throw altered(error);
  }
}

}  // namespace

std::string Journal::table(const Session& source) const {
  return source.dialect().quote(TableName{schema_, std::string(kJournalTable)});
}

void Journal::install(Session& source) const {
  source.execute(source.dialect().capture().create_journal(schema_));
}

bool Journal::exists(Session& source) const { return own_table_exists(source, table(source)); }

std::vector<Change> Journal::read(Session& source, std::size_t limit) const {
  const std::array<Value, 1> parameters{migration_};
  Result found = asked([&] {
    return source.query(
        spell(source.dialect(),
              fmt::format("SELECT seq, relation, row_key, {} FROM {} WHERE migration = {{1}} ORDER "
                          "BY seq LIMIT {}",
                          source.dialect().capture().age_ms(), table(source), limit)),
        parameters);
  });
  std::vector<Change> entries;
  entries.reserve(found.rows.size());
  for (auto& row : found.rows) {
    Change& entry = entries.emplace_back();
    entry.seq = as_integer(row[0]);
    entry.relation = as_text(row[1]);
    if (!is_null(row[2])) entry.row_key = as_text(row[2]);
    entry.age_ms = as_integer(row[3]);
  }
  return entries;
}

void Journal::retire(Session& source, std::span<const std::int64_t> seqs) const {
  for (std::size_t first = 0; first < seqs.size(); first += kSeqsPerStatement) {
    asked([&] {
      return source.query(fmt::format(
          "DELETE FROM {} WHERE seq IN ({})", table(source),
          fmt::join(seqs.subspan(first, std::min(kSeqsPerStatement, seqs.size() - first)), ",")));
    });
  }
}

std::vector<std::int64_t> Journal::entries_of(Session& source, const std::string& relation,
                                              const std::string& row_key) const {
  const std::array<Value, 3> parameters{migration_, relation, row_key};
  const Result found = asked([&] {
    return source.query(spell(source.dialect(),
                              fmt::format("SELECT seq FROM {} WHERE migration = {{1}} AND relation "
                                          "= {{2}} AND row_key = {{3}} ORDER BY seq",
                                          table(source))),
                        parameters);
  });
  std::vector<std::int64_t> seqs;
  for (const auto& row : found.rows) seqs.push_back(as_integer(row[0]));
  return seqs;
}

std::vector<std::optional<std::string>> Journal::pending(Session& source,
                                                         const std::string& relation,
                                                         std::size_t most) const {
  const std::array<Value, 2> parameters{migration_, relation};
  const Result found = asked([&] {
    return source.query(spell(source.dialect(),
                              fmt::format("SELECT DISTINCT row_key FROM {} WHERE migration = {{1}} "
                                          "AND relation = {{2}} LIMIT {}",
                                          table(source), most)),
                        parameters);
  });
  std::vector<std::optional<std::string>> keys;
  keys.reserve(found.rows.size());
  for (const auto& row : found.rows) {
    keys.push_back(is_null(row[0]) ? std::nullopt : std::optional(as_text(row[0])));
  }
  return keys;
}

void Journal::append(Session& source, const std::string& relation,
                     const std::string& row_key) const {
  const std::array<Value, 3> parameters{migration_, relation, row_key};
  source.query(spell(source.dialect(),
                     fmt::format("INSERT INTO {} (migration, relation, row_key) VALUES ({{1}}, "
                                 "{{2}}, {{3}})",
                                 table(source))),
               parameters);
}

Backlog Journal::backlog(Session& source) const {
  const std::array<Value, 1> parameters{migration_};
  const Result found = asked([&] {
    return source.query(
        spell(
            source.dialect(),
            fmt::format("SELECT COUNT(*), MAX(age) FROM (SELECT {} AS age FROM {} WHERE migration "
                        "= {{1}} ORDER BY seq LIMIT {}) counted",
                        source.dialect().capture().age_ms(), table(source), kBacklogCounted)),
        parameters);
  });
  Backlog backlog;
  backlog.entries = static_cast<std::uint64_t>(as_integer(found.rows.at(0).at(0)));
  backlog.more = backlog.entries == kBacklogCounted;
  if (backlog.entries > 0) {
    // Clocks that were set back would make it negative.
    backlog.oldest_seconds =
        std::max(0.0, static_cast<double>(as_integer(found.rows[0][1])) / 1000.0);
  }
  return backlog;
}

void Journal::remove(Session& source, bool drop) const {
  remove_own_rows(source, table(source), migration_, drop);
}

}  // namespace migrator
