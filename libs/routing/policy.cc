#include "libs/routing/policy.h"

#include <re2/re2.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/proto_time.h"
#include "libs/routing/calendar_config.h"
#include "libs/routing/language.h"
#include "libs/routing/pattern.h"
#include "libs/routing/policy_impl.h"

namespace wissel::routing {

using common::v1::ChannelKind;

namespace {

constexpr absl::string_view kItsLanguageId = "lang:*";
constexpr size_t kMaxTextBytes = 16 * 1024;
constexpr int32_t kDefaultMaxAgeingPoints = 1000;

int64_t DurationNanos(const google::protobuf::Duration& d) {
  return absl::ToInt64Nanoseconds(FromProto(d));
}

template <typename Values>
bool Contains(const Values& values, absl::string_view value) {
  return std::any_of(values.begin(), values.end(),
                     [&](const std::string& v) { return absl::string_view(v) == value; });
}

template <typename Values>
bool EmptyOrContains(const Values& values, absl::string_view value) {
  return values.empty() || Contains(values, value);
}

bool AddOnce(std::vector<int32_t>& values, int32_t value) {
  if (std::find(values.begin(), values.end(), value) != values.end()) return false;
  values.push_back(value);
  return true;
}

}  // namespace

Policy::Impl::~Impl() = default;

Policy::Impl::Impl(const config::v1::WorkspaceConfig& config, absl::string_view group) {
  version = config.version();
  priority = config.priority();
  for (const config::v1::Calendar& c : config.calendars()) {
    absl::StatusOr<Calendar> calendar = BuildCalendar(c);
    if (!calendar.ok()) continue;
    calendars.try_emplace(c.calendar_id(), std::make_shared<const Calendar>(*std::move(calendar)));
  }
  for (const config::v1::Queue& q : config.queues()) {
    if (absl::string_view(q.routing_group_id()) != group) continue;
    if (!queue_index_.try_emplace(q.queue_id(), static_cast<int32_t>(queues.size())).second) {
      continue;
    }
    queues.push_back(q);
  }
  queue_data.resize(queues.size());
  CompileChannels(config);
  CompileAgents(config, group);
  for (size_t i = 0; i < queues.size(); ++i) CompileQueue(i);
  holders.resize(skills.size());
  for (size_t s = 0; s < skills.size(); ++s) {
    if (absl::StartsWith(skills[s], kLanguagePrefix)) {
      language_index_.emplace(skills[s].substr(kLanguagePrefix.size()), static_cast<int32_t>(s));
    }
  }
}

void Policy::Impl::CompileChannels(const config::v1::WorkspaceConfig& config) {
  weight.fill(1);
  std::set<int> seen;
  for (const config::v1::ChannelPolicy& c : config.channels()) {
    const int kind = KindIndex(c.kind());
    if (kind == 0 || !seen.insert(kind).second) continue;
    weight[kind] = std::max(1, c.weight_units());
    live[kind] = c.live();
    for (const int other : c.may_interrupt()) {
      const int o = KindIndex(static_cast<ChannelKind>(other));
      if (o != 0 && o != kind) may_interrupt[kind] |= uint32_t{1} << o;
    }
  }
}

std::vector<std::vector<int32_t>> Policy::Impl::ServedQueues(
    const std::vector<const config::v1::Agent*>& sorted) const {
  std::vector<int32_t> agents_of(queues.size(), 0);
  std::vector<std::vector<int32_t>> served(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (const auto* ids : {&sorted[i]->queue_ids(), &sorted[i]->secondary_queue_ids()}) {
      for (const std::string& id : *ids) {
        const int32_t queue = FindQueueIndex(id);
        if (queue >= 0 && AddOnce(served[i], queue)) ++agents_of[queue];
      }
    }
  }
  std::vector<int32_t> order(queues.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return agents_of[a] > agents_of[b]; });
  std::vector<int32_t> place(queues.size());
  for (size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<int32_t>(i);
  for (std::vector<int32_t>& places : served) {
    for (int32_t& queue : places) queue = place[queue];
    std::sort(places.begin(), places.end());
  }
  return served;
}

void Policy::Impl::CompileAgents(const config::v1::WorkspaceConfig& config,
                                 absl::string_view group) {
  std::array<int32_t, kChannelKinds> default_limit;
  default_limit.fill(kNoLimit);
  std::set<int> seen;
  for (const config::v1::ChannelPolicy& c : config.channels()) {
    const int kind = KindIndex(c.kind());
    if (kind == 0 || !seen.insert(kind).second) continue;
    if (c.max_conversations() > 0) default_limit[kind] = c.max_conversations();
  }
  std::vector<const config::v1::Agent*> sorted;
  for (const config::v1::Agent& a : config.agents()) {
    if (absl::string_view(a.routing_group_id()) == group) sorted.push_back(&a);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->agent_id() < b->agent_id(); });
  sorted.erase(
      std::unique(sorted.begin(), sorted.end(),
                  [](const auto* a, const auto* b) { return a->agent_id() == b->agent_id(); }),
      sorted.end());
  const std::vector<std::vector<int32_t>> served = ServedQueues(sorted);
  std::vector<int32_t> by_queues(sorted.size());
  std::iota(by_queues.begin(), by_queues.end(), 0);
  std::stable_sort(by_queues.begin(), by_queues.end(),
                   [&](int32_t a, int32_t b) { return served[a] < served[b]; });
  for (QueueData& queue : queue_data) {
    queue.primary.Reset(sorted.size());
    queue.secondary.Reset(sorted.size());
  }
  agents.reserve(sorted.size());
  agent_skills.resize(sorted.size());
  limits = {default_limit};
  limits_of.assign(sorted.size(), 0);
  for (uint32_t i = 0; i < sorted.size(); ++i) {
    id_order.push_back(by_queues[i]);
    const config::v1::Agent& agent = *sorted[by_queues[i]];
    agents.push_back(agent);
    agent_ids.push_back(agent.agent_id());
    agent_index_.emplace(agent.agent_id(), static_cast<int32_t>(i));
    std::vector<SkillLevel>& levels = agent_skills[i];
    for (const config::v1::Skill& skill : agent.skills()) {
      levels.push_back({InternSkill(skill.skill_id()), skill.proficiency()});
    }
    // Of a skill that is there twice the better counts.
    std::sort(levels.begin(), levels.end(), [](const SkillLevel& a, const SkillLevel& b) {
      return a.skill != b.skill ? a.skill < b.skill : a.level > b.level;
    });
    levels.erase(
        std::unique(levels.begin(), levels.end(),
                    [](const SkillLevel& a, const SkillLevel& b) { return a.skill == b.skill; }),
        levels.end());
    holders.resize(skills.size());
    for (const SkillLevel& l : levels) {
      holders[l.skill].push_back({static_cast<int32_t>(i), l.level});
    }
    for (const std::string& id : agent.queue_ids()) {
      if (const int32_t q = FindQueueIndex(id); q >= 0) queue_data[q].primary.Add(i);
    }
    for (const std::string& id : agent.secondary_queue_ids()) {
      const int32_t q = FindQueueIndex(id);
      if (q >= 0 && !queue_data[q].primary.Has(i)) queue_data[q].secondary.Add(i);
    }
    if (agent.channel_limits().empty()) continue;
    limits_of[i] = static_cast<uint32_t>(limits.size());
    limits.push_back(default_limit);
    std::set<int> limited;
    for (const config::v1::ChannelLimit& limit : agent.channel_limits()) {
      const int kind = KindIndex(limit.kind());
      if (kind == 0 || !limited.insert(kind).second) continue;
      limits.back()[kind] = std::max(0, limit.max_conversations());
    }
  }
}

