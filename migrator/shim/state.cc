#include "migrator/state.h"

#include <array>

namespace migrator {
namespace {

constexpr std::array<std::string_view, 7> kPhases{"planned",       "dual_write", "backfill",
                                                  "shadow_read",   "cutover",    "single_write",
                                                  "decommissioned"};

}  // namespace

std::string_view name(Phase phase) { return kPhases.at(static_cast<std::size_t>(phase)); }

std::optional<Phase> phase_of(std::string_view name) {
  for (std::size_t at = 0; at < kPhases.size(); ++at) {
    if (kPhases[at] == name) return static_cast<Phase>(at);
  }
  return std::nullopt;
}

std::string_view name(Side side) { return side == Side::source ? "source" : "target"; }

}  // namespace migrator
