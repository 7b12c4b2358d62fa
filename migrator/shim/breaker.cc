#include "migrator/shim/breaker.h"

#include <algorithm>

namespace migrator {

bool Breaker::allow() {
  if (!open_) return true;
  const std::lock_guard lock(mutex_);
  if (!open_) return true;
  if (trying_ || now_() < try_at_.load()) return false;
  trying_ = true;
  return true;
}

void Breaker::succeeded() {
  failures_ = 0;
  if (!open_) return;
  const std::lock_guard lock(mutex_);
  open_ = trying_ = false;
  pause_ = options_.first;
}

void Breaker::failed() {
  const int failures = ++failures_;
  if (!open_ && failures < options_.failures) return;
  const std::lock_guard lock(mutex_);
  if (open_ && !trying_) return;  // one of those that were under way when it opened
  if (open_) pause_ = std::min(pause_ * 2, options_.longest);
  open_ = true;
  trying_ = false;
  try_at_ = now_() + pause_;
}

}  // namespace migrator
