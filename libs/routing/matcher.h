#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/routing/policy.h"
#include "wissel/common/v1/common.pb.h"
#include "wissel/conversation/v1/events.pb.h"

namespace wissel::routing {

inline constexpr int kChannelKinds = 6;  // of common.v1.ChannelKind, unspecified included

// What an agent holds of one channel.
struct ChannelUse {
  int32_t conversations = 0;
  int32_t units = 0;
};

// What matching needs to know of an agent now; skills and queues come with the policy.
struct AgentLoad {
  bool available = false;
  int32_t capacity_units = 0;
  std::array<ChannelUse, kChannelKinds> held = {};
  // Since when nothing new came to the agent.
  absl::Time idle_since;
  // How many things had been given out in the group when the agent last got one.
  int64_t last_given = 0;
};

// A conversation that waits for an agent.
struct Waiting {
  std::string conversation_id;
  std::string queue_id;
  common::v1::ChannelKind kind = common::v1::CHANNEL_KIND_UNSPECIFIED;
  // BCP 47 primary subtag; empty: unknown.
  std::string language;
  // The place: ageing and relaxation count from here.
  absl::Time waiting_since;
  // The earlier of the due times of first and next response.
  absl::Time sla_due = absl::InfiniteFuture();
  // Everything of its priority but the queue's base and ageing: see PriorityParts.
  PriorityParts priority;
  // Steps in force beside those that are due by waiting.
  int32_t extra_relaxation_steps = 0;
  // Any agent of the group may be asked.
  bool anyone = false;
  // Goes first if eligible; empty: nobody.
  std::string sticky_agent_id;
  // Not to be asked now.
  std::vector<std::string> excluded_agent_ids;
};

// Why an agent may not be given a conversation now, in the order in which it is counted.
using PassedOver = conversation::v1::Explanation::PassedOver;

// All that keeps an agent from a conversation at a moment, where PassedOver is the first reason
// alone: with everything changed that is named here the agent is eligible.
struct Obstacles {
  struct Skill {
    std::string skill_id;
    int32_t level = 0;  // asked for
    int32_t has = 0;    // 0: does not have it
  };
  // The policy does not have the agent, of whom nothing else is said then.
  bool unknown_agent = false;
  // The conversation stands in no queue of the policy: nobody is asked.
  bool unknown_queue = false;
  // Serves none of these, nor is named: any one of them would do.
  std::vector<std::string> queue_ids;
  // Of each entry any one skill would do.
  std::vector<std::vector<Skill>> skills;
  bool not_available = false;
  bool no_room = false;
  bool at_limit = false;
  bool excluded = false;

  // Of the conversation's channel, also where nothing is amiss: what it weighs, what the agent has
  // free for it, and how many of it the agent holds. No limit: the largest number.
  int32_t units_needed = 0;
  int64_t units_free = 0;
  int32_t held = 0;
  int32_t limit = 0;

  bool none() const {
    return !unknown_agent && !unknown_queue && queue_ids.empty() && skills.empty() &&
           !not_available && !no_room && !at_limit && !excluded;
  }
};

// What is kept to answer sooner; the answers are the same. For tests, which make it small.
struct MatcherLimits {
  // Beyond so many kinds of requirement those that nothing waits for are dropped.
  size_t requirements_kept = 4096;
};

// Who gets what, in both directions, for the agents and queues of one routing group.
//
// Owns an index of the agents and of the waiting conversations; refers to nothing outside. Not
// thread-safe. Pure and deterministic: an answer is a function of the policy, of what was set last
// for each agent and conversation, and of the time of the last Advance; the order in which things
// were set, and how often time was advanced on the way, do not matter. Times are compared to the
// nanosecond. Ids that are not known are ignored or answered with nothing; no call fails.
//
// Definitions
//   requirement   what a conversation asks of an agent: the policy's for (queue, language, ring,
//                 anyone, channel kind). Conversations with the same one form a class.
//   ring          relaxation steps in force: those whose `after` has passed since the place, plus
//                 the extra ones, at most all. Of no matter where anyone may be asked.
//   room          capacity_units less what is held of channels that this one may not interrupt is
//                 at least the channel's weight, and fewer conversations of the channel are held
//                 than its limit.
//   eligible      available, meets the requirement, has room, is not excluded.
//   better agent  sticky; then primary before secondary in the conversation's own queue (agents
//                 who only came in by widening are secondary); then higher preferred score; then
//                 the queue's strategy; then the smaller agent id.
//   more urgent   higher effective priority; then the earlier sla_due; then the earlier
//                 waiting_since; then the smaller conversation id.
//
// Invariant that its user keeps by asking after each change: no waiting conversation has an
// eligible agent.
class Matcher {
 public:
  explicit Matcher(const MatcherLimits& limits = {});
  ~Matcher();
  Matcher(Matcher&&) noexcept;
  Matcher& operator=(Matcher&&) noexcept;

