#include "libs/base/notification.h"

#include "libs/base/timeout.h"

namespace wissel {

bool Notification::WaitFor(absl::Duration timeout) const {
  const Timeout limit(timeout);
  MutexLock lock(mutex_);
  while (!notified_) {
    if (limit.Expired()) return false;
    changed_.WaitFor(mutex_, limit.Remaining());
  }
  return true;
}

}  // namespace wissel
