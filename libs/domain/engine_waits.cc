// How the engine tells how long conversations will wait, and which of them are at risk.

#include <algorithm>

#include "libs/base/proto_time.h"
#include "libs/domain/engine.h"

namespace wissel::domain {

using conversation::v1::Event;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

constexpr absl::Duration kEstimateInterval = absl::Minutes(1);
// Looked at in one decision.
constexpr int kMaxEstimates = 2000;
// Whoever is just short of being at risk is not looked at more often.
constexpr absl::Duration kMinRiskInterval = absl::Seconds(1);

bool IsTold(const config::v1::Queue* queue) {
  return queue != nullptr && (queue->tell_waiting_time() || queue->at_risk_percent() > 0);
}

double CompetingPosition(const routing::Matcher::Standing& standing) {
  return 1.0 + static_cast<double>(standing.ahead_permille) / 1'000;
}

// Whether what was told then is a fifth off now.
bool HasChanged(const ConversationState& c, std::optional<absl::Duration> wait, absl::Time now) {
  if (wait.has_value() != c.has_estimated_wait()) return true;
  if (!wait.has_value()) return false;
  const absl::Duration told = std::max(
      absl::ZeroDuration(), FromProto(c.estimated_wait()) - (now - FromProto(c.estimate_time())));
  return absl::AbsDuration(*wait - told) * 5 > told;
}

}  // namespace

void Engine::TellWaits(const ConversationState& c, bool waits) {
  const std::string key = QueueKey(c.workspace_id(), c.queue_id());
  if (waits && IsTold(QueueOf(c))) {
    told_[key].insert(c.conversation_id());
    if (!timers_.Contains(TimerKind::kEstimate, key)) {
      timers_.Set(TimerKind::kEstimate, key, now_ + kEstimateInterval);
    }
    return;
  }
  const auto told = told_.find(key);
  if (told == told_.end()) return;
  told->second.erase(c.conversation_id());
  if (told->second.empty()) told_.erase(told);
}

void Engine::EstimateQueue(const std::string& queue_key) {
  const auto told = told_.find(queue_key);
  if (told == told_.end()) {
    estimated_up_to_.erase(queue_key);
    return;
  }
  std::string& up_to = estimated_up_to_[queue_key];
  auto next = told->second.upper_bound(up_to);
  for (int i = 0; i < kMaxEstimates && next != told->second.end(); ++i) {
    if (Full()) break;
    up_to = *next;
    const ConversationState* c = state_.FindConversation(*next);
    // Where it waits now, if it has moved in the meantime.
    if (c == nullptr || c->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED ||
        QueueKey(c->workspace_id(), c->queue_id()) != queue_key) {
      next = told->second.erase(next);
      continue;
    }
    routing::Matcher& matcher = *MatcherOf(*c);
    if (i == 0) Advance(RoutingKey(c->workspace_id(), c->routing_group_id()), matcher);
    Estimate(*c);
    ++next;
  }
  if (next != told->second.end()) return timers_.Set(TimerKind::kEstimate, queue_key, now_);
  estimated_up_to_.erase(queue_key);
  timers_.Set(TimerKind::kEstimate, queue_key, now_ + kEstimateInterval);
}

void Engine::Estimate(const ConversationState& c) {
  const config::v1::Queue* queue = QueueOf(c);
  if (queue == nullptr) return;
  if (queue->tell_waiting_time()) TellWait(c);
  if (queue->at_risk_percent() > 0) TellRisk(c);
}

Engine::Wait Engine::WaitOf(const ConversationState& c) const {
  const state::v1::QueueState* flow = state_.FindQueue(c.workspace_id(), c.queue_id());
  const routing::Matcher::Standing standing = MatcherOf(c)->StandingOf(c.conversation_id());
  if (flow == nullptr || standing.position == 0) return {};
  return {.position = standing.position,
          .expected = routing::ExpectedWait(*flow, CompetingPosition(standing),
                                            StaffingOf(c, standing), now_)};
}

void Engine::TellWait(const ConversationState& c) {
  const Wait wait = WaitOf(c);
  if (wait.position == 0) return;
  const bool told_before =
      c.has_estimate_time() && FromProto(c.estimate_time()) >= FromProto(c.waiting_since());
  if (told_before && (now_ - FromProto(c.estimate_time()) < kEstimateInterval ||
                      !HasChanged(c, wait.expected, now_))) {
    return;
  }
  Event& event = NewEvent();
  conversation::v1::WaitEstimated& estimated = *event.mutable_wait_estimated();
  estimated.set_conversation_id(c.conversation_id());
  estimated.set_position(wait.position);
  if (wait.expected.has_value()) {
    // Whole seconds: nobody is told more.
    *estimated.mutable_expected_wait() = ToProto(absl::Floor(*wait.expected, absl::Seconds(1)));
  }
  Emit(event);
}

// ---------------------------------------------------------------------------------------------
// Risk