  // Puts another policy in force. Agents' loads and waiting conversations stay; agents the policy
  // does not have are dropped, conversations in queues it does not have wait unseen. Before the
  // first call there is a policy without queues and agents.
  void Configure(std::shared_ptr<const Policy> policy);
  const Policy& policy() const;

  // What is new about an agent. An agent the policy does not have is ignored.
  void SetAgent(absl::string_view agent_id, const AgentLoad& load);

  // The conversation waits; replaces what was said of it before. One in an unknown queue waits
  // unseen.
  void AddWaiting(const Waiting& waiting);
  void RemoveWaiting(absl::string_view conversation_id);
  bool IsWaiting(absl::string_view conversation_id) const;
  // Of two that wait.
  bool MoreUrgent(absl::string_view a, absl::string_view b) const;
  // Of some that wait, the most urgent first.
  void SortByUrgency(std::vector<std::string>& conversation_ids) const;
  // Of a queue.
  int32_t WaitingCount(absl::string_view queue_id) const;
  struct QueueCount {
    std::string queue_id;
    int32_t waiting = 0;
    // Of those, the ones that ask for what no agent of the policy can, even after the queue's last
    // relaxation step.
    int32_t unmeetable = 0;
  };
  // Of each queue, in the policy's order. O(queues + groups), and for each group that waits for
  // nobody what it costs to work out a requirement.
  std::vector<QueueCount> CountWaiting() const;

  // Moves time on: relaxation and ageing that have fallen due take effect. Never goes backwards.
  void Advance(absl::Time now);
  // When waiting alone next brings some waiting conversation to a further ring; InfiniteFuture:
  // never.
  absl::Time NextRelaxation() const;
  // Ids of the waiting conversations that an Advance made ask for less, since the last call and
  // since they were last set and Configure was last called; sorted by urgency.
  std::vector<std::string> TakeRelaxed();

  // The best agent for a conversation with these needs, whether it waits here or not; nothing where
  // nobody is eligible.
  std::optional<std::string> ChooseAgent(const Waiting& waiting) const;
  // The most urgent waiting conversation that the agent may take.
  std::optional<std::string> ChooseConversation(absl::string_view agent_id) const;

  // Why: who was looked at, who is eligible, the best (`chosen`) and up to 3 more, and counts of
  // the others under the first reason that holds. Linear in the agents, by words of 64.
  conversation::v1::Explanation Explain(const Waiting& waiting) const;
  // The same, in the place of whatever `out` has said.
  void Explain(const Waiting& waiting, conversation::v1::Explanation& out) const;
  // The same where a person chose the agent: nobody else was looked at, and the requirement, which
  // is told, did not count.
  conversation::v1::Explanation ExplainGiven(absl::string_view agent_id,
                                             const Waiting& waiting) const;
  // Whether this very agent may be given it now; the reason where not. An agent may always be given
  // what a person decides to give, so requirement and exclusion can be left out.
  struct Check {
    bool requirement = true;
    bool exclusion = true;
    bool room = true;
  };
  std::optional<PassedOver> WhyNot(absl::string_view agent_id, const Waiting& waiting,
                                   const Check& check) const;
  // Everything that stands between this very agent and the conversation; none where WhyNot has
  // nothing to say.
  Obstacles FindObstacles(absl::string_view agent_id, const Waiting& waiting) const;

  // The conversation's effective priority, in its parts.
  conversation::v1::Priority PriorityOf(const Waiting& waiting) const;
  // How a waiting conversation stands among those of its queue. Agents count who are available,
  // whether they have room or not. All 0 where it does not wait.
  struct Standing {
    // How many in its queue are more urgent, plus 1.
    int32_t position = 0;
    // How many of those compete with it, in thousandths: each counts by the share of the agents who
    // meet its requirement that meet this one's as well. Rivals are those among them that not every
    // agent who meets this one's can take: while those who can are at them, the others get on with
    // this one. So rivals count together for no more than (1 + what is ahead and no rival) x the
    // agents of this one who can take any of them / those who can take none.
    int64_t ahead_permille = 0;
    // Of the agents who serve the queue, the share that meets its requirement; at most 1,000, also
    // where others were asked, too.
    int32_t able_permille = 0;
    // The same of the agents who meet the requirement of any that waits in the queue.
    int32_t able_of_asked_permille = 0;
  };
  // O(log waiting + agents / 64 words) per class of the queue.
  Standing StandingOf(absl::string_view conversation_id) const;
  // Its position alone. O(log waiting) per class of the queue.
  int32_t Position(absl::string_view conversation_id) const;

  // Bytes in use, for the benchmark.
  size_t MemoryBytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wissel::routing
