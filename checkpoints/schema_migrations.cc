#include "checkpoints/schema_migrations.h"

#include <array>

#include <fmt/format.h>

namespace migrator::checkpoint {
namespace {

// STRICT, so that damage to a type is an error and not a wrong number. What each column means is in
// FORMAT.md.
constexpr char kVersion1[] = R"sql(
CREATE TABLE owner (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  pid INTEGER NOT NULL,
  host TEXT NOT NULL,
  command TEXT NOT NULL,
  since INTEGER NOT NULL,
  released_at INTEGER
) STRICT;

CREATE TABLE migration (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  plan_fingerprint TEXT NOT NULL,
  begun_at INTEGER NOT NULL
) STRICT;

CREATE TABLE plan_meaning (
  position INTEGER PRIMARY KEY,
  text TEXT NOT NULL
) STRICT;

CREATE TABLE epochs (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  reserved INTEGER NOT NULL CHECK (reserved >= 0)
) STRICT;
INSERT INTO epochs (only, reserved) VALUES (1, 0);

CREATE TABLE steps (
  step TEXT PRIMARY KEY,
  done_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tables (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'copying', 'copied', 'finished')),
  rows_estimate INTEGER NOT NULL CHECK (rows_estimate >= 0),
  bytes_estimate INTEGER NOT NULL CHECK (bytes_estimate >= 0),
  chunks_cut INTEGER NOT NULL DEFAULT 0 CHECK (chunks_cut >= 0),
  chunks_done INTEGER NOT NULL DEFAULT 0 CHECK (chunks_done BETWEEN 0 AND chunks_cut),
  rows INTEGER NOT NULL DEFAULT 0 CHECK (rows >= 0),
  bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
  rejects_open INTEGER NOT NULL DEFAULT 0 CHECK (rejects_open >= 0),
  frontier TEXT,
  cut_to_end INTEGER NOT NULL DEFAULT 0 CHECK (cut_to_end IN (0, 1))
) STRICT;

CREATE TABLE chunks (
  table_id INTEGER NOT NULL REFERENCES tables (id),
  number INTEGER NOT NULL CHECK (number >= 0),
  lower TEXT,
  upper TEXT,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'claimed', 'done')),
  epoch INTEGER NOT NULL DEFAULT 0 CHECK (epoch >= 0),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  rows INTEGER CHECK (rows >= 0),
  bytes INTEGER CHECK (bytes >= 0),
  took_ms INTEGER,
  claimed_at INTEGER,
  lease_until INTEGER,
  finished_at INTEGER,
  PRIMARY KEY (table_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX chunks_open ON chunks (table_id, number) WHERE state <> 'done';

CREATE TABLE rejects (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  table_id INTEGER NOT NULL REFERENCES tables (id),
  key TEXT NOT NULL,
  chunk INTEGER NOT NULL CHECK (chunk >= 0),
  code TEXT NOT NULL,
  error TEXT NOT NULL,
  at INTEGER NOT NULL,
  open INTEGER NOT NULL CHECK (open IN (0, 1)),
  resolution TEXT NOT NULL,
  UNIQUE (table_id, key)
) STRICT;
CREATE INDEX rejects_open ON rejects (table_id, chunk) WHERE open = 1;

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  table_name TEXT NOT NULL,
  text TEXT NOT NULL
) STRICT;

CREATE TABLE verify_outcomes (
  table_name TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  rows INTEGER NOT NULL CHECK (rows >= 0),
  missing INTEGER NOT NULL CHECK (missing >= 0),
  extra INTEGER NOT NULL CHECK (extra >= 0),
  differing INTEGER NOT NULL CHECK (differing >= 0),
  complete INTEGER NOT NULL CHECK (complete IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE control (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
  version INTEGER NOT NULL CHECK (version >= 0)
) STRICT;
INSERT INTO control (only, paused, version) VALUES (1, 0, 0);

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// Mismatches may be of tables that no backfill has put down.
constexpr char kVersion2[] = R"sql(
ALTER TABLE verify_outcomes ADD COLUMN in_flux INTEGER NOT NULL DEFAULT 0 CHECK (in_flux >= 0);

CREATE TABLE mismatches (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  table_name TEXT NOT NULL,
  key TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('missing', 'extra', 'differs')),
  columns TEXT NOT NULL,
  found INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  open INTEGER NOT NULL CHECK (open IN (0, 1)),
  resolution TEXT NOT NULL,
  UNIQUE (table_name, key)
) STRICT;
CREATE INDEX mismatches_open ON mismatches (table_name) WHERE open = 1;
)sql";

// value_pairs: as a key of texts, the source's and the target's of each column in turn.
constexpr char kVersion3[] = R"sql(
ALTER TABLE mismatches ADD COLUMN value_pairs TEXT NOT NULL DEFAULT '[]';
ALTER TABLE mismatches ADD COLUMN phase TEXT NOT NULL DEFAULT '';

CREATE TABLE verify_progress (
  table_name TEXT PRIMARY KEY,
  begun INTEGER NOT NULL,
  upto TEXT NOT NULL,
  rows_source INTEGER NOT NULL CHECK (rows_source >= 0),
  rows_target INTEGER NOT NULL CHECK (rows_target >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE digest_key (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  key TEXT NOT NULL
) STRICT;
INSERT INTO digest_key (only, key) VALUES (1, lower(hex(randomblob(16))));
)sql";

constexpr std::array kMigrations = {
    SchemaMigration{1, kVersion1},
    SchemaMigration{2, kVersion2},
    SchemaMigration{3, kVersion3},
};

}  // namespace

std::span<const SchemaMigration> schema_migrations() { return kMigrations; }

int identify(Connection& connection, std::span<const SchemaMigration> migrations) {
  const std::string& path = connection.path();
  if (connection.integer("PRAGMA application_id") != kApplicationId) {
    // A store appears under its name complete, so an empty file is not one that was never begun: it
    // may be one that was cut off.
    const bool empty = connection.integer("PRAGMA page_count") == 0;
    throw_damaged(path,
                  empty ? "it is an empty file" : "it is the SQLite database of another program",
                  std::to_string(SQLITE_NOTADB));
  }
  const std::int64_t version = connection.integer("PRAGMA user_version");
  const int newest = migrations.back().to;
  if (version > newest) {
    throw Error(
        ErrorKind::permanent,
        fmt::format("{} has checkpoint format version {}, and this migrate knows versions up "
                    "to {}",
                    path, version, newest))
        .remedy("upgrade migrate to the version that wrote the file, or a later one");
  }
  if (version < 1) throw_damaged(path, "its format version is missing", "");
  return static_cast<int>(version);
}

void bring_schema_forward(Connection& connection, std::span<const SchemaMigration> migrations,
                          int from) {
  Transaction transaction(connection, Transaction::Kind::write);
  for (const SchemaMigration& migration : migrations) {
    if (migration.to <= from) continue;
    connection.execute(migration.sql);
    connection.execute(fmt::format("PRAGMA user_version = {}", migration.to).c_str());
  }
  connection.execute(fmt::format("PRAGMA application_id = {}", kApplicationId).c_str());
  transaction.commit();
}

void require_current(const Connection& connection, std::span<const SchemaMigration> migrations,
                     int version) {
  if (version == migrations.back().to) return;
  throw Error(ErrorKind::permanent,
              fmt::format("{} has checkpoint format version {}, and this migrate writes version {}",
                          connection.path(), version, migrations.back().to))
      .remedy(
          "run `migrate backfill` or `migrate verify` on the plan once: they bring the file "
          "forward, which looking at it must not do");
}

}  // namespace migrator::checkpoint
