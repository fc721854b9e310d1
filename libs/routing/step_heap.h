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
// more than a number then. That is why it is not an IndexedHeap.
class StepHeap {
 public:
  bool empty() const { return slots_ == 0; }
  // Only where it is not empty.
  int64_t top_time() const { return entries_[0].time; }
  uint32_t top_slot() const { return entries_[0].slot; }

  // Puts the slot in, or gives it another time.
  void Set(uint32_t slot, int64_t time) {
    if (slot >= turns_.size()) turns_.resize(static_cast<size_t>(slot) + 1, 0);
    uint32_t& turn = turns_[slot];
    slots_ += IsIn(turn) ? 0 : 1;
    turn += IsIn(turn) ? 2 : 1;
    entries_.push_back({time, slot, turn});
    std::push_heap(entries_.begin(), entries_.end(), IsLater);
    Tidy();
  }

  void Remove(uint32_t slot) {
    if (slot >= turns_.size() || !IsIn(turns_[slot])) return;
    ++turns_[slot];
    --slots_;
    Tidy();
  }

  size_t MemoryBytes() const {
    return entries_.capacity() * sizeof(Entry) + turns_.capacity() * sizeof(uint32_t);
  }

 private:
  struct Entry {
    int64_t time;
    uint32_t slot;
    uint32_t turn;  // it holds while this is the slot's
  };
  // So few that do not hold are never worth a sweep.
  static constexpr size_t kFew = 64;

  static bool IsLater(const Entry& a, const Entry& b) { return a.time > b.time; }
  // A slot's turn is odd while it is in.
  static bool IsIn(uint32_t turn) { return turn % 2 == 1; }
  bool Holds(const Entry& entry) const { return turns_[entry.slot] == entry.turn; }

  // Leaves one that holds on top, and not many that do not.
  void Tidy() {
    if (entries_.size() > 2 * slots_ + kFew) {
      std::erase_if(entries_, [this](const Entry& entry) { return !Holds(entry); });
      std::make_heap(entries_.begin(), entries_.end(), IsLater);
      return;
    }
    while (!entries_.empty() && !Holds(entries_[0])) {
      std::pop_heap(entries_.begin(), entries_.end(), IsLater);
      entries_.pop_back();
    }
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> turns_;
  size_t slots_ = 0;
};

}  // namespace wissel::routing
