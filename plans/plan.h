// The plan: what a person wrote down to be migrated, read from YAML. See plans/README.md for the
// format.
//
// A Plan is a plain value; nothing in it has been checked against a database (that is
// engine/preflight).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/url.h"

namespace migrator {

// What becomes of one source column. A column that the plan does not name is copied under its own
// name with the type that the target's dialect maps it to.
struct ColumnPlan {
  bool drop = false;  // `legacy_note: null`
  std::string to;     // "": the same name
  std::string type;   // the target's native type; "": mapped
  bool operator==(const ColumnPlan&) const = default;
};

struct TablePlan {
  std::string name;              // "orders" or "sales.orders", on the source
  std::string to;                // on the target; "": the same name
  std::vector<std::string> key;  // empty: the primary key, else a NOT NULL unique one
  std::map<std::string, ColumnPlan> columns;
  std::string where;  // SQL of the source; "": every row
  bool operator==(const TablePlan&) const = default;
};

struct ThrottlePlan {
  std::chrono::milliseconds max_lag{0};  // of replicas; 0: not looked at
  std::int64_t max_active_sessions = 0;  // on either side; 0: not looked at
  std::int64_t max_lock_waits = 0;  // sessions waiting for locks on either side; 0: not looked at
  std::string window;               // "22:00-06:00" UTC; "": always
  bool operator==(const ThrottlePlan&) const = default;
};

// The most (and least, where it is not 0 or 1) that a plan or `migrate set` may ask for.
inline constexpr std::uint64_t kJobsMax = 64;
inline constexpr std::uint64_t kChunkTargetMsMax = 600'000;
inline constexpr std::uint64_t kChunkRowsMax = 10'000'000;
inline constexpr std::uint64_t kChunkBytesMin = std::uint64_t{1} << 10;
inline constexpr std::uint64_t kChunkBytesMax = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kRangeRowsMax = 10'000'000;
inline constexpr std::uint64_t kRowsPerSecondMax = 1'000'000'000;
inline constexpr std::uint64_t kBytesPerSecondMax = std::uint64_t{1} << 40;

struct BackfillPlan {
  int jobs = 4;
  std::optional<std::chrono::milliseconds> chunk_target;  // absent: what suits the target's engine
  std::uint64_t chunk_rows_max = 500'000;
  std::optional<std::uint64_t> chunk_bytes_max;  // absent: what suits the target's engine
  std::uint64_t rows_per_second = 0;             // 0: no limit
  std::uint64_t bytes_per_second = 0;            // 0: no limit
  std::uint64_t rejects_max =
      1000;  // per table: more stop the table, as the plan must then be wrong
  ThrottlePlan throttle;
  bool operator==(const BackfillPlan&) const = default;
};

struct VerifyPlan {
  std::uint64_t sample_log = 1000;  // differences kept per table
  // Before each further look at a row that differs, where the source is written to meanwhile.
  std::vector<std::chrono::milliseconds> recheck{std::chrono::milliseconds(50),
                                                 std::chrono::milliseconds(500),
                                                 std::chrono::milliseconds(5000)};
  bool show_values = false;
  std::uint64_t range_rows = 50'000;  // compared as a whole, and again row by row where it differs
  bool operator==(const VerifyPlan&) const = default;
};

struct Plan {
  int version = 1;
  std::string name;        // [A-Za-z0-9_-]{1,63}
  std::string source_url;  // ${ENV} expanded: may hold a password, never print it
  std::string target_url;
  std::string checkpoint;  // path of the checkpoint store; relative to the folder of the plan file
  // How writes to the source are followed: by "trigger", by the "shim" that the application writes
  // through; or "none", which means that there must not be any.
  std::string capture = "none";
  // The shim may write the target as well (its mode `sync`).
  bool inline_writes = false;
  std::vector<TablePlan> tables;
  BackfillPlan backfill;
  VerifyPlan verify;
  std::string file;  // where it was read from; "" if from text
};

// Looks up a variable; absent if it is not set.
using Environment = std::function<std::optional<std::string>(const std::string&)>;
Environment process_environment();

// Reads a plan. Throws Error(usage) naming file, line and column, what is wrong, and the nearest
// known key for an unknown one. Errors never contain the expansion of a variable.
Plan read_plan_file(const std::string& path,
                    const Environment& environment = process_environment());
Plan read_plan(std::string_view yaml, const std::string& file_label,
               const Environment& environment);

// The plan as a person would have written it: defaults left out, comments where they help.
// `comments` is by table name: lines put as comments above the table (the report's notes).
// source_url and target_url are written as they stand: callers pass "${SOURCE_URL}" where there is
// a secret.
std::string write_plan(const Plan& plan,
                       const std::map<std::string, std::vector<std::string>>& comments);

// What must not change under a running migration, as canonical lines "tables.orders.key = id": the
// same for plans that differ only in order, comments, spelling of defaults, secrets, or in what may
// be changed at any time (jobs, rates, throttle, chunk sizes, verify's logging). URLs without
// secrets.
std::vector<std::string> meaning(const Plan& plan);
// A short hash of meaning(): 16 hex digits.
std::string fingerprint(const Plan& plan);
// For a person: the lines of meaning that were taken out ("- ...") and put in ("+ ...").
std::vector<std::string> meaning_difference(const std::vector<std::string>& before,
                                            const std::vector<std::string>& after);

// "500ms", "5s", "2m", "24h" and "16MiB", "64KiB", "1GiB", "4096": throw Error(usage) on anything
// else.
std::chrono::milliseconds parse_duration(std::string_view text);
std::uint64_t parse_size(std::string_view text);

}  // namespace migrator
