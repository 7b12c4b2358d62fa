#include "migrator/engine/reported_reads.h"

namespace migrator {
namespace {

constexpr std::chrono::seconds kJudgedAgain{60};
constexpr std::chrono::minutes kComparedAgain{10};

}  // namespace

// False where the source does not answer, or refuses. A stop is thrown.
template <typename Work>
bool ReportedReads::attempt(const Work& work) {
  if (!reports_) return false;
  try {
    if (!source_) source_ = open_source(endpoints_, interrupt_);
    work(source_.session());
    return true;
  } catch (const Error&) {
    source_.close();
    interrupt_.check();
    return false;
  }
}

ReportedReads::Reports ReportedReads::of(const std::string& table) {
  Reports reports;
  const auto look = [&](Session& session) {
    reports = reports_->read(session);
    std::erase_if(reports, [&](const auto& one) { return one.relation != table; });
  };
  // The first may only find that its connection is lost.
  if (!attempt(look)) attempt(look);
  return reports;
}

std::map<std::string, ReportedReads::Reports> ReportedReads::fresh() {
  std::map<std::string, Reports> fresh;
  const Clock::time_point now = Clock::now();
  std::erase_if(lately_, [&](const auto& one) { return now - one.second > kJudgedAgain; });
  attempt([&](Session& session) {
    fresh.clear();
    Reports reports = reports_->read(session);
    for (const ShadowReports::Report& one : reports) {
      if (one.label.empty()) await_comparison(one.relation);  // more rows than are named
    }
    for (ShadowReports::Report& one : reports) {
      if (awaiting_.contains(one.relation) || lately_.contains({one.relation, one.label})) continue;
      fresh[one.relation].push_back(std::move(one));
    }
  });
  return fresh;
}

void ReportedReads::judged(const Reports& reports) {
  if (reports.empty()) return;
  for (const ShadowReports::Report& one : reports) {
    lately_[{one.relation, one.label}] = Clock::now();
  }
  attempt([&](Session& session) { reports_->retire(session, reports); });
}

bool ReportedReads::comparison_due(const std::string& table) const {
  if (!awaiting_.contains(table)) return false;
  const auto last = compared_.find(table);
  return last == compared_.end() || Clock::now() - last->second > kComparedAgain;
}

void ReportedReads::compared(const std::string& table) {
  compared_[table] = Clock::now();
  awaiting_.erase(table);
}

}  // namespace migrator
