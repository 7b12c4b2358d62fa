// Whether the load of both servers is beyond the plan's throttle: asked of them once a second.
//
// Threads: one of its own until the object is destroyed, and none where the plan sets no limit; on
// it `told` is called with the reason to hold, or "", each second.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "migrator/copy/endpoints.h"
#include "migrator/copy/interrupt.h"
#include "plans/plan.h"

namespace migrator {

class LoadWatch {
 public:
  using Told = std::function<void(const std::string& reason)>;
  // References outlive it.
  LoadWatch(const ThrottlePlan& limits, const Endpoints& endpoints, Interrupt& interrupt,
            Told told);

 private:
  void watch(const std::stop_token& stop);
  std::string judge(const LoadSample& sample, std::string_view side) const;

  const ThrottlePlan limits_;
  const Endpoints& endpoints_;
  Interrupt& interrupt_;
  const Told told_;
  std::jthread thread_;
};

}  // namespace migrator
