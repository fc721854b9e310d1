#include "libs/base/slot_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace wissel {
namespace {

// Ids with few hashes collide all the time. Stepped side by side with a map.
TEST(SlotIndex, AgreesWithAMapThroughRandomSteps) {
  std::mt19937 random(1);
  SlotIndex index;
  std::map<uint32_t, uint32_t> model;  // slot by id
  std::map<uint32_t, uint32_t> ids;    // and back
  uint32_t next_slot = 0;
  const auto hash = [](uint32_t id) { return id % 7 * 0x10000 + id % 13; };
  for (int step = 0; step < 50'000; ++step) {
    const uint32_t id = random() % 200;
    const auto it = model.find(id);
    const uint32_t found = index.Find(hash(id), [&](uint32_t slot) { return ids.at(slot) == id; });
    ASSERT_EQ(found, it == model.end() ? SlotIndex::kNone : it->second);
    if (it == model.end()) {
      index.Insert(hash(id), next_slot);
      ids[next_slot] = id;
      model[id] = next_slot++;
    } else if (random() % 2 == 0) {
      index.Erase(hash(id), it->second);
      ids.erase(it->second);
      model.erase(it);
    }
  }
}

}  // namespace
}  // namespace wissel
