// Compares every row of a table on both sides, by ranges of its key, and by as many workers as it
// is given.
//
// A range is first compared as a whole, in one of two ways that say the same:
//   stream   the rows of both sides in their own wire form, byte by byte and undecoded;
//   digest   both servers reduce their rows to a count and a sum of 128-bit hashes, and only that
//            is fetched. Where only one of the engines can, the other side's rows are read and
//            reduced here.
// Where a range differs, or where both sides have no such form in common, its rows are merged by
// their keys (row_merge.h), which says what differs. So a difference in spelling alone (JSON with
// its members in another order) costs time, and is none.
//
// A table without a key has no order to merge by: its rows are counted (multiset.h). Tables whose
// keys the two sides order differently are one range, read in an order that both
// share. Memory is a few batches a worker, whatever the table's size. Rows that change between the
// two reads show up as differences, which recheck.h looks at again.
//
// Threads: compare() runs threads of its own and returns when they have ended; their sessions are
// kept for the next table.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migrator/copy/backoff.h"
#include "migrator/copy/endpoints.h"
#include "migrator/copy/pacer.h"
#include "migrator/verify/compared_table.h"
#include "migrator/verify/row_merge.h"
#include "plans/route.h"

namespace migrator {

enum class CompareMode {
  automatic,  // whatever turns out faster for the table; digests also where they are nearly so
  stream,
  digest,  // tables that have no digest in common are streamed
};
std::string_view name(CompareMode mode);

struct TableComparison {
  std::string table;
  std::uint64_t rows_source = 0, rows_target = 0;
  std::uint64_t missing = 0, extra = 0, differing = 0;
  std::uint64_t in_flux = 0;        // were different, and were not when they were read again
  std::uint64_t not_looked_at = 0;  // of the differences: their changes may be on their way
  std::uint64_t reported = 0;     // rows that applications had read differently, which it has seen
  std::uint64_t repaired = 0;     // of those that were, equal after they were copied again
  std::vector<Difference> found;  // the first ones, up to the limit given
  RowBatch keys;                  // of these, row by row: cells of the target's types
  bool complete = false;          // both sides were read to their end
  std::string error, remedy;      // why it was not
  double seconds = 0;
  std::chrono::system_clock::time_point begun;  // of a resumed one, where its first part began
  std::uint64_t bytes = 0;                      // that came from both sides, as they are kept here
  std::uint64_t by_digest = 0;  // rows of the source in ranges that were found equal by digests
  std::string held;             // while it is at work: why it waits, or ""

  std::uint64_t differences() const { return missing + extra + differing; }
  // After a repair only another verify can say.
  bool equal() const { return complete && differences() == 0 && repaired == 0; }
};

// Up to where a table has been found equal, without a gap from its beginning.
struct EqualPart {
  Key upto;  // of the source
  std::uint64_t rows_source = 0, rows_target = 0;
};

struct CompareOptions {
  std::size_t keep_differences = 1000;  // a table
  std::size_t keep_values = 1000;       // of these, the first ones of each range
  int workers = 1;
  CompareMode mode = CompareMode::automatic;
  std::uint64_t range_rows = 50'000;  // about
  const ValueWords* words = nullptr;  // as ComparedTable's
};

class Comparer {
 public:
  // The pacer is asked before each range, and told what was read.
  Comparer(const Endpoints& endpoints, Interrupt& interrupt, Pacer& pacer,
           const CompareOptions& options);
  ~Comparer();

  // For the next tables. Threads: any.
  void set_workers(int workers) { workers_ = workers; }

  // behind: what need not be looked at again. tick: called now and then with what was counted so
  // far; equal_part: when that has grown, from the threads of the workers, one at a time. Errors
  // that another try may help are retried, range by range. Throws Error; a comparison that threw
  // has proved nothing.
  TableComparison compare(const TableRoute& route, const std::optional<EqualPart>& behind,
                          const std::function<void(const TableComparison&)>& tick,
                          const std::function<void(const EqualPart&)>& equal_part);

 private:
  class Lane;
  class Tally;
  struct Ways;

  int workers_for(const TableRoute& route, bool cuts) const;
  static void choose_digest(const ComparedTable& table, const std::vector<DigestForm>& source,
                            const std::vector<DigestForm>& target, Ways& ways);

  const Endpoints& endpoints_;
  Interrupt& interrupt_;
  Pacer& pacer_;
  const CompareOptions options_;
  std::atomic<int> workers_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::atomic<std::uint64_t> rows_read_ = 0;  // of the source, some of them twice
};

}  // namespace migrator
