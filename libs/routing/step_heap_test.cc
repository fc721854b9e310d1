#include "libs/routing/step_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace wissel::routing {
namespace {

// Stepped side by side with a map searched through.
TEST(StepHeap, AgreesWithAMapThroughRandomSteps) {
  std::mt19937 random(1);
  StepHeap heap;
  std::map<uint32_t, int64_t> model;
  for (int step = 0; step < 20'000; ++step) {
    const uint32_t slot = random() % 100;
    if (random() % 2 == 0) {
      heap.Remove(slot);
      model.erase(slot);
    } else {
      const auto time = static_cast<int64_t>(random() % 50);
      heap.Set(slot, time);
      model[slot] = time;
    }
    ASSERT_EQ(heap.empty(), model.empty());
    if (model.empty()) continue;
    const auto earliest =
        std::min_element(model.begin(), model.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    ASSERT_EQ(heap.top_time(), earliest->second);
    ASSERT_EQ(model.at(heap.top_slot()), earliest->second);
  }
}

TEST(StepHeap, DoesNotGrowWithWhatWasTakenOut) {
  StepHeap heap;
  heap.Set(0, 0);
  for (int i = 1; i < 100'000; ++i) {
    heap.Set(1, i);
    heap.Remove(1);
  }
  EXPECT_LT(heap.MemoryBytes(), 8192u);
}

}  // namespace
}  // namespace wissel::routing
