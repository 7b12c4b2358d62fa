#include "migrator/copy/backoff.h"

#include <algorithm>
#include <random>

namespace migrator {

bool Backoff::again(const Error& error) {
  // A statement that someone else has cancelled (an administrator, most likely) is as good as one
  // that ran into a timeout.
  const bool worth_it = error.kind() == ErrorKind::transient ||
                        error.kind() == ErrorKind::in_doubt || error.kind() == ErrorKind::cancelled;
  if (!worth_it || interrupt_.requested() || ++used_ >= policy_.tries) return false;
  thread_local std::mt19937_64 random{std::random_device{}()};
  const std::int64_t most =
      std::min(policy_.first.count() << std::min(used_ - 1, 20), policy_.most.count());
  return interrupt_.sleep(
      std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, most)(random)));
}

}  // namespace migrator
