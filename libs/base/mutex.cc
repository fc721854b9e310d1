#include "libs/base/mutex.h"

#include <algorithm>
#include <chrono>

namespace wissel {
namespace {

// Longest single wait given to the standard library, whose deadline arithmetic overflows for longer
// ones; the caller's loop continues as after any wake-up without a notification.
constexpr absl::Duration kLongestWait = absl::Hours(24);

}  // namespace

void CondVar::Wait(Mutex& mutex) {
  std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
  cv_.wait(lock);
  lock.release();
}

bool CondVar::WaitFor(Mutex& mutex, absl::Duration timeout) {
  const bool clamped = timeout > kLongestWait;
  std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
  const std::cv_status status = cv_.wait_for(
      lock, absl::ToChronoNanoseconds(std::clamp(timeout, absl::ZeroDuration(), kLongestWait)));
  lock.release();
  return clamped || status == std::cv_status::no_timeout;
}

bool CondVar::WaitUntil(Mutex& mutex, absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) {
    Wait(mutex);
    return true;
  }
  std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
  const std::cv_status status = cv_.wait_until(lock, absl::ToChronoTime(deadline));
  lock.release();
  return status == std::cv_status::no_timeout;
}

}  // namespace wissel
