#pragma once

#include <algorithm>
#include <chrono>

#include "absl/time/time.h"

namespace wissel {

// A point on the steady clock, for waits that may take several steps. Setting the system's clock
// does not move it.
class Timeout {
 public:
  explicit Timeout(absl::Duration after) : after_(after) {}

  // Never negative; infinite when the timeout is.
  absl::Duration Remaining() const {
    const absl::Duration elapsed = absl::FromChrono(std::chrono::steady_clock::now() - start_);
    return std::max(after_ - elapsed, absl::ZeroDuration());
  }
  bool Expired() const { return Remaining() == absl::ZeroDuration(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  absl::Duration after_;
};

}  // namespace wissel
