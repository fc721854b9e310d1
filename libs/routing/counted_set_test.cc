#include "libs/routing/counted_set.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>
#include <vector>

namespace wissel::routing {
namespace {

// Small nodes make a high tree of few keys.
using Set = CountedSet<int, 4, 4>;

std::vector<int> Keys(const Set& set) {
  std::vector<int> keys;
  set.ForEach([&](int key) {
    keys.push_back(key);
    return true;
  });
  return keys;
}

void ExpectSame(const Set& set, const std::set<int>& model) {
  ASSERT_EQ(set.size(), model.size());
  ASSERT_EQ(Keys(set), std::vector<int>(model.begin(), model.end()));
  if (!model.empty()) {
    ASSERT_EQ(set.First(), *model.begin());
  }
  size_t before = 0;
  for (const int key : model) {
    ASSERT_EQ(set.CountBefore(key, std::less<>()), before++);
    ASSERT_EQ(set.CountBefore(key + 1, std::less<>()), before);
  }
}

TEST(CountedSet, AgreesWithASortedSetThroughRandomSteps) {
  std::mt19937 random(1);
  Set set;
  std::set<int> model;
  for (int step = 0; step < 6'000; ++step) {
    // Grows to some 150 keys, shrinks to none, and again.
    const bool growing = step / 500 % 2 == 0;
    const int key = static_cast<int>(random() % 150) * 2;
    if (random() % 4 == (growing ? 0u : 1u) || (!growing && random() % 2 == 0)) {
      ASSERT_EQ(set.Erase(key, std::less<>()), model.erase(key) == 1);
    } else if (growing || random() % 8 == 0) {
      ASSERT_EQ(set.Insert(key, std::less<>()), model.insert(key).second);
    }
    if (step % 7 == 0) {
      ASSERT_NO_FATAL_FAILURE(ExpectSame(set, model));
    }
  }
}

TEST(CountedSet, TakesArrivalsInOrderAndGivesThemOutInOrder) {
  Set set;
  std::set<int> model;
  for (int i = 0; i < 300; ++i) {
    set.Insert(i, std::less<>());
    model.insert(i);
  }
  ExpectSame(set, model);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(set.First(), i);
    ASSERT_TRUE(set.Erase(i, std::less<>()));
  }
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.MemoryBytes(), 0u);
}

TEST(CountedSet, GivesBackItsMemoryWhenWhatIsLeftIsSparse) {
  CountedSet<int, 16, 8> set;
  for (int i = 0; i < 1'000; ++i) set.Insert(i, std::less<>());
  const size_t full = set.MemoryBytes();
  for (int i = 0; i < 1'000; ++i) {
    if (i % 10 != 0) set.Erase(i, std::less<>());
  }
  EXPECT_EQ(set.size(), 100u);
  EXPECT_LT(set.MemoryBytes(), full / 3);
}

}  // namespace
}  // namespace wissel::routing
