#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/engine/shadow.h"

namespace migrator::cli {

int run_shadow(const Invocation& invocation) {
  namespace po = boost::program_options;
  Options options(invocation, {"PLAN"});
  options.add()("percent", po::value<int>(),
                "of the keys, whose reads are compared with the other side (DualCall::read)")(
      "read-percent", po::value<int>(),
      "of the keys, which are read from the target; needs a verify that has passed");
  if (!options.parse()) return kDone;
  ShadowOptions wanted;
  if (options.flag("percent")) wanted.shadow_percent = options.get<int>("percent");
  if (options.flag("read-percent")) wanted.read_percent = options.get<int>("read-percent");
  const ShadowState state = shadow(options.plan(), wanted, invocation.interrupt);
  if (options.json()) {
    nlohmann::json instances = nlohmann::json::array();
    for (const ShimInstance& one : state.instances) {
      instances.push_back(
          {{"instance", one.instance}, {"phase", name(one.phase)}, {"gone", one.gone()}});
    }
    const nlohmann::json document = {
        {"phase", name(state.row.phase)},           {"percent", state.row.shadow_percent},
        {"read_percent", state.row.read_percent},   {"reported", state.reported},
        {"reported_beyond", state.reported_beyond}, {"instances", instances}};
    std::printf("%s\n", document.dump(2).c_str());
    return kDone;
  }
  std::printf("phase %s: reads of %d %% of the keys are compared, of %d %% served by the target\n",
              std::string(name(state.row.phase)).c_str(), state.row.shadow_percent,
              state.row.read_percent);
  if (state.reported > 0) {
    std::printf(
        "%s rows that applications have read differently%s wait for `migrate verify PLAN`\n",
        human_count(state.reported).c_str(), state.reported_beyond > 0 ? " (and more)" : "");
  }
  for (const ShimInstance& one : state.instances) {
    if (one.gone()) continue;
    std::printf("  %s: %s\n", one.instance.c_str(), std::string(name(one.phase)).c_str());
  }
  return kDone;
}

}  // namespace migrator::cli
