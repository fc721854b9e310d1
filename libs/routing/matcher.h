#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/conversation/v1/events.pb.h"

namespace wissel::routing {

// What matching needs to know of an agent now; skills and queues come with the configuration.
struct AgentLoad {
  bool available = false;
  int32_t free_units = 0;
  // Since when nothing new came to the agent.
  absl::Time idle_since;
};

// A conversation that waits for an agent.
struct Waiting {
  std::string conversation_id;
  std::string queue_id;
  // What it would take of an agent.
  int32_t units = 1;
  absl::Time waiting_since;
  // Not to be asked now.
  std::vector<std::string> excluded_agent_ids;
};

struct Choice {
  // Nothing: nobody is eligible, the conversation waits.
  std::optional<std::string> agent_id;
  conversation::v1::Explanation explanation;
};

// Who gets what, in both directions, for the agents and queues of one routing group.
//
// Holds an index of the available agents with room by queue, and of the waiting conversations by
// queue; both directions look only at the heads of these. A total order decides: agents by
// longest idle, then agent id; conversations by priority, then place, then id. Pure and
// deterministic: what was inserted in which order does not matter. Not thread-safe.
//
// Invariant that its user keeps by asking after each change: no waiting conversation has an
// eligible agent.
class Matcher {
 public:
  // Replaces queues, skills and requirements. Agents' loads and waiting conversations stay; those
  // of agents and queues that are gone are dropped.
  void Configure(const config::v1::WorkspaceConfig& config, absl::string_view routing_group_id);

  // The queue a conversation belongs in: of the first queue with a matching rule, else the group's
  // last; nothing where the group has no queue.
  std::optional<std::string> SelectQueue(absl::string_view account_id,
                                         absl::string_view language) const;
  const config::v1::Queue* FindQueue(absl::string_view queue_id) const;

  // What is new about an agent. An agent the configuration does not have is ignored.
  void SetAgent(absl::string_view agent_id, const AgentLoad& load);

  // The conversation waits; replaces what was said of it before. One in an unknown queue waits
  // unseen.
  void AddWaiting(Waiting waiting);
  void RemoveWaiting(absl::string_view conversation_id);
  bool IsWaiting(absl::string_view conversation_id) const {
    return waiting_.contains(conversation_id);
  }

  // The best agent for a conversation with these needs, and why. Does not change anything.
  Choice ChooseAgent(const Waiting& waiting) const;
  // Whether this very agent may be given it now; the reason where not.
  std::optional<conversation::v1::Explanation::PassedOver> WhyNot(absl::string_view agent_id,
                                                                  const Waiting& waiting) const;
  // The most urgent waiting conversation that the agent may take.
  std::optional<std::string> ChooseConversation(absl::string_view agent_id) const;

 private:
  struct Agent {
    AgentLoad load;
    // Ids of the queues served with all required skills, sorted.
    std::vector<std::string> queues;
    // Served, but lacking a skill.
    std::vector<std::string> unskilled_queues;
  };
  // (idle since, agent id): the order of longest idle.
  using IdleOrder = std::set<std::pair<absl::Time, std::string>>;
  // (minus priority, place, id): the order of urgency.
  using UrgencyOrder = std::set<std::tuple<int32_t, absl::Time, std::string>>;
  struct Queue {
    config::v1::Queue config;
    IdleOrder with_room;
    UrgencyOrder waiting;
    // Of the agents that serve it with all skills: how many are available with so many units free.
    std::map<int32_t, int32_t> available_by_free_units;
    int32_t available = 0;
    int32_t skilled = 0;
    int32_t unskilled = 0;
  };

  void Enter(const std::string& agent_id, const Agent& agent);
  void Leave(const std::string& agent_id, const Agent& agent);
  static std::tuple<int32_t, absl::Time, std::string> Urgency(const Queue& queue,
                                                              const Waiting& waiting);

  int64_t config_version_ = 0;
  std::vector<std::string> queue_order_;
  std::map<std::string, Queue, std::less<>> queues_;
  std::map<std::string, Agent, std::less<>> agents_;
  absl::flat_hash_map<std::string, Waiting> waiting_;
};

}  // namespace wissel::routing
