#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/routing/agent_set.h"
#include "libs/routing/policy_impl.h"

namespace wissel::routing {

// What conversations ask of agents under a policy, each thing worked out once, when first asked
// for: who may take it, as bits, and in which order they are preferred. Numbered from 0.
class Requirements {
 public:
  // Agents that are equal before the queue's strategy compares them.
  struct Tier {
    uint32_t begin;  // its words
    uint32_t end;
    uint64_t compared_at = 0;  // when it was last searched, by AgentTable::Now
  };
  struct Ranking {
    // The words of all tiers, only those that have somebody: which, and a bit for each agent.
    std::vector<uint32_t> words;
    std::vector<uint64_t> bits;
    // Of each: none of those who have room has had a smaller key than this since the tier was last
    // searched, unless AgentTable::ImprovedAt says that the word was improved after that.
    std::vector<int64_t> least;
    std::vector<Tier> tiers;  // best first
    // For each kind: nobody of the tiers before this one has room. The matcher raises it when it
    // has seen so, GainedRoom lowers it.
    std::array<uint32_t, kChannelKinds> first_tier = {};
  };

  struct Group {
    int32_t queue;
    int32_t language;
    int32_t members;  // of the queues asked, or named
    int32_t eligible_count;
    AgentSet eligible;  // members who can what is asked
    std::unique_ptr<Ranking> ranking;
  };

  // Forgets everything; the policy must outlive what follows.
  void Reset(const Policy::Impl& policy);

  uint32_t GroupOf(int32_t queue, int32_t language, int32_t ring, bool anyone);
  const Group& operator[](uint32_t group) const { return groups_[group]; }
  size_t size() const { return groups_.size(); }
  const std::vector<uint32_t>& GroupsOfQueue(int32_t queue) const { return of_queue_[queue]; }
  Ranking& RankingOf(uint32_t group);
  // The agent has come to have room for kinds, as bits.
  void GainedRoom(uint32_t agent, uint32_t kinds);

  // Bits for the groups that the agent may take, in words of 64 groups.
  const uint64_t* RowOf(uint32_t agent) const { return &rows_[agent * row_words_]; }

  size_t MemoryBytes() const;

 private:
  // Where an agent stands in a ranking.
  struct Place {
    Ranking* ranking;
    uint32_t tier;
  };

  const Policy::Impl* policy_ = nullptr;
  std::vector<Group> groups_;
  absl::flat_hash_map<uint64_t, uint32_t> index_;
  std::vector<std::vector<uint32_t>> of_queue_;
  size_t row_words_ = 1;
  std::vector<uint64_t> rows_;
  std::vector<std::vector<Place>> places_;  // of each agent
};

}  // namespace wissel::routing
