#include "libs/routing/testing/naive_matcher.h"

#include <algorithm>
#include <tuple>

#include "libs/base/proto_time.h"

namespace wissel::routing::testing {

using config::v1::Agent;
using config::v1::ChannelPolicy;
using config::v1::Queue;
using config::v1::Skill;
using conversation::v1::Explanation;
using Candidate = Explanation::Candidate;

namespace {

int LevelOf(const Agent& agent, const std::string& skill_id) {
  int level = 0;
  for (const Skill& skill : agent.skills()) {
    if (skill.skill_id() == skill_id) level = std::max(level, skill.proficiency());
  }
  return level;
}

template <typename Values>
bool Contains(const Values& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool Serves(const Agent& agent, const std::string& queue_id) {
  return Contains(agent.queue_ids(), queue_id) || Contains(agent.secondary_queue_ids(), queue_id);
}

std::string LanguageSkill(const Waiting& waiting) {
  return waiting.language.empty() ? "" : "lang:" + waiting.language;
}

std::string Resolve(const std::string& skill_id, const Waiting& waiting) {
  return skill_id == "lang:*" ? LanguageSkill(waiting) : skill_id;
}

}  // namespace

void NaiveMatcher::Configure(const config::v1::WorkspaceConfig& config,
                             const std::string& routing_group_id) {
  config_ = config;
  config_.clear_queues();
  config_.clear_agents();
  for (const Queue& queue : config.queues()) {
    if (queue.routing_group_id() == routing_group_id) *config_.add_queues() = queue;
  }
  for (const Agent& agent : config.agents()) {
    if (agent.routing_group_id() == routing_group_id) *config_.add_agents() = agent;
  }
  const std::map<std::string, AgentLoad> before = std::move(loads_);
  loads_.clear();
  queues_.clear();
  for (const Queue& queue : config_.queues()) queues_[queue.queue_id()] = &queue;
  agents_.clear();
  skills_.clear();
  for (const Agent& agent : config_.agents()) {
    agents_[agent.agent_id()] = &agent;
    for (const Skill& skill : agent.skills()) skills_.insert(skill.skill_id());
    const auto known = before.find(agent.agent_id());
    loads_[agent.agent_id()] = known == before.end() ? AgentLoad() : known->second;
  }
  relaxed_.clear();
  if (mistake_ == Mistake::kPlaceIsLostByConfiguring) {
    for (auto& [id, waiting] : waiting_) waiting.waiting_since = now_;
  }
}

const Queue* NaiveMatcher::FindQueue(const std::string& id) const {
  const auto found = queues_.find(id);
  return found == queues_.end() ? nullptr : found->second;
}

const Agent* NaiveMatcher::FindAgent(const std::string& id) const {
  const auto found = agents_.find(id);
  return found == agents_.end() ? nullptr : found->second;
}

const ChannelPolicy* NaiveMatcher::FindChannel(common::v1::ChannelKind kind) const {
  for (const ChannelPolicy& channel : config_.channels()) {
    if (channel.kind() == kind) return &channel;
  }
  return nullptr;
}

void NaiveMatcher::SetAgent(const std::string& agent_id, const AgentLoad& load) {
  if (FindAgent(agent_id) != nullptr) loads_[agent_id] = load;
}

void NaiveMatcher::AddWaiting(const Waiting& waiting) {
  waiting_[waiting.conversation_id] = waiting;
  relaxed_.erase(waiting.conversation_id);
}

void NaiveMatcher::RemoveWaiting(const std::string& conversation_id) {
  waiting_.erase(conversation_id);
  relaxed_.erase(conversation_id);
}

bool NaiveMatcher::IsWaiting(const std::string& conversation_id) const {
  return waiting_.count(conversation_id) > 0;
}

int32_t NaiveMatcher::WaitingCount(const std::string& queue_id) const {
  if (FindQueue(queue_id) == nullptr) return 0;
  int32_t count = 0;
  for (const auto& [id, waiting] : waiting_) count += waiting.queue_id == queue_id ? 1 : 0;
  return count;
}

absl::Duration NaiveMatcher::Waited(const Waiting& waiting) const {
  return std::max(absl::ZeroDuration(), now_ - waiting.waiting_since);
}

int NaiveMatcher::Ring(const Waiting& waiting) const {
  const Queue* queue = FindQueue(waiting.queue_id);
  if (queue == nullptr) return 0;
  int due = 0;
  for (const auto& step : queue->relaxation_steps()) {
    const absl::Duration early =
        mistake_ == Mistake::kStepComesEarly ? absl::Seconds(1) : absl::ZeroDuration();
    if (Waited(waiting) + early >= FromProto(step.after())) ++due;
  }
  return std::min(queue->relaxation_steps_size(), due + waiting.extra_relaxation_steps);
}

void NaiveMatcher::Advance(absl::Time now) {
  if (now <= now_) return;
  std::map<std::string, int> before;
  for (const auto& [id, waiting] : waiting_) before[id] = Ring(waiting);
  now_ = now;
  for (const auto& [id, waiting] : waiting_) {
    if (!waiting.anyone && Ring(waiting) > before[id]) relaxed_.insert(id);
  }
}

absl::Time NaiveMatcher::NextRelaxation() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, waiting] : waiting_) {
    const Queue* queue = FindQueue(waiting.queue_id);
    if (queue == nullptr || waiting.anyone) continue;
    if (Ring(waiting) == queue->relaxation_steps_size()) continue;
    for (const auto& step : queue->relaxation_steps()) {
      const absl::Time due = waiting.waiting_since + FromProto(step.after());
      if (due > now_) next = std::min(next, due);
    }
  }
  return next;
}

