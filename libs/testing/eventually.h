#pragma once

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace wissel::testing {

// Whether `holds` comes to be true within `patience`, for what happens on threads that a test
// cannot wait for.
inline bool Eventually(absl::FunctionRef<bool()> holds,
                       absl::Duration patience = absl::Seconds(20)) {
  for (const absl::Time until = absl::Now() + patience; absl::Now() < until;
       absl::SleepFor(absl::Milliseconds(5))) {
    if (holds()) return true;
  }
  return holds();
}

}  // namespace wissel::testing
