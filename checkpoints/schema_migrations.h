// The versions of the checkpoint's format (FORMAT.md), and the way from each to the next.
//
// Threads: plain functions over a connection that the caller owns.
#pragma once

#include <span>

#include "checkpoints/sqlite_connection.h"

namespace migrator::checkpoint {

// "MIGR" in ASCII: PRAGMA application_id of every checkpoint, so that no other database is taken
// for one.
inline constexpr std::int64_t kApplicationId = 0x4d494752;

// Takes a store from version `to - 1` to `to`. Once released it never changes: stores have run it.
struct SchemaMigration {
  int to;
  const char* sql;
};
// All of them, by version, from 1 and without a gap. The last one is what this build reads and
// writes.
std::span<const SchemaMigration> schema_migrations();

// The version of an existing store, from 1 to the last of `migrations`. Changes nothing. Throws
// Error(permanent) for a newer one, naming both versions, and for a file that is no checkpoint.
int identify(Connection& connection, std::span<const SchemaMigration> migrations);

// Runs the migrations after version `from` in one transaction: all or none. REQUIRES: the plan's
// OwnerLock is held.
void bring_schema_forward(Connection& connection, std::span<const SchemaMigration> migrations,
                          int from);

// Throws Error(permanent) for a store that open_store() has yet to bring forward: a reader must not
// change the file, so it cannot.
void require_current(const Connection& connection, std::span<const SchemaMigration> migrations,
                     int version);

}  // namespace migrator::checkpoint
