#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/routing/agent_set.h"
#include "libs/routing/matcher.h"
#include "libs/routing/policy.h"

namespace re2 {
class RE2;
}

namespace wissel::routing {

// A time of the contract, in nanoseconds since 1970, as everything here compares them; the infinite
// ones are the largest and the smallest number.
inline int64_t Nanos(absl::Time t) { return absl::ToUnixNanos(t); }

// A kind the contract does not know is treated as one that is not set.
inline int KindIndex(common::v1::ChannelKind kind) {
  return kind >= 0 && kind < kChannelKinds ? static_cast<int>(kind) : 0;
}

inline constexpr int32_t kNoLimit = std::numeric_limits<int32_t>::max();

// What is compiled of a routing group. Agents are indexes, numbered so that those who serve the
// same queues lie together; queues are in the order of the configuration, skills in any.
class Policy::Impl {
 public:
  struct SkillLevel {
    int32_t skill;
    int32_t level;
  };
  // Any one of these; the first is the one it came from.
  using Clause = std::vector<SkillLevel>;

  struct Step {
    int64_t after_ns;
    std::vector<int32_t> drop;
    std::vector<SkillLevel> lower;
    struct Alternative {
      int32_t skill;
      SkillLevel or_skill;
    };
    std::vector<Alternative> alternatives;
    std::vector<int32_t> queues;
    std::vector<int32_t> agents;
  };

  struct Rule {
    const config::v1::QueueRule* proto;
    std::vector<std::unique_ptr<re2::RE2>> patterns;
    std::shared_ptr<const Calendar> open;
    std::shared_ptr<const Calendar> closed;
    bool never = false;
  };

  struct QueueData {
    config::v1::Strategy strategy;
    std::vector<Rule> rules;
    std::vector<SkillLevel> required;
    std::vector<std::pair<int32_t, int32_t>> preferred;  // skill, weight
    int32_t language_level = 0;
    // Whether what is asked for depends on the conversation's language at all.
    bool uses_language = false;
    std::vector<Step> steps;
    int32_t base_priority = 0;
    int32_t ageing_points = 0;
    int64_t ageing_interval_ns = 0;
    int32_t max_ageing_points = 0;
    AgentSet primary;
    AgentSet secondary;
  };

  // What a conversation asks of an agent.
  struct Need {
    std::vector<Clause> clauses;
    std::vector<int32_t> queues;
    std::vector<int32_t> agents;
    bool anyone = false;
  };

  // Stands for the conversation's language in a step.
  static constexpr int32_t kItsLanguage = -2;
  // No skill.
  static constexpr int32_t kNone = -1;

  Impl(const config::v1::WorkspaceConfig& config, absl::string_view routing_group_id);
  ~Impl();

  int32_t FindQueueIndex(absl::string_view id) const;  // -1: none
  int32_t FindAgentIndex(absl::string_view id) const;
  // The skill of the language; -1 where neither an agent nor a queue knows it.
  int32_t FindLanguage(absl::string_view language) const;

  // `language` is a skill or -1; `ring` at most the number of steps.
  Need Require(int32_t queue, int32_t language, int32_t ring, bool anyone) const;
  // Agents of the queues that are asked, or named.
  AgentSet Members(const Need& need) const;
  // Those of them who can what is asked.
  AgentSet Eligible(const Need& need, const AgentSet& members) const;

  // 0 where the agent does not have it.
  int32_t Level(uint32_t agent, int32_t skill) const;
  bool Meets(uint32_t agent, const Clause& clause) const;
  int64_t PreferredScore(uint32_t agent, int32_t queue) const;
  int32_t SkillScore(uint32_t agent, int32_t queue, int32_t language) const;

  // Steps due after `waited_ns`.
  static int32_t DueSteps(const QueueData& queue, int64_t waited_ns);
  static int32_t Ageing(const QueueData& queue, int64_t waited_ns);

  size_t agent_count() const { return agents.size(); }

  int64_t version = 0;
  std::vector<config::v1::Queue> queues;
  std::vector<QueueData> queue_data;
  std::vector<config::v1::Agent> agents;
  std::vector<std::string> agent_ids;                 // side by side, for answers
  std::vector<int32_t> id_order;                      // of each agent: how many ids are smaller
  std::vector<std::vector<SkillLevel>> agent_skills;  // by skill
  std::vector<std::string> skills;
  std::vector<std::vector<SkillLevel>> holders;  // of each skill: agent (as `skill`) and level
  std::array<int32_t, kChannelKinds> weight;
  std::array<bool, kChannelKinds> live = {};
  // Bit j of entry k: k may interrupt j.
  std::array<uint32_t, kChannelKinds> may_interrupt = {};
  // Conversations of each kind, at most, and which of these is an agent's. The first is that of all
  // who have none of their own.
  std::vector<std::array<int32_t, kChannelKinds>> limits;
  std::vector<uint32_t> limits_of;
  config::v1::PriorityPolicy priority;
  absl::flat_hash_map<std::string, std::shared_ptr<const Calendar>> calendars;

 private:
  int32_t InternSkill(absl::string_view id);
  int32_t StepSkill(absl::string_view id);
  // What these agents serve, each queue as its place when the most served one comes first, sorted.
  std::vector<std::vector<int32_t>> ServedQueues(
      const std::vector<const config::v1::Agent*>& sorted) const;
  void CompileAgents(const config::v1::WorkspaceConfig& config, absl::string_view group);
  void CompileQueue(size_t index);
  void CompileChannels(const config::v1::WorkspaceConfig& config);

  absl::flat_hash_map<std::string, int32_t> queue_index_;
  absl::flat_hash_map<std::string, int32_t> agent_index_;
  absl::flat_hash_map<std::string, int32_t> skill_index_;
  absl::flat_hash_map<std::string, int32_t> language_index_;
};

}  // namespace wissel::routing
