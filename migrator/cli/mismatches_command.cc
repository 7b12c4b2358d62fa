#include <cstdio>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/engine/migration_run.h"

namespace migrator::cli {
namespace {

namespace po = boost::program_options;

std::string time_text(Clock::time_point time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(Clock::to_time_t(time)));
}

nlohmann::json values_json(const Mismatch& mismatch) {
  nlohmann::json values = nlohmann::json::array();
  for (const auto& [source, target] : mismatch.values) {
    values.push_back({{"source", source}, {"target", target}});
  }
  return values;
}

// "v: 1 | 2, n: 3 | 4": the source's and the target's of each column.
std::string columns_text(const Mismatch& mismatch) {
  std::string text;
  for (std::size_t at = 0; at < mismatch.columns.size(); ++at) {
    text += (at == 0 ? "" : ", ") + mismatch.columns[at];
    if (at >= mismatch.values.size()) continue;
    text += fmt::format(": {} | {}", mismatch.values[at].source, mismatch.values[at].target);
  }
  return text;
}

int list(const Options& options, const Plan& plan) {
  const auto store = open_store_for_reading(plan.checkpoint);
  const std::string table = options.flag("table") ? options.get<std::string>("table") : "";
  const auto mismatches =
      store->mismatches(table, !options.flag("all"), options.get<std::size_t>("limit"));
  const std::uint64_t open = store->open_mismatches(table);
  if (options.json()) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Mismatch& mismatch : mismatches) {
      rows.push_back({{"id", mismatch.id},
                      {"table", mismatch.table},
                      {"key", nlohmann::json::parse(encode_key(mismatch.key))},
                      {"kind", mismatch.kind},
                      {"columns", mismatch.columns},
                      {"values", values_json(mismatch)},
                      {"phase", mismatch.phase},
                      {"found", time_text(mismatch.found)},
                      {"seen", time_text(mismatch.seen)},
                      {"open", mismatch.open},
                      {"resolution", mismatch.resolution}});
    }
    const nlohmann::json document = {{"open", open}, {"mismatches", rows}};
    std::printf("%s\n", document.dump(2).c_str());
  } else {
    std::vector<std::vector<std::string>> rows{
        {"id", "table", "key", "kind", "columns (source | target)", "seen"}};
    for (const Mismatch& mismatch : mismatches) {
      rows.push_back({std::to_string(mismatch.id), mismatch.table, describe(mismatch.key),
                      mismatch.open ? mismatch.kind : "resolved: " + mismatch.resolution,
                      columns_text(mismatch), time_text(mismatch.seen)});
    }
    if (!mismatches.empty()) std::fputs(columns(rows).c_str(), stdout);
    std::uint64_t counted = 0;
    for (const VerifyOutcome& outcome : store->verify_outcomes()) {
      if (!table.empty() && outcome.table != table) continue;
      counted += outcome.missing + outcome.extra + outcome.differing;
    }
    std::printf("%s open%s\n", human_count(open).c_str(),
                counted > open
                    ? fmt::format("; the last verify counted {}", human_count(counted)).c_str()
                    : "");
  }
  return open > 0 ? kDifferences : kDone;
}

// Both rows as they are now, whatever they were when the mismatch was found.
int show(MigrationRun& migration, const Options& options, const Plan& plan) {
  const auto id = options.get<std::int64_t>("id");
  const auto mismatch = open_store_for_reading(plan.checkpoint)->mismatch(id);
  if (!mismatch) {
    throw Error(ErrorKind::usage, fmt::format("there is no mismatch {}", id))
        .remedy("`migrate mismatches PLAN --all` lists them");
  }
  const RowPair pair = migration.rows_of(*mismatch);
  if (options.json()) {
    nlohmann::json list = nlohmann::json::array();
    for (const RowPair::Column& column : pair.columns) {
      list.push_back({{"name", column.name},
                      {"source", pair.on_source ? nlohmann::json(column.source) : nullptr},
                      {"target", pair.on_target ? nlohmann::json(column.target) : nullptr},
                      {"differs", column.differs}});
    }
    const nlohmann::json document = {{"id", id},
                                     {"table", mismatch->table},
                                     {"key", nlohmann::json::parse(encode_key(mismatch->key))},
                                     {"equal", pair.equal()},
                                     {"on_source", pair.on_source},
                                     {"on_target", pair.on_target},
                                     {"columns", list}};
    std::printf("%s\n", document.dump(2).c_str());
  } else {
    std::printf("%s %s, as it is now: %s\n", mismatch->table.c_str(),
                describe(mismatch->key).c_str(),
                pair.equal()      ? "equal"
                : !pair.on_source ? "only on the target"
                : !pair.on_target ? "only on the source"
                                  : "different");
    std::vector<std::vector<std::string>> rows{{"", "column", "source", "target"}};
    for (const RowPair::Column& column : pair.columns) {
      rows.push_back({column.differs ? "*" : "", column.name, pair.on_source ? column.source : "-",
                      pair.on_target ? column.target : "-"});
    }
    std::fputs(columns(rows).c_str(), stdout);
  }
  return pair.equal() ? kDone : kDifferences;
}

}  // namespace

int run_mismatches(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add()("table,t", po::value<std::string>(), "only this table's")(
      "all", "resolved ones, too")("limit", po::value<std::size_t>()->default_value(100),
                                   "how many to list")(
      "resolve", "count the one of --id as settled, for the reason of --reason")(
      "id", po::value<std::int64_t>(),
      "which one; without --resolve its rows are shown as both sides have them now, with their "
      "values")("reason", po::value<std::string>(), "why it is settled; kept in the checkpoint");
  if (!options.parse()) return kDone;
  const Plan plan = options.plan();
  if (options.flag("resolve")) {
    if (!options.flag("id") || !options.flag("reason") ||
        options.get<std::string>("reason").empty()) {
      throw Error(ErrorKind::usage, "--resolve needs --id and --reason")
          .remedy("migrate mismatches PLAN --resolve --id 7 --reason \"edited by hand\"");
    }
    MigrationRun(plan, invocation.interrupt, invocation.line)
        .resolve_mismatch(options.get<std::int64_t>("id"), options.get<std::string>("reason"));
  } else if (options.flag("id")) {
    MigrationRun migration(plan, invocation.interrupt, invocation.line);
    return show(migration, options, plan);
  }
  return list(options, plan);
}

}  // namespace migrator::cli
