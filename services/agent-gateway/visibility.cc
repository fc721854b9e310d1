#include "services/agent-gateway/visibility.h"

namespace wissel::agent_gateway {

using conversation::v1::Event;
using Kind = Event::KindCase;

namespace {

bool IsOwnConversation(const Viewer& viewer, const EventFacts& facts) {
  return !viewer.agent.empty() &&
         (facts.agent_before == viewer.agent || facts.agent_after == viewer.agent);
}

// For the events of an agent, which name everything themselves.
template <typename E>
bool AgentEventVisible(const Viewer& viewer, const E& e) {
  if (e.workspace_id() != viewer.workspace) return false;
  if (viewer.whole_group && e.routing_group_id() == viewer.routing_group) return true;
  return !viewer.agent.empty() && e.agent_id() == viewer.agent;
}

template <typename E>
bool QueueEventVisible(const Viewer& viewer, const E& e) {
  return viewer.whole_group && e.workspace_id() == viewer.workspace &&
         e.routing_group_id() == viewer.routing_group;
}

}  // namespace

absl::string_view ConversationOf(const Event& event) {
  switch (event.kind_case()) {
    case Kind::kConversationOpened:
      return event.conversation_opened().conversation_id();
    case Kind::kMessageReceived:
      return event.message_received().conversation_id();
    case Kind::kMessageEdited:
      return event.message_edited().conversation_id();
    case Kind::kQueued:
      return event.queued().conversation_id();
    case Kind::kOffered:
      return event.offered().conversation_id();
    case Kind::kOfferAccepted:
      return event.offer_accepted().conversation_id();
    case Kind::kOfferDeclined:
      return event.offer_declined().conversation_id();
    case Kind::kOfferTimedOut:
      return event.offer_timed_out().conversation_id();
    case Kind::kOfferWithdrawn:
      return event.offer_withdrawn().conversation_id();
    case Kind::kAssigned:
      return event.assigned().conversation_id();
    case Kind::kTransferred:
      return event.transferred().conversation_id();
    case Kind::kNoteAdded:
      return event.note_added().conversation_id();
    case Kind::kReplySent:
      return event.reply_sent().conversation_id();
    case Kind::kDeliveryUpdated:
      return event.delivery_updated().conversation_id();
    case Kind::kParked:
      return event.parked().conversation_id();
    case Kind::kResumed:
      return event.resumed().conversation_id();
    case Kind::kResolved:
      return event.resolved().conversation_id();
    case Kind::kReopened:
      return event.reopened().conversation_id();
    case Kind::kConversationForgotten:
      return event.conversation_forgotten().conversation_id();
    case Kind::kConversationMerged:
      return event.conversation_merged().conversation_id();
    case Kind::kOverflowed:
      return event.overflowed().conversation_id();
    case Kind::kCallbackRequested:
      return event.callback_requested().conversation_id();
    case Kind::kConversationUpdated:
      return event.conversation_updated().conversation_id();
    case Kind::kConsultStarted:
      return event.consult_started().conversation_id();
    case Kind::kConsultEnded:
      return event.consult_ended().conversation_id();
    case Kind::kSupervisorJoined:
      return event.supervisor_joined().conversation_id();
    case Kind::kSupervisorLeft:
      return event.supervisor_left().conversation_id();
    case Kind::kSlaPolicyApplied:
      return event.sla_policy_applied().conversation_id();
    case Kind::kSlaWarned:
      return event.sla_warned().conversation_id();
    case Kind::kSlaBreached:
      return event.sla_breached().conversation_id();
    case Kind::kSlaEscalated:
      return event.sla_escalated().conversation_id();
    case Kind::kWaitEstimated:
      return event.wait_estimated().conversation_id();
    case Kind::kSlaAtRisk:
      return event.sla_at_risk().conversation_id();
    // The agent's, though it names a conversation.
    case Kind::kWrapUpStarted:
    case Kind::kWrapUpEnded:
    case Kind::kAgentConnected:
    case Kind::kAgentDisconnected:
    case Kind::kGatewayLeaseRenewed:
    case Kind::kAgentPresenceChanged:
    case Kind::kAgentCapacityChanged:
    case Kind::kAgentLeaving:
    case Kind::kAgentRemoved:
    case Kind::kQueueClosing:
    case Kind::kQueueClosed:
    case Kind::kCommandRejected:
    case Kind::kConfigApplied:
    case Kind::kDuplicateSkipped:
    case Kind::kInputDeadLettered:
    case Kind::kReceiptIgnored:
    case Kind::kDelivererMarked:
    case Kind::kRestateStarted:
    case Kind::kConfigRestated:
    case Kind::kConversationRestated:
    case Kind::kAgentRestated:
    case Kind::kSeenRestated:
    case Kind::kRestateCompleted:
    case Kind::kQueueRestated:
    case Kind::KIND_NOT_SET:
      return "";
  }
  return "";
}

bool VisibleTo(const Viewer& viewer, const Event& event, const EventFacts& facts) {
  switch (event.kind_case()) {
    case Kind::kConversationOpened:
    case Kind::kMessageReceived:
    case Kind::kMessageEdited:
    case Kind::kQueued:
    case Kind::kOffered:
    case Kind::kOfferAccepted:
    case Kind::kOfferDeclined:
    case Kind::kOfferTimedOut:
    case Kind::kOfferWithdrawn:
    case Kind::kAssigned:
    case Kind::kTransferred:
    case Kind::kNoteAdded:
    case Kind::kReplySent:
    case Kind::kDeliveryUpdated:
    case Kind::kParked:
    case Kind::kResumed:
    case Kind::kResolved:
    case Kind::kReopened:
    case Kind::kConversationForgotten:
    case Kind::kConversationMerged:
    case Kind::kOverflowed:
    case Kind::kCallbackRequested:
    case Kind::kConversationUpdated:
    case Kind::kConsultStarted:
    case Kind::kConsultEnded:
    case Kind::kSupervisorJoined:
    case Kind::kSupervisorLeft:
    case Kind::kSlaPolicyApplied:
    case Kind::kSlaWarned:
    case Kind::kSlaBreached:
    case Kind::kSlaEscalated:
    case Kind::kWaitEstimated:
    case Kind::kSlaAtRisk:
      if (facts.workspace != viewer.workspace) return false;
      if (viewer.whole_group && facts.routing_group == viewer.routing_group) return true;
      return IsOwnConversation(viewer, facts);
    case Kind::kWrapUpStarted:
      return AgentEventVisible(viewer, event.wrap_up_started());
    case Kind::kWrapUpEnded:
      return AgentEventVisible(viewer, event.wrap_up_ended());
    case Kind::kAgentConnected:
      return AgentEventVisible(viewer, event.agent_connected());
    case Kind::kAgentDisconnected:
      return AgentEventVisible(viewer, event.agent_disconnected());
    case Kind::kAgentPresenceChanged:
      return AgentEventVisible(viewer, event.agent_presence_changed());
    case Kind::kAgentCapacityChanged:
      return AgentEventVisible(viewer, event.agent_capacity_changed());
    case Kind::kAgentLeaving:
      return AgentEventVisible(viewer, event.agent_leaving());
    case Kind::kAgentRemoved:
      return AgentEventVisible(viewer, event.agent_removed());
    case Kind::kQueueClosing:
      return QueueEventVisible(viewer, event.queue_closing());
    case Kind::kQueueClosed:
      return QueueEventVisible(viewer, event.queue_closed());
    case Kind::kCommandRejected:
      return facts.workspace == viewer.workspace &&
             event.command_rejected().actor().subject() == viewer.subject;
    case Kind::kConfigApplied:
      return viewer.whole_group &&
             event.config_applied().config().workspace_id() == viewer.workspace;
    case Kind::kGatewayLeaseRenewed:
    case Kind::kDuplicateSkipped:
    case Kind::kInputDeadLettered:
    case Kind::kReceiptIgnored:
    case Kind::kDelivererMarked:
    case Kind::kRestateStarted:
    case Kind::kConfigRestated:
    case Kind::kConversationRestated:
    case Kind::kAgentRestated:
    case Kind::kSeenRestated:
    case Kind::kRestateCompleted:
    case Kind::kQueueRestated:
    case Kind::KIND_NOT_SET:
      return false;
  }
  return false;
}

std::optional<AgentChange> AgentChangeOf(const Event& event) {
  switch (event.kind_case()) {
    case Kind::kConversationOpened:
      return AgentChange{.before = "", .after = ""};
    case Kind::kQueued:
      return AgentChange{.before = event.queued().from_agent_id(), .after = ""};
    // What went before it (Queued, Transferred, Reopened) took the conversation from whoever had
    // it.
    case Kind::kOffered:
      return AgentChange{.before = "", .after = event.offered().agent_id()};
    case Kind::kOfferDeclined:
      return AgentChange{.before = event.offer_declined().agent_id(), .after = ""};
    case Kind::kOfferTimedOut:
      return AgentChange{.before = event.offer_timed_out().agent_id(), .after = ""};
    case Kind::kOfferWithdrawn:
      return AgentChange{.before = event.offer_withdrawn().agent_id(), .after = ""};
    case Kind::kOfferAccepted:
      return AgentChange{.before = event.offer_accepted().agent_id(),
                         .after = event.offer_accepted().agent_id()};
    // A parked conversation goes back to its agent, a reassigned one names whose it was; in every
    // other case another event about the conversation's agent stands just before this one, and
    // leaves it with nobody or this agent.
    case Kind::kAssigned:
      return AgentChange{
          .before = event.assigned().reason() == conversation::v1::Assigned::REASON_RESUMED
                        ? event.assigned().agent_id()
                        : event.assigned().from_agent_id(),
          .after = event.assigned().agent_id()};
    case Kind::kTransferred:
      return AgentChange{.before = event.transferred().from_agent_id(), .after = ""};
    case Kind::kParked:
      return AgentChange{.before = event.parked().agent_id(), .after = event.parked().agent_id()};
    case Kind::kReopened:
      return AgentChange{.before = event.reopened().from_agent_id(), .after = ""};
    case Kind::kConversationForgotten:
      return AgentChange{.before = event.conversation_forgotten().agent_id(), .after = ""};
    case Kind::kMessageReceived:
    case Kind::kMessageEdited:
    case Kind::kNoteAdded:
    case Kind::kReplySent:
    case Kind::kDeliveryUpdated:
    case Kind::kResumed:
    case Kind::kResolved:
    case Kind::kConversationMerged:
    case Kind::kOverflowed:
    case Kind::kCallbackRequested:
    case Kind::kConversationUpdated:
    case Kind::kConsultStarted:
    case Kind::kConsultEnded:
    case Kind::kSupervisorJoined:
    case Kind::kSupervisorLeft:
    case Kind::kSlaPolicyApplied:
    case Kind::kSlaWarned:
    case Kind::kSlaBreached:
    case Kind::kSlaEscalated:
    case Kind::kWaitEstimated:
    case Kind::kSlaAtRisk:
    case Kind::kWrapUpStarted:
    case Kind::kWrapUpEnded:
    case Kind::kAgentConnected:
    case Kind::kAgentDisconnected:
    case Kind::kGatewayLeaseRenewed:
    case Kind::kAgentPresenceChanged:
    case Kind::kAgentCapacityChanged:
    case Kind::kAgentLeaving:
    case Kind::kAgentRemoved:
    case Kind::kQueueClosing:
    case Kind::kQueueClosed:
    case Kind::kCommandRejected:
    case Kind::kConfigApplied:
    case Kind::kDuplicateSkipped:
    case Kind::kInputDeadLettered:
    case Kind::kReceiptIgnored:
    case Kind::kDelivererMarked:
    case Kind::kRestateStarted:
    case Kind::kConfigRestated:
    case Kind::kConversationRestated:
    case Kind::kAgentRestated:
    case Kind::kSeenRestated:
    case Kind::kRestateCompleted:
    case Kind::kQueueRestated:
    case Kind::KIND_NOT_SET:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace wissel::agent_gateway
