#include "migrator/cli/command.h"

#include <cstdio>
#include <sstream>

#include <fmt/format.h>

#include "migrator/engine/steering.h"
#include "plans/route.h"

namespace migrator::cli {

namespace po = boost::program_options;

int exit_code(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::usage:
      return kUsage;
    case ErrorKind::gate:
      return kRefused;
    case ErrorKind::cancelled:
      return kInterrupted;
    default:
      return kFailed;
  }
}

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {"plan", "--source URL --target URL [-o PLAN]", "look at both databases and draft a plan",
       run_plan},
      {"check", "PLAN", "show what would stop the migration, and what would be made", run_check},
      {"start", "PLAN", "make the target's tables, and capture changes of the source", run_start},
      {"backfill", "PLAN", "copy every row, in chunks that resume after any stop", run_backfill},
      {"relay", "PLAN [--follow]", "bring what has changed on the source to the target", run_relay},
      {"verify", "PLAN", "compare every row of both sides", run_verify},
      {"mismatches", "PLAN", "list or resolve the rows that a verify found to differ",
       run_mismatches},
      {"shadow", "PLAN [--percent P]", "ramp the application's reads over to the target",
       run_shadow},
      {"finish", "PLAN", "end the migration: the writers of the source are stopped", run_finish},
      {"status", "PLAN", "show how far it has come", run_status},
      {"rejects", "PLAN", "list, retry or resolve the rows that the target refused", run_rejects},
      {"pause", "PLAN", "hold a running backfill at the next chunk", run_pause},
      {"resume", "PLAN", "let a paused backfill go on", run_resume},
      {"set", "PLAN name=value...", "change a running backfill: jobs, rates, chunk sizes", run_set},
  };
  return all;
}

Options::Options(const Invocation& invocation, std::vector<std::string> positional, bool many)
    : invocation_(invocation),
      positional_(std::move(positional)),
      many_(many),
      description_("Options") {
  add()("help,h", "show this help")("json", "print one JSON document on standard output");
}

bool Options::parse() {
  po::options_description all;
  all.add(description_);
  po::positional_options_description places;
  for (std::size_t at = 0; at < positional_.size(); ++at) {
    const bool rest = many_ && at + 1 == positional_.size();
    if (rest) {
      all.add_options()(positional_[at].c_str(), po::value<std::vector<std::string>>());
    } else {
      all.add_options()(positional_[at].c_str(), po::value<std::string>());
    }
    places.add(positional_[at].c_str(), rest ? -1 : 1);
  }
  const std::string help = "`migrate " + invocation_.command + " --help` shows its options";
  try {
    po::store(
        po::command_line_parser(invocation_.arguments)
            .options(all)
            .positional(places)
            .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
            .run(),
        values_);
    if (flag("help")) {
      for (const Command& command : commands()) {
        if (command.name != invocation_.command) continue;
        std::ostringstream text;
        text << "usage: migrate " << command.name << ' ' << command.synopsis << "\n\n"
             << command.summary << "\n\n"
             << description_;
        std::fputs(text.str().c_str(), stdout);
      }
      return false;
    }
    po::notify(values_);
  } catch (const po::unknown_option& error) {
    std::vector<std::string> names;
    for (const auto& option : description_.options()) names.push_back("--" + option->long_name());
    const std::string near = nearest(error.get_option_name(), names);
    throw Error(ErrorKind::usage, "unknown option " + error.get_option_name())
        .remedy(near.empty() ? help : fmt::format("did you mean {}?", near));
  } catch (const po::error& error) {
    // The library's text may repeat the value given, and that may be a URL with a password: so not
    // here.
    const auto* named = dynamic_cast<const po::error_with_option_name*>(&error);
    throw Error(ErrorKind::usage,
                named ? "wrong or missing value for option " + named->get_option_name()
                      : std::string("wrong arguments"))
        .remedy(help);
  }
  for (const std::string& name : positional_) {
    if (values_.count(name) > 0) continue;
    throw Error(ErrorKind::usage,
                fmt::format("migrate {}: {} is missing", invocation_.command, name))
        .remedy(help);
  }
  return true;
}

void Options::add_paces() {
  add()("jobs,j", po::value<std::string>(), "workers (the plan's backfill.jobs)")(
      "rows-per-second", po::value<std::string>(), "at most so many rows a second; 0: no limit")(
      "bytes-per-second", po::value<std::string>(), "at most so many bytes a second, \"20MiB\"");
}

std::vector<std::string> Options::take_paces(Plan& plan) const {
  std::vector<std::string> given;
  for (const auto& [option, setting] : {std::pair{"jobs", "jobs"},
                                        {"rows-per-second", "rows_per_second"},
                                        {"bytes-per-second", "bytes_per_second"}}) {
    if (!flag(option)) continue;
    apply_setting(plan.backfill, setting, get<std::string>(option));
    given.emplace_back(setting);
  }
  return given;
}

Plan Options::plan() const { return read_plan_file(get<std::string>("PLAN")); }

}  // namespace migrator::cli
