#include "migrator/engine/live_changes.h"

#include <climits>

#include <fmt/format.h>

#include "migrator/relay/installation.h"

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
  std::vector<const TableRoute*> missing;
  for (const TableRoute& route : routes) {
    if (capture.complete(route)) continue;
    if (store.step_done(step_of(route)) && !again) {
      throw Error(ErrorKind::gate,
                  fmt::format("{}: triggers of capture are gone from the source, or disabled: "
                              "changes may be missing in the journal",
                              route.name))
          .table(route.name)
          .remedy(
              "`migrate start PLAN --recapture` makes them anew; what was missed meanwhile "
              "`migrate verify` shows once the journal is drained");
    }
    missing.push_back(&route);
  }
  lease_.install(target);
  capture.install_journal();
  std::vector<std::string> names;
  for (const TableRoute* route : missing) {
    interrupt_.check();
    capture.install(*route);
    store.mark_step(step_of(*route));
    store.add_event({Clock::now(), "capture_installed", route->name, ""});
    names.push_back(route->name);
  }
  return names;
}

void LiveChanges::remove(const std::vector<TableRoute>& routes, Session& target) const {
  Endpoints endpoints = endpoints_;
  endpoints.source_options = CaptureInstallation::options(endpoints_.source_options);
  const Opened<Source> source = open_source(endpoints, interrupt_);
  const CaptureInstallation capture(plan_.name, journal_, source.session(), interrupt_);
  for (const TableRoute& route : routes) capture.remove(route);
  journal_.remove(source.session());
  lease_.remove(target);
}

std::unique_ptr<Relay> LiveChanges::relay(const std::vector<TableRoute>& routes,
                                          CheckpointStore& store, const RetryPolicy& retry) const {
  return std::make_unique<Relay>(
      routes, RelayContext{endpoints_, store, fence_, lease_, journal_, interrupt_, retry});
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
  if (error_) std::rethrow_exception(error_);
}

}  // namespace migrator
