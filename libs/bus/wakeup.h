#pragma once

#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/base/timeout.h"

namespace wissel::bus {

// How a thread that polls many things sleeps until one of them may be ready. Set by any thread,
// waited for by one. Notifications that come while nobody waits are remembered as one, so the loop
//
//   while (poll everything, and something came) {}
//   wakeup->Wait(timeout);
//
// loses none.
class Wakeup {
 public:
  void Notify() {
    MutexLock lock(mutex_);
    set_ = true;
    changed_.NotifyOne();
  }

  // True if notified since the last Wait, at the latest within `timeout`.
  bool Wait(absl::Duration timeout) {
    const Timeout limit(timeout);
    MutexLock lock(mutex_);
    while (!set_) {
      if (limit.Expired()) return false;
      changed_.WaitFor(mutex_, limit.Remaining());
    }
    set_ = false;
    return true;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool set_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace wissel::bus
