#include "libs/routing/matcher.h"

#include <algorithm>
#include <utility>

#include "libs/base/proto_time.h"

namespace wissel::routing {

using conversation::v1::Explanation;

namespace {

constexpr int kMaxRunnersUp = 3;

bool Has(const std::vector<std::string>& sorted, absl::string_view value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

bool HasSkills(const config::v1::Agent& agent, const config::v1::Queue& queue) {
  return std::all_of(
      queue.required_skills().begin(), queue.required_skills().end(), [&](const auto& required) {
        return std::any_of(agent.skills().begin(), agent.skills().end(), [&](const auto& skill) {
          return skill.skill_id() == required.skill_id() &&
                 skill.proficiency() >= required.proficiency();
        });
      });
}

bool Matches(const config::v1::QueueRule& rule, absl::string_view account_id,
             absl::string_view language) {
  const auto in = [](const auto& values, absl::string_view value) {
    return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
  };
  return in(rule.account_ids(), account_id) && in(rule.languages(), language);
}

bool IsExcluded(const Waiting& waiting, absl::string_view agent_id) {
  return std::find(waiting.excluded_agent_ids.begin(), waiting.excluded_agent_ids.end(),
                   agent_id) != waiting.excluded_agent_ids.end();
}

}  // namespace

void Matcher::Configure(const config::v1::WorkspaceConfig& config,
                        absl::string_view routing_group_id) {
  config_version_ = config.version();
  std::map<std::string, Agent, std::less<>> old_agents = std::move(agents_);
  agents_.clear();
  queues_.clear();
  queue_order_.clear();
  for (const config::v1::Queue& q : config.queues()) {
    if (q.routing_group_id() != routing_group_id) continue;
    queue_order_.push_back(q.queue_id());
    queues_[q.queue_id()].config = q;
  }
  for (const config::v1::Agent& a : config.agents()) {
    if (a.routing_group_id() != routing_group_id) continue;
    Agent& agent = agents_[a.agent_id()];
    for (const std::string& queue_id : a.queue_ids()) {
      const auto queue = queues_.find(queue_id);
      if (queue == queues_.end()) continue;
      const bool skilled = HasSkills(a, queue->second.config);
      (skilled ? agent.queues : agent.unskilled_queues).push_back(queue_id);
      ++(skilled ? queue->second.skilled : queue->second.unskilled);
    }
    std::sort(agent.queues.begin(), agent.queues.end());
    std::sort(agent.unskilled_queues.begin(), agent.unskilled_queues.end());
    if (const auto old = old_agents.find(a.agent_id()); old != old_agents.end()) {
      agent.load = old->second.load;
    }
    Enter(a.agent_id(), agent);
  }
  for (const auto& [id, waiting] : waiting_) {
    const auto queue = queues_.find(waiting.queue_id);
    if (queue != queues_.end()) queue->second.waiting.insert(Urgency(queue->second, waiting));
  }
}

std::optional<std::string> Matcher::SelectQueue(absl::string_view account_id,
                                                absl::string_view language) const {
  for (const std::string& id : queue_order_) {
    for (const config::v1::QueueRule& rule : queues_.find(id)->second.config.rules()) {
      if (Matches(rule, account_id, language)) return id;
    }
  }
  if (queue_order_.empty()) return std::nullopt;
  return queue_order_.back();
}

const config::v1::Queue* Matcher::FindQueue(absl::string_view queue_id) const {
  const auto it = queues_.find(queue_id);
  return it == queues_.end() ? nullptr : &it->second.config;
}

void Matcher::SetAgent(absl::string_view agent_id, const AgentLoad& load) {
  const auto it = agents_.find(agent_id);
  if (it == agents_.end()) return;
  Leave(it->first, it->second);
  it->second.load = load;
  Enter(it->first, it->second);
}

void Matcher::Enter(const std::string& agent_id, const Agent& agent) {
  if (!agent.load.available) return;
  for (const std::string& id : agent.queues) {
    Queue& queue = queues_.find(id)->second;
    ++queue.available;
    ++queue.available_by_free_units[agent.load.free_units];
    if (agent.load.free_units > 0) queue.with_room.emplace(agent.load.idle_since, agent_id);
  }
}

void Matcher::Leave(const std::string& agent_id, const Agent& agent) {
  if (!agent.load.available) return;
  for (const std::string& id : agent.queues) {
    Queue& queue = queues_.find(id)->second;
    --queue.available;
    const auto count = queue.available_by_free_units.find(agent.load.free_units);
    if (--count->second == 0) queue.available_by_free_units.erase(count);
    queue.with_room.erase({agent.load.idle_since, agent_id});
  }
}

std::tuple<int32_t, absl::Time, std::string> Matcher::Urgency(const Queue& queue,
                                                              const Waiting& waiting) {
  return {-queue.config.base_priority(), waiting.waiting_since, waiting.conversation_id};
}

void Matcher::AddWaiting(Waiting waiting) {
  RemoveWaiting(waiting.conversation_id);
  const auto queue = queues_.find(waiting.queue_id);
  if (queue != queues_.end()) queue->second.waiting.insert(Urgency(queue->second, waiting));
  std::string id = waiting.conversation_id;
  waiting_.insert_or_assign(std::move(id), std::move(waiting));
}

void Matcher::RemoveWaiting(absl::string_view conversation_id) {
  const auto it = waiting_.find(conversation_id);
  if (it == waiting_.end()) return;
  const auto queue = queues_.find(it->second.queue_id);
  if (queue != queues_.end()) queue->second.waiting.erase(Urgency(queue->second, it->second));
  waiting_.erase(it);
}

Choice Matcher::ChooseAgent(const Waiting& waiting) const {
  Choice choice;
  Explanation& why = choice.explanation;
  why.set_strategy(config::v1::STRATEGY_LONGEST_IDLE);
  why.set_config_version(config_version_);
  why.set_agents_considered(static_cast<int32_t>(agents_.size()));
  const auto passed_over = [&why](Explanation::PassedOver reason, int32_t agents) {
    if (agents <= 0) return;
    Explanation::PassedOverCount* count = why.add_passed_over();
    count->set_reason(reason);
    count->set_agents(agents);
  };
  const auto found = queues_.find(waiting.queue_id);
  if (found == queues_.end()) {
    passed_over(Explanation::PASSED_OVER_NOT_IN_QUEUE, static_cast<int32_t>(agents_.size()));
    return choice;
  }
  const Queue& queue = found->second;

  int32_t roomy = 0;
  for (auto it = queue.available_by_free_units.lower_bound(waiting.units);
       it != queue.available_by_free_units.end(); ++it) {
    roomy += it->second;
  }
  int32_t excluded = 0;
  for (const std::string& agent_id : waiting.excluded_agent_ids) {
    const auto agent = agents_.find(agent_id);
    if (agent != agents_.end() && agent->second.load.available &&
        agent->second.load.free_units >= waiting.units &&
        Has(agent->second.queues, waiting.queue_id)) {
      ++excluded;
    }
  }
  why.set_agents_eligible(roomy - excluded);
  passed_over(Explanation::PASSED_OVER_NOT_IN_QUEUE,
              static_cast<int32_t>(agents_.size()) - queue.skilled - queue.unskilled);
  passed_over(Explanation::PASSED_OVER_LACKS_SKILL, queue.unskilled);
  passed_over(Explanation::PASSED_OVER_NOT_AVAILABLE, queue.skilled - queue.available);
  passed_over(Explanation::PASSED_OVER_NO_CAPACITY, queue.available - roomy);
  passed_over(Explanation::PASSED_OVER_EXCLUDED, excluded);
  if (why.agents_eligible() == 0) return choice;

  int wanted = 1 + std::min(kMaxRunnersUp, why.agents_eligible() - 1);
  for (const auto& [idle_since, agent_id] : queue.with_room) {
    const Agent& agent = agents_.find(agent_id)->second;
    if (agent.load.free_units < waiting.units || IsExcluded(waiting, agent_id)) continue;
    Explanation::Candidate* candidate =
        choice.agent_id.has_value() ? why.add_runners_up() : why.mutable_chosen();
    if (!choice.agent_id.has_value()) choice.agent_id = agent_id;
    candidate->set_agent_id(agent_id);
    *candidate->mutable_idle_since() = ToProto(idle_since);
    candidate->set_free_units(agent.load.free_units);
    if (--wanted == 0) break;
  }
  return choice;
}

std::optional<Explanation::PassedOver> Matcher::WhyNot(absl::string_view agent_id,
                                                       const Waiting& waiting) const {
  const auto agent = agents_.find(agent_id);
  if (agent == agents_.end()) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
  if (!agent->second.load.available) return Explanation::PASSED_OVER_NOT_AVAILABLE;
  if (agent->second.load.free_units < waiting.units) return Explanation::PASSED_OVER_NO_CAPACITY;
  return std::nullopt;
}

std::optional<std::string> Matcher::ChooseConversation(absl::string_view agent_id) const {
  const auto agent = agents_.find(agent_id);
  if (agent == agents_.end() || !agent->second.load.available) return std::nullopt;
  std::optional<std::tuple<int32_t, absl::Time, std::string>> best;
  for (const std::string& queue_id : agent->second.queues) {
    for (const auto& urgency : queues_.find(queue_id)->second.waiting) {
      if (best.has_value() && *best < urgency) break;
      const Waiting& waiting = waiting_.find(std::get<2>(urgency))->second;
      if (waiting.units > agent->second.load.free_units || IsExcluded(waiting, agent_id)) continue;
      best = urgency;
      break;
    }
  }
  if (!best.has_value()) return std::nullopt;
  return std::get<2>(*best);
}

}  // namespace wissel::routing
