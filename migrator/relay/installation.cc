#include "migrator/relay/installation.h"

#include <algorithm>

#include <fmt/format.h>

#include "migrator/copy/backoff.h"

namespace migrator {
namespace {

// How long the application may be kept waiting behind the wait for a lock, and how often it is
// tried: for some ten minutes, in which a long report may end.
constexpr std::chrono::milliseconds kLockTimeout{1000};
constexpr RetryPolicy kTries{
    .tries = 120, .first = std::chrono::milliseconds(500), .most = std::chrono::seconds(10)};

}  // namespace

CaptureInstallation::CaptureInstallation(std::string migration, const Journal& journal,
                                         Session& source, Interrupt& interrupt)
    : migration_(std::move(migration)), journal_(journal), source_(source), interrupt_(interrupt) {}

SessionOptions CaptureInstallation::options(SessionOptions source) {
  source.lock_timeout = kLockTimeout;
  return source;
}

CaptureSpec CaptureInstallation::spec(const TableRoute& route) const {
  CaptureSpec spec;
  spec.migration = migration_;
  spec.relation = route.name;
  spec.table = route.source;
  spec.key = route.read.key;
  spec.journal_schema = source_.server().schema;
  return spec;
}

std::vector<Finding> CaptureInstallation::gaps(const TableRoute& route) const {
  std::vector<Finding> findings;
  for (const CaptureGap& gap : source_.dialect().capture().gaps(spec(route))) {
    findings.push_back({gap.refused ? Severity::error : Severity::warning, route.name,
                        "changes cannot all be captured by triggers: " + gap.text, gap.remedy});
  }
  return findings;
}

bool CaptureInstallation::complete(const TableRoute& route) const {
  const std::vector<std::string> names = source_.dialect().capture().trigger_names(spec(route));
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::any_of(
        route.source.triggers.begin(), route.source.triggers.end(),
        [&](const Trigger& trigger) { return trigger.name == name && trigger.fires; });
  });
}

std::vector<std::string> CaptureInstallation::statements(const TableRoute& route) const {
  return source_.dialect().capture().create_triggers(spec(route));
}

void CaptureInstallation::install_journal() const {
  run([&] { journal_.install(source_); }, "the journal");
}

void CaptureInstallation::install(const TableRoute& route) const {
  run(
      [&] {
        for (const std::string& statement : statements(route)) source_.execute(statement);
      },
      route.name);
}

void CaptureInstallation::remove(const TableRoute& route) const {
  run(
      [&] {
        for (const std::string& sql : source_.dialect().capture().drop_triggers(spec(route))) {
          source_.execute(sql);
        }
      },
      route.name);
}

// In one transaction, where DDL takes part in one; where each statement commits by itself, capture
// is on from the last one.
void CaptureInstallation::run(const std::function<void()>& what, const std::string& of) const {
  Backoff backoff(kTries, interrupt_);
  while (true) {
    try {
      source_.begin();
      what();
      source_.commit();
      return;
    } catch (const Error& error) {
      source_.rollback();
      interrupt_.check();
      if (error.scope() == ErrorScope::session || !backoff.again(error)) {
        throw Error(error.kind(),
                    fmt::format("{}: capture cannot be put on or taken away: {}", of, error.what()))
            .code(error.code())
            .scope(error.scope())
            .remedy(error.remedy());
      }
    }
  }
}

}  // namespace migrator
