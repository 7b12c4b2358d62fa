#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/engine/migration_run.h"

namespace migrator::cli {

namespace {

nlohmann::json to_json(const std::vector<Finding>& findings) {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"severity", name(finding.severity)},
                    {"table", finding.table},
                    {"text", finding.text},
                    {"remedy", finding.remedy}});
  }
  return list;
}

}  // namespace

int run_check(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add()("allow-existing", "the target's tables may hold rows already");
  if (!options.parse()) return kDone;
  MigrationRun migration(options.plan(), invocation.interrupt, invocation.line);
  const MigrationRun::CheckReport report =
      migration.check({.allow_existing = options.flag("allow-existing")});
  const bool refused = has_errors(report.findings);
  if (options.json()) {
    const nlohmann::json document = {{"ready", !refused},
                                     {"findings", to_json(report.findings)},
                                     {"statements", report.statements}};
    std::printf("%s\n", document.dump(2).c_str());
  } else {
    print_findings(report.findings, true);
    for (const std::string& sql : report.statements) std::printf("%s;\n", sql.c_str());
    std::fprintf(stderr, "%s\n", refused ? "not ready: see the errors above" : "ready");
  }
  return refused ? kRefused : kDone;
}

int run_start(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add()("allow-existing", "the target's tables may hold rows already")(
      "forget-target", "drop what an earlier run, whose checkpoint is lost, left on the target")(
      "recapture", "make triggers of capture anew that are gone; what was missed is for verify");
  if (!options.parse()) return kDone;
  MigrationRun migration(options.plan(), invocation.interrupt, invocation.line);
  const StartReport report = migration.start({.allow_existing = options.flag("allow-existing"),
                                              .forget_target = options.flag("forget-target"),
                                              .recapture = options.flag("recapture")});
  if (options.json()) {
    const nlohmann::json document = {{"tables_created", report.tables_created},
                                     {"captured", report.captured},
                                     {"resumed", report.resumed},
                                     {"findings", to_json(report.findings)}};
    std::printf("%s\n", document.dump(2).c_str());
    return kDone;
  }
  print_findings(report.findings, false);
  for (const std::string& table : report.tables_created) std::printf("created %s\n", table.c_str());
  for (const std::string& table : report.captured) {
    std::printf("capturing changes of %s\n", table.c_str());
  }
  std::printf("the target is ready; next: migrate backfill PLAN\n");
  return kDone;
}

}  // namespace migrator::cli
