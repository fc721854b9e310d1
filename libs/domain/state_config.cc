// The fold of configurations: whom and what a partition has, and what outlives its removal.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libs/base/proto_time.h"
#include "libs/domain/state.h"
#include "libs/routing/flow.h"

namespace wissel::domain {

using config::v1::WorkspaceConfig;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::QueueState;

namespace {

template <typename Ids>
bool Contains(const Ids& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool HasAgent(const WorkspaceConfig& config, const std::string& agent_id) {
  return std::any_of(config.agents().begin(), config.agents().end(),
                     [&](const auto& a) { return a.agent_id() == agent_id; });
}

bool HasGroup(const WorkspaceConfig& config, const std::string& routing_group_id) {
  return std::any_of(config.routing_groups().begin(), config.routing_groups().end(),
                     [&](const auto& g) { return g.routing_group_id() == routing_group_id; });
}

using OverflowRules = google::protobuf::RepeatedPtrField<config::v1::OverflowRule>;

// Which of the rules before have become which of those after.
struct Renumbered {
  std::map<int, int> same;  // say the same
  std::map<int, int> all;   // or else do the same kind of thing, in their order
};

Renumbered Renumber(const OverflowRules& before, const OverflowRules& after) {
  Renumbered numbers;
  std::set<int> taken;
  const auto pair_up = [&](const auto& equal, std::map<int, int>& pairs) {
    for (int i = 0; i < before.size(); ++i) {
      if (numbers.same.contains(i)) continue;
      for (int j = 0; j < after.size(); ++j) {
        if (!equal(before[i], after[j]) || !taken.insert(j).second) continue;
        pairs.emplace(i, j);
        break;
      }
    }
  };
  pair_up(
      [](const auto& a, const auto& b) { return a.SerializeAsString() == b.SerializeAsString(); },
      numbers.same);
  pair_up([](const auto& a, const auto& b) { return a.action_case() == b.action_case(); },
          numbers.all);
  numbers.all.insert(numbers.same.begin(), numbers.same.end());
  return numbers;
}

void Replace(google::protobuf::RepeatedField<int32_t>& rules, const std::map<int, int>& numbers) {
  std::set<int32_t> replaced;
  for (const int32_t rule : rules) {
    if (const auto it = numbers.find(rule); it != numbers.end()) replaced.insert(it->second);
  }
  rules.Assign(replaced.begin(), replaced.end());
}

bool KeepsWork(const WorkspaceConfig& config, const std::string& routing_group_id) {
  return config.conversations().removed_work() == config::v1::REMOVED_WORK_KEPT &&
         HasGroup(config, routing_group_id);
}

}  // namespace

bool KeepsAgent(const WorkspaceConfig& config, const AgentState& agent) {
  return KeepsWork(config, agent.routing_group_id()) && !HasAgent(config, agent.agent_id());
}

bool KeepsQueue(const WorkspaceConfig& config, const state::v1::KeptQueue& kept) {
  const std::string& group = kept.queue().routing_group_id();
  if (!KeepsWork(config, group)) return false;
  bool another = false;
  for (const config::v1::Queue& q : config.queues()) {
    if (q.queue_id() == kept.queue().queue_id()) return false;
    another = another || q.routing_group_id() == group;
  }
  return another &&
         std::any_of(config.agents().begin(), config.agents().end(), [&](const auto& agent) {
           return agent.routing_group_id() == group &&
                  (Contains(kept.agent_ids(), agent.agent_id()) ||
                   Contains(kept.secondary_agent_ids(), agent.agent_id()));
         });
}

const config::v1::Queue* State::FindQueueConfig(absl::string_view workspace_id,
                                                absl::string_view queue_id) const {
  if (const WorkspaceConfig* config = FindConfig(workspace_id)) {
    for (const config::v1::Queue& q : config->queues()) {
      if (q.queue_id() == queue_id) return &q;
    }
  }
  const QueueState* queue = FindQueue(workspace_id, queue_id);
  return queue != nullptr && queue->has_kept() ? &queue->kept().queue() : nullptr;
}

void State::EraseAgent(const std::string& key) {
  if (agents_.erase(key) > 0) Touch(PieceKind::kAgent, key);
}

void State::EraseQueue(const std::string& key) {
  if (queues_.erase(key) > 0) Touch(PieceKind::kQueue, key);
}

bool HoldsSomething(const WorkspaceConfig& config, const AgentState& agent) {
  int32_t units = agent.used_units();
  if (!KeepsAgent(config, agent)) {
    for (const state::v1::WrapUp& wrap_up : agent.wrap_ups()) units -= wrap_up.units();
  }
  return units > 0;
}

bool State::Stays(const WorkspaceConfig& config, const AgentState& agent, Removed removed) {
  switch (removed) {
    case Removed::kGone:
      return agent.leaving() && KeepsAgent(config, agent);
    case Removed::kStays:
      return !HasGroup(config, agent.routing_group_id()) || HoldsSomething(config, agent);
    case Removed::kAsBefore:
      break;
  }
  return true;
}

bool State::Stays(const WorkspaceConfig& config, const QueueState& queue, Removed removed) {
  switch (removed) {
    case Removed::kGone:
      return queue.has_kept() && KeepsQueue(config, queue.kept());
    case Removed::kStays:
      return !HasGroup(config, queue.routing_group_id()) ||
             (queue.has_kept() && KeepsQueue(config, queue.kept()));
    case Removed::kAsBefore:
      break;
  }
  return true;
}

void State::PutConfig(const WorkspaceConfig& config,
                      const google::protobuf::RepeatedPtrField<std::string>& held_groups,
                      Removed removed) {
  WorkspaceConfig& in_force = configs_[config.workspace_id()];
  CompileSla(in_force, config);
  RenumberOverflowRules(config);
  in_force = config;
  Touch(PieceKind::kConfig, config.workspace_id());
  PutAgents(config, held_groups, removed);
  PutQueues(config, held_groups, removed);
}

void State::RenumberOverflowRules(const WorkspaceConfig& config) {
  std::map<std::string, Renumbered> changed;
  for (const config::v1::Queue& queue : config.queues()) {
    const config::v1::Queue* found = FindQueueConfig(config.workspace_id(), queue.queue_id());
    // Of a queue that was gone every rule is new.
    const config::v1::Queue& before =
        found == nullptr ? config::v1::Queue::default_instance() : *found;
    Renumbered numbers = Renumber(before.overflow_rules(), queue.overflow_rules());
    const auto stays = [](const auto& pair) { return pair.first == pair.second; };
    if (found != nullptr &&
        numbers.same.size() == static_cast<size_t>(before.overflow_rules_size()) &&
        std::all_of(numbers.same.begin(), numbers.same.end(), stays)) {
      continue;
    }
    changed.emplace(queue.queue_id(), std::move(numbers));
  }
  if (changed.empty()) return;
  for (const auto& [id, c] : conversations_) {
    const auto numbers = changed.find(c->queue_id());
    if (numbers == changed.end() || c->workspace_id() != config.workspace_id()) continue;
    if (c->overflow_rules_applied().empty() && c->overflow_rules_passed_over().empty()) continue;
    ConversationState& renumbered = *Conversation(id);
    // What has only been changed may apply now, but what has been applied is not applied again.
    Replace(*renumbered.mutable_overflow_rules_passed_over(), numbers->second.same);
    Replace(*renumbered.mutable_overflow_rules_applied(), numbers->second.all);
  }
}

void State::PutAgents(const WorkspaceConfig& config,
                      const google::protobuf::RepeatedPtrField<std::string>& held_groups,
                      Removed removed) {
  std::set<std::string> wanted;
  for (const config::v1::Agent& a : config.agents()) {
    if (!Contains(held_groups, a.routing_group_id())) continue;
    const std::string key = AgentKey(config.workspace_id(), a.agent_id());
    wanted.insert(key);
    auto [it, added] = agents_.try_emplace(key);
    AgentState& agent = it->second;
    if (added) {
      agent.set_workspace_id(config.workspace_id());
      agent.set_agent_id(a.agent_id());
      agent.set_presence(command::v1::PRESENCE_OFFLINE);
      *agent.mutable_idle_since() = ToProto(time_);
    }
    agent.set_routing_group_id(a.routing_group_id());
    // Said again, it changes nothing: what a supervisor has set stands until it is changed.
    if (added || removed != Removed::kAsBefore) agent.set_capacity_units(a.capacity_units());
    agent.clear_leaving();
    Touch(PieceKind::kAgent, key);
  }
  std::vector<std::string> gone;
  const std::string prefix = AgentKey(config.workspace_id(), "");
  for (auto it = agents_.lower_bound(prefix);
       it != agents_.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it) {
    if (wanted.contains(it->first)) continue;
    if (!Stays(config, it->second, removed)) gone.push_back(it->first);
  }
  for (const std::string& key : gone) EraseAgent(key);
}

void State::PutQueues(const WorkspaceConfig& config,
                      const google::protobuf::RepeatedPtrField<std::string>& held_groups,
                      Removed removed) {
  std::set<std::string> wanted;
  for (const config::v1::Queue& q : config.queues()) {
    if (!Contains(held_groups, q.routing_group_id())) continue;
    const std::string key = QueueKey(config.workspace_id(), q.queue_id());
    wanted.insert(key);
    const auto [it, added] = queues_.try_emplace(key);
    QueueState& queue = it->second;
    if (!added && queue.routing_group_id() == q.routing_group_id() && !queue.has_kept()) continue;
    queue.set_workspace_id(config.workspace_id());
    queue.set_routing_group_id(q.routing_group_id());
    queue.set_queue_id(q.queue_id());
    queue.clear_kept();
    // While its routing group had no queue at all, conversations went on waiting in this one.
    if (added) {
      const auto waiting =
          std::count_if(conversations_.begin(), conversations_.end(), [&](const auto& entry) {
            const ConversationState& c = *entry.second;
            return c.status() == state::v1::CONVERSATION_STATUS_QUEUED &&
                   c.queue_id() == q.queue_id() && c.workspace_id() == config.workspace_id();
          });
      routing::NoteWaiting(queue, static_cast<int>(waiting), time_);
    }
    Touch(PieceKind::kQueue, key);
  }
  std::vector<std::string> gone;
  const std::string prefix = QueueKey(config.workspace_id(), "");
  for (auto it = queues_.lower_bound(prefix);
       it != queues_.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it) {
    if (wanted.contains(it->first)) continue;
    if (!Stays(config, it->second, removed)) gone.push_back(it->first);
  }
  for (const std::string& key : gone) EraseQueue(key);
}

}  // namespace wissel::domain
