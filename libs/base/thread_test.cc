#include "libs/base/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include "libs/base/mutex.h"
#include "libs/base/notification.h"

namespace wissel {
namespace {

TEST(Thread, HasItsNameCutToWhatLinuxKeeps) {
  char name[32] = {};
  StartThread("a-name-that-is-too-long", [&] {
    pthread_getname_np(pthread_self(), name, sizeof(name));
  }).join();
  EXPECT_STREQ(name, "a-name-that-is-");
}

TEST(Thread, StopsThroughItsToken) {
  Notification stopped;
  {
    std::jthread thread = StartThread("stoppable", [&](std::stop_token stop) {
      std::stop_callback wake(stop, [&] { stopped.Notify(); });
      stopped.Wait();
    });
  }
  EXPECT_TRUE(stopped.HasBeenNotified());
}

TEST(Notification, WaitsUntilRaisedOrTimedOut) {
  Notification flag;
  EXPECT_FALSE(flag.WaitFor(absl::Milliseconds(1)));
  std::jthread thread = StartThread("raiser", [&] { flag.Notify(); });
  EXPECT_TRUE(flag.WaitFor(absl::InfiniteDuration()));
  flag.Wait();
  flag.Notify();
  EXPECT_TRUE(flag.HasBeenNotified());
}

TEST(CondVar, WaitUntilEndsAtItsDeadline) {
  Mutex mutex;
  CondVar changed;
  MutexLock lock(mutex);
  EXPECT_FALSE(changed.WaitUntil(mutex, absl::InfinitePast()));
  EXPECT_FALSE(changed.WaitFor(mutex, -absl::InfiniteDuration()));
}

}  // namespace
}  // namespace wissel
