#include "libs/routing/step_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace wissel::routing {
namespace {

// A heap and the turns of its slots; 0: not in it.
struct Steps {
  StepHeap heap;
  std::map<uint32_t, uint32_t> turns;
  uint32_t last_turn = 0;

  void Set(uint32_t slot, int64_t time) {
    Remove(slot);
    heap.Push(slot, turns[slot] = ++last_turn, time);
  }
  void Remove(uint32_t slot) {
    if (turns.erase(slot) == 0) return;
    heap.Forget([&](uint32_t s, uint32_t turn) {
      const auto it = turns.find(s);
      return it != turns.end() && it->second == turn;
    });
  }
};

// Stepped side by side with a map searched through.
TEST(StepHeap, AgreesWithAMapThroughRandomSteps) {
  std::mt19937 random(1);
  Steps steps;
  std::map<uint32_t, int64_t> model;
  for (int step = 0; step < 20'000; ++step) {
    const uint32_t slot = random() % 100;
    if (random() % 2 == 0) {
      steps.Remove(slot);
      model.erase(slot);
    } else {
      const auto time = static_cast<int64_t>(random() % 50);
      steps.Set(slot, time);
      model[slot] = time;
    }
    ASSERT_EQ(steps.heap.empty(), model.empty());
    if (model.empty()) continue;
    const auto earliest =
        std::min_element(model.begin(), model.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    ASSERT_EQ(steps.heap.top_time(), earliest->second);
    ASSERT_EQ(model.at(steps.heap.top_slot()), earliest->second);
  }
}

TEST(StepHeap, DoesNotGrowWithWhatWasTakenOut) {
  Steps steps;
  steps.Set(0, 0);
  for (int i = 1; i < 100'000; ++i) {
    steps.Set(1, i);
    steps.Remove(1);
  }
  EXPECT_LT(steps.heap.MemoryBytes(), 8192u);
}

}  // namespace
}  // namespace wissel::routing
