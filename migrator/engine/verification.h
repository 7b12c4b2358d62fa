// `migrate verify`: compares tables, looks again at what differs while changes are followed, has it
// copied again if asked to, and writes down what it found. It is paced as a backfill is: by the
// plan's rates, window and throttle, and by `migrate pause|resume|set`.
//
// Threads: none of its own beyond the Comparer's and Steering's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoints/store.h"
#include "migrator/capture/change_feed.h"
#include "migrator/copy/endpoints.h"
#include "migrator/copy/pacer.h"
#include "migrator/engine/log_file.h"
#include "migrator/engine/reported_reads.h"
#include "migrator/verify/changed_keys.h"
#include "migrator/verify/comparer.h"
#include "migrator/verify/recheck.h"
#include "plans/plan.h"
#include "plans/route.h"

namespace migrator {

struct VerifyOptions {
  std::vector<std::string> only;  // tables; none: all
  enum class Repair {
    none,
    rows,        // those that are missing or differ
    with_extra,  // and those that only the target has are deleted
  } repair = Repair::none;
  std::string log;  // a file that gets a line of JSON for each mismatch; "": none
  CompareMode mode = CompareMode::automatic;
  // Behind what an interrupted verify has found equal, instead of from the beginning.
  bool resume = false;
  std::vector<std::string> given_settings = {};  // as StartOptions::given_settings

  // To go on looking at rows as they change, once all have been compared, until a stop.
  bool continuous = false;
  std::function<void(const std::vector<TableComparison>&)> compared;  // once, before that
  std::function<void(const struct WatchProgress&)> watched;  // every second, and at the end
};

struct WatchProgress {
  std::uint64_t rows = 0;        // looked at after they changed
  std::uint64_t mismatches = 0;  // of these, counting one each time that it was found
  std::uint64_t tables = 0;      // compared again as a whole, as any row of them may have changed
  std::uint64_t waiting = 0;     // rows that keep changing
  std::uint64_t reported = 0;    // of these rows, as applications had read them differently
  std::vector<std::pair<std::string, Difference>> found;  // by table, since the last call
  // Any row was different when it was looked at last; and where there are more than are listed, any
  // was when its table was compared last.
  bool different = false;
};

class Verification {
 public:
  // Changes, by a relay that is at work meanwhile; none where none are followed.
  struct Relayed {
    std::uint64_t entries = 0;
    std::int64_t seq = 0;  // the highest number of one; 0: none yet
  };

  // feed: of the changes that a relay is bringing over meanwhile; null where none are followed.
  // changed: their keys, for VerifyOptions::continuous; else null. reports: what applications have
  // read differently; null where there is no feed.
  // relayed: what that relay has brought over; throws if it has given up. phase: for the log.
  Verification(const Plan& plan, const Endpoints& endpoints, Interrupt& interrupt,
               CheckpointStore& store, const ChangeFeed* feed, ChangedKeys* changed,
               const ShadowReports* reports, std::function<Relayed()> relayed, std::string phase)
      : plan_(plan),
        endpoints_(endpoints),
        interrupt_(interrupt),
        store_(store),
        feed_(feed),
        changed_(changed),
        reads_(reports, endpoints, interrupt),
        relayed_(std::move(relayed)),
        phase_(std::move(phase)),
        words_(plan.verify.show_values, store.digest_key()) {}

  // Table by table. Errors of one table are in its result, and the others go on; but a stop ends
  // all, and so does a relay that has given up. Throws Error(usage) for a table that the plan has
  // not, and for a repair where no changes are followed.
  std::vector<TableComparison> run(const std::vector<TableRoute>& routes,
                                   const VerifyOptions& options,
                                   const std::function<void(const TableComparison&)>& tick);

 private:
  std::map<std::string, VerifyOutcome> begin(const std::vector<const TableRoute*>& chosen,
                                             const VerifyOptions& options);
  void check(const VerifyOptions& options) const;
  TableComparison verify_once(const TableRoute& route, Comparer& comparer,
                              const VerifyOptions& options,
                              const std::function<void(const TableComparison&)>& tick);
  TableComparison verify(const TableRoute& route, Comparer& comparer, const VerifyOptions& options,
                         const std::function<void(const TableComparison&)>& tick);
  CompareOptions compare_options(const VerifyOptions& options) const;
  TableComparison compare(const TableRoute& route, Comparer& comparer, const VerifyOptions& options,
                          const std::function<void(const TableComparison&)>& tick);
  void watch(const std::vector<const TableRoute*>& chosen, Comparer& comparer,
             const VerifyOptions& options);
  void watch_until_stopped(const std::vector<const TableRoute*>& chosen, Comparer& comparer,
                           const VerifyOptions& options, WatchProgress& progress);
  void watch_reports(const TableRoute& route, ReportedReads::Reports reports, Recheck& recheck,
                     WatchProgress& progress);
  bool watch_table(const TableRoute& route, std::vector<std::string>& left, Recheck& recheck,
                   WatchProgress& progress, std::set<std::string>* restless = nullptr);
  void write_down_watched(const TableComparison& result, WatchProgress& progress);
  bool has_unlisted(const TableComparison& result) const;
  void note_unlisted(const TableComparison& result);
  bool any_different(const std::vector<const TableRoute*>& chosen);
  std::vector<Mismatch> mismatches_of(const TableComparison& result) const;
  void write_down(const TableComparison& result);
  std::string log_lines(const TableComparison& result) const;

  const Plan& plan_;
  const Endpoints& endpoints_;
  Interrupt& interrupt_;
  CheckpointStore& store_;
  const ChangeFeed* const feed_;
  ChangedKeys* const changed_;
  ReportedReads reads_;
  const std::function<Relayed()> relayed_;
  const std::string phase_;
  std::chrono::system_clock::time_point resumed_{};  // when the verify that is gone on with began
  const ValueWords words_;
  std::optional<LogFile> log_;
  std::set<std::string> unlisted_;  // tables of which more rows differ than are listed
};

}  // namespace migrator