void Policy::Impl::CompileQueue(size_t index) {
  const config::v1::Queue& q = queues[index];
  QueueData& data = queue_data[index];
  data.strategy =
      config::v1::Strategy_IsValid(q.strategy()) && q.strategy() != config::v1::STRATEGY_UNSPECIFIED
          ? q.strategy()
          : config::v1::STRATEGY_LONGEST_IDLE;
  for (const config::v1::QueueRule& rule : q.rules()) {
    Rule compiled;
    compiled.proto = &rule;
    for (const std::string& pattern : rule.topic_patterns()) {
      auto re = CompilePattern(pattern);
      if (re->ok()) compiled.patterns.push_back(std::move(re));
    }
    const auto calendar = [&](const std::string& id, std::shared_ptr<const Calendar>& out) {
      if (id.empty()) return;
      const auto it = calendars.find(id);
      if (it == calendars.end()) {
        compiled.never = true;
      } else {
        out = it->second;
      }
    };
    calendar(rule.open_calendar_id(), compiled.open);
    calendar(rule.closed_calendar_id(), compiled.closed);
    if (!rule.topic_patterns().empty() && compiled.patterns.empty()) compiled.never = true;
    data.rules.push_back(std::move(compiled));
  }
  for (const config::v1::Skill& skill : q.required_skills()) {
    data.required.push_back({InternSkill(skill.skill_id()), skill.proficiency()});
  }
  for (const config::v1::PreferredSkill& skill : q.preferred_skills()) {
    data.preferred.emplace_back(InternSkill(skill.skill_id()), skill.weight());
  }
  data.language_level = std::max(0, q.language_proficiency());
  data.uses_language = data.language_level > 0;
  const auto step_skill = [&](const std::string& id) {
    if (absl::string_view(id) == kItsLanguageId) {
      data.uses_language = true;
      return kItsLanguage;
    }
    return InternSkill(id);
  };
  int64_t after_ns = 0;
  for (const config::v1::RelaxationStep& s : q.relaxation_steps()) {
    Step step;
    // Steps add up: none is in force before the one before it.
    after_ns = std::max(after_ns, DurationNanos(s.after()));
    step.after_ns = after_ns;
    for (const std::string& id : s.drop_skill_ids()) step.drop.push_back(step_skill(id));
    for (const config::v1::Skill& skill : s.lower_skills()) {
      step.lower.push_back({step_skill(skill.skill_id()), skill.proficiency()});
    }
    for (const config::v1::SkillAlternative& a : s.alternatives()) {
      step.alternatives.push_back(
          {step_skill(a.skill_id()), {InternSkill(a.or_skill_id()), a.proficiency()}});
    }
    for (const std::string& id : s.widen_to_queue_ids()) {
      if (const int32_t queue = FindQueueIndex(id); queue >= 0) step.queues.push_back(queue);
    }
    for (const std::string& id : s.widen_to_agent_ids()) {
      if (const int32_t agent = FindAgentIndex(id); agent >= 0) step.agents.push_back(agent);
    }
    data.steps.push_back(std::move(step));
  }
  data.base_priority = q.base_priority();
  data.ageing_points = std::max(0, q.ageing_points());
  data.ageing_interval_ns =
      q.has_ageing_interval() ? DurationNanos(q.ageing_interval()) : int64_t{0};
  if (data.ageing_interval_ns <= 0) data.ageing_interval_ns = 60'000'000'000;
  data.max_ageing_points =
      q.max_ageing_points() == 0 ? kDefaultMaxAgeingPoints : std::max(0, q.max_ageing_points());
}

