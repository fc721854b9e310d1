#include "libs/base/indexed_heap.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace wissel {
namespace {

TEST(IndexedHeap, GivesTheSmallestKeyWhereverItWasMoved) {
  IndexedHeap<int> heap;
  heap.Set(7, 70);
  heap.Set(3, 30);
  heap.Set(9, 90);
  EXPECT_EQ(heap.top().item, 3u);
  heap.Set(9, 10);
  EXPECT_EQ(heap.top().item, 9u);
  heap.Set(9, 100);
  EXPECT_EQ(heap.top().item, 3u);
  EXPECT_TRUE(heap.Remove(3));
  EXPECT_FALSE(heap.Remove(3));
  EXPECT_FALSE(heap.Remove(1'000));
  EXPECT_EQ(heap.top().item, 7u);
  EXPECT_EQ(*heap.Find(9), 100);
  EXPECT_EQ(heap.Find(3), nullptr);
  EXPECT_EQ(heap.size(), 2u);
}

// Stepped side by side with a map searched through.
TEST(IndexedHeap, AgreesWithAMapThroughRandomSteps) {
  std::mt19937 random(1);
  IndexedHeap<int> heap;
  std::map<uint32_t, int> model;
  for (int step = 0; step < 20'000; ++step) {
    const uint32_t item = random() % 100;
    if (random() % 3 == 0) {
      EXPECT_EQ(heap.Remove(item), model.erase(item) == 1);
    } else {
      const int key = static_cast<int>(random() % 50);
      heap.Set(item, key);
      model[item] = key;
    }
    ASSERT_EQ(heap.size(), model.size());
    if (model.empty()) continue;
    int smallest = 50;
    for (const auto& [id, key] : model) smallest = std::min(smallest, key);
    ASSERT_EQ(heap.top().key, smallest);
    ASSERT_EQ(model[heap.top().item], smallest);
  }
}

}  // namespace
}  // namespace wissel
