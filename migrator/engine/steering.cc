#include "migrator/engine/steering.h"

#include <charconv>
#include <map>

#include <fmt/format.h>

namespace migrator {
namespace {

using namespace std::chrono_literals;

constexpr auto kStorePeriod = 250ms;

std::uint64_t parse_count(const std::string& name, const std::string& value, std::uint64_t least,
                          std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < least ||
      number > most) {
    throw Error(ErrorKind::usage,
                fmt::format("{} must be a whole number from {} to {}", name, least, most))
        .remedy("for example: migrate set PLAN " + name + "=" +
                std::to_string(std::max(least, std::uint64_t{1})));
  }
  return number;
}

std::uint64_t parse_bytes(const std::string& name, const std::string& value, std::uint64_t least,
                          std::uint64_t most) {
  const std::uint64_t bytes = parse_size(value);
  if (bytes >= least && bytes <= most) return bytes;
  throw Error(ErrorKind::usage, fmt::format("{} must be from {} to {} bytes", name, least, most))
      .remedy("for example: migrate set PLAN " + name + "=64MiB");
}

int minutes_of_day(std::string_view text) {
  if (text.size() == 5 && text[2] == ':' &&
      text.find_first_not_of("0123456789:") == std::string_view::npos) {
    const int hour = (text[0] - '0') * 10 + (text[1] - '0');
    const int minute = (text[3] - '0') * 10 + (text[4] - '0');
    if (hour <= 24 && minute < 60 && hour * 60 + minute <= 24 * 60) return hour * 60 + minute;
  }
  throw Error(ErrorKind::usage, fmt::format("`{}` is not a time of day", text))
      .remedy("write a window as \"22:00-06:00\", in UTC");
}

}  // namespace

void apply_setting(BackfillPlan& plan, const std::string& name, const std::string& value) {
  using Apply = void (*)(BackfillPlan&, const std::string& name, const std::string& value);
  static const std::map<std::string, Apply> settings = {
      {"jobs",
       [](BackfillPlan& to, const std::string& is, const std::string& text) {
         to.jobs = static_cast<int>(parse_count(is, text, 1, kJobsMax));
       }},
      {"rows_per_second",
       [](BackfillPlan& to, const std::string& is, const std::string& text) {
         to.rows_per_second = parse_count(is, text, 0, kRowsPerSecondMax);
       }},
      {"bytes_per_second",
       [](BackfillPlan& to, const std::string& is, const std::string& text) {
         to.bytes_per_second = parse_bytes(is, text, 0, kBytesPerSecondMax);
       }},
      {"target_ms",
       [](BackfillPlan& to, const std::string& is, const std::string& text) {
         to.chunk_target = std::chrono::milliseconds(parse_count(is, text, 1, kChunkTargetMsMax));
       }},
      {"max_rows",
       [](BackfillPlan& to, const std::string& is, const std::string& text) {
         to.chunk_rows_max = parse_count(is, text, 1, kChunkRowsMax);
       }},
      {"max_bytes",
       [](BackfillPlan& to, const std::string& is, const std::string& text) {
         to.chunk_bytes_max = parse_bytes(is, text, kChunkBytesMin, kChunkBytesMax);
       }},
  };
  const auto found = settings.find(name);
  if (found != settings.end()) {
    if (!value.empty()) found->second(plan, name, value);
    return;
  }
  std::vector<std::string> names;
  for (const auto& [known, unused] : settings) names.push_back(known);
  const std::string near = nearest(name, names);
  throw Error(ErrorKind::usage, fmt::format("there is no setting `{}`", name))
      .remedy(near.empty() ? fmt::format("settings: {}", fmt::join(names, ", "))
                           : "did you mean `" + near + "`?");
}

bool in_window(std::string_view window, std::chrono::system_clock::time_point now) {
  if (window.empty()) return true;
  const std::size_t dash = window.find('-');
  if (dash == std::string_view::npos) {
    throw Error(ErrorKind::usage, fmt::format("`{}` is not a window of time", window))
        .remedy("write a window as \"22:00-06:00\", in UTC");
  }
  const int from = minutes_of_day(window.substr(0, dash)),
            to = minutes_of_day(window.substr(dash + 1));
  const auto of_day = now - std::chrono::floor<std::chrono::days>(now);
  const int minute =
      static_cast<int>(std::chrono::duration_cast<std::chrono::minutes>(of_day).count());
  return from <= to ? from <= minute && minute < to : minute >= from || minute < to;
}

int usable_jobs(const BackfillPlan& plan, const Dialect& target) {
  return target.concurrent_writers() ? plan.jobs : 1;
}

ChunkLimits chunk_limits(const BackfillPlan& plan, const Dialect& target) {
  const BulkTransaction suits = target.bulk_transaction();
  ChunkLimits limits{.target = plan.chunk_target.value_or(suits.duration),
                     .rows_max = plan.chunk_rows_max,
                     .bytes_max = plan.chunk_bytes_max.value_or(suits.bytes),
                     .workers = usable_jobs(plan, target)};
  if (plan.rows_per_second > 0) {
    // A chunk must not hold its transaction open for longer than the target time at this rate.
    const auto at_rate =
        static_cast<std::uint64_t>(static_cast<double>(plan.rows_per_second) *
                                   std::chrono::duration<double>(limits.target).count());
    limits.rows_max = std::clamp<std::uint64_t>(at_rate, 1, limits.rows_max);
  }
  return limits;
}

Steering::Steering(const BackfillPlan& plan, CheckpointStore& store, const Endpoints& endpoints,
                   Interrupt& interrupt, Pacer& pacer, Adjust adjust)
    : plan_(plan), store_(store), pacer_(pacer), adjust_(std::move(adjust)) {
  apply(store_.control());  // before the first chunk
  store_thread_ = std::jthread([this](const std::stop_token& stop) { follow_store(stop); });
  load_watch_.emplace(plan_.throttle, endpoints, interrupt, [this](const std::string& reason) {
    {
      const std::lock_guard lock(mutex_);
      load_ = reason;
    }
    update_hold();
  });
}

void Steering::apply(const Control& control) {
  BackfillPlan now = plan_;
  for (const auto& [name, value] : control.settings) apply_setting(now, name, value);
  pacer_.set_limits(now.rows_per_second, now.bytes_per_second);
  {
    const std::lock_guard lock(mutex_);
    paused_ = control.paused ? "paused (`migrate resume` goes on)" : "";
    window_ = in_window(plan_.throttle.window, Clock::now())
                  ? ""
                  : fmt::format("outside the window {} UTC", plan_.throttle.window);
  }
  update_hold();
  adjust_(now);
}

void Steering::update_hold() {
  const std::lock_guard lock(mutex_);
  pacer_.hold(!paused_.empty() ? paused_ : !window_.empty() ? window_ : load_);
}

void Steering::follow_store(const std::stop_token& stop) {
  std::uint64_t seen = 0;
  bool inside = true;
  std::mutex sleep_mutex;
  std::condition_variable_any sleep;
  while (!stop.stop_requested()) {
    try {
      const Control control = store_.control();
      const bool now_inside = in_window(plan_.throttle.window, Clock::now());
      if (control.version != seen || now_inside != inside) apply(control);
      seen = control.version;
      inside = now_inside;
    } catch (const Error&) {
      // A bad setting never gets into the store, and a store that cannot be read stops the workers
      // themselves; the old settings hold until then.
    }
    std::unique_lock lock(sleep_mutex);
    sleep.wait_for(lock, stop, kStorePeriod, [] { return false; });
  }
}

}  // namespace migrator
