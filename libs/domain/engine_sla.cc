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
    escalating_.push_back({conversation_id, metric, notice.percent});
    Emit(event);
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

void Engine::Escalate() {
  for (size_t i = 0; i < escalating_.size(); ++i) {
    const auto [id, metric, percent] = escalating_[i];
    const ConversationState* c = state_.FindConversation(id);
    if (c == nullptr) continue;
    const config::v1::WorkspaceConfig& config = Config(c->workspace_id());
    const auto policy =
        std::find_if(config.sla_policies().begin(), config.sla_policies().end(),
                     [&](const auto& p) { return p.sla_policy_id() == c->sla().sla_policy_id(); });
    if (policy == config.sla_policies().end()) continue;
    for (int step = 0; step < policy->escalation_steps_size(); ++step) {
      const config::v1::EscalationStep& escalation = policy->escalation_steps(step);
      if (escalation.metric() != metric || escalation.percent() != percent) continue;
      Event& event = NewEvent();
      event.mutable_sla_escalated()->set_conversation_id(id);
      event.mutable_sla_escalated()->set_metric(metric);
      event.mutable_sla_escalated()->set_step(step);
      *event.mutable_sla_escalated()->mutable_escalation() = escalation;
      TouchConversation(id);
      Emit(event);
      // What is on offer overflows when it is queued again; what an agent has taken does not.
      if (c->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) continue;
      // It asks for less, or waits elsewhere: others may take it now.
      newly_waiting_.insert(id);
      if (escalation.overflow_to_queue_id() != c->queue_id() &&
          TakesNew(*c, escalation.overflow_to_queue_id())) {
        Queue(id, Queued::REASON_ESCALATED, FromProto(c->waiting_since()),
              escalation.overflow_to_queue_id());
      }
    }
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
