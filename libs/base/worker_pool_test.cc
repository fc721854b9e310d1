#include "libs/base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "libs/base/notification.h"

namespace wissel {
namespace {

TEST(WorkerPool, DoesAllItTookBeforeItEnds) {
  std::atomic<int> sum = 0;
  {
    WorkerPool<int> pool({.name = "test", .threads = 3, .queue = 1000},
                         [] { return std::make_unique<int>(1); });
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.TryRun([&](int& one) { sum += one; }));
  }
  EXPECT_EQ(sum, 500);
}

TEST(WorkerPool, RefusesWhatDoesNotFit) {
  Notification begun;
  Notification go_on;
  WorkerPool<int> pool({.name = "test", .threads = 1, .queue = 1},
                       [] { return std::make_unique<int>(0); });
  ASSERT_TRUE(pool.TryRun([&](int&) {
    begun.Notify();
    go_on.Wait();
  }));
  begun.Wait();
  EXPECT_TRUE(pool.TryRun([](int&) {}));
  EXPECT_FALSE(pool.TryRun([](int&) {}));
  go_on.Notify();
}

TEST(WorkerPool, AToolIsOneThreadsOnly) {
  std::atomic<int> made = 0;
  WorkerPool<int> pool({.name = "test", .threads = 4, .queue = 10},
                       [&] { return std::make_unique<int>(++made); });
  EXPECT_EQ(made, 4);
}

}  // namespace
}  // namespace wissel