std::vector<std::string> NaiveMatcher::TakeRelaxed() {
  std::vector<std::string> ids(relaxed_.begin(), relaxed_.end());
  std::sort(ids.begin(), ids.end(), [&](const std::string& a, const std::string& b) {
    return MoreUrgent(waiting_.at(a), waiting_.at(b));
  });
  relaxed_.clear();
  return ids;
}

std::optional<NaiveMatcher::Need> NaiveMatcher::WhatIsNeeded(const Waiting& waiting) const {
  const Queue* found = FindQueue(waiting.queue_id);
  if (found == nullptr) return std::nullopt;
  const Queue& queue = *found;
  Need need;
  need.queues.push_back(queue.queue_id());
  for (const Skill& skill : queue.required_skills()) {
    need.clauses.push_back({{skill.skill_id(), skill.proficiency()}});
  }
  if (queue.language_proficiency() > 0 && !waiting.language.empty()) {
    const bool somebody =
        mistake_ == Mistake::kLanguageIsNeverWaived || skills_.count(LanguageSkill(waiting)) > 0;
    if (somebody) need.clauses.push_back({{LanguageSkill(waiting), queue.language_proficiency()}});
  }
  const int ring = Ring(waiting);
  for (int i = 0; i < ring; ++i) {
    const auto& step = queue.relaxation_steps(i);
    for (const std::string& dropped : step.drop_skill_ids()) {
      for (auto it = need.clauses.begin(); it != need.clauses.end();) {
        it = it->front().first == Resolve(dropped, waiting) ? need.clauses.erase(it) : it + 1;
      }
    }
    for (const Skill& lower : step.lower_skills()) {
      for (auto& clause : need.clauses) {
        auto& [skill, level] = clause.front();
        if (skill != Resolve(lower.skill_id(), waiting)) continue;
        level = mistake_ == Mistake::kLoweredIsDropped ? 0 : std::min(level, lower.proficiency());
      }
    }
    for (const auto& alternative : step.alternatives()) {
      for (auto& clause : need.clauses) {
        if (clause.front().first != Resolve(alternative.skill_id(), waiting)) continue;
        bool known = false;
        for (auto& [skill, level] : clause) {
          if (skill != alternative.or_skill_id()) continue;
          level = std::min(level, alternative.proficiency());
          known = true;
        }
        if (!known) clause.emplace_back(alternative.or_skill_id(), alternative.proficiency());
      }
    }
    for (const std::string& id : step.widen_to_queue_ids()) {
      if (FindQueue(id) != nullptr && !Contains(need.queues, id)) need.queues.push_back(id);
    }
    for (const std::string& id : step.widen_to_agent_ids()) {
      if (FindAgent(id) != nullptr && !Contains(need.agents, id)) need.agents.push_back(id);
    }
  }
  return need;
}

