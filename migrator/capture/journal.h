// The journal J: which rows of the source were changed, as its triggers (or the application) write
// it down. adapters/capture.h has the table; this reads it and takes away what is done with.
//
// Sequence numbers are no order of commits: an entry with a lower number may appear later. So what
// is read is read from the beginning, and exactly what was read is deleted, never "all up to here"
// (A7).
//
// Threads: none of its own; all calls run on the session given, which is one of the source.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapters/adapter.h"

namespace migrator {

struct JournalEntry {
  std::int64_t seq = 0;
  std::string relation;  // the plan's name of the table
  // CaptureDialect::decode has the key of it. Absent: any row of the table may have changed.
  std::optional<std::string> row_key;
  std::int64_t age_ms = 0;  // when it was read, by the server's clock
};

struct Backlog {
  std::uint64_t entries = 0;
  bool more = false;          // there are at least that many; no further was counted
  double oldest_seconds = 0;  // the age of the oldest entry; 0 if there is none
};

class Journal {
 public:
  // schema: where it lies, ServerInfo::schema of the session that makes it.
  Journal(std::string migration, std::string schema)
      : migration_(std::move(migration)), schema_(std::move(schema)) {}

  // Makes the table if it is not there.
  void install(Session& source) const;
  bool exists(Session& source) const;
  // The first entries, by their number. Throws Error(gate) if there is no journal, or if it is not
  // as it was made.
  std::vector<JournalEntry> read(Session& source, std::size_t limit) const;
  // Deletes exactly these.
  void retire(Session& source, std::span<const std::int64_t> seqs) const;
  // Deletes every entry of this key: a person has settled what becomes of its row.
  void forget(Session& source, const std::string& relation, const std::string& row_key) const;
  // Writes an entry, for a row that has to be copied again.
  void append(Session& source, const std::string& relation, const std::string& row_key) const;
  // Cheap enough to be asked every second: it counts no further than some 100,000.
  Backlog backlog(Session& source) const;
  // Deletes what is left of the migration's entries, and drops the table if `drop`: when no trigger
  // of another migration writes to it any more.
  void remove(Session& source, bool drop) const;

 private:
  std::string table(const Session& source) const;

  std::string migration_, schema_;
};

}  // namespace migrator
