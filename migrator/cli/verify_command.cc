#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/engine/migration_run.h"

namespace migrator::cli {
namespace {

namespace po = boost::program_options;

nlohmann::json to_json(const std::vector<TableComparison>& results, bool equal) {
  nlohmann::json tables = nlohmann::json::array();
  for (const TableComparison& table : results) {
    nlohmann::json first = nlohmann::json::array();
    for (const Difference& difference : table.found) {
      first.push_back({{"kind", name(difference.kind)},
                       {"key", nlohmann::json::parse(encode_key(difference.key))},
                       {"columns", difference.columns},
                       {"copies", difference.copies}});
    }
    tables.push_back({{"table", table.table},
                      {"equal", table.equal()},
                      {"complete", table.complete},
                      {"rows_source", table.rows_source},
                      {"rows_target", table.rows_target},
                      {"missing", table.missing},
                      {"extra", table.extra},
                      {"differing", table.differing},
                      {"in_flux", table.in_flux},
                      {"not_looked_at", table.not_looked_at},
                      {"reported", table.reported},
                      {"repaired", table.repaired},
                      {"seconds", table.seconds},
                      {"bytes", table.bytes},
                      {"rows_by_digest", table.by_digest},
                      {"error", table.error},
                      {"remedy", table.remedy},
                      {"differences", first}});
  }
  return {{"equal", equal}, {"tables", tables}};
}

void print_results(const std::vector<TableComparison>& results, std::size_t show) {
  std::vector<std::vector<std::string>> rows{
      {"table", "source rows", "target rows", "missing", "extra", "differing", "verdict"}};
  for (const TableComparison& table : results) {
    rows.push_back({table.table, human_count(table.rows_source), human_count(table.rows_target),
                    human_count(table.missing), human_count(table.extra),
                    human_count(table.differing),
                    !table.complete      ? "not verified"
                    : table.repaired > 0 ? "repaired"
                    : table.equal()      ? "equal"
                                         : "DIFFERENT"});
  }
  std::fputs(columns(rows).c_str(), stdout);
  for (const TableComparison& table : results) {
    std::size_t shown = 0;
    std::uint64_t named = 0;
    for (const Difference& difference : table.found) {
      if (shown == show) break;
      ++shown;
      named += difference.copies;
      std::printf("%s: %s %s%s%s%s\n", table.table.c_str(),
                  std::string(name(difference.kind)).c_str(), describe(difference.key).c_str(),
                  difference.copies == 1 ? "" : fmt::format(" x {}", difference.copies).c_str(),
                  difference.columns.empty() ? "" : ": ",
                  fmt::format("{}", fmt::join(difference.columns, ", ")).c_str());
    }
    if (table.differences() > named) {
      std::printf("%s: and %s more\n", table.table.c_str(),
                  human_count(table.differences() - named).c_str());
    }
    if (table.in_flux > 0) {
      std::printf("%s: %s rows were on their way, and are equal\n", table.table.c_str(),
                  human_count(table.in_flux).c_str());
    }
    if (table.reported > 0) {
      std::printf("%s: %s rows that applications had read differently were among those compared\n",
                  table.table.c_str(), human_count(table.reported).c_str());
    }
    if (table.not_looked_at > 0) {
      std::printf(
          "%s: %s of these were not looked at again, and cannot be repaired: no key finds them "
          "that "
          "both sides spell alike, or they are too many\n",
          table.table.c_str(), human_count(table.not_looked_at).c_str());
    }
    if (table.repaired > 0) {
      std::printf("%s: %s rows were repaired; verify again for a pass\n", table.table.c_str(),
                  human_count(table.repaired).c_str());
    }
  }
}

VerifyOptions::Repair repair_of(const std::string& word) {
  if (word == "rows") return VerifyOptions::Repair::rows;
  if (word == "extra") return VerifyOptions::Repair::with_extra;
  throw Error(ErrorKind::usage, fmt::format("--repair takes rows or extra, not `{}`", word))
      .remedy("migrate verify PLAN --repair, or --repair=extra");
}

// Mismatches as they are found, and a line a second: in place on a terminal, of JSON else.
void show(const WatchProgress& progress, bool terminal) {
  if (terminal) std::fputs("\r\x1b[K", stderr);
  for (const auto& [table, one] : progress.found) {
    std::fprintf(stderr, "%s: %s %s%s%s\n", table.c_str(), std::string(name(one.kind)).c_str(),
                 describe(one.key).c_str(), one.columns.empty() ? "" : ": ",
                 fmt::format("{}", fmt::join(one.columns, ", ")).c_str());
  }
  if (terminal) {
    std::fprintf(stderr, "following: %s rows looked at again, %s mismatches",
                 human_count(progress.rows).c_str(), human_count(progress.mismatches).c_str());
  } else {
    const nlohmann::json line = {{"progress", "verify"},
                                 {"rows", progress.rows},
                                 {"mismatches", progress.mismatches},
                                 {"tables", progress.tables},
                                 {"waiting", progress.waiting},
                                 {"reported", progress.reported}};
    std::fprintf(stderr, "%s\n", line.dump().c_str());
  }
  std::fflush(stderr);
}

CompareMode mode_of(const std::string& word) {
  for (const CompareMode mode :
       {CompareMode::automatic, CompareMode::stream, CompareMode::digest}) {
    if (word == name(mode)) return mode;
  }
  throw Error(ErrorKind::usage, fmt::format("--mode takes auto, stream or digest, not `{}`", word))
      .remedy("migrate verify PLAN, or with --mode stream or --mode digest");
}

}  // namespace

int run_verify(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add()("table,t", po::value<std::vector<std::string>>(),
                "compare only this table (may be repeated)")(
      "show", po::value<std::size_t>()->default_value(20), "differences to print a table")(
      "repair", po::value<std::string>()->implicit_value("rows"),
      "copy again, by the relay, the rows that are missing or differ; with --repair=extra delete "
      "those that only the target has, too")(
      "log", po::value<std::string>(), "append a line of JSON for each mismatch to this file")(
      "mode", po::value<std::string>()->default_value("auto"),
      "how whole ranges are compared: stream (rows, byte by byte), digest (by the servers, where "
      "they have one in common), auto (what is faster)");
  options.add()("continuous",
                "when all rows are compared, go on relaying, and look at each row again after it "
                "has changed, until stopped")(
      "resume", "go on where a verify was interrupted, instead of from the beginning");
  options.add_paces();
  if (!options.parse()) return kDone;
  VerifyOptions wanted;
  if (options.flag("table")) wanted.only = options.get<std::vector<std::string>>("table");
  if (options.flag("log")) wanted.log = options.get<std::string>("log");
  if (options.flag("repair")) wanted.repair = repair_of(options.get<std::string>("repair"));
  wanted.resume = options.flag("resume");
  wanted.mode = mode_of(options.get<std::string>("mode"));
  wanted.continuous = options.flag("continuous");
  Plan plan = options.plan();
  wanted.given_settings = options.take_paces(plan);
  MigrationRun migration(plan, invocation.interrupt,
                         invocation.line + (wanted.continuous ? " --continuous" : ""));
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto tick = [&](const TableComparison& table) {
    if (!terminal) return;
    std::fprintf(stderr, "\r\x1b[K%s: %s rows compared%s%s", table.table.c_str(),
                 human_count(table.rows_source).c_str(),
                 table.held.empty() ? "" : ", waiting: ", table.held.c_str());
  };
  const auto print = [&](const std::vector<TableComparison>& results) {
    if (terminal) std::fprintf(stderr, "\r\x1b[K");
    bool equal = true;
    for (const TableComparison& table : results) equal = equal && table.equal();
    if (options.json()) {
      std::printf("%s\n", to_json(results, equal).dump(2).c_str());
    } else {
      print_results(results, options.get<std::size_t>("show"));
    }
    for (const TableComparison& table : results) {
      if (table.error.empty()) continue;
      print_error(Error(ErrorKind::permanent, table.error).remedy(table.remedy));
    }
    std::fflush(stdout);
  };
  bool compared = false;  // all of it; what then is interrupted is to be
  wanted.compared = [&](const std::vector<TableComparison>& results) {
    print(results);
    compared = true;
  };
  bool different = false;  // when it was looked at last
  wanted.watched = [&](const WatchProgress& progress) {
    show(progress, terminal);
    different = progress.different;
  };
  std::vector<TableComparison> results;
  try {
    results = migration.verify(wanted, tick);
  } catch (const Error& error) {
    if (terminal) std::fprintf(stderr, "\r\x1b[K");
    if (error.kind() == ErrorKind::cancelled && different) return kDifferences;
    if (error.kind() != ErrorKind::cancelled || compared) throw;
    throw Error(ErrorKind::cancelled, error.what())
        .remedy("`migrate verify PLAN --resume` goes on behind what was found equal");
  }
  print(results);
  bool equal = true, complete = true;
  for (const TableComparison& table : results) {
    equal = equal && table.equal();
    complete = complete && table.complete;
  }
  if (!complete) return kFailed;
  return equal ? kDone : kDifferences;
}

}  // namespace migrator::cli