int32_t Policy::Impl::InternSkill(absl::string_view id) {
  const auto [it, is_new] = skill_index_.try_emplace(id, static_cast<int32_t>(skills.size()));
  if (is_new) skills.emplace_back(id);
  return it->second;
}

namespace {

int32_t FindIndex(const absl::flat_hash_map<std::string, int32_t>& index, absl::string_view id) {
  const auto it = index.find(id);
  return it == index.end() ? -1 : it->second;
}

}  // namespace

int32_t Policy::Impl::FindQueueIndex(absl::string_view id) const {
  return FindIndex(queue_index_, id);
}
int32_t Policy::Impl::FindAgentIndex(absl::string_view id) const {
  return FindIndex(agent_index_, id);
}
int32_t Policy::Impl::FindLanguage(absl::string_view language) const {
  return FindIndex(language_index_, language);
}

Policy::Impl::Need Policy::Impl::Require(int32_t queue, int32_t language, int32_t ring,
                                         bool anyone) const {
  const QueueData& data = queue_data[queue];
  Need need;
  need.anyone = anyone;
  need.queues.push_back(queue);
  for (const SkillLevel& required : data.required) need.clauses.push_back({required});
  if (data.language_level > 0 && language >= 0 && !holders[language].empty()) {
    need.clauses.push_back({{language, data.language_level}});
  }
  const auto resolve = [&](int32_t skill) { return skill == kItsLanguage ? language : skill; };
  for (int32_t i = 0; i < ring; ++i) {
    const Step& step = data.steps[i];
    for (const int32_t dropped : step.drop) {
      std::erase_if(need.clauses,
                    [&](const Clause& clause) { return clause[0].skill == resolve(dropped); });
    }
    for (const SkillLevel& lower : step.lower) {
      for (Clause& clause : need.clauses) {
        if (clause[0].skill == resolve(lower.skill)) {
          clause[0].level = std::min(clause[0].level, lower.level);
        }
      }
    }
    for (const Step::Alternative& alternative : step.alternatives) {
      for (Clause& clause : need.clauses) {
        if (clause[0].skill != resolve(alternative.skill)) continue;
        const auto it = std::find_if(clause.begin(), clause.end(), [&](const SkillLevel& level) {
          return level.skill == alternative.or_skill.skill;
        });
        if (it == clause.end()) {
          clause.push_back(alternative.or_skill);
        } else {
          it->level = std::min(it->level, alternative.or_skill.level);
        }
      }
    }
    for (const int32_t q : step.queues) AddOnce(need.queues, q);
    for (const int32_t a : step.agents) AddOnce(need.agents, a);
  }
  return need;
}

