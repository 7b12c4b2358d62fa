#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoints/store.h"
#include "migrator/cli/command.h"
#include "migrator/engine/steering.h"

namespace migrator::cli {
namespace {

int change(const Options& options, const std::optional<bool>& paused,
           const std::map<std::string, std::string>& settings, const std::string& done) {
  const Plan plan = options.plan();
  for (const auto& [name, value] : settings) {
    BackfillPlan checked = plan.backfill;
    apply_setting(checked, name, value);
  }
  const Control control = change_control(plan.checkpoint, paused, settings);
  const bool running = store_owner(plan.checkpoint).has_value();
  if (options.json()) {
    const nlohmann::json document = {
        {"paused", control.paused}, {"settings", control.settings}, {"running", running}};
    std::printf("%s\n", document.dump(2).c_str());
  } else {
    std::printf("%s%s\n", done.c_str(),
                running ? "" : " (no command is running now: it holds for the next one)");
  }
  return kDone;
}

}  // namespace

int run_pause(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  if (!options.parse()) return kDone;
  return change(options, true, {}, "paused: the chunks in hand are finished, no other is begun");
}

int run_resume(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  if (!options.parse()) return kDone;
  return change(options, false, {}, "going on");
}

int run_set(const Invocation& invocation) {
  Options options(invocation, {"PLAN", "name=value"}, true);
  if (!options.parse()) return kDone;
  std::map<std::string, std::string> settings;
  for (const std::string& given : options.get<std::vector<std::string>>("name=value")) {
    const std::size_t equals = given.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorKind::usage, "`" + given + "` is not name=value")
          .remedy(
              "for example: migrate set PLAN rows_per_second=20000; `rows_per_second=` takes it "
              "back");
    }
    settings[given.substr(0, equals)] = given.substr(equals + 1);
  }
  return change(options, std::nullopt, settings, "set");
}

}  // namespace migrator::cli