std::optional<Engine::Risk> Engine::RiskOf(const ConversationState& c) const {
  const state::v1::QueueState* flow = state_.FindQueue(c.workspace_id(), c.queue_id());
  if (c.at_risk() || flow == nullptr) return std::nullopt;
  Risk risk{.due = SlaDue(c, config::v1::SLA_METRIC_FIRST_RESPONSE)};
  if (risk.due == absl::InfiniteFuture() || risk.due <= now_) return std::nullopt;
  absl::Time until = risk.due;
  switch (c.status()) {
    case ConversationStatus::CONVERSATION_STATUS_QUEUED:
      risk.standing = MatcherOf(c)->StandingOf(c.conversation_id());
      if (risk.standing.position == 0) return std::nullopt;
      risk.place.position = CompetingPosition(risk.standing);
      until = now_ + kEstimateInterval;
      break;
    case ConversationStatus::CONVERSATION_STATUS_OFFERED:
      break;
    case ConversationStatus::CONVERSATION_STATUS_ACTIVE:
      if (c.has_assign_time()) risk.place.had_since = FromProto(c.assign_time());
      break;
    default:
      return std::nullopt;
  }
  risk.time = routing::AtRiskTime(*flow, risk.place, risk.due, StaffingOf(c, risk.standing),
                                  QueueOf(c)->at_risk_percent() * 10, now_, until);
  return risk;
}

void Engine::TellRisk(const ConversationState& c) {
  const std::string& id = c.conversation_id();
  const std::optional<Risk> risk = RiskOf(c);
  if (!risk.has_value() || risk->time == absl::InfiniteFuture()) {
    return timers_.Clear(TimerKind::kAtRisk, id);
  }
  if (risk->time > now_) {
    return timers_.Set(TimerKind::kAtRisk, id, std::max(risk->time, now_ + kMinRiskInterval));
  }
  Event& event = NewEvent();
  conversation::v1::SlaAtRisk& at_risk = *event.mutable_sla_at_risk();
  at_risk.set_conversation_id(id);
  at_risk.set_probability_permille(
      routing::MissProbability(*state_.FindQueue(c.workspace_id(), c.queue_id()), risk->place,
                               risk->due - now_, StaffingOf(c, risk->standing), now_));
  *at_risk.mutable_due_time() = ToProto(risk->due);
  at_risk.set_position(risk->standing.position);
  Emit(event);
}

void Engine::WatchGiven(const ConversationState& c) {
  if (!IsForecast(c)) return;
  timers_.Clear(TimerKind::kAtRisk, c.conversation_id());
  if (const std::optional<Risk> risk = RiskOf(c); risk.has_value()) {
    timers_.Set(TimerKind::kAtRisk, c.conversation_id(), risk->time);
  }
}

void Engine::FireAtRisk(const ConversationState& c) {
  if (!IsForecast(c)) return;
  if (c.status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) {
    Advance(RoutingKey(c.workspace_id(), c.routing_group_id()), *MatcherOf(c));
  }
  TellRisk(c);
}

bool Engine::IsForecast(const ConversationState& c) const {
  if (!c.has_sla()) return false;
  const config::v1::Queue* queue = QueueOf(c);
  return queue != nullptr && queue->at_risk_percent() > 0;
}

// ---------------------------------------------------------------------------------------------
// Staff

void Engine::CountStaff(const std::string& agent_key, const AgentState* agent) {
  if (const auto old = counted_.find(agent_key); old != counted_.end()) {
    for (const std::string& queue_key : old->second.queue_keys) {
      Staff& staff = staff_[queue_key];
      staff.agents -= 1;
      staff.capacity_units -= old->second.capacity_units;
      staff.used_units -= old->second.used_units;
    }
    counted_.erase(old);
  }
  if (agent == nullptr || agent->sessions().empty() || agent->capacity_units() <= 0 ||
      agent->presence() != command::v1::PRESENCE_AVAILABLE) {
    return;
  }
  const routing::Matcher* matcher = FindMatcher(agent->workspace_id(), agent->routing_group_id());
  const config::v1::Agent* config =
      matcher == nullptr ? nullptr : matcher->policy().FindAgent(agent->agent_id());
  if (config == nullptr) return;
  CountedAgent counted{.queue_keys = {},
                       .capacity_units = agent->capacity_units(),
                       .used_units = agent->used_units()};
  for (const auto* queue_ids : {&config->queue_ids(), &config->secondary_queue_ids()}) {
    for (const std::string& queue_id : *queue_ids) {
      if (!IsTold(matcher->policy().FindQueue(queue_id))) continue;
      counted.queue_keys.push_back(QueueKey(agent->workspace_id(), queue_id));
      Staff& staff = staff_[counted.queue_keys.back()];
      staff.agents += 1;
      staff.capacity_units += counted.capacity_units;
      staff.used_units += counted.used_units;
    }
  }
  if (!counted.queue_keys.empty()) counted_.emplace(agent_key, std::move(counted));
}

routing::Staffing Engine::StaffingOf(const ConversationState& c,
                                     const routing::Matcher::Standing& standing) const {
  const auto it = staff_.find(QueueKey(c.workspace_id(), c.queue_id()));
  if (it == staff_.end() || it->second.agents <= 0) return {};
  const Staff& staff = it->second;
  return {.agents = staff.agents,
          .slots = static_cast<int32_t>(
              std::max<int64_t>(staff.agents, staff.capacity_units / UnitsOf(c))),
          .busy_share = std::min(1.0, static_cast<double>(staff.used_units) /
                                          static_cast<double>(staff.capacity_units)),
          .able_share = static_cast<double>(standing.able_permille) / 1'000,
          .able_of_asked_share = static_cast<double>(standing.able_of_asked_permille) / 1'000};
}

}  // namespace wissel::domain
