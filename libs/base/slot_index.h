#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace wissel {

// Finds the slot in which an id stands: a table of (hash, slot), 8 bytes an entry. Its user owns
// the ids and says whether a slot holds the one that is sought.
//
// Open addressing with linear probing. What is taken out leaves no mark, since those behind it move
// up; and hashes are kept. So that a table in which ids come and go is never built anew, and
// growing looks at no id.
class SlotIndex {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // kNone where no slot of this hash `is` the one.
  template <typename Is>
  uint32_t Find(uint32_t hash, const Is& is) const {
    if (entries_.empty()) return kNone;
    for (size_t at = hash & mask_; entries_[at].slot != kNone; at = (at + 1) & mask_) {
      if (entries_[at].hash == hash && is(entries_[at].slot)) return entries_[at].slot;
    }
    return kNone;
  }

  // The slot must not be in yet.
  void Insert(uint32_t hash, uint32_t slot) {
    if (size_ >= entries_.size() / 4 * 3) Grow();
    ++size_;
    Put({hash, slot});
  }

  // The slot must be in, with this hash.
  void Erase(uint32_t hash, uint32_t slot) {
    size_t gap = hash & mask_;
    while (entries_[gap].slot != slot) gap = (gap + 1) & mask_;
    for (size_t at = (gap + 1) & mask_; entries_[at].slot != kNone; at = (at + 1) & mask_) {
      // One may move up to the gap unless that lies before the place its hash asks for.
      const size_t wanted = entries_[at].hash & mask_;
      if (((at - wanted) & mask_) < ((at - gap) & mask_)) continue;
      entries_[gap] = entries_[at];
      gap = at;
    }
    entries_[gap].slot = kNone;
    --size_;
  }

  size_t MemoryBytes() const { return entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    uint32_t hash = 0;
    uint32_t slot = kNone;
  };

  void Put(Entry entry) {
    size_t at = entry.hash & mask_;
    while (entries_[at].slot != kNone) at = (at + 1) & mask_;
    entries_[at] = entry;
  }

  void Grow() {
    constexpr size_t kSmallest = 16;
    const std::vector<Entry> before = std::exchange(
        entries_, std::vector<Entry>(entries_.empty() ? kSmallest : 2 * entries_.size()));
    mask_ = entries_.size() - 1;
    for (const Entry& entry : before) {
      if (entry.slot != kNone) Put(entry);
    }
  }

  std::vector<Entry> entries_;  // a power of two
  size_t mask_ = 0;
  size_t size_ = 0;
};

}  // namespace wissel
