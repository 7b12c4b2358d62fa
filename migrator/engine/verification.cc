#include "migrator/engine/verification.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "migrator/verify/recheck.h"
#include "plans/route.h"

namespace migrator {
namespace {

// Differences that are looked at again: a hundred bytes or two each. Beyond them a table is not on
// its way to being equal.
constexpr std::size_t kLookedAtAgain = 100'000;

// A file that lines are appended to: it may be read while it grows.
class LogFile {
 public:
  explicit LogFile(const std::string& path) : path_(path) {
    if (path.empty()) return;
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (descriptor_ < 0) throw failed();
  }
  ~LogFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  void append(const std::string& lines) const {
    if (descriptor_ < 0) return;
    for (std::size_t written = 0; written < lines.size();) {
      const ssize_t count = ::write(descriptor_, lines.data() + written, lines.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw failed();
      written += static_cast<std::size_t>(count);
    }
  }

 private:
  Error failed() const {
    return Error(ErrorKind::permanent, fmt::format("{}: {}", path_, std::strerror(errno)))
        .remedy("give --log a file that can be written");
  }

  const std::string path_;
  int descriptor_ = -1;
};

}  // namespace

void Verification::check(const VerifyOptions& options) const {
  for (const std::string& name : options.only) {
    const bool known = std::any_of(plan_.tables.begin(), plan_.tables.end(),
                                   [&](const TablePlan& table) { return table.name == name; });
    if (known) continue;
    std::vector<std::string> names;
    for (const TablePlan& table : plan_.tables) names.push_back(table.name);
    const std::string near = nearest(name, names);
    throw Error(ErrorKind::usage, fmt::format("the plan has no table `{}`", name))
        .remedy(near.empty() ? "name a table of the plan"
                             : fmt::format("did you mean `{}`?", near));
  }
  if (options.repair == VerifyOptions::Repair::none || feed_ != nullptr) return;
  throw Error(ErrorKind::usage,
              "rows are repaired through the journal, and this migration has none (any more)")
      .remedy(
          "verify without --repair; rows that are missing come with a new copy into an empty "
          "table, or begin with `capture: trigger` in the plan");
}

std::vector<TableComparison> Verification::run(
    const std::vector<TableRoute>& routes, const VerifyOptions& options,
    const std::function<void(const TableComparison&)>& tick) {
  check(options);
  const LogFile log(options.log);  // before hours of comparing
  std::vector<TableComparison> results;
  for (const TableRoute& route : routes) {
    if (!options.only.empty() &&
        std::find(options.only.begin(), options.only.end(), route.name) == options.only.end()) {
      continue;
    }
    // What was equal yesterday must not stand for what was not looked at to its end today.
    store_.put_verify({route.name, Clock::now(), 0, 0, 0, 0, false, 0});
    TableComparison result;
    try {
      result = verify(route, options, tick);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      relayed_();
      result = {};
      result.table = route.name;
      result.error = error.what();
      result.remedy = error.remedy();
    }
    // What was equal while nobody followed the changes is no pass.
    relayed_();
    write_down(result);
    log.append(log_lines(result));
    const std::size_t kept = std::min<std::size_t>(result.found.size(), plan_.verify.sample_log);
    result.found.resize(kept);
    if (tick) tick(result);
    results.push_back(std::move(result));
  }
  return results;
}

TableComparison Verification::verify(const TableRoute& route, const VerifyOptions& options,
                                     const std::function<void(const TableComparison&)>& tick) {
  if (!route.target_exists) {
    throw Error(ErrorKind::permanent, "the target has no table " + route.write.table.text())
        .remedy("run `migrate backfill PLAN` first");
  }
  const std::size_t keep = feed_ == nullptr
                               ? plan_.verify.sample_log
                               : std::max<std::size_t>(plan_.verify.sample_log, kLookedAtAgain);
  const std::uint64_t relayed_before = relayed_();
  Comparer comparer(endpoints_, interrupt_, keep);
  TableComparison result = comparer.compare(route, tick);
  if (feed_ == nullptr) return result;
  Recheck recheck(endpoints_, interrupt_, *feed_, plan_.verify.recheck, [this] { relayed_(); });
  const auto quiet = [&] { return recheck.nothing_pending(route) && relayed_() == relayed_before; };
  result.in_flux = recheck.settle(route, result, quiet);
  if (options.repair == VerifyOptions::Repair::none || result.found.empty()) return result;
  const std::size_t wrong = result.found.size();
  result.repaired =
      recheck.repair(route, result, options.repair == VerifyOptions::Repair::with_extra, quiet);
  store_.add_event({Clock::now(), "repaired", route.name,
                    fmt::format("{} of {} rows that differed", result.repaired, wrong)});
  return result;
}

void Verification::write_down(const TableComparison& result) {
  std::vector<Mismatch> found;
  for (const Difference& difference : result.found) {
    if (found.size() == plan_.verify.sample_log) break;
    Mismatch& mismatch = found.emplace_back();
    mismatch.table = result.table;
    mismatch.key = difference.key;
    mismatch.kind = name(difference.kind);
    mismatch.columns = difference.columns;
  }
  // Only where everything that differs is among them do the others not differ.
  const bool whole = result.complete && found.size() == result.differences();
  store_.put_mismatches(result.table, found, whole);
  // A repair says nothing of the rows that were not looked at again: it needs a verify of its own.
  store_.put_verify({result.table, Clock::now(), result.rows_source, result.missing, result.extra,
                     result.differing, result.complete && result.repaired == 0, result.in_flux});
}

// No value but the key.
std::string Verification::log_lines(const TableComparison& result) const {
  std::string lines;
  for (std::size_t at = 0; at < result.found.size() && at < plan_.verify.sample_log; ++at) {
    const Difference& difference = result.found[at];
    const nlohmann::json line = {
        {"version", 1},
        {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(Clock::to_time_t(Clock::now())))},
        {"migration", plan_.name},
        {"phase", phase_},
        {"table", result.table},
        {"key", nlohmann::json::parse(encode_key(difference.key))},
        {"kind", name(difference.kind)},
        {"columns", difference.columns}};
    lines += line.dump() + "\n";
  }
  return lines;
}

}  // namespace migrator
