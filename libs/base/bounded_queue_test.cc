#include "libs/base/bounded_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "libs/base/thread.h"

namespace wissel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BoundedQueue, KeepsOrderAndRefusesWhatDoesNotFit) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_TRUE(queue.TryPush(3));
  EXPECT_THAT(queue.PopAll(), ElementsAre(2, 3));
  EXPECT_THAT(queue.PopAll(), IsEmpty());
}

TEST(BoundedQueue, LeavesARefusedItemWithItsOwner) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.TryPush(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(queue.TryPush(std::move(second)));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
}

TEST(BoundedQueue, GivesUpAfterTheTimeout) {
  BoundedQueue<int> queue(1);
  EXPECT_EQ(queue.Pop(absl::Milliseconds(1)), std::nullopt);
  EXPECT_TRUE(queue.Push(1));
  EXPECT_FALSE(queue.Push(2, absl::Milliseconds(1)));
}

TEST(BoundedQueue, TakesABatchOfAtMostMax) {
  BoundedQueue<int> queue(5);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(queue.TryPush(i));
  EXPECT_THAT(queue.PopBatch(3), ElementsAre(0, 1, 2));
  EXPECT_THAT(queue.PopBatch(3), ElementsAre(3, 4));
  EXPECT_THAT(queue.PopBatch(3, absl::ZeroDuration()), IsEmpty());
}

TEST(BoundedQueue, CloseWakesWaitersAndLeavesWhatIsInside) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.TryPush(1));
  bool pushed = true;
  std::jthread producer = StartThread("producer", [&] { pushed = queue.Push(2); });
  queue.Close();
  producer.join();
  EXPECT_FALSE(pushed);
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueue, LosesAndRepeatsNothingBetweenThreads) {
  constexpr int kProducers = 3, kEach = 2000;
  BoundedQueue<int> queue(16);
  std::vector<std::jthread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.push_back(StartThread("producer", [&queue, p] {
      for (int i = 0; i < kEach; ++i) queue.Push(p * kEach + i);
    }));
  }
  std::vector<int> next(kProducers);
  for (int taken = 0; taken < kProducers * kEach; ++taken) {
    const std::optional<int> item = queue.Pop(absl::Seconds(10));
    ASSERT_TRUE(item.has_value());
    EXPECT_EQ(*item % kEach, next[*item / kEach]++);
  }
  EXPECT_EQ(queue.size(), 0u);
}

}  // namespace
}  // namespace wissel
