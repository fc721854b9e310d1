#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace wissel::routing {

// When each slot next takes a step of its own (ages, say); the earliest is on top.
//
// What has been moved or taken out stays in the heap until it comes to the top, or until most of it
// is such: most conversations are given out before their next step, and taking one out costs no
// more than a number then. That is why it is not an IndexedHeap. An entry holds while its turn is
// the slot's; its user keeps the turns, and says with each call whether an entry `holds`, so that
// one number per slot, beside what else is kept of it, does for all heaps it is in.
class StepHeap {
 public:
  // Some other entry of the slot must not hold.
  void Push(uint32_t slot, uint32_t turn, int64_t time) {
    ++holding_;
    entries_.push_back({time, slot, turn});
    std::push_heap(entries_.begin(), entries_.end(), IsLater);
  }
  // One of the entries holds no longer. Leaves one that does on top, and not many that do not.
  template <typename Holds>
  void Forget(const Holds& holds) {
    --holding_;
    if (entries_.size() > 2 * holding_ + kFew) {
      std::erase_if(entries_, [&](const Entry& e) { return !holds(e.slot, e.turn); });
      std::make_heap(entries_.begin(), entries_.end(), IsLater);
      return;
    }
    while (!entries_.empty() && !holds(entries_[0].slot, entries_[0].turn)) {
      std::pop_heap(entries_.begin(), entries_.end(), IsLater);
      entries_.pop_back();
    }
  }

  bool empty() const { return entries_.empty(); }
  // Only where it is not empty.
  int64_t top_time() const { return entries_[0].time; }
  uint32_t top_slot() const { return entries_[0].slot; }

  size_t MemoryBytes() const { return entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    int64_t time;
    uint32_t slot;
    uint32_t turn;
  };
  // So few that do not hold are never worth a sweep.
  static constexpr size_t kFew = 64;

  static bool IsLater(const Entry& a, const Entry& b) { return a.time > b.time; }

  std::vector<Entry> entries_;
  size_t holding_ = 0;
};

}  // namespace wissel::routing
