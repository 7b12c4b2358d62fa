#include "migrator/capture/shadow_reports.h"

#include <array>

#include <fmt/format.h>

#include "migrator/capture/inline_guard.h"
#include "migrator/capture/own_table.h"

namespace migrator {
namespace {

constexpr std::string_view kReports = "_migrator_shadow";

}  // namespace

std::string ShadowReports::table(const Queries& session) const {
  return session.dialect().quote(TableName{schema_, std::string(kReports)});
}

void ShadowReports::install(Session& session) const {
  const Dialect& dialect = session.dialect();
  session.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {0} (migration {1} NOT NULL, relation {1} NOT NULL, key_label "
      "{1} NOT NULL, row_key {2} NOT NULL, times {3} NOT NULL, reported_ms {3} NOT NULL, PRIMARY "
      "KEY (migration, relation, key_label)){4}",
      table(session), dialect.own_key_type(), dialect.own_text_type(), dialect.own_integer_type(),
      dialect.own_table_options()));
}

bool ShadowReports::again(Session& session, const std::string& relation,
                          const std::string& label) const {
  const std::array<Value, 3> parameters{migration_, relation, label};
  const Result updated = session.query(
      spell(session.dialect(),
            fmt::format("UPDATE {} SET times = times + 1, reported_ms = {} WHERE migration = {{1}} "
                        "AND relation = {{2}} AND key_label = {{3}}",
                        table(session), session.dialect().now_ms())),
      parameters);
  return updated.affected > 0;
}

bool ShadowReports::add(Session& session, const std::string& relation,
                        const std::string& row_key) const {
  const std::string label = InlineGuard::label(row_key);
  if (again(session, relation, label)) return true;
  const std::array<Value, 2> of{migration_, relation};
  const Result counted =
      session.query(spell(session.dialect(), fmt::format("SELECT COUNT(*) FROM {} WHERE migration "
                                                         "= {{1}} AND relation = {{2}}",
                                                         table(session))),
                    of);
  const bool room = as_integer(counted.rows.at(0).at(0)) < kMostRows;
  const std::string kept = room ? label : "";
  if (!room && again(session, relation, kept)) return false;
  const std::array<Value, 4> row{migration_, relation, kept, room ? row_key : std::string()};
  try {
    session.query(
        spell(session.dialect(),
              fmt::format("INSERT INTO {} (migration, relation, key_label, row_key, times, "
                          "reported_ms) VALUES ({{1}}, {{2}}, {{3}}, {{4}}, 1, {})",
                          table(session), session.dialect().now_ms())),
        row);
  } catch (const Error& error) {
    if (!error.duplicate_key()) throw;
    again(session, relation, kept);  // another process was quicker
  }
  return room;
}

std::vector<ShadowReports::Report> ShadowReports::read(Session& session) const {
  if (!own_table_exists(session, table(session))) return {};
  const std::array<Value, 1> parameters{migration_};
  const Result found = session.query(
      spell(session.dialect(),
            fmt::format("SELECT relation, key_label, row_key, times, reported_ms FROM {} "
                        "WHERE migration = {{1}} ORDER BY relation, key_label",
                        table(session))),
      parameters);
  std::vector<Report> reports;
  for (const auto& row : found.rows) {
    reports.push_back({as_text(row[0]), as_text(row[1]), as_text(row[2]), as_integer(row[3]),
                       as_integer(row[4])});
  }
  return reports;
}

void ShadowReports::retire(Session& session, std::span<const Report> reports) const {
  const std::string sql =
      spell(session.dialect(),
            fmt::format("DELETE FROM {} WHERE migration = {{1}} AND relation = "
                        "{{2}} AND key_label = {{3}} AND times = {{4}} AND reported_ms = {{5}}",
                        table(session)));
  for (const Report& report : reports) {
    const std::array<Value, 5> parameters{migration_, report.relation, report.label, report.times,
                                          report.reported_ms};
    session.query(sql, parameters);
  }
}

void ShadowReports::remove(Session& session, bool drop) const {
  remove_own_rows(session, table(session), migration_, drop);
}

}  // namespace migrator
