#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "libs/base/check.h"

namespace wissel {

// A priority queue of items, each with a key, that can be moved and taken out in place: timers,
// say. Items are small integers that the user hands out (indexes of slots); what is held is one
// entry for each item and 4 bytes for each integer below the largest. The smallest key is on top;
// between equal keys the order is not defined, so that a user whom it matters to has a total order
// of keys.
//
// Not thread-safe. Set and Remove are O(log n), top is O(1).
template <typename Key, typename Less = std::less<Key>>
class IndexedHeap {
 public:
  struct Entry {
    Key key;
    uint32_t item;
  };

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  const Entry& top() const {
    WISSEL_CHECK(!entries_.empty()) << "the top of an empty heap";
    return entries_[0];
  }
  bool Contains(uint32_t item) const { return item < places_.size() && places_[item] != kNowhere; }
  // Null where it is not in.
  const Key* Find(uint32_t item) const {
    return Contains(item) ? &entries_[places_[item]].key : nullptr;
  }

  // Puts the item in, or gives it another key.
  void Set(uint32_t item, Key key) {
    if (item >= places_.size()) places_.resize(static_cast<size_t>(item) + 1, kNowhere);
    uint32_t place = places_[item];
    if (place == kNowhere) {
      place = static_cast<uint32_t>(entries_.size());
      entries_.push_back({key, item});
    }
    Settle(place, {std::move(key), item});
  }

  // False where it is not in.
  bool Remove(uint32_t item) {
    if (!Contains(item)) return false;
    const uint32_t place = places_[item];
    places_[item] = kNowhere;
    Entry last = std::move(entries_.back());
    entries_.pop_back();
    if (last.item != item) Settle(place, std::move(last));
    return true;
  }

  void Clear() {
    entries_.clear();
    places_.clear();
  }

  size_t MemoryBytes() const {
    return entries_.capacity() * sizeof(Entry) + places_.capacity() * sizeof(uint32_t);
  }

 private:
  static constexpr uint32_t kNowhere = ~uint32_t{0};
  // Four children lie in one or two cache lines, and the tree is half as high as a binary one.
  static constexpr uint32_t kChildren = 4;

  // Puts the entry at the free place, or where it belongs above or below it.
  void Settle(uint32_t place, Entry entry) {
    while (place > 0) {
      const uint32_t parent = (place - 1) / kChildren;
      if (!less_(entry.key, entries_[parent].key)) break;
      entries_[place] = std::move(entries_[parent]);
      places_[entries_[place].item] = place;
      place = parent;
    }
    const auto size = static_cast<uint32_t>(entries_.size());
    while (true) {
      const uint64_t first = uint64_t{place} * kChildren + 1;
      if (first >= size) break;
      auto best = static_cast<uint32_t>(first);
      const auto end = static_cast<uint32_t>(std::min<uint64_t>(first + kChildren, size));
      for (uint32_t child = best + 1; child < end; ++child) {
        if (less_(entries_[child].key, entries_[best].key)) best = child;
      }
      if (!less_(entries_[best].key, entry.key)) break;
      entries_[place] = std::move(entries_[best]);
      places_[entries_[place].item] = place;
      place = best;
    }
    places_[entry.item] = place;
    entries_[place] = std::move(entry);
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> places_;
  [[no_unique_address]] Less less_;
};

}  // namespace wissel