AgentSet Policy::Impl::Members(const Need& need) const {
  AgentSet members(agents.size());
  if (need.anyone) {
    for (uint32_t i = 0; i < agents.size(); ++i) members.Add(i);
    return members;
  }
  for (const int32_t q : need.queues) {
    members |= queue_data[q].primary;
    members |= queue_data[q].secondary;
  }
  for (const int32_t a : need.agents) members.Add(static_cast<uint32_t>(a));
  return members;
}

AgentSet Policy::Impl::Eligible(const Need& need, const AgentSet& members) const {
  if (need.anyone) return members;
  AgentSet eligible(agents.size());
  for (const int32_t q : need.queues) {
    eligible |= queue_data[q].primary;
    eligible |= queue_data[q].secondary;
  }
  AgentSet able;
  for (const Clause& clause : need.clauses) {
    able.Reset(agents.size());
    for (const SkillLevel& any : clause) {
      for (const SkillLevel& holder : holders[any.skill]) {
        if (holder.level >= any.level) able.Add(static_cast<uint32_t>(holder.skill));
      }
    }
    eligible &= able;
  }
  for (const int32_t a : need.agents) eligible.Add(static_cast<uint32_t>(a));
  return eligible;
}

int32_t Policy::Impl::Level(uint32_t agent, int32_t skill) const {
  const std::vector<SkillLevel>& levels = agent_skills[agent];
  const auto it =
      std::lower_bound(levels.begin(), levels.end(), skill,
                       [](const SkillLevel& level, int32_t s) { return level.skill < s; });
  return it != levels.end() && it->skill == skill ? it->level : 0;
}

bool Policy::Impl::Meets(uint32_t agent, const Clause& clause) const {
  const std::vector<SkillLevel>& levels = agent_skills[agent];
  return std::any_of(clause.begin(), clause.end(), [&](const SkillLevel& any) {
    return std::any_of(levels.begin(), levels.end(), [&](const SkillLevel& level) {
      return level.skill == any.skill && level.level >= any.level;
    });
  });
}

int64_t Policy::Impl::PreferredScore(uint32_t agent, int32_t queue) const {
  int64_t score = 0;
  for (const auto& [skill, weight] : queue_data[queue].preferred) {
    score += int64_t{weight} * Level(agent, skill);
  }
  return score;
}

