// Every key of the format, and what an unknown one may have been meant to be.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace migrator::yaml {

// One kind of mapping in a plan. `path` is where it stands, for a person.
struct Section {
  std::string_view path;  // "" is the plan itself
  std::span<const std::string_view> keys;
};

namespace keys {
inline constexpr std::array<std::string_view, 10> kPlan = {
    "version", "name",          "source", "target",   "checkpoint",
    "capture", "inline_writes", "tables", "backfill", "verify"};
inline constexpr std::array<std::string_view, 5> kTable = {"name", "to", "key", "columns", "where"};
inline constexpr std::array<std::string_view, 2> kColumn = {"to", "type"};
inline constexpr std::array<std::string_view, 6> kBackfill = {
    "jobs", "chunk", "rows_per_second", "bytes_per_second", "max_rejects", "throttle"};
inline constexpr std::array<std::string_view, 3> kChunk = {"target_ms", "max_rows", "max_bytes"};
inline constexpr std::array<std::string_view, 4> kThrottle = {"max_lag", "max_active_sessions",
                                                              "max_lock_waits", "window"};
inline constexpr std::array<std::string_view, 4> kVerify = {"range_rows", "recheck", "sample_log",
                                                            "show_values"};
}  // namespace keys

inline constexpr Section kPlanSection{"", keys::kPlan};
inline constexpr Section kTableSection{"tables[]", keys::kTable};
inline constexpr Section kColumnSection{"tables[].columns.*", keys::kColumn};
inline constexpr Section kBackfillSection{"backfill", keys::kBackfill};
inline constexpr Section kChunkSection{"backfill.chunk", keys::kChunk};
inline constexpr Section kThrottleSection{"backfill.throttle", keys::kThrottle};
inline constexpr Section kVerifySection{"verify", keys::kVerify};
inline constexpr std::array kSections = {kPlanSection,     kTableSection, kColumnSection,
                                         kBackfillSection, kChunkSection, kThrottleSection,
                                         kVerifySection};

// The number of letters to put in, take out, change or swap with their neighbour.
std::size_t edit_distance(std::string_view a, std::string_view b);

// `; did you mean "jobs"?` if a key of the section is close, `; it belongs under backfill` if
// another section has just this key, "" if neither.
std::string suggest_key(const Section& section, std::string_view unknown);

}  // namespace migrator::yaml
