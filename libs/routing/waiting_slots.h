#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "libs/base/slot_index.h"
#include "libs/routing/matcher.h"
#include "libs/routing/policy_impl.h"
#include "libs/routing/urgency.h"

namespace wissel::routing {

// The waiting conversations of a matcher, each in a numbered slot: what they ask for, by the ids
// they came with and by what those are in the policy in force.
//
// Slots are used again; a conversation has the same one as long as it waits.
class WaitingSlots {
 public:
  static constexpr uint32_t kNone = SlotIndex::kNone;

  struct Exclusions {
    std::vector<std::string> ids;
    std::vector<int32_t> agents;  // -1: the policy does not have the agent
  };
  struct Slot {
    int64_t since = 0;  // ns since 1970, as all times here
    int64_t due = 0;
    int64_t parts = 0;                       // sum of the parts of its priority
    std::unique_ptr<Exclusions> exclusions;  // null where nobody is excluded
    uint32_t queue = kNone;                  // names; kNone: the slot is free
    uint32_t language = kNone;
    uint8_t extra_steps = 0;  // of relaxation, as many as there can be at most
    uint8_t kind = 0;
    bool anyone : 1 = false;

    // Where it stands, for the matcher: group (kNone: nowhere), rank and ring; whether it has come
    // to a further ring since that was last asked for; which of its steps are to come, under which
    // turn.
    bool relaxed : 1 = false;
    bool will_age : 1 = false;
    bool will_relax : 1 = false;
    uint8_t ring = 0;
    int32_t rank = 0;
    uint32_t group = kNone;
    uint32_t turn = 0;

    // The conversation's id; one that does not fit in stands in long_ids_.
    static constexpr size_t kIdBytes = 39;
    static constexpr uint8_t kLongId = 0xff;
    uint8_t id_size = 0;
    std::array<char, kIdBytes> id;
  };
  static_assert(sizeof(Slot) == 96, "two lines of the processor's cache, wherever it begins");

  // kNone: it does not wait.
  uint32_t Find(absl::string_view id) const;
  // It must not wait yet.
  uint32_t Add(const Waiting& waiting, const Policy::Impl& policy);
  void Remove(uint32_t slot);
  // Another policy is in force.
  void Resolve(const Policy::Impl& policy);

  Slot& operator[](uint32_t slot) { return slots_[slot]; }
  const Slot& operator[](uint32_t slot) const { return slots_[slot]; }
  // Slots used so far, free ones among them.
  uint32_t size() const { return static_cast<uint32_t>(slots_.size()); }
  bool IsFree(uint32_t slot) const { return slots_[slot].queue == kNone; }

  absl::string_view IdOf(uint32_t slot) const;
  // In the policy; -1: it does not have it.
  int32_t QueueOf(uint32_t slot) const { return names_[slots_[slot].queue].queue; }
  int32_t LanguageOf(uint32_t slot) const { return names_[slots_[slot].language].language; }
  bool Excludes(uint32_t slot, uint32_t agent) const;

  Urgency UrgencyOf(uint32_t slot) const {
    const Slot& s = slots_[slot];
    return Urgency::Of(s.rank, s.due, s.since, slot, s.exclusions != nullptr);
  }
  // The whole order.
  struct MoreUrgent {
    const WaitingSlots* slots;
    bool operator()(const Urgency& a, const Urgency& b) const {
      return a.coarse != b.coarse ? a.coarse < b.coarse : slots->IsMoreUrgent(a, b);
    }
  };
  MoreUrgent more_urgent() const { return {this}; }

  size_t MemoryBytes() const;

 private:
  // A queue's id or a language that slots refer to, held once.
  struct Name {
    std::string text;
    uint32_t uses = 0;
    int32_t queue = -1;
    int32_t language = -1;
  };

  // Where they are coarsely the same.
  bool IsMoreUrgent(const Urgency& a, const Urgency& b) const;

  uint32_t Acquire(absl::string_view text, const Policy::Impl& policy);
  void Release(uint32_t name);

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  SlotIndex index_;
  absl::flat_hash_map<uint32_t, std::string> long_ids_;
  std::vector<Name> names_;
  std::vector<uint32_t> free_names_;
  absl::flat_hash_map<std::string, uint32_t> name_index_;
};

}  // namespace wissel::routing
