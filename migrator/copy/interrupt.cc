#include "migrator/copy/interrupt.h"

#include <vector>

namespace migrator {

Interrupt::Registration::Registration(Interrupt& owner, std::shared_ptr<Canceller> canceller)
    : owner_(&owner) {
  const std::lock_guard lock(owner.mutex_);
  place_ = owner.cancellers_.insert(owner.cancellers_.end(), std::move(canceller));
}

Interrupt::Registration& Interrupt::Registration::operator=(Registration&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(place_, other.place_);
  return *this;
}

Interrupt::Registration::~Registration() {
  if (!owner_) return;
  const std::lock_guard lock(owner_->mutex_);
  owner_->cancellers_.erase(place_);
}

void Interrupt::request() {
  stop_.request_stop();
  std::vector<std::shared_ptr<Canceller>> cancellers;
  {
    const std::lock_guard lock(mutex_);
    cancellers.assign(cancellers_.begin(), cancellers_.end());
  }
  wake_.notify_all();
  for (const auto& canceller : cancellers) canceller->cancel();
}

void Interrupt::check() const {
  if (requested()) {
    throw Error(ErrorKind::cancelled, "stopped on request")
        .remedy("run the same command again: it goes on where it stopped");
  }
}

bool Interrupt::sleep(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop_.get_token(), time, [] { return false; });
  return !requested();
}

}  // namespace migrator
