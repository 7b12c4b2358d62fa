#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/engine/planner.h"
#include "plans/environment.h"

namespace migrator::cli {
namespace {

namespace po = boost::program_options;

// With its variables as the user wrote them, so that no password has to stand on a command line.
struct GivenUrl {
  std::string text;  // as it goes into the plan
  Url url;
  bool secret_left_out = false;
};

// Whether a password is in the text itself, and not only in what its variables hold.
bool spells_a_secret(const std::string& text) {
  try {
    return Url::parse(expand(text, [](const std::string&) { return std::string("1"); }).text)
               .has_secret() &&
           Url::parse(expand(text, [](const std::string&) { return std::string(); }).text)
               .has_secret();
  } catch (const Error&) {
    return text.find("://") != std::string::npos;  // a variable of its own is as good
  }
}

GivenUrl read_url(const std::string& text, const std::string& variable) {
  GivenUrl given{text, Url::parse(expand(text, process_environment()).text), false};
  if (given.url.has_secret() && spells_a_secret(text)) {
    given.text = "${" + variable + "}";
    given.secret_left_out = true;
  }
  return given;
}

// Written beside it first, then renamed: never half a plan.
void write_file(const std::string& path, const std::string& text) {
  const std::string draft = path + ".new";
  {
    std::ofstream file(draft, std::ios::trunc | std::ios::binary);
    file << text;
    file.flush();
    if (!file) {
      throw Error(ErrorKind::permanent, "cannot write " + path)
          .remedy("check the folder and its free space");
    }
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0) {
    throw Error(ErrorKind::permanent, "cannot write " + path).remedy("check the folder's rights");
  }
}

std::uint64_t scan_rows(const std::string& text) {
  if (text == "full") return UINT64_MAX;
  if (text == "none") return 0;
  if (!text.empty() && text.size() < 16 &&
      text.find_first_not_of("0123456789") == std::string::npos) {
    return std::stoull(text);
  }
  throw Error(ErrorKind::usage, "--scan takes a number of rows, `full` or `none`")
      .remedy("for example: --scan 100000");
}

nlohmann::json to_json(const Draft& draft, const std::string& file, const std::string& yaml) {
  nlohmann::json findings = nlohmann::json::array(), tables = nlohmann::json::array();
  for (const Finding& finding : draft.findings) {
    findings.push_back({{"severity", name(finding.severity)},
                        {"table", finding.table},
                        {"text", finding.text},
                        {"remedy", finding.remedy}});
  }
  for (const TableEstimate& estimate : draft.estimates) {
    tables.push_back({{"table", estimate.table},
                      {"rows", estimate.rows},
                      {"bytes", estimate.bytes},
                      {"rows_scanned", estimate.rows_scanned}});
  }
  return {{"plan", file},
          {"yaml", yaml},
          {"name", draft.plan.name},
          {"source", draft.source_product},
          {"target", draft.target_product},
          {"rows", draft.rows},
          {"bytes", draft.bytes},
          {"tables", tables},
          {"findings", findings},
          {"ready", !has_errors(draft.findings)}};
}

}  // namespace

int run_plan(const Invocation& invocation) {
  Options options(invocation, {});
  options.add()("source", po::value<std::string>(),
                "URL of the database that is read; may hold ${ENV}")(
      "target", po::value<std::string>(), "URL of the database that is written; may hold ${ENV}")(
      "output,o", po::value<std::string>(), "where to write the plan; else to standard output")(
      "name", po::value<std::string>(), "the migration's name")(
      "table,t", po::value<std::vector<std::string>>(), "take only this table (may be repeated)")(
      "exclude,x", po::value<std::vector<std::string>>(), "leave this table out (may be repeated)")(
      "scan", po::value<std::string>()->default_value("20000"),
      "rows of each table whose values are tried on the target: a number, `full` or `none`")(
      "capture", po::value<std::string>()->default_value("trigger"),
      "how writes to the source are followed: `trigger`; `shim` where all go through it; or `none` "
      "where there are none")("inline-writes",
                              "let the shim write the target, too (its mode `sync`)")(
      "force", "overwrite an existing plan");
  if (!options.parse()) return kDone;
  for (const char* needed : {"source", "target"}) {
    if (options.flag(needed)) continue;
    throw Error(ErrorKind::usage, fmt::format("migrate plan: --{} is missing", needed))
        .remedy("migrate plan --source URL --target URL -o plan.yaml");
  }
  const GivenUrl source = read_url(options.get<std::string>("source"), "SOURCE_URL");
  const GivenUrl target = read_url(options.get<std::string>("target"), "TARGET_URL");
  const std::string file = options.flag("output") ? options.get<std::string>("output") : "";
  if (!file.empty() && !options.flag("force") && access(file.c_str(), F_OK) == 0) {
    throw Error(ErrorKind::usage, file + " exists already")
        .remedy("choose another name with -o, or say --force");
  }
  PlannerOptions planner;
  planner.scan_rows = scan_rows(options.get<std::string>("scan"));
  planner.capture = options.get<std::string>("capture");
  planner.inline_writes = options.flag("inline-writes");
  if (planner.capture != "trigger" && planner.capture != "shim" && planner.capture != "none") {
    throw Error(ErrorKind::usage, "--capture takes `trigger`, `shim` or `none`")
        .remedy("leave it out: triggers are the default");
  }
  if (planner.inline_writes && planner.capture == "none") {
    throw Error(ErrorKind::usage, "--inline-writes needs a capture")
        .remedy("say --capture trigger or --capture shim");
  }
  if (options.flag("name")) planner.name = options.get<std::string>("name");
  if (options.flag("table")) planner.only = options.get<std::vector<std::string>>("table");
  if (options.flag("exclude")) planner.without = options.get<std::vector<std::string>>("exclude");
  const Draft draft = draft_plan(source.url, target.url, planner, invocation.interrupt);

  Plan written = draft.plan;
  written.source_url = source.text;
  written.target_url = target.text;
  const std::string yaml = write_plan(written, draft.comments());
  if (!file.empty()) {
    write_file(file, yaml);
    const std::string report = std::filesystem::path(file).replace_extension(".report.md");
    write_file(report, write_report(draft, file));
    if (!options.json()) {
      std::printf("plan:   %s\nreport: %s\n", file.c_str(), report.c_str());
      std::printf("about %s rows in %zu tables, %s, from %s to %s\n",
                  human_count(draft.rows).c_str(), draft.plan.tables.size(),
                  human_bytes(draft.bytes).c_str(), draft.source_product.c_str(),
                  draft.target_product.c_str());
    }
  }
  if (options.json()) {
    std::printf("%s\n", to_json(draft, file, yaml).dump(2).c_str());
  } else if (file.empty()) {
    std::fputs(yaml.c_str(), stdout);
  }
  if (!options.json()) print_findings(draft.findings, file.empty());
  for (const GivenUrl& given : {source, target}) {
    if (!given.secret_left_out) continue;
    std::fprintf(stderr,
                 "note: the password is not in the plan: set %s to the URL before you run it\n",
                 given.text.substr(2, given.text.size() - 3).c_str());
  }
  return has_errors(draft.findings) ? kRefused : kDone;
}

}  // namespace migrator::cli