int32_t Policy::Impl::SkillScore(uint32_t agent, int32_t queue, int32_t language) const {
  const QueueData& data = queue_data[queue];
  int64_t score = 0;
  bool counted = data.language_level == 0 || language < 0;
  for (size_t i = 0; i < data.required.size(); ++i) {
    const int32_t skill = data.required[i].skill;
    const bool again =
        std::any_of(data.required.begin(), data.required.begin() + static_cast<ptrdiff_t>(i),
                    [&](const SkillLevel& before) { return before.skill == skill; });
    if (again) continue;
    score += Level(agent, skill);
    if (skill == language) counted = true;
  }
  if (!counted) score += Level(agent, language);
  return static_cast<int32_t>(std::min<int64_t>(score, std::numeric_limits<int32_t>::max()));
}

int32_t Policy::Impl::DueSteps(const QueueData& queue, int64_t waited_ns) {
  int32_t due = 0;
  for (const Step& step : queue.steps) {
    if (step.after_ns > waited_ns) break;
    ++due;
  }
  return due;
}

int32_t Policy::Impl::Ageing(const QueueData& queue, int64_t waited_ns) {
  if (queue.ageing_points == 0 || waited_ns < queue.ageing_interval_ns) return 0;
  const int64_t intervals = waited_ns / queue.ageing_interval_ns;
  if (intervals >= queue.max_ageing_points)
    return queue.max_ageing_points;  // a point at least each
  return static_cast<int32_t>(
      std::min<int64_t>(queue.max_ageing_points, intervals * queue.ageing_points));
}

