#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace wissel {

// A flag that is raised once and that any thread can wait for. Raising it again does nothing.
class Notification {
 public:
  void Notify() {
    MutexLock lock(mutex_);
    notified_ = true;
    // Under the lock: a waiter may destroy this object as soon as it sees the flag.
    changed_.NotifyAll();
  }

  bool HasBeenNotified() const {
    MutexLock lock(mutex_);
    return notified_;
  }

  void Wait() const {
    MutexLock lock(mutex_);
    while (!notified_) changed_.Wait(mutex_);
  }

  // True if the flag was raised within `timeout`.
  bool WaitFor(absl::Duration timeout) const;

 private:
  mutable Mutex mutex_;
  mutable CondVar changed_;
  bool notified_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace wissel
