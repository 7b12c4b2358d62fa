// When to try again. Retry lives here and nowhere else.
#pragma once

#include <chrono>

#include "migrator/copy/interrupt.h"

namespace migrator {

struct RetryPolicy {
  int tries = 5;
  std::chrono::milliseconds first{1000};  // doubled each time
  std::chrono::milliseconds most{30'000};
};

// Exponential backoff with full jitter: each wait is uniform in [0, min(first * 2^n,
// most)]. (M. Brooker,
// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: it spreads contending clients
// best.)
class Backoff {
 public:
  Backoff(const RetryPolicy& policy, Interrupt& interrupt)
      : policy_(policy), interrupt_(interrupt) {}

  // Whether this error is worth another try; if so, waits first. False when the error is of a kind
  // that another try cannot help, when the tries are used up, or when a stop was requested.
  bool again(const Error& error);
  // For the next thing to be tried.
  void reset() { used_ = 0; }
  int used() const { return used_; }

 private:
  const RetryPolicy policy_;
  Interrupt& interrupt_;
  int used_ = 0;
};

// Does `work` until it succeeds, or an error is none that another try can help. REQUIRES: it may be
// done again from its beginning.
template <typename Work>
auto retried(Interrupt& interrupt, const Work& work) {
  Backoff backoff(RetryPolicy{}, interrupt);
  while (true) {
    try {
      return work();
    } catch (const Error& error) {
      if (!backoff.again(error)) throw;
    }
  }
}

}  // namespace migrator
