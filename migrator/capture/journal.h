// The journal J: which rows of the source were changed, as its triggers (or the application) write
// it down. adapters/capture.h has the table; this reads it and takes away what is done with.
//
// Sequence numbers are no order of commits: an entry with a lower number may appear later. So what
// is read is read from the beginning, and exactly what was read is deleted, never "all up to here"
// (A7).
//
// Threads: none of its own; all calls run on the session given, which is one of the source.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "migrator/capture/change_feed.h"

namespace migrator {

class Journal : public ChangeFeed {
 public:
  // schema: where it lies, ServerInfo::schema of the session that makes it.
  Journal(std::string migration, std::string schema)
      : migration_(std::move(migration)), schema_(std::move(schema)) {}

  // Makes the table if it is not there.
  void install(Session& source) const;
  bool exists(Session& source) const;
  // By their number. Throws Error(gate) if there is no journal, or if it is not as it was made.
  std::vector<Change> read(Session& source, std::size_t limit) const override;
  // Deletes exactly these.
  void retire(Session& source, std::span<const std::int64_t> seqs) const override;
  // The numbers of this key's entries.
  std::vector<std::int64_t> entries_of(Session& source, const std::string& relation,
                                       const std::string& row_key) const;
  std::vector<std::optional<std::string>> pending(Session& source, const std::string& relation,
                                                  std::size_t most) const override;
  void append(Session& source, const std::string& relation,
              const std::string& row_key) const override;
  // Counts no further than some 100,000.
  Backlog backlog(Session& source) const override;
  // Deletes what is left of the migration's entries, and drops the table if `drop`: when no trigger
  // of another migration writes to it any more.
  void remove(Session& source, bool drop) const;

 private:
  std::string table(const Session& source) const;

  std::string migration_, schema_;
};

}  // namespace migrator
