// Cuts a table into ranges that mean the same rows on both sides.
//
// It cuts otherwise than the copy's Chunker does, and on purpose: at other keys, so that a row that
// was lost at the edge of a chunk lies in the middle of a range. Whole numbers are cut by
// arithmetic, from the lowest to the highest and at a width that follows the rows found; other keys
// by asking the source for the nth one.
//
// Threads: next() and learn() may be called from several.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "migrator/copy/endpoints.h"
#include "migrator/verify/compared_table.h"

namespace migrator {

struct VerifyRange {
  std::uint64_t number = 0;  // from 0, in the order of the key
  KeyRange source, target;   // the same, in each side's words
};

class RangeCutter {
 public:
  // rows: of a range, about: enough that what a range costs beside its rows does not count, few
  // enough to read them again one by one where it differs. open: makes a session of the
  // source, or of the target; they are its own. behind: a key of
  // the source behind which to begin; absent: the beginning.
  using Open = std::function<Opened<Source>(bool of_source)>;
  RangeCutter(const ComparedTable& table, std::uint64_t rows, const Open& open,
              const std::optional<Key>& behind);

  // False where both sides do not order the key alike, or hold rows that no range does: then there
  // is one range, the whole table.
  bool cuts() const { return cuts_; }

  // Whether the first range begins behind the key given.
  bool began_behind() const { return began_behind_; }

  // Throws what the source throws; nothing is cut then, and it may be called again.
  std::optional<VerifyRange> next();
  // What was found in a range, so that the next ones become as large as they should.
  void learn(const VerifyRange& range, std::uint64_t rows);

 private:
  std::optional<Key> boundary();
  std::optional<Key> integer_boundary();
  // A key of the source as the target spells it; absent if it has no form there.
  std::optional<Key> translate(const Key& key);
  void connect();
  bool can_cut();

  const ComparedTable& table_;
  const std::uint64_t rows_;
  const Open open_;
  std::mutex mutex_;
  Opened<Source> source_, target_;
  std::optional<Transcoder> to_target_;  // of keys
  bool cuts_ = false, integers_ = false, over_ = false;
  bool began_behind_ = false;
  std::uint64_t number_ = 0;
  std::optional<Key> frontier_, target_frontier_;
  std::int64_t highest_ = 0;  // integers
  double width_ = 0;          // of a range, in numbers of the key
  bool empty_ = false;        // the last one known was
};

}  // namespace migrator
