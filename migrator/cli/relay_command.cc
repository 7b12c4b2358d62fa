#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/engine/migration_run.h"

namespace migrator::cli {
namespace {

using Time = std::chrono::steady_clock;

// A line a second: in place on a terminal, of JSON else. On standard error.
class RelayDisplay {
 public:
  void show(const RelayProgress& progress) {
    const auto now = Time::now();
    if (shown_ != Time::time_point{} && now - shown_ < std::chrono::seconds(1)) return;
    const double since = std::chrono::duration<double>(now - shown_).count();
    const double rate =
        shown_ == Time::time_point{} ? 0 : static_cast<double>(progress.entries - before_) / since;
    before_ = progress.entries;
    shown_ = now;
    if (terminal_) {
      clear();
      std::fputs(describe(progress, rate).c_str(), stderr);
      drawn_ = true;
    } else {
      nlohmann::json line = relay_json(progress);
      line["progress"] = "relay";
      line["entries_per_second"] = static_cast<std::uint64_t>(rate);
      std::fprintf(stderr, "%s\n", line.dump().c_str());
    }
    std::fflush(stderr);
  }
  void clear() {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
  }

 private:
  static std::string describe(const RelayProgress& progress, double rate) {
    std::string text =
        fmt::format("{} changes relayed, {}/s; {}", human_count(progress.entries),
                    human_count(static_cast<std::uint64_t>(rate)), relay_lag(progress));
    if (progress.deferred) text += fmt::format(", {} wait for chunks", progress.deferred);
    if (progress.refused) text += fmt::format(", {} REFUSED", progress.refused);
    if (!progress.waits_for.empty()) text += "  waits: " + progress.waits_for;
    // One line of the screen.
    return text.substr(0, 110);
  }

  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  Time::time_point shown_{};
  std::uint64_t before_ = 0;
  bool drawn_ = false;
};

void print(const RelayProgress& progress) {
  std::printf("%s changes relayed: %s rows written, %s deleted; %s\n",
              human_count(progress.entries).c_str(), human_count(progress.rows).c_str(),
              human_count(progress.keys - std::min(progress.keys, progress.rows)).c_str(),
              relay_lag(progress).c_str());
  if (progress.lag.count() > 0) {
    std::printf("they arrived within %s (half of them), %s (99 %%)\n",
                human_duration(progress.lag.quantile(0.5)).c_str(),
                human_duration(progress.lag.quantile(0.99)).c_str());
  }
  if (progress.deferred) {
    std::printf(
        "%s wait for chunks that are being copied: `migrate backfill PLAN` copies them to their "
        "end\n",
        human_count(progress.deferred).c_str());
  }
}

}  // namespace

nlohmann::json relay_json(const RelayProgress& progress) {
  return {{"entries", progress.entries},
          {"keys", progress.keys},
          {"rows", progress.rows},
          {"rounds", progress.rounds},
          {"deferred", progress.deferred},
          {"refused", progress.refused},
          {"refusal", progress.refusal},
          {"backlog", progress.backlog.entries},
          {"backlog_is_more", progress.backlog.more},
          {"backlog_growth_per_second", progress.growth},
          {"lag_seconds", progress.backlog.oldest_seconds},
          {"lag_seconds_p50", progress.lag.quantile(0.5)},
          {"lag_seconds_p99", progress.lag.quantile(0.99)},
          {"waits_for", progress.waits_for}};
}

std::string relay_lag(const RelayProgress& progress) {
  const Backlog& backlog = progress.backlog;
  if (backlog.entries == 0) return "journal empty";
  std::string text =
      fmt::format("{}{} behind, {}", human_count(backlog.entries), backlog.more ? " or more" : "",
                  human_duration(backlog.oldest_seconds));
  if (backlog.entries > 1000 && progress.growth >= 1) {
    text +=
        fmt::format(", GROWING by {}/s", human_count(static_cast<std::uint64_t>(progress.growth)));
  }
  return text;
}

int run_relay(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  options.add()("follow,f", "go on until stopped, and wait for changes where there are none");
  if (!options.parse()) return kDone;
  const bool follow = options.flag("follow");
  MigrationRun migration(options.plan(), invocation.interrupt,
                         invocation.line + (follow ? " --follow" : ""));
  RelayDisplay display;
  RelayProgress last;
  try {
    last = migration.relay(follow, [&](const RelayProgress& progress) {
      last = progress;
      display.show(progress);
    });
  } catch (const Error& error) {
    display.clear();
    if (error.kind() != ErrorKind::cancelled) throw;
    if (options.json()) std::printf("%s\n", relay_json(last).dump(2).c_str());
    print_error(error);
    return exit_code(error);
  }
  display.clear();
  if (options.json()) {
    std::printf("%s\n", relay_json(last).dump(2).c_str());
  } else {
    print(last);
  }
  if (last.refused == 0) return last.deferred > 0 ? kDifferences : kDone;
  print_error(Error(ErrorKind::data, fmt::format("{} changes were refused by the target, the last "
                                                 "one: {}",
                                                 last.refused, last.refusal))
                  .remedy("see `migrate rejects PLAN`; they stay in the journal and are tried "
                          "again"));
  return kDifferences;
}

int run_finish(const Invocation& invocation) {
  Options options(invocation, {"PLAN"});
  if (!options.parse()) return kDone;
  MigrationRun migration(options.plan(), invocation.interrupt, invocation.line);
  const RelayProgress progress = migration.finish();
  if (options.json()) {
    std::printf(
        "%s\n",
        nlohmann::json{{"finished", true}, {"relay", relay_json(progress)}}.dump(2).c_str());
    return kDone;
  }
  std::printf(
      "finished: foreign keys and sequences are made, and nothing of migrate is left on "
      "either side\n");
  return kDone;
}

}  // namespace migrator::cli
