#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/routing/matcher.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/conversation/v1/events.pb.h"

namespace wissel::routing::testing {

// What Matcher is to answer, written down a second time from the contract's comments as plainly as
// can be: maps, loops over every agent and everything that waits, nothing kept that could be worked
// out again. Shares no code with what it checks, only the structs that go in and out.
class NaiveMatcher {
 public:
  // A mistake to make on purpose, to see that it is noticed.
  enum class Mistake {
    kNone,
    kStepComesEarly,
    kAgeingRoundsUp,
    kExcludedIsAsked,
    kSecondaryIsPrimary,
    kInterruptedCounts,
    kLimitIsOneMore,
    kTiesGoToTheNewest,
    kDueComesBeforePriority,
    kNamedNeedsSkills,
    kLoweredIsDropped,
    kLanguageIsNeverWaived,
    kPlaceIsLostByConfiguring,
  };
  static constexpr int kMistakes = 13;

  explicit NaiveMatcher(Mistake mistake = Mistake::kNone) : mistake_(mistake) {}

  void Configure(const config::v1::WorkspaceConfig& config, const std::string& routing_group_id);
  void SetAgent(const std::string& agent_id, const AgentLoad& load);
  void AddWaiting(const Waiting& waiting);
  void RemoveWaiting(const std::string& conversation_id);
  bool IsWaiting(const std::string& conversation_id) const;
  int32_t WaitingCount(const std::string& queue_id) const;
  void Advance(absl::Time now);
  absl::Time NextRelaxation() const;
  std::vector<std::string> TakeRelaxed();
  std::optional<std::string> ChooseAgent(const Waiting& waiting) const;
  std::optional<std::string> ChooseConversation(const std::string& agent_id) const;
  conversation::v1::Explanation Explain(const Waiting& waiting) const;
  std::optional<PassedOver> WhyNot(const std::string& agent_id, const Waiting& waiting,
                                   const Matcher::Check& check) const;
  conversation::v1::Priority PriorityOf(const Waiting& waiting) const;
  int32_t Position(const std::string& conversation_id) const;
  Matcher::Standing StandingOf(const std::string& conversation_id) const;

  // Beside what Matcher answers: for the invariants.
  const std::map<std::string, Waiting>& waiting() const { return waiting_; }
  bool MoreUrgent(const Waiting& a, const Waiting& b) const;
  int64_t FreeUnits(const std::string& agent_id, common::v1::ChannelKind kind) const;

 private:
  struct Need {
    // All of these; of each any one skill, at least so well.
    std::vector<std::vector<std::pair<std::string, int>>> clauses;
    std::vector<std::string> queues;
    std::vector<std::string> agents;
  };

  const config::v1::Queue* FindQueue(const std::string& id) const;
  const config::v1::Agent* FindAgent(const std::string& id) const;
  const config::v1::ChannelPolicy* FindChannel(common::v1::ChannelKind kind) const;
  int Ring(const Waiting& waiting) const;
  absl::Duration Waited(const Waiting& waiting) const;
  // The available agents who meet its requirement.
  std::set<std::string> Able(const Waiting& waiting) const;
  // Nothing where there is no such queue.
  std::optional<Need> WhatIsNeeded(const Waiting& waiting) const;
  std::optional<PassedOver> WhyNot(const std::string& agent_id, const Waiting& waiting,
                                   const std::optional<Need>& need,
                                   const Matcher::Check& check) const;
  bool Better(const conversation::v1::Explanation::Candidate& a,
              const conversation::v1::Explanation::Candidate& b,
              config::v1::Strategy strategy) const;
  conversation::v1::Explanation::Candidate CandidateOf(const std::string& agent_id,
                                                       const Waiting& waiting) const;
  std::vector<conversation::v1::Explanation::Candidate> EligibleBestFirst(
      const Waiting& waiting) const;

  Mistake mistake_;
  config::v1::WorkspaceConfig config_;
  std::map<std::string, const config::v1::Queue*> queues_;  // of the configuration
  std::map<std::string, const config::v1::Agent*> agents_;
  std::set<std::string> skills_;            // that anybody has
  std::map<std::string, AgentLoad> loads_;  // of every agent of the configuration
  std::map<std::string, Waiting> waiting_;
  std::set<std::string> relaxed_;
  absl::Time now_ = absl::InfinitePast();
};

}  // namespace wissel::routing::testing
