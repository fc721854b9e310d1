// How the engine chooses a conversation's SLA policy, says what its clocks have to say, and
// escalates.

#include <algorithm>

#include "libs/base/proto_time.h"
#include "libs/domain/engine.h"
#include "libs/routing/sla_config.h"

namespace wissel::domain {

using conversation::v1::Event;
using conversation::v1::Queued;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

const config::v1::SlaPolicy* PolicyOf(const config::v1::WorkspaceConfig& config,
                                      const ConversationState& c) {
  const auto policy =
      std::find_if(config.sla_policies().begin(), config.sla_policies().end(),
                   [&](const auto& p) { return p.sla_policy_id() == c.sla().sla_policy_id(); });
  return policy == config.sla_policies().end() ? nullptr : &*policy;
}

// The share up to which the policy's steps have been taken in the clock's cycle; 0: none.
int32_t TakenUpTo(const ConversationState& c, config::v1::SlaMetric metric,
                  absl::string_view sla_policy_id) {
  for (const state::v1::EscalationGain& gain : c.escalation_gains()) {
    if (gain.metric() != metric) continue;
    for (const state::v1::TakenSteps& taken : gain.taken()) {
      if (taken.sla_policy_id() == sla_policy_id) return taken.percent();
    }
  }
  return 0;
}

}  // namespace

void Engine::ChooseSla(const ConversationState& c) {
  const config::v1::WorkspaceConfig& config = Config(c.workspace_id());
  if (config.sla_policies().empty() && !c.has_sla()) return;
  const config::v1::Queue* queue = QueueOf(c);
  const config::v1::SlaPolicy* chosen = routing::ChooseSlaPolicy(
      config, {.queue_id = c.queue_id(),
               .kind = c.account().kind(),
               .tier = c.facts().tier(),
               .priority = c.priority_points() + (queue == nullptr ? 0 : queue->base_priority())});
  const std::string id = chosen == nullptr ? "" : chosen->sla_policy_id();
  if (id == c.sla().sla_policy_id()) return;
  Event& event = NewEvent();
  conversation::v1::SlaPolicyApplied& applied = *event.mutable_sla_policy_applied();
  applied.set_conversation_id(c.conversation_id());
  applied.set_sla_policy_id(id);
  if (chosen != nullptr) *applied.mutable_targets() = chosen->targets();
  TouchConversation(c.conversation_id());
  Emit(event);
}

bool Engine::LacksSlaPolicy(const ConversationState& c) const {
  return IsOpen(c) && !c.sla().sla_policy_id().empty() &&
         state_.FindSlaPolicy(c.workspace_id(), c.sla().sla_policy_id()) == nullptr;
}

bool Engine::SayDue(const std::string& conversation_id) {
  const ConversationState* c = state_.FindConversation(conversation_id);
  if (c == nullptr || !c->has_sla()) return false;
  routing::SlaClock clock = state_.SlaClockOf(*c);
  if (clock.NextDue() > now_) return true;
  TouchConversation(conversation_id);
  for (const routing::SlaNotice& notice : clock.Advance(now_)) {
    const config::v1::SlaMetric metric = routing::ToProto(notice.metric);
    Event& event = NewEvent();
    if (notice.percent == 100) {
      event.mutable_sla_breached()->set_conversation_id(conversation_id);
      event.mutable_sla_breached()->set_metric(metric);
      *event.mutable_sla_breached()->mutable_due_time() = ToProto(notice.due_time);
    } else {
      event.mutable_sla_warned()->set_conversation_id(conversation_id);
      event.mutable_sla_warned()->set_metric(metric);
      event.mutable_sla_warned()->set_percent(notice.percent);
      *event.mutable_sla_warned()->mutable_due_time() = ToProto(notice.due_time);
    }
    Emit(event);
    TakeSteps(conversation_id, metric, notice.percent);
  }
  return true;
}

