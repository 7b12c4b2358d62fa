// What applications have read differently from the two sides (capture/shadow_reports.h), on its way
// to being judged by a verify.
//
// A report is a hint. It is deleted when its row has been looked at, and until then it waits; one
// that cannot be read or deleted now stops nothing.
//
// Threads: one.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "migrator/capture/shadow_reports.h"
#include "migrator/copy/endpoints.h"

namespace migrator {

class ReportedReads {
 public:
  using Reports = std::vector<ShadowReports::Report>;

  // reports: null where there are none.
  ReportedReads(const ShadowReports* reports, const Endpoints& endpoints, Interrupt& interrupt)
      : reports_(reports), endpoints_(endpoints), interrupt_(interrupt) {}

  // Of one table, those of more rows than are named among them. None where the source does not
  // answer.
  Reports of(const std::string& table);

  // By table, without those that wait for a comparison of their table, and without rows that were
  // judged a moment ago: a row that stays wrong is reported with every read of it. None where the
  // source does not answer.
  std::map<std::string, Reports> fresh();

  // They have been looked at. What cannot be deleted now is looked at once more.
  void judged(const Reports& reports);

  // Some of this table can only be judged by comparing all of it.
  void await_comparison(const std::string& table) { awaiting_.insert(table); }
  // One is due: at once, and then no more often than every ten minutes.
  bool comparison_due(const std::string& table) const;
  void compared(const std::string& table);

 private:
  using Clock = std::chrono::steady_clock;
  template <typename Work>
  bool attempt(const Work& work);

  const ShadowReports* const reports_;
  const Endpoints& endpoints_;
  Interrupt& interrupt_;
  Opened<Source> source_;
  std::set<std::string> awaiting_;
  std::map<std::string, Clock::time_point> compared_;  // because of its reports, last
  std::map<std::pair<std::string, std::string>, Clock::time_point> lately_;  // relation, label
};

}  // namespace migrator
