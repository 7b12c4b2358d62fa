// `migrate verify`: compares tables, looks again at what differs while changes are followed, has it
// copied again if asked to, and writes down what it found.
//
// Threads: none of its own beyond the Comparer's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checkpoints/store.h"
#include "migrator/capture/change_feed.h"
#include "migrator/copy/endpoints.h"
#include "migrator/verify/comparer.h"
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
};

class Verification {
 public:
  // feed: of the changes that a relay is bringing over meanwhile; null where none are followed.
  // relayed: how many changes that relay has brought over; throws if it has given up. phase: for
  // the log.
  Verification(const Plan& plan, const Endpoints& endpoints, Interrupt& interrupt,
               CheckpointStore& store, const ChangeFeed* feed,
               std::function<std::uint64_t()> relayed, std::string phase)
      : plan_(plan),
        endpoints_(endpoints),
        interrupt_(interrupt),
        store_(store),
        feed_(feed),
        relayed_(std::move(relayed)),
        phase_(std::move(phase)) {}

  // Table by table. Errors of one table are in its result, and the others go on; but a stop ends
  // all, and so does a relay that has given up. Throws Error(usage) for a table that the plan has
  // not, and for a repair where no changes are followed.
  std::vector<TableComparison> run(const std::vector<TableRoute>& routes,
                                   const VerifyOptions& options,
                                   const std::function<void(const TableComparison&)>& tick);

 private:
  void check(const VerifyOptions& options) const;
  TableComparison verify(const TableRoute& route, const VerifyOptions& options,
                         const std::function<void(const TableComparison&)>& tick);
  void write_down(const TableComparison& result);
  std::string log_lines(const TableComparison& result) const;

  const Plan& plan_;
  const Endpoints& endpoints_;
  Interrupt& interrupt_;
  CheckpointStore& store_;
  const ChangeFeed* const feed_;
  const std::function<std::uint64_t()> relayed_;
  const std::string phase_;
};

}  // namespace migrator
