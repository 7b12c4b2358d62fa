#include <cstdio>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "checkpoints/store.h"
#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/engine/live_changes.h"

namespace migrator::cli {
namespace {

std::string at(Clock::time_point time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(Clock::to_time_t(time)));
}

// Every key, of a migration that was not begun, too.
nlohmann::json empty_status(const std::string& path) {
  const nlohmann::json none = nlohmann::json::array();
  return {{"checkpoint", path}, {"name", nullptr},
          {"id", nullptr},      {"plan_fingerprint", nullptr},
          {"tables", none},     {"verify", none},
          {"paused", false},    {"settings", nlohmann::json::object()},
          {"running", false},   {"owner", nullptr},
          {"events", none},     {"changes", nullptr}};
}

nlohmann::json to_json(CheckpointStore& store, const std::string& path) {
  nlohmann::json document = empty_status(path);
  if (const auto migration = store.migration()) {
    document["name"] = migration->name;
    document["id"] = migration->id;
    document["plan_fingerprint"] = migration->plan_fingerprint;
  }
  for (const TableProgress& table : store.tables()) {
    document["tables"].push_back({{"table", table.table},
                                  {"state", name(table.state)},
                                  {"rows", table.rows},
                                  {"rows_estimate", table.rows_estimate},
                                  {"bytes", table.bytes},
                                  {"chunks_done", table.chunks_done},
                                  {"chunks_cut", table.chunks_cut},
                                  {"cut_to_end", table.cut_to_end},
                                  {"rejects", table.rejects_open}});
  }
  for (const VerifyOutcome& outcome : store.verify_outcomes()) {
    document["verify"].push_back({{"table", outcome.table},
                                  {"at", at(outcome.at)},
                                  {"rows", outcome.rows},
                                  {"missing", outcome.missing},
                                  {"extra", outcome.extra},
                                  {"differing", outcome.differing},
                                  {"complete", outcome.complete}});
  }
  const Control control = store.control();
  document["paused"] = control.paused;
  document["settings"] = control.settings;
  const auto owner = store_owner(path);
  document["running"] = owner.has_value();
  if (owner) {
    document["owner"] = {{"pid", owner->pid},
                         {"host", owner->host},
                         {"command", owner->command},
                         {"since", at(owner->since)}};
  }
  for (const Event& event : store.events(20)) {
    document["events"].push_back(
        {{"at", at(event.at)}, {"kind", event.kind}, {"table", event.table}, {"text", event.text}});
  }
  return document;
}

nlohmann::json to_json(const LiveStatus& live) {
  nlohmann::json document{
      {"error", nullptr},          {"waiting", live.backlog.entries},
      {"more", live.backlog.more}, {"oldest_seconds", live.backlog.oldest_seconds},
      {"phase", nullptr},          {"epoch", nullptr},
      {"source_open", nullptr},    {"instances", nlohmann::json::array()}};
  if (!live.error.empty()) document["error"] = live.error;
  if (live.source) {
    document["phase"] = name(live.source->phase);
    document["epoch"] = live.source->epoch;
    document["source_open"] = live.source->open;
  }
  for (const ShimInstance& instance : live.instances) {
    document["instances"].push_back({{"instance", instance.instance},
                                     {"epoch", instance.epoch},
                                     {"phase", name(instance.phase)},
                                     {"seen_seconds", static_cast<double>(instance.age_ms) / 1000},
                                     {"gone", instance.gone()}});
  }
  return document;
}

void print_changes(const nlohmann::json& changes) {
  if (changes.is_null()) return;
  if (!changes["error"].is_null()) {
    std::printf("changes: the source cannot be asked: %s\n",
                changes["error"].get<std::string>().c_str());
    return;
  }
  std::printf("changes: %s%s wait for the relay", human_count(changes["waiting"]).c_str(),
              changes["more"].get<bool>() ? " or more" : "");
  if (changes["waiting"] != 0) {
    std::printf(", the oldest for %.1f s", changes["oldest_seconds"].get<double>());
  }
  if (!changes["phase"].is_null()) {
    std::printf("; phase %s, epoch %llu%s", changes["phase"].get<std::string>().c_str(),
                static_cast<unsigned long long>(changes["epoch"].get<std::uint64_t>()),
                changes["source_open"].get<bool>() ? "" : ", the source is CLOSED to writers");
  }
  std::printf("\n");
  for (const auto& instance : changes["instances"]) {
    std::printf("shim: %s, epoch %llu, %s, seen %.0f s ago%s\n",
                instance["instance"].get<std::string>().c_str(),
                static_cast<unsigned long long>(instance["epoch"].get<std::uint64_t>()),
                instance["phase"].get<std::string>().c_str(),
                instance["seen_seconds"].get<double>(),
                instance["gone"].get<bool>() ? ": GONE" : "");
  }
}

void print(const nlohmann::json& status) {
  if (status["name"].is_null()) {
    std::printf("nothing was begun yet\n");
    return;
  }
  std::printf("migration %s", status["name"].get<std::string>().c_str());
  if (status["running"].get<bool>()) {
    const auto& owner = status["owner"];
    std::printf(
        ", in the hands of pid %lld on %s (`%s`) since %s%s\n",
        static_cast<long long>(owner["pid"].get<std::int64_t>()),
        owner["host"].get<std::string>().c_str(), owner["command"].get<std::string>().c_str(),
        owner["since"].get<std::string>().c_str(), status["paused"].get<bool>() ? ", PAUSED" : "");
  } else {
    std::printf(", no command is running\n");
  }
  std::vector<std::vector<std::string>> rows{
      {"table", "state", "rows", "of about", "bytes", "chunks", "rejects", "last verify"}};
  for (const auto& table : status["tables"]) {
    std::string verified = "never";
    for (const auto& outcome : status["verify"]) {
      if (outcome["table"] != table["table"]) continue;
      const auto differences = outcome["missing"].get<std::uint64_t>() +
                               outcome["extra"].get<std::uint64_t>() +
                               outcome["differing"].get<std::uint64_t>();
      verified = (!outcome["complete"].get<bool>() ? "incomplete"
                  : differences == 0               ? "equal"
                                                   : fmt::format("{} differ", differences)) +
                 " at " + outcome["at"].get<std::string>();
    }
    rows.push_back({table["table"], table["state"], human_count(table["rows"]),
                    human_count(table["rows_estimate"]), human_bytes(table["bytes"]),
                    fmt::format("{}/{}{}", table["chunks_done"].get<std::uint64_t>(),
                                table["chunks_cut"].get<std::uint64_t>(),
                                table["cut_to_end"].get<bool>() ? "" : "+"),
                    human_count(table["rejects"]), verified});
  }
  std::fputs(columns(rows).c_str(), stdout);
  print_changes(status["changes"]);
  for (const auto& [setting, value] : status["settings"].items()) {
    std::printf("set: %s=%s\n", setting.c_str(), value.get<std::string>().c_str());
  }
  for (const auto& event : status["events"]) {
    std::printf("%s  %s%s%s  %s\n", event["at"].get<std::string>().c_str(),
                event["kind"].get<std::string>().c_str(), event["table"] == "" ? "" : "  ",
                event["table"].get<std::string>().c_str(),
                event["text"].get<std::string>().c_str());
  }
}

}  // namespace

int run_status(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add()("watch,w", "show it again every second until stopped");
  if (!options.parse()) return kDone;
  const Plan plan = options.plan();
  while (true) {
    nlohmann::json status;
    if (access(plan.checkpoint.c_str(), F_OK) == 0) {
      const auto store = open_store_for_reading(plan.checkpoint);
      status = to_json(*store, plan.checkpoint);
      if (!status["name"].is_null() && LiveChanges::wanted(plan)) {
        status["changes"] = to_json(live_status(plan, invocation.interrupt));
      }
    } else {
      status = empty_status(plan.checkpoint);
    }
    if (options.json()) {
      std::printf("%s\n", status.dump(options.flag("watch") ? -1 : 2).c_str());
    } else {
      if (options.flag("watch") && isatty(STDOUT_FILENO)) std::printf("\x1b[H\x1b[J");
      print(status);
    }
    std::fflush(stdout);
    if (!options.flag("watch")) return kDone;
    if (!invocation.interrupt.sleep(std::chrono::seconds(1))) return kInterrupted;
  }
}

}  // namespace migrator::cli
