#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/indexed_heap.h"

namespace wissel::domain {

// What a timer is for. Those due at the same time fire in this order.
enum class TimerKind {
  // By the conversation's status: offer timeout, exclusion, parking, forgetting.
  kConversation,
  kAgentLost,
  kGatewayLease,
  // What an agent may no longer have, by AgentKey: the rest of what one decision had no room for.
  kGiveBack,
  // What the last decision had no room for, by "".
  kMatch,
  // Somebody who waits asks for less, by routing key.
  kRelax,
  // By conversation.
  kOverflow,
  kSla,
  // Waiting times of a queue, by QueueKey.
  kEstimate,
  // When a conversation will be at risk if nothing happens until then.
  kAtRisk,
  // After-work, and work left by an agent who is offline; by AgentKey.
  kWrapUp,
  kOwnerGone,
};

// The timers of a partition: at most one of each kind and key.
//
// Which one is next is a function of what is set: by time, then kind, then key. Not thread-safe.
// Set and Clear are O(log n), the rest is O(1).
class Timers {
 public:
  Timers() = default;
  // The heap points into the table.
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  struct Timer {
    absl::Time due;
    TimerKind kind;
    std::string key;
  };

  bool Contains(TimerKind kind, absl::string_view key) const {
    return items_.contains(Ref{kind, key});
  }
  // InfiniteFuture where it is not set.
  absl::Time DueOf(TimerKind kind, absl::string_view key) const {
    const auto it = items_.find(Ref{kind, key});
    return it == items_.end() ? absl::InfiniteFuture() : heap_.Find(it->second)->time;
  }
  // Sets it, or moves it.
  void Set(TimerKind kind, absl::string_view key, absl::Time due) {
    const auto [it, is_new] = items_.try_emplace(Ref{kind, key}, 0);
    if (is_new) it->second = TakeItem();
    heap_.Set(it->second, {due, &it->first});
  }
  void Clear(TimerKind kind, absl::string_view key) {
    if (const auto it = items_.find(Ref{kind, key}); it != items_.end()) Erase(it);
  }

  // All that are set, in no order.
  std::vector<Timer> All() const {
    std::vector<Timer> timers;
    for (const auto& [name, item] : items_) {
      timers.push_back({heap_.Find(item)->time, name.kind, name.key});
    }
    return timers;
  }
  // InfiniteFuture where none is set.
  absl::Time NextDue() const {
    return heap_.empty() ? absl::InfiniteFuture() : heap_.top().key.time;
  }
  // Whether the next one is due then and of this kind.
  bool NextIs(absl::Time due, TimerKind kind) const {
    return !heap_.empty() && heap_.top().key.time == due && heap_.top().key.name->kind == kind;
  }
  // Takes the next one out; only where one is set.
  Timer TakeNext() {
    const Due& next = heap_.top().key;
    Timer timer{next.time, next.name->kind, next.name->key};
    Clear(timer.kind, timer.key);
    return timer;
  }

 private:
  struct Ref {
    TimerKind kind;
    absl::string_view key;
  };
  struct Name {
    explicit Name(const Ref& ref) : kind(ref.kind), key(ref.key) {}
    operator Ref() const { return {kind, key}; }  // NOLINT(google-explicit-constructor): looked up

    TimerKind kind;
    std::string key;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Ref& ref) const {
      return absl::Hash<std::pair<TimerKind, absl::string_view>>()({ref.kind, ref.key});
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Ref& a, const Ref& b) const { return a.kind == b.kind && a.key == b.key; }
  };
  // Its items in the heap, by name; names stay where they are while the table grows.
  using Items = absl::node_hash_map<Name, uint32_t, Hash, Equal>;

  struct Due {
    absl::Time time;
    const Name* name;

    friend bool operator<(const Due& a, const Due& b) {
      return a.time != b.time
                 ? a.time < b.time
                 : std::tie(a.name->kind, a.name->key) < std::tie(b.name->kind, b.name->key);
    }
  };

  uint32_t TakeItem() {
    if (free_items_.empty()) return static_cast<uint32_t>(items_.size()) - 1;
    const uint32_t item = free_items_.back();
    free_items_.pop_back();
    return item;
  }
  void Erase(Items::iterator it) {
    heap_.Remove(it->second);
    free_items_.push_back(it->second);
    items_.erase(it);
  }

  Items items_;
  IndexedHeap<Due> heap_;
  std::vector<uint32_t> free_items_;
};

}  // namespace wissel::domain
