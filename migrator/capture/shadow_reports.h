// Rows that an application has read differently from the two sides (DualCall, Shim's
// report_mismatch), until a verify has looked at them: a table beside the data of the authority, as
// applications do not reach the checkpoint store.
//
// A row is kept once, however often it is reported, and kMostRows of a table; what comes beyond
// that is counted.
//
// Threads: none of its own; all calls run on the session given.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "adapters/adapter.h"

namespace migrator {

class ShadowReports {
 public:
  static constexpr std::int64_t kMostRows = 1000;

  // schema: as of SideTable.
  ShadowReports(std::string migration, std::string schema)
      : migration_(std::move(migration)), schema_(std::move(schema)) {}

  // Makes the table if it is not there. Not within a transaction.
  void install(Session& session) const;

  // row_key: the key's text in the journal. False: there are so many that it was only counted. Not
  // within a transaction: of two processes that report one row at once, one begins again.
  bool add(Session& session, const std::string& relation, const std::string& row_key) const;

  struct Report {
    std::string relation, label, row_key;  // label "": what was only counted
    std::int64_t times = 0, reported_ms = 0;
  };
  // All of them, which are not many. None where there is no such table.
  std::vector<Report> read(Session& session) const;
  // Deletes these, unless they were reported again since.
  void retire(Session& session, std::span<const Report> reports) const;

  // Deletes what is left of the migration's, and drops the table if `drop`: when no other migration
  // is there. (That it is empty says nothing.)
  void remove(Session& session, bool drop) const;

 private:
  std::string table(const Queries& session) const;
  bool again(Session& session, const std::string& relation, const std::string& label) const;

  std::string migration_, schema_;
};

}  // namespace migrator
