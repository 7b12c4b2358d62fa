#include "migrator/capture/inline_guard.h"

#include <algorithm>

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "migrator/capture/own_table.h"

namespace migrator {
namespace {

constexpr std::string_view kGuard = "_migrator_guard";
// Bytes of a key's text that its guard goes by: what fits own_key_type() everywhere.
constexpr std::size_t kLabelMost = 200;
// Keys a statement.
constexpr std::size_t kKeysPerStatement = 500;

Value number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

// Of one place, the relay's is the higher one.
const std::vector<std::string> kColumns{"migration", "relation", "key_label",
                                        "epoch",     "seq",      "by_relay"};
constexpr std::size_t kKeyColumns = 3;

std::vector<Value> row_of(const std::string& migration, const std::string& relation,
                          const std::string& label, const ChangePlace& place, bool by_relay) {
  return {migration, relation, label, number(place.epoch), place.seq, std::int64_t{by_relay}};
}

}  // namespace

std::string InlineGuard::label(const std::string& row_key) {
  if (row_key.size() <= kLabelMost) return "=" + row_key;
  const XXH128_hash_t hash = XXH3_128bits(row_key.data(), row_key.size());
  return fmt::format("#{:016x}{:016x}", static_cast<std::uint64_t>(hash.high64),
                     static_cast<std::uint64_t>(hash.low64));
}

std::string InlineGuard::table(const Queries& session) const {
  return session.dialect().quote(TableName{schema_, std::string(kGuard)});
}

void InlineGuard::install(Session& session) const {
  const Dialect& dialect = session.dialect();
  session.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {0} (migration {1} NOT NULL, relation {1} NOT NULL, key_label "
      "{1} NOT NULL, epoch {2} NOT NULL, seq {2} NOT NULL, by_relay {2} NOT NULL, PRIMARY KEY "
      "(migration, relation, "
      "key_label)){3}",
      table(session), dialect.own_key_type(), dialect.own_integer_type(),
      dialect.own_table_options()));
}

void InlineGuard::send_raise(Session& session, const std::string& relation,
                             const std::string& row_key, const ChangePlace& place) const {
  session.send_check(session.dialect().own_raise(table(session), kColumns, kKeyColumns),
                     row_of(migration_, relation, label(row_key), place, false));
}

std::map<InlineGuard::Name, InlineGuard::Held> InlineGuard::lock(
    Session& session, std::span<const Name> names) const {
  std::map<std::pair<std::string, std::string>, const Name*> by_label;
  for (const Name& name : names) by_label[{name.first, label(name.second)}] = &name;
  std::map<Name, Held> places;
  auto next = by_label.begin();
  while (next != by_label.end()) {
    const std::string relation = next->first.first;
    std::vector<Value> parameters{migration_, relation};
    std::string labels;
    while (next != by_label.end() && next->first.first == relation &&
           parameters.size() < kKeysPerStatement) {
      parameters.emplace_back(next->first.second);
      labels += fmt::format("{}{{{}}}", labels.empty() ? "" : ", ", parameters.size());
      ++next;
    }
    // In the order of the index, as whoever else locks several does: or they would wait for each
    // other in a circle.
    const Result found =
        session.query(spell(session.dialect(),
                            fmt::format("SELECT key_label, epoch, seq, by_relay FROM {} WHERE "
                                        "migration = {{1}} AND relation "
                                        "= {{2}} AND key_label IN ({}) ORDER BY key_label {{lock}}",
                                        table(session), labels)),
                      parameters);
    for (const auto& row : found.rows) {
      places[*by_label.at({relation, as_text(row[0])})] = {
          {static_cast<std::uint64_t>(as_integer(row[1])), as_integer(row[2])},
          as_integer(row[3]) != 0};
    }
  }
  return places;
}

void InlineGuard::raise(Session& session, const std::map<Name, ChangePlace>& places) const {
  std::vector<std::pair<std::pair<std::string, std::string>, ChangePlace>> ordered;
  for (const auto& [name, place] : places) {
    ordered.push_back({{name.first, label(name.second)}, place});
  }
  std::sort(ordered.begin(), ordered.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  const std::string sql = session.dialect().own_raise(table(session), kColumns, kKeyColumns);
  // Sent ahead in pieces: one round trip each, where the engine can.
  for (std::size_t first = 0; first < ordered.size(); first += kKeysPerStatement) {
    const std::size_t end = std::min(ordered.size(), first + kKeysPerStatement);
    for (std::size_t at = first; at < end; ++at) {
      const auto& [name, place] = ordered[at];
      session.send(sql, row_of(migration_, name.first, name.second, place, true));
    }
    for (std::size_t at = first; at < end; ++at) session.receive();
  }
}

void InlineGuard::remove(Session& session) const {
  remove_own_rows(session, table(session), migration_);
}

}  // namespace migrator
