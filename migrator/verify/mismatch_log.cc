#include "migrator/verify/mismatch_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace migrator {

std::string mismatch_line(const Difference& difference, const MismatchContext& context) {
  nlohmann::json values = nlohmann::json::array();
  for (const auto& [source, target] : difference.values) {
    values.push_back({{"source", source}, {"target", target}});
  }
  const nlohmann::json line = {
      {"version", 1},
      {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                           fmt::gmtime(std::chrono::system_clock::to_time_t(context.at)))},
      {"migration", context.migration},
      {"phase", context.phase},
      {"seq", context.seq},
      {"table", context.table},
      {"key", nlohmann::json::parse(encode_key(difference.key))},
      {"kind", name(difference.kind)},
      {"columns", difference.columns},
      {"copies", difference.copies},
      {"values", values}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace migrator
