#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "libs/routing/agent_table.h"
#include "libs/routing/matcher.h"
#include "libs/routing/policy_impl.h"
#include "libs/routing/requirements.h"
#include "libs/routing/step_heap.h"
#include "libs/routing/waiting_board.h"
#include "libs/routing/waiting_slots.h"

namespace wissel::routing {

// The note on the algorithm is in README.md. What waits and how time moves it is in matcher.cc, who
// gets what in matcher_choice.cc, and why in matcher_explain.cc.
class Matcher::Impl {
 public:
  explicit Impl(const MatcherLimits& limits);

  const Policy& policy() const { return *policy_; }
  void Configure(std::shared_ptr<const Policy> policy);
  void SetAgent(absl::string_view agent_id, const AgentLoad& load);
  void AddWaiting(const Waiting& waiting);
  void RemoveWaiting(absl::string_view conversation_id);
  bool IsWaiting(absl::string_view conversation_id) const;
  bool MoreUrgent(absl::string_view a, absl::string_view b) const;
  void SortByUrgency(std::vector<std::string>& conversation_ids) const;
  int32_t WaitingCount(absl::string_view queue_id) const;
  std::vector<QueueCount> CountWaiting() const;
  void Advance(absl::Time now);
  absl::Time NextRelaxation() const;
  std::vector<std::string> TakeRelaxed();
  int32_t Position(absl::string_view conversation_id) const;
  Standing StandingOf(absl::string_view conversation_id) const;
  size_t MemoryBytes() const;

  std::optional<std::string> ChooseAgent(const Waiting& waiting);
  std::optional<std::string> ChooseConversation(absl::string_view agent_id) const;

  void Explain(const Waiting& waiting, conversation::v1::Explanation& out);
  conversation::v1::Explanation ExplainGiven(absl::string_view agent_id,
                                             const Waiting& waiting) const;
  std::optional<PassedOver> WhyNot(absl::string_view agent_id, const Waiting& waiting,
                                   const Check& check) const;
  Obstacles FindObstacles(absl::string_view agent_id, const Waiting& waiting) const;
  conversation::v1::Priority PriorityOf(const Waiting& waiting) const;

 private:
  using QueueData = Policy::Impl::QueueData;
  using Group = Requirements::Group;

  static constexpr int kMaxRunnersUp = 3;
  static constexpr uint32_t kNobody = ~uint32_t{0};
  using Agents = absl::InlinedVector<uint32_t, 8>;

  // Of one that waits.
  Urgency UrgencyOf(absl::string_view conversation_id) const;

  // What is asked for by a conversation, resolved.
  struct Asked {
    int32_t queue;
    int32_t language;
    int32_t ring;
    int kind;
  };

  // How long something has waited since then; 0 where that is still to come.
  int64_t Waited(int64_t since) const;
  int32_t Ring(const QueueData& queue, int64_t since, int32_t extra) const;
  // Null: in an unknown queue.
  int32_t EffectivePriority(const QueueData* queue, int64_t since, int64_t parts) const;
  Asked Resolve(const Waiting& waiting) const;
  // New requirements are worked out here, and nowhere else.
  uint32_t GroupOf(int32_t queue, int32_t language, int32_t ring, bool anyone);
  void RebuildGroups();
  void KeepGroupsBounded();

  // Puts it where it belongs now.
  void Place(uint32_t slot);
  void Unplace(uint32_t slot);
  // Nothing is to come for it.
  void CancelSteps(uint32_t slot);
  void Move(uint32_t slot);

  // The best agents for it, best first, at most `wanted`; the number of eligible ones is not known.
  Agents BestAgents(const Waiting& waiting, const Asked& asked, size_t wanted);
  // Whether there is one beside those left out.
  bool AnyEligible(const Group& group, int kind, absl::Span<const uint32_t> left_out) const;
  // Whether anybody of the tier has room.
  bool HasRoom(const Requirements::Tier& tier, int kind) const;
  // kNobody where nobody of the tier is eligible but those left out.
  uint32_t BestOfTier(config::v1::Strategy strategy, const Requirements::Tier& tier, int kind,
                      absl::Span<const uint32_t> left_out);
  // Of a word of a tier: finds who is better than the best so far, and raises the word's bound.
  struct Best {
    uint32_t agent = kNobody;
    int64_t key = std::numeric_limits<int64_t>::max();
  };
  void CompareWord(config::v1::Strategy strategy, uint32_t index, int kind,
                   absl::Span<const uint32_t> left_out, Best& best);
  Agents ExcludedAgents(const Waiting& waiting) const;

  conversation::v1::Explanation::Candidate Describe(uint32_t agent, const Waiting& waiting,
                                                    const Asked& asked) const;
  // What is asked for, and how urgently.
  void ExplainAsked(const Waiting& waiting, const Asked& asked,
                    conversation::v1::Explanation& out) const;

  const MatcherLimits limits_;
  std::shared_ptr<const Policy> policy_;
  const Policy::Impl* p_ = nullptr;
  int64_t now_ = std::numeric_limits<int64_t>::min();

  AgentTable agents_;
  Requirements requirements_;
  size_t requirements_limit_ = 0;

  WaitingSlots waiting_;
  WaitingBoard board_;
  std::vector<int32_t> waiting_in_queue_;
  StepHeap next_ageing_;
  StepHeap next_relaxation_;
  std::vector<uint32_t> relaxed_;
};

}  // namespace wissel::routing
