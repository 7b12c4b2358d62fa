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
    for (const Difference& difference : table.first) {
      first.push_back({{"kind", name(difference.kind)},
                       {"key", nlohmann::json::parse(encode_key(difference.key))},
                       {"columns", difference.columns}});
    }
    tables.push_back({{"table", table.table},
                      {"equal", table.equal()},
                      {"complete", table.complete},
                      {"rows_source", table.rows_source},
                      {"rows_target", table.rows_target},
                      {"missing", table.missing},
                      {"extra", table.extra},
                      {"differing", table.differing},
                      {"seconds", table.seconds},
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
                    !table.complete ? "not compared"
                    : table.equal() ? "equal"
                                    : "DIFFERENT"});
  }
  std::fputs(columns(rows).c_str(), stdout);
  for (const TableComparison& table : results) {
    std::size_t shown = 0;
    for (const Difference& difference : table.first) {
      if (++shown > show) break;
      std::printf("%s: %s %s%s%s\n", table.table.c_str(),
                  std::string(name(difference.kind)).c_str(), describe(difference.key).c_str(),
                  difference.columns.empty() ? "" : ": ",
                  fmt::format("{}", fmt::join(difference.columns, ", ")).c_str());
    }
    const std::uint64_t all = table.missing + table.extra + table.differing;
    if (all > shown) {
      std::printf("%s: and %s more\n", table.table.c_str(),
                  human_count(all - std::min<std::uint64_t>(shown, show)).c_str());
    }
  }
}

}  // namespace

int run_verify(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add()("table,t", po::value<std::vector<std::string>>(),
                "compare only this table (may be repeated)")(
      "show", po::value<std::size_t>()->default_value(20), "differences to print a table");
  if (!options.parse()) return kDone;
  MigrationRun migration(options.plan(), invocation.interrupt, invocation.line);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto tick = [&](const TableComparison& table) {
    if (!terminal) return;
    std::fprintf(stderr, "\r\x1b[K%s: %s rows compared", table.table.c_str(),
                 human_count(table.rows_source).c_str());
  };
  const auto results =
      migration.verify(options.flag("table") ? options.get<std::vector<std::string>>("table")
                                             : std::vector<std::string>{},
                       tick);
  if (terminal) std::fprintf(stderr, "\r\x1b[K");
  bool equal = true, complete = true;
  for (const TableComparison& table : results) {
    equal = equal && table.equal();
    complete = complete && table.complete;
  }
  if (options.json()) {
    std::printf("%s\n", to_json(results, equal).dump(2).c_str());
  } else {
    print_results(results, options.get<std::size_t>("show"));
  }
  for (const TableComparison& table : results) {
    if (table.error.empty()) continue;
    print_error(Error(ErrorKind::permanent, table.error).remedy(table.remedy));
  }
  if (!complete) return kFailed;
  return equal ? kDone : kDifferences;
}

}  // namespace migrator::cli
