#include "migrator/cli/console.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

namespace migrator::cli {
namespace {

using namespace std::chrono_literals;

// Display width of UTF-8, near enough for aligning: continuation bytes take no room.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string state_text(const TableReport& table) {
  if (!table.error.empty()) return "failed";
  if (table.state == TableState::copied) return "indexing";
  return std::string(name(table.state));
}

}  // namespace

std::string human_count(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string human_bytes(std::uint64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 5) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string human_duration(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole % 3600 / 60);
}

std::string columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (std::size_t at = 0; at < row.size(); ++at)
      widths[at] = std::max(widths[at], width(row[at]));
  }
  std::string out;
  for (std::size_t line = 0; line < rows.size(); ++line) {
    std::string text;
    for (std::size_t at = 0; at < rows[line].size(); ++at) {
      const std::string& cell = rows[line][at];
      const std::string& sample =
          line == 0 && rows.size() > 1 && at < rows[1].size() ? rows[1][at] : cell;
      const bool right = !sample.empty() && sample[0] >= '0' && sample[0] <= '9';
      const std::string gap(widths[at] - width(cell), ' ');
      text += (at ? "  " : "") + (right ? gap + cell : cell + gap);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

void print_error(const Error& error) {
  std::string text = std::string("migrate: ") + error.what();
  if (!error.code().empty() && text.find(error.code()) == std::string::npos) {
    text += " [" + error.code() + "]";
  }
  if (!error.remedy().empty()) text += "\n  to do: " + error.remedy();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void print_findings(const std::vector<Finding>& findings, bool notes_too) {
  for (const Severity severity : {Severity::error, Severity::warning, Severity::note}) {
    if (severity == Severity::note && !notes_too) continue;
    for (const Finding& finding : findings) {
      if (finding.severity != severity) continue;
      std::fprintf(stderr, "%s: %s%s%s\n", std::string(name(severity)).c_str(),
                   finding.table.c_str(), finding.table.empty() ? "" : ": ", finding.text.c_str());
      if (!finding.remedy.empty()) std::fprintf(stderr, "  to do: %s\n", finding.remedy.c_str());
    }
  }
}

ProgressDisplay::ProgressDisplay()
    : terminal_(isatty(STDERR_FILENO) != 0),
      colours_(terminal_ && std::getenv("NO_COLOR") == nullptr) {}

void ProgressDisplay::show(const BackfillProgress& progress,
                           const std::optional<RelayProgress>& relay) {
  relay_ = relay;
  const auto now = Time::now();
  const auto period = terminal_ ? 250ms : 1000ms;
  if (shown_ != Time::time_point{} && now - shown_ < period) return;
  const double since =
      std::chrono::duration<double>(now - (shown_ == Time::time_point{} ? start_ : shown_)).count();
  if (since > 0) {
    // Smoothed over some five seconds, so that the remaining time does not jump.
    const double weight = 1 - std::exp(-since / 5);
    const double rows = static_cast<double>(progress.rows_now - rows_before_) / since;
    const double bytes = static_cast<double>(progress.bytes_now - bytes_before_) / since;
    rate_ = rate_ == 0 ? rows : rate_ + weight * (rows - rate_);
    bytes_rate_ = bytes_rate_ == 0 ? bytes : bytes_rate_ + weight * (bytes - bytes_rate_);
  }
  rows_before_ = progress.rows_now;
  bytes_before_ = progress.bytes_now;
  shown_ = now;
  terminal_ ? draw(progress, rate_, bytes_rate_) : log(progress, rate_, bytes_rate_);
}

void ProgressDisplay::clear() {
  if (!terminal_ || lines_ == 0) return;
  std::fprintf(stderr, "\x1b[%dA\x1b[J", lines_);
  lines_ = 0;
}

void ProgressDisplay::draw(const BackfillProgress& progress, double rate, double bytes_rate) {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::size_t screen_columns = known ? size.ws_col : 80,
                    screen_rows = known ? size.ws_row : 24;
  std::uint64_t rows = 0, wanted = 0, rejects = 0, retries = 0, left = 0;
  std::vector<std::vector<std::string>> table{{"table", "rows", "of about", "", "state", "how"}};
  std::size_t finished = 0;
  for (const TableReport& report : progress.tables) {
    const std::uint64_t estimate = std::max(report.rows_estimate, report.rows);
    rows += report.rows;
    wanted += estimate;
    rejects += report.rejects;
    retries += report.retries;
    if (report.state < TableState::copied) left += estimate - report.rows;
    finished += report.state == TableState::finished;
    if (report.workers == 0 && report.error.empty()) continue;
    if (table.size() + 5 > screen_rows) continue;
    std::string note = state_text(report);
    if (report.retries) note += fmt::format(", {} retries", report.retries);
    if (report.rejects) note += fmt::format(", {} rejects", report.rejects);
    table.push_back({report.name, human_count(report.rows), human_count(estimate),
                     fmt::format("{:.0f} %", estimate ? 100.0 * static_cast<double>(report.rows) /
                                                            static_cast<double>(estimate)
                                                      : 100.0),
                     note, report.way});
  }
  const double share = wanted ? static_cast<double>(rows) / static_cast<double>(wanted) : 1;
  const auto filled = static_cast<std::size_t>(share * 30);
  std::string bar;
  for (std::size_t at = 0; at < 30; ++at) bar += at < filled ? "█" : "░";
  std::string text = fmt::format("{} {:.0f} %  {} rows  {} rows/s  {}/s", bar, share * 100,
                                 human_count(rows), human_count(static_cast<std::uint64_t>(rate)),
                                 human_bytes(static_cast<std::uint64_t>(bytes_rate)));
  if (rate > 0 && left > 0) text += "  ETA " + human_duration(static_cast<double>(left) / rate);
  std::string second =
      fmt::format("{} of {} tables done, {} jobs, chunks of {} rows", finished,
                  progress.tables.size(), progress.jobs, human_count(progress.chunk_rows));
  if (retries) second += fmt::format(", {} retries", retries);
  if (rejects) second += fmt::format(", {} rejects", rejects);
  if (relay_) second += "; " + relay_lag(*relay_);
  if (!progress.held.empty()) second += "  held: " + progress.held;
  std::string all = text + "\n" + second + "\n" + (table.size() > 1 ? columns(table) : "");
  clear();
  std::string out;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = all.find('\n', begin);
    std::string line = all.substr(begin, end - begin);
    while (width(line) >= screen_columns) line.pop_back();
    while (!line.empty() && (line.back() & 0xC0) == 0xC0) line.pop_back();  // half a character
    if (colours_ && begin == 0) line = "\x1b[36m" + line + "\x1b[0m";
    out += line + "\n";
    ++lines_;
    begin = end + 1;
  }
  std::fputs(out.c_str(), stderr);
}

void ProgressDisplay::log(const BackfillProgress& progress, double rate, double bytes_rate) {
  std::uint64_t rows = 0, bytes = 0, wanted = 0, rejects = 0, retries = 0;
  nlohmann::json tables = nlohmann::json::array();
  for (const TableReport& report : progress.tables) {
    rows += report.rows;
    bytes += report.bytes;
    wanted += std::max(report.rows_estimate, report.rows);
    rejects += report.rejects;
    retries += report.retries;
    if (report.workers == 0 && report.error.empty()) continue;
    tables.push_back({{"table", report.name},
                      {"rows", report.rows},
                      {"rows_estimate", report.rows_estimate},
                      {"state", state_text(report)},
                      {"retries", report.retries},
                      {"rejects", report.rejects}});
  }
  nlohmann::json line = {
      {"progress", "backfill"},
      {"seconds",
       std::round(std::chrono::duration<double>(Time::now() - start_).count() * 10) / 10},
      {"rows", rows},
      {"rows_estimate", wanted},
      {"bytes", bytes},
      {"rows_per_second", static_cast<std::uint64_t>(rate)},
      {"bytes_per_second", static_cast<std::uint64_t>(bytes_rate)},
      {"retries", retries},
      {"rejects", rejects},
      {"held", progress.held},
      {"tables", tables}};
  if (relay_) line["relay"] = relay_json(*relay_);
  if (rate > 0)
    line["eta_seconds"] = static_cast<std::uint64_t>(static_cast<double>(wanted - rows) / rate);
  std::fprintf(stderr, "%s\n", line.dump().c_str());
}

}  // namespace migrator::cli