int64_t NaiveMatcher::FreeUnits(const std::string& agent_id, common::v1::ChannelKind kind) const {
  const AgentLoad& load = loads_.at(agent_id);
  const ChannelPolicy* channel = FindChannel(kind);
  int64_t free = load.capacity_units;
  for (int other = 0; other < kChannelKinds; ++other) {
    const bool interrupted =
        channel != nullptr &&
        std::find(channel->may_interrupt().begin(), channel->may_interrupt().end(), other) !=
            channel->may_interrupt().end();
    if (interrupted && mistake_ != Mistake::kInterruptedCounts) continue;
    free -= load.held[other].units;
  }
  return free;
}

std::optional<PassedOver> NaiveMatcher::WhyNot(const std::string& agent_id, const Waiting& waiting,
                                               const Matcher::Check& check) const {
  return WhyNot(agent_id, waiting, WhatIsNeeded(waiting), check);
}

std::optional<PassedOver> NaiveMatcher::WhyNot(const std::string& agent_id, const Waiting& waiting,
                                               const std::optional<Need>& needed,
                                               const Matcher::Check& check) const {
  const Agent* agent = FindAgent(agent_id);
  if (agent == nullptr) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
  const AgentLoad& load = loads_.at(agent_id);
  if (check.requirement) {
    if (!needed.has_value()) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
    const Need& need = *needed;
    const bool named = waiting.anyone || Contains(need.agents, agent_id);
    bool in_queue = named;
    for (const std::string& id : need.queues) in_queue = in_queue || Serves(*agent, id);
    if (!in_queue) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
    if (!named || (mistake_ == Mistake::kNamedNeedsSkills && !waiting.anyone)) {
      for (const auto& clause : need.clauses) {
        bool met = false;
        for (const auto& [skill, level] : clause) {
          met = met || (LevelOf(*agent, skill) > 0 && LevelOf(*agent, skill) >= level);
        }
        if (mistake_ == Mistake::kLoweredIsDropped && clause.front().second == 0) met = true;
        if (!met) return Explanation::PASSED_OVER_LACKS_SKILL;
      }
    }
  }
  if (!load.available) return Explanation::PASSED_OVER_NOT_AVAILABLE;
  if (check.room) {
    const ChannelPolicy* channel = FindChannel(waiting.kind);
    const int weight = channel == nullptr ? 1 : std::max(1, channel->weight_units());
    if (FreeUnits(agent_id, waiting.kind) < weight) return Explanation::PASSED_OVER_NO_CAPACITY;
    std::optional<int> limit;
    if (channel != nullptr && channel->max_conversations() > 0) {
      limit = channel->max_conversations();
    }
    for (const auto& own : agent->channel_limits()) {
      if (own.kind() == waiting.kind) limit = own.max_conversations();
    }
    if (mistake_ == Mistake::kLimitIsOneMore && limit.has_value()) ++*limit;
    if (limit.has_value() && load.held[waiting.kind].conversations >= *limit) {
      return Explanation::PASSED_OVER_CHANNEL_LIMIT;
    }
  }
  if (check.exclusion && Contains(waiting.excluded_agent_ids, agent_id) &&
      mistake_ != Mistake::kExcludedIsAsked) {
    return Explanation::PASSED_OVER_EXCLUDED;
  }
  return std::nullopt;
}