Policy::Policy(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Policy::~Policy() = default;

std::shared_ptr<const Policy> Policy::Compile(const config::v1::WorkspaceConfig& config,
                                              absl::string_view routing_group_id) {
  return std::shared_ptr<const Policy>(
      new Policy(std::make_unique<const Impl>(config, routing_group_id)));
}

namespace {

bool Matches(const Policy::Impl::Rule& rule, const RoutingFacts& facts) {
  static const message::v1::ContactFacts kNothingKnown;
  const config::v1::QueueRule& asked = *rule.proto;
  const message::v1::ContactFacts& known = facts.facts != nullptr ? *facts.facts : kNothingKnown;
  if (rule.never || !EmptyOrContains(asked.account_ids(), facts.account_id) ||
      !EmptyOrContains(asked.languages(), facts.language) ||
      !EmptyOrContains(asked.contact_tiers(), known.tier()) ||
      !EmptyOrContains(asked.order_states(), known.order_state())) {
    return false;
  }
  if (!asked.contact_tags().empty() &&
      std::none_of(known.tags().begin(), known.tags().end(),
                   [&](const std::string& tag) { return Contains(asked.contact_tags(), tag); })) {
    return false;
  }
  if (asked.has_min_lifetime_value_cents() &&
      (!known.has_lifetime_value_cents() ||
       known.lifetime_value_cents() < asked.min_lifetime_value_cents())) {
    return false;
  }
  if (rule.open != nullptr && !rule.open->IsOpen(facts.time)) return false;
  if (rule.closed != nullptr && rule.closed->IsOpen(facts.time)) return false;
  if (rule.patterns.empty()) return true;
  const absl::string_view subject = facts.subject.substr(0, kMaxTextBytes);
  const absl::string_view text = facts.text.substr(0, kMaxTextBytes);
  return std::any_of(rule.patterns.begin(), rule.patterns.end(), [&](const auto& pattern) {
    return PatternFound(*pattern, subject) || PatternFound(*pattern, text);
  });
}

}  // namespace

std::optional<std::string> Policy::SelectQueue(const RoutingFacts& facts) const {
  if (impl_->queues.empty()) return std::nullopt;
  for (size_t i = 0; i < impl_->queues.size(); ++i) {
    for (const Impl::Rule& rule : impl_->queue_data[i].rules) {
      if (Matches(rule, facts)) return impl_->queues[i].queue_id();
    }
  }
  return impl_->queues.back().queue_id();
}

const config::v1::Queue* Policy::FindQueue(absl::string_view queue_id) const {
  const int32_t i = impl_->FindQueueIndex(queue_id);
  return i < 0 ? nullptr : &impl_->queues[i];
}

const config::v1::Agent* Policy::FindAgent(absl::string_view agent_id) const {
  const int32_t i = impl_->FindAgentIndex(agent_id);
  return i < 0 ? nullptr : &impl_->agents[i];
}

std::shared_ptr<const Calendar> Policy::FindCalendar(absl::string_view calendar_id) const {
  const auto it = impl_->calendars.find(calendar_id);
  return it == impl_->calendars.end() ? nullptr : it->second;
}

int64_t Policy::config_version() const { return impl_->version; }

int32_t Policy::WeightUnits(ChannelKind kind) const { return impl_->weight[KindIndex(kind)]; }
bool Policy::IsLive(ChannelKind kind) const { return impl_->live[KindIndex(kind)]; }

PriorityParts Policy::FactPoints(const message::v1::ContactFacts& facts) const {
  PriorityParts parts;
  for (const auto& tier : impl_->priority.tiers()) {
    if (tier.tier() != facts.tier()) continue;
    parts.tier = tier.points();
    break;
  }
  if (facts.has_lifetime_value_cents()) {
    int64_t reached = std::numeric_limits<int64_t>::min();
    for (const auto& value : impl_->priority.lifetime_values()) {
      if (value.min_lifetime_value_cents() > facts.lifetime_value_cents() ||
          value.min_lifetime_value_cents() <= reached) {
        continue;
      }
      reached = value.min_lifetime_value_cents();
      parts.lifetime_value = value.points();
    }
  }
  for (const auto& state : impl_->priority.order_states()) {
    if (state.order_state() != facts.order_state()) continue;
    parts.order_state = state.points();
    break;
  }
  return parts;
}

int32_t Policy::SlaProximityPoints(int32_t percent) const {
  int32_t reached = std::numeric_limits<int32_t>::min();
  int32_t points = 0;
  for (const auto& share : impl_->priority.sla_proximity()) {
    if (share.percent() > percent || share.percent() <= reached) continue;
    reached = share.percent();
    points = share.points();
  }
  return points;
}

namespace {

// Of queues and of agents in a description.
constexpr int kMaxListed = 20;

}  // namespace

void Policy::Describe(absl::string_view queue_id, absl::string_view language, int32_t ring,
                      bool anyone, ChannelKind kind, conversation::v1::Requirement& out) const {
  out.Clear();
  out.set_channel_kind(kind);
  out.set_units(WeightUnits(kind));
  const int32_t queue = impl_->FindQueueIndex(queue_id);
  if (queue < 0) return;
  const auto steps = static_cast<int32_t>(impl_->queue_data[queue].steps.size());
  ring = std::clamp(ring, 0, steps);
  const Impl::Need need = impl_->Require(queue, impl_->FindLanguage(language), ring, anyone);
  for (const Impl::Clause& clause : need.clauses) {
    auto* any_of = out.add_clauses();
    for (const Impl::SkillLevel& level : clause) {
      config::v1::Skill* skill = any_of->add_any_of();
      skill->set_skill_id(impl_->skills[level.skill]);
      skill->set_proficiency(level.level);
    }
  }
  for (const int32_t q : need.queues) {
    if (out.queue_ids_size() == kMaxListed) break;
    out.add_queue_ids(impl_->queues[q].queue_id());
  }
  for (const int32_t a : need.agents) {
    if (out.agent_ids_size() == kMaxListed) break;
    out.add_agent_ids(impl_->agents[a].agent_id());
  }
  out.set_more_queues(static_cast<int32_t>(need.queues.size()) - out.queue_ids_size());
  out.set_more_agents(static_cast<int32_t>(need.agents.size()) - out.agent_ids_size());
  out.set_anyone(anyone);
  *out.mutable_preferred_skills() = impl_->queues[queue].preferred_skills();
  out.set_ring(ring);
  out.set_relaxation_steps(steps);
}

}  // namespace wissel::routing
