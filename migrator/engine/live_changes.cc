#include "migrator/engine/live_changes.h"

#include <algorithm>
#include <climits>
#include <set>

#include <fmt/format.h>

#include "migrator/relay/installation.h"
#include "migrator/relay/schema_watch.h"

namespace migrator {
LiveChanges::LiveChanges(const Plan& plan, const Endpoints& endpoints, const ChunkFence& fence,
                         const std::string& schema, Interrupt& interrupt)
    : plan_(plan),
      endpoints_(endpoints),
      fence_(fence),
      interrupt_(interrupt),
      journal_(plan.name, schema),
      lease_(plan.name) {}

LiveChanges::Prospect LiveChanges::look(const std::vector<TableRoute>& routes,
                                        Session& source) const {
  Prospect prospect;
  if (source.server().read_only) {
    prospect.findings.push_back(
        {Severity::error, "", "the source is read-only, and capture makes triggers there",
         "give the plan the URL of the primary; or write `capture: none`, and stop the writers"});
    return prospect;
  }
  const CaptureInstallation capture(plan_.name, journal_, source, interrupt_);
  for (const TableRoute& route : routes) {
    const std::vector<Finding> gaps = capture.gaps(route);
    prospect.findings.insert(prospect.findings.end(), gaps.begin(), gaps.end());
    if (has_errors(gaps) || capture.complete(route)) continue;
    const std::vector<std::string> statements = capture.statements(route);
    prospect.statements.insert(prospect.statements.end(), statements.begin(), statements.end());
  }
  return prospect;
}

std::vector<std::string> LiveChanges::install(const std::vector<TableRoute>& routes,
                                              CheckpointStore& store, Session& target,
                                              bool again) const {
  Endpoints endpoints = endpoints_;
  endpoints.source_options = CaptureInstallation::options(endpoints_.source_options);
  const Opened<Source> source = open_source(endpoints, interrupt_);
  const CaptureInstallation capture(plan_.name, journal_, source.session(), interrupt_);
  const auto refuse = [&](const TableRoute* route, const std::string& what) {
    if (again) {
      store.mark_step(kMissed);
      return;
    }
    throw Error(ErrorKind::gate, (route ? route->name + ": " : std::string()) + what +
                                     ": changes may be missing in the journal")
        .table(route ? route->name : "")
        .remedy(
            "begin the migration anew; or `migrate start PLAN --recapture` goes on, and what was "
            "missed `migrate verify` shows once the journal is drained");
  };
  const bool known = !store.steps("capture:").empty();
  if (known && !capture.journal_exists()) refuse(nullptr, "the journal of the source is gone");
  std::vector<const TableRoute*> missing;
  for (const TableRoute& route : routes) {
    const bool done = store.step_done(step_of(route));
    const std::string prefix = "schema:" + route.name + ": ";
    for (const std::string& step : store.steps(prefix)) {
      const std::string what = difference(step.substr(prefix.size()), description(route.source));
      if (done && !what.empty()) {
        refuse(&route, "the source's table was altered (" + what + ")");
        store.clear_step(step_of(route));
      }
      if (!what.empty()) store.clear_step(step);
    }
    if (done && !capture.complete(route)) {
      refuse(&route, "triggers of capture are gone from the source, or disabled");
      store.clear_step(step_of(route));
    }
    if (!store.step_done(step_of(route))) missing.push_back(&route);
  }
  lease_.install(target);
  capture.install_journal();
  std::vector<std::string> names;
  for (const TableRoute* route : missing) {
    interrupt_.check();
    capture.install(*route);
    store.mark_step("schema:" + route->name + ": " + description(route->source));
    store.mark_step(step_of(*route));
    store.add_event({Clock::now(), "capture_installed", route->name, ""});
    names.push_back(route->name);
  }
  return names;
}

void LiveChanges::remove_triggers(const std::vector<TableRoute>& routes) const {
  Endpoints endpoints = endpoints_;
  endpoints.source_options = CaptureInstallation::options(endpoints_.source_options);
  const Opened<Source> source = open_source(endpoints, interrupt_);
  const CaptureInstallation capture(plan_.name, journal_, source.session(), interrupt_);
  for (const TableRoute& route : routes) capture.remove(route);
}

void LiveChanges::remove_tables(const std::vector<TableRoute>& routes, Session& target) const {
  const Opened<Source> source = open_source(endpoints_, interrupt_);
  bool others = false;
  std::set<std::string> schemas{""};
  for (const TableRoute& route : routes) schemas.insert(route.source.name.schema);
  for (const std::string& schema : schemas) {
    for (const TableSchema& table : source.session().catalog(schema).tables) {
      others = others || std::any_of(table.triggers.begin(), table.triggers.end(),
                                     [](const Trigger& trigger) {
                                       return trigger.name.starts_with(kOwnPrefix);
                                     });
    }
  }
  journal_.remove(source.session(), !others);
  lease_.remove(target);
}

std::unique_ptr<Relay> LiveChanges::relay(const std::vector<TableRoute>& routes,
                                          CheckpointStore& store, const RetryPolicy& retry,
                                          bool watch_schema) const {
  return std::make_unique<Relay>(routes, RelayContext{endpoints_, store, fence_, lease_, journal_,
                                                      interrupt_, retry, watch_schema});
}

RetryPolicy BackgroundRelay::patience() {
  return {
      .tries = INT_MAX, .first = std::chrono::milliseconds(500), .most = std::chrono::seconds(5)};
}

BackgroundRelay::BackgroundRelay(Relay& relay)
    : relay_(relay), thread_([this](const std::stop_token& stop) {
        try {
          relay_.follow(stop);
        } catch (...) {
          const std::lock_guard lock(mutex_);
          error_ = std::current_exception();
        }
      }) {}

BackgroundRelay::~BackgroundRelay() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void BackgroundRelay::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  rethrow();
}

void BackgroundRelay::rethrow() const {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

}  // namespace migrator