Candidate NaiveMatcher::CandidateOf(const std::string& agent_id, const Waiting& waiting) const {
  const Agent& agent = *FindAgent(agent_id);
  const Queue& queue = *FindQueue(waiting.queue_id);
  const AgentLoad& load = loads_.at(agent_id);
  Candidate candidate;
  candidate.set_agent_id(agent_id);
  *candidate.mutable_idle_since() = ToProto(load.idle_since);
  candidate.set_free_units(static_cast<int32_t>(FreeUnits(agent_id, waiting.kind)));
  candidate.set_sticky(agent_id == waiting.sticky_agent_id);
  candidate.set_secondary(mistake_ != Mistake::kSecondaryIsPrimary &&
                          !Contains(agent.queue_ids(), queue.queue_id()));
  int64_t preferred = 0;
  for (const auto& skill : queue.preferred_skills()) {
    preferred += int64_t{skill.weight()} * LevelOf(agent, skill.skill_id());
  }
  candidate.set_preferred_score(preferred);
  std::set<std::string> asked;
  for (const Skill& skill : queue.required_skills()) asked.insert(skill.skill_id());
  if (queue.language_proficiency() > 0 && !waiting.language.empty()) {
    asked.insert(LanguageSkill(waiting));
  }
  int32_t skill_score = 0;
  for (const std::string& skill : asked) skill_score += LevelOf(agent, skill);
  candidate.set_skill_score(skill_score);
  int64_t held = 0;
  for (const ChannelUse& use : load.held) held += use.units;
  candidate.set_occupancy_permille(
      load.capacity_units <= 0 ? 1000 : static_cast<int32_t>(held * 1000 / load.capacity_units));
  candidate.set_last_given(load.last_given);
  return candidate;
}

bool NaiveMatcher::Better(const Candidate& a, const Candidate& b,
                          config::v1::Strategy strategy) const {
  if (a.sticky() != b.sticky()) return a.sticky();
  if (a.secondary() != b.secondary()) return b.secondary();
  if (a.preferred_score() != b.preferred_score()) {
    return a.preferred_score() > b.preferred_score();
  }
  switch (strategy) {
    case config::v1::STRATEGY_BEST_SKILL:
      if (a.skill_score() != b.skill_score()) return a.skill_score() > b.skill_score();
      break;
    case config::v1::STRATEGY_LEAST_OCCUPIED:
      if (a.occupancy_permille() != b.occupancy_permille()) {
        return a.occupancy_permille() < b.occupancy_permille();
      }
      break;
    case config::v1::STRATEGY_ROUND_ROBIN:
      if (a.last_given() != b.last_given()) return a.last_given() < b.last_given();
      break;
    default: {
      const absl::Time idle_a = FromProto(a.idle_since());
      const absl::Time idle_b = FromProto(b.idle_since());
      if (idle_a != idle_b) return idle_a < idle_b;
    }
  }
  return a.agent_id() < b.agent_id();
}

std::vector<Candidate> NaiveMatcher::EligibleBestFirst(const Waiting& waiting) const {
  std::vector<Candidate> eligible;
  const Queue* queue = FindQueue(waiting.queue_id);
  if (queue == nullptr) return eligible;
  const std::optional<Need> need = WhatIsNeeded(waiting);
  for (const auto& [agent_id, load] : loads_) {
    if (WhyNot(agent_id, waiting, need, {}).has_value()) continue;
    eligible.push_back(CandidateOf(agent_id, waiting));
  }
  std::sort(eligible.begin(), eligible.end(), [&](const Candidate& a, const Candidate& b) {
    return Better(a, b, queue->strategy());
  });
  return eligible;
}

std::optional<std::string> NaiveMatcher::ChooseAgent(const Waiting& waiting) const {
  const std::vector<Candidate> eligible = EligibleBestFirst(waiting);
  if (eligible.empty()) return std::nullopt;
  return eligible.front().agent_id();
}

bool NaiveMatcher::MoreUrgent(const Waiting& a, const Waiting& b) const {
  const int32_t priority_a = PriorityOf(a).effective();
  const int32_t priority_b = PriorityOf(b).effective();
  if (mistake_ == Mistake::kDueComesBeforePriority && a.sla_due != b.sla_due) {
    return a.sla_due < b.sla_due;
  }
  if (priority_a != priority_b) return priority_a > priority_b;
  if (a.sla_due != b.sla_due) return a.sla_due < b.sla_due;
  if (a.waiting_since != b.waiting_since) return a.waiting_since < b.waiting_since;
  if (mistake_ == Mistake::kTiesGoToTheNewest) return a.conversation_id > b.conversation_id;
  return a.conversation_id < b.conversation_id;
}

