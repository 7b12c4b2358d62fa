// Where the relay hears which rows of the source were changed. Keys are all that a feed gives: the
// rows are read as they are then, so it does not matter what filled it, nor whether it gives a key
// too often. The journal is the one there is, filled by triggers or by the shim; one that reads the
// server's log (logical decoding, a binlog) would be another.
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

struct Change {
  // Its name in retire(), never given twice; and of two changes of one key under that key's lock
  // the later one has the higher number.
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

class ChangeFeed {
 public:
  virtual ~ChangeFeed() = default;
  // The first changes that are not retired, each from the moment that its transaction commits until
  // it is retired. The rows are read in the same transaction of `source`, after this: so a feed
  // gives no change that this transaction's snapshot does not see (a log may be ahead of it).
  // Throws Error(gate) where changes may have been lost.
  virtual std::vector<Change> read(Session& source, std::size_t limit) const = 0;
  // Exactly these are done with, for good. A crash in front of it gives them once more.
  virtual void retire(Session& source, std::span<const std::int64_t> seqs) const = 0;
  // The keys of a table that have changes which are not retired yet, each once, as in Change, and
  // no more than `most` of them. As read(), it sees what the session's transaction sees.
  virtual std::vector<std::optional<std::string>> pending(Session& source,
                                                          const std::string& relation,
                                                          std::size_t most) const = 0;
  // Adds a change of this key, for a row that has to be copied again. Takes part in the session's
  // transaction.
  virtual void append(Session& source, const std::string& relation,
                      const std::string& row_key) const = 0;
  // Cheap enough to be asked every second.
  virtual Backlog backlog(Session& source) const = 0;
};

}  // namespace migrator
