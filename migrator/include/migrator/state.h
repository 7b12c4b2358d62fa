// Where a migration stands: what decides which database is written and which is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace migrator {

// In this order. Two processes are at most one phase apart.
enum class Phase {
  planned,         // the source is written and read
  dual_write,      // writes of the source are followed on the target
  backfill,        // and the rows of before are copied
  shadow_read,     // reads are compared, some already served by the target
  cutover,         // the target is written and read; the source follows
  single_write,    // the target alone
  decommissioned,  // nothing of the migration is left
};
std::string_view name(Phase phase);
std::optional<Phase> phase_of(std::string_view name);

enum class Side { source, target };
std::string_view name(Side side);

// As an instance of the shim knows it, at most a lease old.
struct MigrationState {
  Phase phase = Phase::planned;
  std::uint64_t epoch = 0;        // rises with every change of authority, never used twice
  std::optional<Side> authority;  // whom the application may write to; absent: nobody, for a moment
  int shadow_percent = 0;         // of keys whose reads are compared with the other side
  int read_percent = 0;           // of keys that are read from the target
};

}  // namespace migrator
