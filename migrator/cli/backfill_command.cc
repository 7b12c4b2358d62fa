#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/engine/migration_run.h"
#include "migrator/engine/steering.h"

namespace migrator::cli {
namespace {

namespace po = boost::program_options;

nlohmann::json to_json(const BackfillResult& result, double seconds, bool interrupted) {
  const BackfillProgress& progress = result.copy;
  nlohmann::json tables = nlohmann::json::array();
  std::uint64_t rejects = 0;
  bool failed = !result.relay_error.empty();
  for (const TableReport& table : progress.tables) {
    rejects += table.rejects;
    failed = failed || !table.error.empty();
    tables.push_back({{"table", table.name},
                      {"state", name(table.state)},
                      {"way", table.way},
                      {"rows", table.rows},
                      {"bytes", table.bytes},
                      {"rejects", table.rejects},
                      {"retries", table.retries},
                      {"error", table.error},
                      {"remedy", table.remedy},
                      {"code", table.code}});
  }
  nlohmann::json relay;
  if (result.relay) {
    relay = relay_json(*result.relay);
    relay["error"] = result.relay_error;
    relay["remedy"] = result.relay_remedy;
  }
  return {{"complete", !failed && !interrupted},
          {"interrupted", interrupted},
          {"relay", relay},
          {"seconds", seconds},
          {"copy_seconds", progress.copy_seconds},
          {"finish_seconds", progress.finish_seconds},
          {"rows", progress.rows_now},
          {"bytes", progress.bytes_now},
          {"rejects", rejects},
          {"warnings", progress.warnings},
          {"tables", tables}};
}

void print_result(const BackfillProgress& progress, double seconds) {
  std::vector<std::vector<std::string>> rows{{"table", "rows", "bytes", "state", "how"}};
  for (const TableReport& table : progress.tables) {
    std::string state = table.error.empty() ? std::string(name(table.state)) : "failed";
    if (table.rejects) state += fmt::format(", {} rejects", table.rejects);
    if (table.retries) state += fmt::format(", {} retries", table.retries);
    rows.push_back(
        {table.name, human_count(table.rows), human_bytes(table.bytes), state, table.way});
  }
  std::fputs(columns(rows).c_str(), stdout);
  std::printf("%s rows in %s (%s rows/s)\n", human_count(progress.rows_now).c_str(),
              human_duration(seconds).c_str(),
              human_count(static_cast<std::uint64_t>(static_cast<double>(progress.rows_now) /
                                                     std::max(seconds, 0.001)))
                  .c_str());
}

}  // namespace

int run_backfill(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add_paces();
  options.add()("allow-existing",
                "the target's tables may hold rows already: those are left as they are");
  if (!options.parse()) return kDone;
  Plan plan = options.plan();
  StartOptions start;
  start.allow_existing = options.flag("allow-existing");
  start.given_settings = options.take_paces(plan);
  MigrationRun migration(plan, invocation.interrupt, invocation.line);
  ProgressDisplay display;
  BackfillResult last;
  const auto begun = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  const auto tick = [&](const BackfillProgress& progress,
                        const std::optional<RelayProgress>& relay) {
    last.copy = progress;
    last.relay = relay;
    display.show(progress, relay);
  };
  const auto started = [&](const StartReport& report) {
    print_findings(report.findings, false);
    for (const std::string& table : report.tables_created) {
      std::fprintf(stderr, "created table %s\n", table.c_str());
    }
    if (!report.captured.empty()) {
      std::fprintf(stderr, "capturing the changes of %zu tables\n", report.captured.size());
    }
    if (report.resumed) std::fprintf(stderr, "going on where the last run stopped\n");
    for (const auto& [setting, value] : report.settings) {
      std::fprintf(stderr, "set: %s=%s (by `migrate set`; `migrate set PLAN %s=` takes it back)\n",
                   setting.c_str(), value.c_str(), setting.c_str());
    }
  };
  try {
    last = migration.backfill(start, tick, started);
  } catch (const Error& error) {
    display.clear();
    if (error.kind() != ErrorKind::cancelled || !options.json()) throw;
    std::printf("%s\n", to_json(last, seconds(), true).dump(2).c_str());
    print_error(error);
    return exit_code(error);
  }
  display.clear();
  if (options.json()) {
    std::printf("%s\n", to_json(last, seconds(), false).dump(2).c_str());
  } else {
    print_result(last.copy, seconds());
    if (last.relay) {
      std::printf("changes: %s relayed, %s; `migrate relay PLAN --follow` goes on\n",
                  human_count(last.relay->entries).c_str(), relay_lag(*last.relay).c_str());
    }
  }
  for (const std::string& warning : last.copy.warnings) {
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  bool failed = !last.relay_error.empty();
  if (failed) {
    print_error(Error(ErrorKind::permanent, "changes are no longer followed: " + last.relay_error)
                    .remedy(last.relay_remedy));
  }
  std::uint64_t rejects = 0;
  for (const TableReport& table : last.copy.tables) {
    rejects += table.rejects;
    if (table.error.empty()) continue;
    failed = true;
    print_error(Error(ErrorKind::permanent, table.error).code(table.code).remedy(table.remedy));
  }
  if (failed) return kFailed;
  if (last.relay && last.relay->refused > 0) {
    print_error(Error(ErrorKind::data,
                      fmt::format("{} changes were refused by the target, the last one: {}",
                                  last.relay->refused, last.relay->refusal))
                    .remedy("they stay in the journal; `migrate relay PLAN` tries them again"));
  }
  if (rejects > 0) {
    std::fprintf(
        stderr,
        "migrate: %llu rows were refused by the target\n  to do: see `migrate rejects PLAN`\n",
        static_cast<unsigned long long>(rejects));
    return kDifferences;
  }
  return last.relay && last.relay->refused > 0 ? kDifferences : kDone;
}

}  // namespace migrator::cli
