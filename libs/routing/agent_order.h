#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace wissel::routing {

// Agents in the order of a value that mostly rises (since when they are idle, when they last got
// something), the smaller agent first between equal ones; walked from the smallest on, for a few
// steps.
//
// A heap whose entries say what was last known of an agent and never more than is so: a value that
// rises is looked at when the walk comes to it, only one that falls has to be told. Its user keeps
// the invariant that each agent who may be wanted has an entry with at most the present value.
class AgentOrder {
 public:
  struct Entry {
    int64_t value;
    uint32_t agent;

    friend bool operator==(const Entry&, const Entry&) = default;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  // Stands behind every agent.
  static constexpr Entry kGone = {std::numeric_limits<int64_t>::max(), ~uint32_t{0}};

  // Nothing is known: to be built before it is walked.
  bool built() const { return built_; }
  void Drop() {
    built_ = false;
    entries_ = {};
  }
  void Build(std::vector<Entry> entries) {
    entries_ = std::move(entries);
    for (size_t place = entries_.size() / kChildren + 1; place-- > 0;) SiftDown(place);
    // As many again may be added before it is worth building it anew.
    limit_ = 2 * entries_.size() + kFew;
    built_ = true;
  }

  // The agent's value has fallen to this, or the agent may be wanted again.
  void Add(const Entry& entry) {
    if (entries_.size() >= limit_) return Drop();
    entries_.push_back(entry);
    SiftUp(entries_.size() - 1);
  }

  // Calls visit(agent) in order until it returns false. `current(agent)` is the agent's entry as it
  // should be, kGone where the agent is not wanted and will be added when that changes. Returns
  // false where `steps` did not suffice.
  template <typename Current, typename Visit>
  bool Walk(int steps, const Current& current, const Visit& visit) {
    const auto later = [this](size_t a, size_t b) { return entries_[b] < entries_[a]; };
    const auto push = [&](size_t place) {
      reached_.push_back(place);
      std::push_heap(reached_.begin(), reached_.end(), later);
    };
    reached_.clear();
    if (!entries_.empty()) reached_.push_back(0);
    Entry last = kGone;
    while (!reached_.empty()) {
      const size_t place = reached_[0];
      Entry& entry = entries_[place];
      if (entry == kGone) return true;
      if (steps-- == 0) return false;
      // An agent who was added may be there twice: as before, or with a value that has fallen.
      const Entry known = current(entry.agent);
      const Entry now = entry == last || known < entry ? kGone : known;
      std::pop_heap(reached_.begin(), reached_.end(), later);
      reached_.pop_back();
      if (now != entry) {
        // What lies below the place, and that alone, moves; nothing there has been reached yet.
        entry = now;
        SiftDown(place);
        push(place);
        continue;
      }
      last = now;
      if (!visit(now.agent)) return true;
      const size_t end = std::min(entries_.size(), place * kChildren + kChildren + 1);
      for (size_t child = place * kChildren + 1; child < end; ++child) push(child);
    }
    return true;
  }

  size_t MemoryBytes() const { return entries_.capacity() * sizeof(Entry); }

 private:
  static constexpr size_t kChildren = 4;
  static constexpr size_t kFew = 64;

  void SiftUp(size_t place) {
    const Entry entry = entries_[place];
    for (; place > 0 && entry < entries_[(place - 1) / kChildren];
         place = (place - 1) / kChildren) {
      entries_[place] = entries_[(place - 1) / kChildren];
    }
    entries_[place] = entry;
  }

  void SiftDown(size_t place) {
    if (place >= entries_.size()) return;
    const Entry entry = entries_[place];
    while (true) {
      const size_t first = place * kChildren + 1;
      if (first >= entries_.size()) break;
      const auto begin = entries_.begin() + static_cast<ptrdiff_t>(first);
      const auto count = static_cast<ptrdiff_t>(std::min(kChildren, entries_.size() - first));
      const auto least = std::min_element(begin, begin + count);
      if (!(*least < entry)) break;
      entries_[place] = *least;
      place = static_cast<size_t>(least - entries_.begin());
    }
    entries_[place] = entry;
  }

  std::vector<Entry> entries_;
  // Places whose parents have been visited, the next one on top; kept to be used again.
  std::vector<size_t> reached_;
  size_t limit_ = 0;
  bool built_ = false;
};

}  // namespace wissel::routing
