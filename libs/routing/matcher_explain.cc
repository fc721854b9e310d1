// Why: what a decision is explained by.

#include <algorithm>
#include <bit>

#include "libs/base/proto_time.h"
#include "libs/routing/matcher_impl.h"

namespace wissel::routing {

using conversation::v1::Explanation;

namespace {

// May be asked whatever they can and serve.
bool Names(const Policy::Impl::Need& need, int32_t agent) {
  return need.anyone ||
         std::find(need.agents.begin(), need.agents.end(), agent) != need.agents.end();
}

bool ServesOne(const Policy::Impl& policy, const Policy::Impl::Need& need, uint32_t agent) {
  return std::any_of(need.queues.begin(), need.queues.end(), [&](int32_t q) {
    return policy.queue_data[q].primary.Has(agent) || policy.queue_data[q].secondary.Has(agent);
  });
}

bool IsExcluded(const Waiting& waiting, absl::string_view agent_id) {
  return std::find(waiting.excluded_agent_ids.begin(), waiting.excluded_agent_ids.end(),
                   agent_id) != waiting.excluded_agent_ids.end();
}

}  // namespace

Explanation::Candidate Matcher::Impl::Describe(uint32_t agent, const Waiting& waiting,
                                               const Asked& asked) const {
  const AgentLoad load = agents_.Load(agent);
  Explanation::Candidate out;
  out.set_agent_id(p_->agents[agent].agent_id());
  *out.mutable_idle_since() = ToProto(load.idle_since);
  out.set_free_units(static_cast<int32_t>(std::clamp<int64_t>(
      load.capacity_units - agents_.TakenUnits(agent, asked.kind),
      std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max())));
  out.set_sticky(out.agent_id() == waiting.sticky_agent_id);
  if (asked.queue >= 0) {
    out.set_secondary(!p_->queue_data[asked.queue].primary.Has(agent));
    out.set_preferred_score(p_->PreferredScore(agent, asked.queue));
    out.set_skill_score(p_->SkillScore(agent, asked.queue, asked.language));
  }
  out.set_occupancy_permille(
      static_cast<int32_t>(agents_.Key(config::v1::STRATEGY_LEAST_OCCUPIED, agent) >> 32));
  out.set_last_given(load.last_given);
  return out;
}

void Matcher::Impl::ExplainAsked(const Waiting& waiting, const Asked& asked,
                                 Explanation& out) const {
  out.set_config_version(p_->version);
  *out.mutable_priority() = PriorityOf(waiting);
  policy_->Describe(waiting.queue_id, waiting.language, asked.ring, waiting.anyone, waiting.kind,
                    *out.mutable_requirement());
}

Explanation Matcher::Impl::ExplainGiven(absl::string_view agent_id, const Waiting& waiting) const {
  const Asked asked = Resolve(waiting);
  Explanation out;
  ExplainAsked(waiting, asked, out);
  const int32_t agent = p_->FindAgentIndex(agent_id);
  if (agent < 0) return out;
  out.set_agents_considered(1);
  out.set_agents_eligible(1);
  *out.mutable_chosen() = Describe(static_cast<uint32_t>(agent), waiting, asked);
  return out;
}

void Matcher::Impl::Explain(const Waiting& waiting, Explanation& out) {
  KeepGroupsBounded();
  const Asked asked = Resolve(waiting);
  out.Clear();
  ExplainAsked(waiting, asked, out);
  const auto agents = static_cast<int32_t>(agents_.size());
  out.set_agents_considered(agents);
  const auto passed_over = [&out](PassedOver reason, int32_t count) {
    if (count == 0) return;
    Explanation::PassedOverCount* passed = out.add_passed_over();
    passed->set_reason(reason);
    passed->set_agents(count);
  };
  if (asked.queue < 0) {
    passed_over(Explanation::PASSED_OVER_NOT_IN_QUEUE, agents);
    return;
  }
  out.set_strategy(p_->queue_data[asked.queue].strategy);

  const Group& group =
      requirements_[GroupOf(asked.queue, asked.language, asked.ring, waiting.anyone)];
  int32_t available = 0;
  int32_t at_limit = 0;
  int32_t with_room = 0;
  for (size_t w = 0; w < group.eligible.words(); ++w) {
    const uint64_t eligible = group.eligible.word(w) & agents_.available().word(w);
    if (eligible == 0) continue;
    available += std::popcount(eligible);
    at_limit += std::popcount(eligible & agents_.at_limit(asked.kind).word(w));
    with_room += std::popcount(eligible & agents_.with_room(asked.kind).word(w));
  }
  int32_t excluded = 0;
  for (const uint32_t agent : ExcludedAgents(waiting)) {
    if (group.eligible.Has(agent) && agents_.with_room(asked.kind).Has(agent)) ++excluded;
  }
  out.set_agents_eligible(with_room - excluded);
  passed_over(Explanation::PASSED_OVER_NOT_IN_QUEUE, agents - group.members);
  passed_over(Explanation::PASSED_OVER_LACKS_SKILL, group.members - group.eligible_count);
  passed_over(Explanation::PASSED_OVER_NOT_AVAILABLE, group.eligible_count - available);
  passed_over(Explanation::PASSED_OVER_NO_CAPACITY, available - with_room - at_limit);
  passed_over(Explanation::PASSED_OVER_CHANNEL_LIMIT, at_limit);
  passed_over(Explanation::PASSED_OVER_EXCLUDED, excluded);

  bool first = true;
  for (const uint32_t agent : BestAgents(waiting, asked, 1 + kMaxRunnersUp)) {
    *(first ? out.mutable_chosen() : out.add_runners_up()) = Describe(agent, waiting, asked);
    first = false;
  }
}

std::optional<PassedOver> Matcher::Impl::WhyNot(absl::string_view agent_id, const Waiting& waiting,
                                                const Check& check) const {
  const int32_t found = p_->FindAgentIndex(agent_id);
  if (found < 0) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
  const auto agent = static_cast<uint32_t>(found);
  const Asked asked = Resolve(waiting);
  if (check.requirement) {
    if (asked.queue < 0) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
    const Policy::Impl::Need need =
        p_->Require(asked.queue, asked.language, asked.ring, waiting.anyone);
    if (!Names(need, found)) {
      if (!ServesOne(*p_, need, agent)) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
      if (!std::all_of(need.clauses.begin(), need.clauses.end(),
                       [&](const auto& clause) { return p_->Meets(agent, clause); })) {
        return Explanation::PASSED_OVER_LACKS_SKILL;
      }
    }
  }
  if (!agents_.available().Has(agent)) return Explanation::PASSED_OVER_NOT_AVAILABLE;
  if (check.room) {
    if (agents_.at_limit(asked.kind).Has(agent)) return Explanation::PASSED_OVER_CHANNEL_LIMIT;
    if (!agents_.with_room(asked.kind).Has(agent)) return Explanation::PASSED_OVER_NO_CAPACITY;
  }
  if (check.exclusion && IsExcluded(waiting, agent_id)) return Explanation::PASSED_OVER_EXCLUDED;
  return std::nullopt;
}

Obstacles Matcher::Impl::FindObstacles(absl::string_view agent_id, const Waiting& waiting) const {
  Obstacles out;
  const int32_t found = p_->FindAgentIndex(agent_id);
  if (found < 0) {
    out.unknown_agent = true;
    return out;
  }
  const auto agent = static_cast<uint32_t>(found);
  const Asked asked = Resolve(waiting);
  out.unknown_queue = asked.queue < 0;
  if (!out.unknown_queue) {
    const Policy::Impl::Need need =
        p_->Require(asked.queue, asked.language, asked.ring, waiting.anyone);
    if (!Names(need, found)) {
      if (!ServesOne(*p_, need, agent)) {
        for (const int32_t q : need.queues) out.queue_ids.push_back(p_->queues[q].queue_id());
      }
      for (const Policy::Impl::Clause& clause : need.clauses) {
        if (p_->Meets(agent, clause)) continue;
        std::vector<Obstacles::Skill>& any_of = out.skills.emplace_back();
        for (const Policy::Impl::SkillLevel& skill : clause) {
          // A language that nobody has is not asked for until somebody does.
          const bool language = skill.skill == asked.language && p_->holders[skill.skill].empty();
          any_of.push_back(
              {.skill_id = p_->skills[skill.skill],
               .level = language ? std::max(skill.level, p_->queue_data[asked.queue].language_level)
                                 : skill.level,
               .has = p_->Level(agent, skill.skill)});
        }
      }
    }
  }
  const AgentLoad load = agents_.Load(agent);
  out.not_available = !load.available;
  out.units_needed = p_->weight[asked.kind];
  out.units_free = load.capacity_units - agents_.TakenUnits(agent, asked.kind);
  out.no_room = out.units_free < out.units_needed;
  out.held = load.held[asked.kind].conversations;
  out.limit = p_->limits[p_->limits_of[agent]][asked.kind];
  out.at_limit = out.held >= out.limit;
  out.excluded = IsExcluded(waiting, agent_id);
  return out;
}

conversation::v1::Priority Matcher::Impl::PriorityOf(const Waiting& waiting) const {
  const PriorityParts& parts = waiting.priority;
  conversation::v1::Priority out;
  out.set_own(parts.own);
  out.set_tier(parts.tier);
  out.set_lifetime_value(parts.lifetime_value);
  out.set_order_state(parts.order_state);
  out.set_sla_proximity(parts.sla_proximity);
  out.set_escalation(parts.escalation);
  const int64_t since = Nanos(waiting.waiting_since);
  const int32_t queue = p_->FindQueueIndex(waiting.queue_id);
  const QueueData* data = queue < 0 ? nullptr : &p_->queue_data[queue];
  if (data != nullptr) {
    out.set_base(data->base_priority);
    out.set_ageing(Policy::Impl::Ageing(*data, Waited(since)));
  }
  out.set_effective(EffectivePriority(data, since, parts.Sum()));
  return out;
}

}  // namespace wissel::routing
