#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "libs/routing/agent_set.h"
#include "libs/routing/agent_table.h"
#include "libs/routing/policy_impl.h"

namespace wissel::routing {

// What conversations ask of agents under a policy, each thing worked out once, when first asked
// for: who may take it, as bits, and in which order they are preferred. Numbered from 0.
class Requirements {
 public:
  // Who is asked in which order: tier by tier, within one by the strategy.
  struct Word {  // 64 agents of a tier; only where there is one
    uint32_t word;
    uint32_t tier;
    uint64_t bits = 0;  // a bit for each agent
  };
  struct Tier {  // agents that are equal before the strategy compares them; their words
    uint32_t begin;
    uint32_t end;
  };
  struct Ranking {
    config::v1::Strategy strategy;
    // For each kind: nobody of the tiers before this one has room. The matcher raises it when it
    // has seen so, Improved lowers it.
    std::array<uint32_t, kChannelKinds> first_tier = {};
    std::vector<Tier> tiers;  // best first
  };

  struct Group {
    int32_t queue;
    int32_t language;
    int32_t members;  // of the queues asked, or named
    int32_t eligible_count;
    AgentSet eligible;     // members who can what is asked
    int32_t ranking = -1;  // not worked out yet
  };

  // Forgets everything; the policy must outlive what follows.
  void Reset(const Policy::Impl& policy);

  uint32_t GroupOf(int32_t queue, int32_t language, int32_t ring, bool anyone);
  const Group& operator[](uint32_t group) const { return groups_[group]; }
  size_t size() const { return groups_.size(); }
  const std::vector<uint32_t>& GroupsOfQueue(int32_t queue) const { return of_queue_[queue]; }
  // Valid until the next is worked out.
  Ranking& RankingOf(uint32_t group);
  const Word& word(uint32_t word) const { return words_[word]; }
  // A word's bound: nobody in it who has room for anything has a smaller key; a block's: nobody in
  // its words. Improved lowers them, who has compared raises them.
  static constexpr uint32_t kBlockWords = 16;
  int64_t bound(uint32_t word) const { return bounds_[word]; }
  int64_t block_bound(uint32_t block) const { return block_bounds_[block]; }
  void SetBound(uint32_t word, int64_t bound) { bounds_[word] = bound; }
  void RaiseBlockBound(uint32_t block);
  // An agent of this table has come to be better off. FetchPlaces: that may be so in a moment.
  void FetchPlaces(uint32_t agent) const { __builtin_prefetch(&places_[agent], 1); }
  void Improved(uint32_t agent, const AgentTable& agents, const AgentTable::Improvement& how);

  // Bits for the groups that the agent may take, in words of 64 groups.
  const uint64_t* RowOf(uint32_t agent) const { return &rows_[agent * row_words_]; }

  size_t MemoryBytes() const;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // Where an agent stands in a ranking.
  struct Place {
    uint32_t word;
    uint32_t ranking : 29;
    uint32_t strategy : 3;  // the ranking's, so as not to fetch it for nothing
  };
  static_assert(config::v1::Strategy_ARRAYSIZE <= 8);
  // Where an agent stands in some of the rankings; one line of the processor's cache.
  struct alignas(64) Places {
    uint32_t next = kNone;
    uint32_t count = 0;
    std::array<Place, 7> of;
  };
  static_assert(sizeof(Places) == 64);

  void AddPlace(uint32_t agent, const Place& place);

  const Policy::Impl* policy_ = nullptr;
  std::vector<Group> groups_;
  absl::flat_hash_map<uint64_t, uint32_t> index_;
  std::vector<std::vector<uint32_t>> of_queue_;
  size_t row_words_ = 1;
  std::vector<uint64_t> rows_;
  std::vector<Ranking> rankings_;
  // Of all rankings; each begins with a block.
  std::vector<Word> words_;
  std::vector<int64_t> bounds_;
  std::vector<int64_t> block_bounds_;
  std::vector<Places> places_;  // of each agent, behind those what does not fit
};

}  // namespace wissel::routing
