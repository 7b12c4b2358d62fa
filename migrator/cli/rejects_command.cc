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

using RetryReport = MigrationRun::RetryReport;

int list(const Options& options, const Plan& plan, const RetryReport& retried) {
  const auto store = open_store_for_reading(plan.checkpoint);
  const std::string table = options.flag("table") ? options.get<std::string>("table") : "";
  const auto rejects =
      store->rejects(table, !options.flag("all"), options.get<std::size_t>("limit"));
  const std::uint64_t open = store->open_rejects(table);
  if (options.json()) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Reject& reject : rejects) {
      rows.push_back(
          {{"id", reject.id},
           {"table", reject.table},
           {"key", nlohmann::json::parse(encode_key(reject.key))},
           {"code", reject.code},
           {"error", reject.error},
           {"at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(Clock::to_time_t(reject.at)))},
           {"open", reject.open},
           {"resolution", reject.resolution}});
    }
    const nlohmann::json document = {{"open", open},
                                     {"resolved", retried.resolved},
                                     {"refused", retried.refused},
                                     {"skipped", retried.skipped},
                                     {"rejects", rows}};
    std::printf("%s\n", document.dump(2).c_str());
  } else {
    std::vector<std::vector<std::string>> rows{{"id", "table", "key", "code", "error"}};
    for (const Reject& reject : rejects) {
      rows.push_back({std::to_string(reject.id), reject.table, describe(reject.key), reject.code,
                      reject.open ? reject.error : "resolved: " + reject.resolution});
    }
    if (!rejects.empty()) std::fputs(columns(rows).c_str(), stdout);
    std::printf("%s open\n", human_count(open).c_str());
  }
  return open > 0 ? kDifferences : kDone;
}

}  // namespace

int run_rejects(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add()("table,t", po::value<std::string>(), "only this table's")(
      "all", "resolved ones, too")("limit", po::value<std::size_t>()->default_value(100),
                                   "how many to list")(
      "retry", "copy the open ones again, or the one of --id")(
      "resolve", "count the one of --id as settled, for the reason of --reason")(
      "id", po::value<std::int64_t>(), "which one")("reason", po::value<std::string>(),
                                                    "why it is settled; kept in the checkpoint");
  if (!options.parse()) return kDone;
  const Plan plan = options.plan();
  const std::optional<std::int64_t> id =
      options.flag("id") ? std::optional(options.get<std::int64_t>("id")) : std::nullopt;
  if (options.flag("resolve")) {
    if (!id || !options.flag("reason") || options.get<std::string>("reason").empty()) {
      throw Error(ErrorKind::usage, "--resolve needs --id and --reason")
          .remedy("migrate rejects PLAN --resolve --id 7 --reason \"test row, not needed\"");
    }
    const bool resolved = MigrationRun(plan, invocation.interrupt, invocation.line)
                              .resolve_reject(*id, options.get<std::string>("reason"));
    if (!resolved) std::fprintf(stderr, "its row, as it is now, went in\n");
  }
  RetryReport report;
  if (options.flag("retry")) {
    MigrationRun migration(plan, invocation.interrupt, invocation.line);
    report =
        migration.retry_rejects(id, options.flag("table") ? options.get<std::string>("table") : "");
    std::fprintf(stderr, "%s went in, %s are still refused\n", human_count(report.resolved).c_str(),
                 human_count(report.refused).c_str());
    if (report.skipped > 0) {
      std::fprintf(
          stderr,
          "%s were not tried: their chunk is not done yet, or their table is no longer in the "
          "plan\n  to do: run `migrate backfill PLAN` first; settle what is left with "
          "--resolve\n",
          human_count(report.skipped).c_str());
    }
  }
  return list(options, plan, report);
}

}  // namespace migrator::cli