std::optional<std::string> NaiveMatcher::ChooseConversation(const std::string& agent_id) const {
  const Waiting* best = nullptr;
  for (const auto& [id, waiting] : waiting_) {
    if (WhyNot(agent_id, waiting, {}).has_value()) continue;
    if (best == nullptr || MoreUrgent(waiting, *best)) best = &waiting;
  }
  if (best == nullptr) return std::nullopt;
  return best->conversation_id;
}

conversation::v1::Priority NaiveMatcher::PriorityOf(const Waiting& waiting) const {
  conversation::v1::Priority priority;
  priority.set_own(waiting.priority.own);
  priority.set_tier(waiting.priority.tier);
  priority.set_lifetime_value(waiting.priority.lifetime_value);
  priority.set_order_state(waiting.priority.order_state);
  priority.set_sla_proximity(waiting.priority.sla_proximity);
  priority.set_escalation(waiting.priority.escalation);
  if (const Queue* queue = FindQueue(waiting.queue_id); queue != nullptr) {
    priority.set_base(queue->base_priority());
    const absl::Duration interval =
        queue->has_ageing_interval() ? FromProto(queue->ageing_interval()) : absl::Minutes(1);
    const int64_t most = queue->max_ageing_points() == 0 ? 1000 : queue->max_ageing_points();
    absl::Duration rest;
    int64_t intervals = absl::IDivDuration(Waited(waiting), interval, &rest);
    if (mistake_ == Mistake::kAgeingRoundsUp && rest > absl::ZeroDuration()) ++intervals;
    // More of them make no difference.
    intervals = std::min<int64_t>(intervals, 10'000);
    priority.set_ageing(
        static_cast<int32_t>(std::min<int64_t>(most, intervals * queue->ageing_points())));
  }
  const int64_t sum = int64_t{priority.base()} + priority.own() + priority.tier() +
                      priority.lifetime_value() + priority.order_state() +
                      priority.sla_proximity() + priority.escalation() + priority.ageing();
  priority.set_effective(static_cast<int32_t>(std::clamp<int64_t>(sum, -100'000, 100'000)));
  return priority;
}

int32_t NaiveMatcher::Position(const std::string& conversation_id) const {
  const auto asked = waiting_.find(conversation_id);
  if (asked == waiting_.end() || FindQueue(asked->second.queue_id) == nullptr) return 0;
  int32_t position = 1;
  for (const auto& [id, waiting] : waiting_) {
    if (waiting.queue_id == asked->second.queue_id && MoreUrgent(waiting, asked->second)) {
      ++position;
    }
  }
  return position;
}

std::set<std::string> NaiveMatcher::Able(const Waiting& waiting) const {
  std::set<std::string> able;
  for (const auto& [agent_id, load] : loads_) {
    const Matcher::Check check{.exclusion = false, .room = false};
    if (!WhyNot(agent_id, waiting, check).has_value()) able.insert(agent_id);
  }
  return able;
}

Matcher::Standing NaiveMatcher::StandingOf(const std::string& conversation_id) const {
  Matcher::Standing standing{.position = Position(conversation_id)};
  if (standing.position == 0) return standing;
  const Waiting& asked = waiting_.at(conversation_id);
  const std::set<std::string> able = Able(asked);
  const auto in_both = [](const std::set<std::string>& a, const std::set<std::string>& b) {
    int64_t count = 0;
    for (const std::string& agent : a) count += b.count(agent) > 0 ? 1 : 0;
    return count;
  };
  std::set<std::string> any;
  std::set<std::string> rivals;
  int64_t ahead_of_rivals = 0;
  for (const auto& [id, waiting] : waiting_) {
    if (waiting.queue_id != asked.queue_id) continue;
    const std::set<std::string> theirs = Able(waiting);
    any.insert(theirs.begin(), theirs.end());
    const int64_t both = in_both(theirs, able);
    if (both == 0 || !MoreUrgent(waiting, asked)) continue;
    const int64_t ahead = both * 1'000 / static_cast<int64_t>(theirs.size());
    if (both == static_cast<int64_t>(able.size())) {
      standing.ahead_permille += ahead;
    } else {
      ahead_of_rivals += ahead;
      rivals.insert(theirs.begin(), theirs.end());
    }
  }
  const int64_t taken = in_both(able, rivals);
  if (const int64_t free = static_cast<int64_t>(able.size()) - taken; free > 0) {
    ahead_of_rivals = std::min(ahead_of_rivals, (1'000 + standing.ahead_permille) * taken / free);
  }
  standing.ahead_permille += ahead_of_rivals;
  int serving = 0;
  for (const auto& [agent_id, load] : loads_) {
    if (!load.available) continue;
    const config::v1::Agent& agent = *FindAgent(agent_id);
    for (const auto* queues : {&agent.queue_ids(), &agent.secondary_queue_ids()}) {
      serving += static_cast<int>(std::count(queues->begin(), queues->end(), asked.queue_id));
    }
  }
  const int of_all = static_cast<int>(able.size()) * 1'000;
  standing.able_permille = std::min(1'000, of_all / std::max(1, serving));
  standing.able_of_asked_permille = of_all / std::max(1, static_cast<int>(any.size()));
  return standing;
}

Explanation NaiveMatcher::Explain(const Waiting& waiting) const {
  Explanation out;
  const std::optional<Need> needed = WhatIsNeeded(waiting);
  std::map<PassedOver, int32_t> counts;
  for (const auto& [agent_id, load] : loads_) {
    const std::optional<PassedOver> why = WhyNot(agent_id, waiting, needed, {});
    if (why.has_value()) ++counts[*why];
  }
  out.set_agents_considered(config_.agents_size());
  for (const PassedOver reason :
       {Explanation::PASSED_OVER_NOT_IN_QUEUE, Explanation::PASSED_OVER_LACKS_SKILL,
        Explanation::PASSED_OVER_NOT_AVAILABLE, Explanation::PASSED_OVER_NO_CAPACITY,
        Explanation::PASSED_OVER_CHANNEL_LIMIT, Explanation::PASSED_OVER_EXCLUDED}) {
    if (counts[reason] == 0) continue;
    auto* passed_over = out.add_passed_over();
    passed_over->set_reason(reason);
    passed_over->set_agents(counts[reason]);
  }
  const std::vector<Candidate> eligible = EligibleBestFirst(waiting);
  out.set_agents_eligible(static_cast<int32_t>(eligible.size()));
  for (size_t i = 0; i < eligible.size() && i < 4; ++i) {
    *(i == 0 ? out.mutable_chosen() : out.add_runners_up()) = eligible[i];
  }
  out.set_config_version(config_.version());
  *out.mutable_priority() = PriorityOf(waiting);

  auto* requirement = out.mutable_requirement();
  requirement->set_channel_kind(waiting.kind);
  const ChannelPolicy* channel = FindChannel(waiting.kind);
  requirement->set_units(channel == nullptr ? 1 : std::max(1, channel->weight_units()));
  const Queue* queue = FindQueue(waiting.queue_id);
  if (queue == nullptr) return out;
  out.set_strategy(queue->strategy() == config::v1::STRATEGY_UNSPECIFIED
                       ? config::v1::STRATEGY_LONGEST_IDLE
                       : queue->strategy());
  const Need& need = *needed;
  for (const auto& clause : need.clauses) {
    auto* any_of = requirement->add_clauses();
    for (const auto& [skill_id, level] : clause) {
      Skill* skill = any_of->add_any_of();
      skill->set_skill_id(skill_id);
      skill->set_proficiency(level);
    }
  }
  for (const std::string& id : need.queues) {
    if (requirement->queue_ids_size() < 20) {
      requirement->add_queue_ids(id);
    } else {
      requirement->set_more_queues(requirement->more_queues() + 1);
    }
  }
  for (const std::string& id : need.agents) {
    if (requirement->agent_ids_size() < 20) {
      requirement->add_agent_ids(id);
    } else {
      requirement->set_more_agents(requirement->more_agents() + 1);
    }
  }
  requirement->set_anyone(waiting.anyone);
  *requirement->mutable_preferred_skills() = queue->preferred_skills();
  requirement->set_ring(Ring(waiting));
  requirement->set_relaxation_steps(queue->relaxation_steps_size());
  return out;
}

}  // namespace wissel::routing::testing
