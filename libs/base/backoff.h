#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace wissel {

// Delays before retries: exponential with full jitter, that is, uniform between zero and a limit
// which grows with each call (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog,
// 2015). The same seed gives the same delays on every machine. Not thread-safe.
class Backoff {
 public:
  struct Options {
    absl::Duration initial = absl::Milliseconds(100);  // the first limit
    absl::Duration max = absl::Seconds(30);            // the largest limit
    double multiplier = 2.0;
  };

  Backoff(const Options& options, uint64_t seed);

  absl::Duration Next();
  // After a success: the next delay is a first one again.
  void Reset() { limit_ = options_.initial; }

 private:
  const Options options_;
  uint64_t random_;
  absl::Duration limit_;
};

}  // namespace wissel
