#include "migrator/copy/stop_point.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <unistd.h>

namespace migrator::detail {
namespace {

// NAME[:TIMES[:FILE]]
struct Armed {
  explicit Armed(const char* variable) {
    const char* text = std::getenv(variable);
    if (text == nullptr) return;
    name = text;
    const std::size_t colon = name.find(':');
    if (colon == std::string::npos) return;
    std::string rest = name.substr(colon + 1);
    name.resize(colon);
    const std::size_t second = rest.find(':');
    if (second != std::string::npos) file = rest.substr(second + 1);
    times = std::atoi(rest.c_str());
  }
  // Whether this is the time.
  bool reach(std::string_view point) { return name == point && ++reached == times; }

  std::string name, file;
  int times = 1;
  std::atomic<int> reached{0};
};

void hold(const std::string& file) {
  if (std::FILE* mark = std::fopen(file.c_str(), "w")) std::fclose(mark);
  while (access(file.c_str(), F_OK) == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

const bool stop_points_armed =
    std::getenv("MIGRATOR_STOP_AT") != nullptr || std::getenv("MIGRATOR_HOLD_AT") != nullptr;

void reach_stop_point(std::string_view name) {
  static Armed stop("MIGRATOR_STOP_AT"), held("MIGRATOR_HOLD_AT");
  if (stop.reach(name)) kill(getpid(), SIGKILL);
  if (held.reach(name)) hold(held.file);
}

}  // namespace migrator::detail
