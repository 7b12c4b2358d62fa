// How things look to a person: numbers, tables, progress. Everything a program should read is JSON
// instead.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "migrator/copy/backfill.h"
#include "migrator/relay/relay.h"
#include "plans/route.h"

namespace migrator::cli {

std::string human_count(std::uint64_t count);  // 1,234,567
std::string human_bytes(std::uint64_t bytes);  // 12.3 MiB
std::string human_duration(double seconds);    // 42 s, 3:05 min, 2:07 h

// Rows of cells as aligned columns; the first row is the heading. Cells that begin with a digit are
// set to the right.
std::string columns(const std::vector<std::vector<std::string>>& rows);

// "1,234 behind, 2.5 s", "journal empty"
std::string relay_lag(const RelayProgress& progress);
nlohmann::json relay_json(const RelayProgress& progress);

void print_error(const Error& error);
// Errors first. To standard error.
void print_findings(const std::vector<Finding>& findings, bool notes_too);

// The progress of a backfill: a block that is redrawn in place on a terminal, a JSON line a second
// else. On standard error, so that standard output is the result's alone.
class ProgressDisplay {
 public:
  ProgressDisplay();
  void show(const BackfillProgress& progress, const std::optional<RelayProgress>& relay);
  // Takes the block away, to print the result in its place.
  void clear();

 private:
  using Time = std::chrono::steady_clock;
  void draw(const BackfillProgress& progress, double rate, double bytes_rate);
  void log(const BackfillProgress& progress, double rate, double bytes_rate);

  std::optional<RelayProgress> relay_;

  const bool terminal_, colours_;
  const Time::time_point start_ = Time::now();
  Time::time_point shown_{};
  std::uint64_t rows_before_ = 0, bytes_before_ = 0;
  double rate_ = 0, bytes_rate_ = 0;
  int lines_ = 0;
};

}  // namespace migrator::cli