void Engine::SayDueOf(const std::string& workspace_id, size_t room) {
  std::vector<std::string> due;
  for (const auto& [id, c] : state_.conversations()) {
    if (c->workspace_id() == workspace_id && timers_.DueOf(TimerKind::kSla, id) <= now_) {
      due.push_back(id);
    }
  }
  std::sort(due.begin(), due.end());
  for (const std::string& id : due) {
    if (Full() || bytes_ >= room) return;
    SayDue(id);
  }
}

void Engine::TakeSteps(const std::string& conversation_id, config::v1::SlaMetric metric,
                       int32_t percent) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  const config::v1::SlaPolicy* policy = PolicyOf(Config(c.workspace_id()), c);
  if (policy == nullptr || percent <= TakenUpTo(c, metric, policy->sla_policy_id())) return;
  bool moves = false;
  for (int step = 0; step < policy->escalation_steps_size(); ++step) {
    const config::v1::EscalationStep& escalation = policy->escalation_steps(step);
    if (escalation.metric() != metric || escalation.percent() != percent) continue;
    conversation::v1::SlaEscalated escalated;
    escalated.set_conversation_id(conversation_id);
    escalated.set_metric(metric);
    escalated.set_step(step);
    *escalated.mutable_escalation() = escalation;
    escalated.set_sla_policy_id(policy->sla_policy_id());
    moves = moves || !escalation.overflow_to_queue_id().empty();
    if (moves) {
      escalating_.push_back({std::move(escalated), decision_->events_size()});
    } else {
      Take(escalated);
    }
  }
}

void Engine::Take(const conversation::v1::SlaEscalated& step) {
  const std::string& id = step.conversation_id();
  Event& event = NewEvent();
  *event.mutable_sla_escalated() = step;
  TouchConversation(id);
  Emit(event);
  // It asks for less, or is more urgent: others may take it now.
  if (state_.FindConversation(id)->status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) {
    newly_waiting_.insert(id);
  }
}

void Engine::Escalate() {
  for (size_t i = 0; i < escalating_.size(); ++i) {
    const Escalation escalation = escalating_[i];
    const std::string& id = escalation.step.conversation_id();
    const ConversationState* c = state_.FindConversation(id);
    if (c == nullptr) continue;
    Take(escalation.step);
    // What is on offer overflows when it is queued again; what an agent has taken does not.
    const std::string& queue_id = escalation.step.escalation().overflow_to_queue_id();
    if (c->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED ||
        queue_id == c->queue_id() || !TakesNew(*c, queue_id)) {
      continue;
    }
    // A person has chosen where it waits.
    const auto& events = decision_->events();
    if (std::any_of(events.begin() + escalation.due, events.end(), [&id](const Event& event) {
          return event.transferred().conversation_id() == id;
        })) {
      continue;
    }
    Queue(id, Queued::REASON_ESCALATED, FromProto(c->waiting_since()), queue_id);
  }
  escalating_.clear();
}

absl::Time Engine::SlaDue(const ConversationState& c, config::v1::SlaMetric metric) const {
  if (!c.has_sla()) return absl::InfiniteFuture();
  return state_.SlaClockOf(c).DueTime(routing::FromProto(metric));
}

void Engine::AddSla(const ConversationState& c, routing::Waiting& waiting) const {
  if (!c.has_sla()) return;
  const routing::SlaClock clock = state_.SlaClockOf(c);
  int said = 0;
  for (const routing::SlaMetric metric :
       {routing::SlaMetric::kFirstResponse, routing::SlaMetric::kNextResponse}) {
    waiting.sla_due = std::min(waiting.sla_due, clock.DueTime(metric));
    if (clock.DueTime(metric) != absl::InfiniteFuture()) {
      said = std::max(said, clock.metric(metric).said_percent);
    }
  }
  waiting.priority.sla_proximity = MatcherOf(c)->policy().SlaProximityPoints(said);
}

}  // namespace wissel::domain
