// The fold: what each event does to the state.

#include <algorithm>

#include "google/protobuf/repeated_ptr_field.h"
#include "libs/base/proto_time.h"
#include "libs/domain/state.h"
#include "libs/routing/flow.h"

namespace wissel::domain {

using common::v1::InputTopic;
using config::v1::WorkspaceConfig;
using receipt::v1::DeliveryState;
using routing::SlaEvent;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;
using state::v1::SeenIds;

void State::Apply(const log::v1::Decision& decision) {
  BeginDecision(decision.cause(), FromProto(decision.time()));
  for (const conversation::v1::Event& event : decision.events()) ApplyEvent(event);
}

void State::BeginDecision(const log::v1::Cause& cause, absl::Time time) {
  time_ = std::max(time_, time);
  *partition_.mutable_time() = ToProto(time_);
  if (cause.has_input()) {
    const log::v1::InputCause& input = cause.input();
    state::v1::InputPosition* position = nullptr;
    for (state::v1::InputPosition& p : *partition_.mutable_positions()) {
      if (p.topic() == input.topic() && p.partition() == input.partition()) position = &p;
    }
    if (position == nullptr) {
      position = partition_.add_positions();
      position->set_topic(input.topic());
      position->set_partition(input.partition());
      std::sort(partition_.mutable_positions()->begin(), partition_.mutable_positions()->end(),
                [](const auto& a, const auto& b) {
                  return std::make_pair(a.topic(), a.partition()) <
                         std::make_pair(b.topic(), b.partition());
                });
      for (state::v1::InputPosition& p : *partition_.mutable_positions()) {
        if (p.topic() == input.topic() && p.partition() == input.partition()) position = &p;
      }
    }
    position->set_next_offset(input.offset() + 1);
    if (!input.id().empty() && (input.topic() == InputTopic::INPUT_TOPIC_INBOUND ||
                                input.topic() == InputTopic::INPUT_TOPIC_COMMANDS)) {
      Remember(input.id());
    }
  }
  ForgetOldIds();
  Touch(PieceKind::kPartition, "");
}

void State::ApplyEvent(const conversation::v1::Event& event) {
  using Kind = conversation::v1::Event::KindCase;
  switch (event.kind_case()) {
    case Kind::kConversationOpened:
      return On(event.conversation_opened());
    case Kind::kMessageReceived:
      return On(event.message_received());
    case Kind::kQueued:
      return On(event.queued());
    case Kind::kOffered:
      return On(event.offered());
    case Kind::kOfferAccepted:
      return On(event.offer_accepted());
    case Kind::kOfferDeclined:
      return On(event.offer_declined());
    case Kind::kOfferTimedOut:
      return On(event.offer_timed_out());
    case Kind::kOfferWithdrawn:
      return On(event.offer_withdrawn());
    case Kind::kAssigned:
      return On(event.assigned());
    case Kind::kTransferred:
      return On(event.transferred());
    case Kind::kReplySent:
      if (ConversationState* c = Conversation(event.reply_sent().conversation_id());
          c != nullptr && IsAgentsAnswer(event.reply_sent())) {
        c->clear_callback_request_time();
      }
      return On(event.reply_sent());
    case Kind::kDeliveryUpdated:
      return On(event.delivery_updated());
    case Kind::kParked:
      return On(event.parked());
    case Kind::kResolved:
      return On(event.resolved());
    case Kind::kReopened:
      return On(event.reopened());
    case Kind::kConversationForgotten:
      return EraseConversation(event.conversation_forgotten().conversation_id());
    case Kind::kAgentConnected:
      return On(event.agent_connected());
    case Kind::kAgentDisconnected:
      return On(event.agent_disconnected());
    case Kind::kGatewayLeaseRenewed:
      return SetLease(event.gateway_lease_renewed().gateway_id(),
                      event.gateway_lease_renewed().lease_expire_time());
    case Kind::kAgentPresenceChanged:
      return On(event.agent_presence_changed());
    case Kind::kAgentCapacityChanged:
      return On(event.agent_capacity_changed());
    case Kind::kAgentLeaving:
      if (AgentState* agent =
              Agent(event.agent_leaving().workspace_id(), event.agent_leaving().agent_id())) {
        agent->set_leaving(true);
      }
      return;
    case Kind::kAgentRemoved:
      return EraseAgent(
          AgentKey(event.agent_removed().workspace_id(), event.agent_removed().agent_id()));
    case Kind::kOverflowPassedOver:
      return On(event.overflow_passed_over());
    case Kind::kQueueClosing:
      if (auto* queue = Queue(event.queue_closing().workspace_id(),
                              event.queue_closing().kept().queue().queue_id())) {
        *queue->mutable_kept() = event.queue_closing().kept();
      }
      return;
    case Kind::kQueueClosed:
      return EraseQueue(
          QueueKey(event.queue_closed().workspace_id(), event.queue_closed().queue_id()));
    case Kind::kConfigApplied:
      return PutConfig(event.config_applied().config(),
                       event.config_applied().held_routing_group_ids(),
                       event.config_applied().removed_stay() ? Removed::kStays : Removed::kGone);
    case Kind::kRestateStarted:
      return On(event.restate_started());
    case Kind::kConfigRestated:
      return PutConfig(event.config_restated().config(),
                       event.config_restated().held_routing_group_ids(), Removed::kAsBefore);
    case Kind::kConversationRestated:
      return PutConversation(
          std::make_unique<ConversationState>(event.conversation_restated().conversation()));
    case Kind::kAgentRestated: {
      const AgentState& agent = event.agent_restated().agent();
      const std::string key = AgentKey(agent.workspace_id(), agent.agent_id());
      agents_[key] = agent;
      return Touch(PieceKind::kAgent, key);
    }
    case Kind::kSeenRestated:
      for (const SeenIds& seen : event.seen_restated().seen()) PutSeen(seen);
      return;
    case Kind::kQueueRestated: {
      const state::v1::QueueState& queue = event.queue_restated().queue();
      const std::string key = QueueKey(queue.workspace_id(), queue.queue_id());
      queues_[key] = queue;
      return Touch(PieceKind::kQueue, key);
    }
    case Kind::kOverflowed:
      return On(event.overflowed());
    case Kind::kCallbackRequested:
      if (ConversationState* c = Conversation(event.callback_requested().conversation_id());
          c != nullptr && !c->has_callback_request_time()) {
        *c->mutable_callback_request_time() = ToProto(time_);
      }
      return;
    case Kind::kConversationUpdated:
      return On(event.conversation_updated());
    case Kind::kConsultStarted:
      return OnCompany(event.consult_started());
    case Kind::kConsultEnded:
      return OnCompany(event.consult_ended());
    case Kind::kSupervisorJoined:
      return OnCompany(event.supervisor_joined());
    case Kind::kSupervisorLeft:
      return OnCompany(event.supervisor_left());
    case Kind::kWrapUpStarted:
      return On(event.wrap_up_started());
    case Kind::kWrapUpEnded:
      return On(event.wrap_up_ended());
    case Kind::kWaitEstimated:
      return On(event.wait_estimated());
    case Kind::kSlaAtRisk:
      if (ConversationState* c = Conversation(event.sla_at_risk().conversation_id())) {
        c->set_at_risk(true);
      }
      return;
    case Kind::kSlaPolicyApplied:
      return On(event.sla_policy_applied());
    case Kind::kSlaWarned:
      return NoteSaid(event.sla_warned().conversation_id(), event.sla_warned().metric(),
                      event.sla_warned().percent());
    case Kind::kSlaBreached:
      return NoteSaid(event.sla_breached().conversation_id(), event.sla_breached().metric(), 100);
    case Kind::kSlaEscalated:
      return On(event.sla_escalated());
    case Kind::kConversationMerged:
      return On(event.conversation_merged());
    case Kind::kRestateCompleted:
      if (partition_.restating() &&
          partition_.restate_round() == event.restate_completed().round()) {
        partition_.set_restating(false);
        whole_ = true;
      }
      return;
    // What people read and the working state does not need.
    case Kind::kMessageEdited:
    case Kind::kNoteAdded:
    case Kind::kResumed:
    case Kind::kCommandRejected:
    case Kind::kDuplicateSkipped:
    case Kind::kInputDeadLettered:
    case Kind::kReceiptIgnored:
    case Kind::kDelivererMarked:
    case Kind::KIND_NOT_SET:
      return;
  }
}

void State::On(const conversation::v1::ConversationOpened& e) {
  auto opened = std::make_unique<ConversationState>();
  ConversationState& c = *opened;
  c.set_conversation_id(e.conversation_id());
  c.set_workspace_id(e.workspace_id());
  c.set_routing_group_id(e.routing_group_id());
  *c.mutable_account() = e.account();
  *c.mutable_contact() = e.contact();
  c.set_subject(e.subject());
  c.set_language(e.language());
  if (e.has_facts()) *c.mutable_facts() = e.facts();
  c.set_status(ConversationStatus::CONVERSATION_STATUS_QUEUED);
  *c.mutable_open_time() = ToProto(time_);
  if (HasSlaPolicies(c.workspace_id())) {
    c.mutable_sla();
    TellClock(c, SlaEvent::Kind::kOpened);
  }
  PutConversation(std::move(opened));
}

void State::On(const conversation::v1::MessageReceived& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  c->set_messages(c->messages() + 1);
  c->set_last_customer_automation(e.message().automation());
  AddProviderMessageId(*c, e.message().provider_message_id());
  if (IsQuiet(e.message())) return;
  *c->mutable_last_customer_time() = ToProto(time_);
  TellClock(*c, SlaEvent::Kind::kCustomerMessage);
}

void State::Unpark(ConversationState& c) {
  if (c.status() == ConversationStatus::CONVERSATION_STATUS_PARKED) {
    TellClock(c, SlaEvent::Kind::kResumed);
  }
  c.clear_park_time();
}

void State::On(const conversation::v1::Queued& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Unpark(*c);
  NoteHandled(*c);
  Release(*c);
  c->clear_agent_id();
  c->clear_resolve_time();
  if (c->queue_id() != e.queue_id()) {
    NoteLeft(*c);
    c->clear_overflow_due_to_queue_id();
    for (state::v1::EscalationGain& gain : *c->mutable_escalation_gains()) gain.clear_relax_steps();
    SumGains(*c);
  }
  // The rules count from the place: with a new one they count anew, be it one of the same instant.
  const bool begins = e.reason() == conversation::v1::Queued::REASON_REOPENED ||
                      e.reason() == conversation::v1::Queued::REASON_RESUMED;
  if (begins || c->queue_id() != e.queue_id() ||
      FromProto(c->waiting_since()) != FromProto(e.waiting_since())) {
    c->clear_overflow_rules_applied();
    c->clear_overflowed_to_anyone();
  }
  c->clear_overflow_rules_passed_over();
  SetPlace(*c, ConversationStatus::CONVERSATION_STATUS_QUEUED, e.queue_id());
  c->set_sticky_agent_id(e.sticky_agent_id());
  *c->mutable_waiting_since() = e.waiting_since();
}

void State::On(const conversation::v1::Offered& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  NoteDeparture(*c);
  Release(*c);
  c->clear_agent_id();
  SetStatus(*c, ConversationStatus::CONVERSATION_STATUS_OFFERED);
  c->set_offers(c->offers() + 1);
  c->mutable_offer()->set_offer_id(e.offer_id());
  c->mutable_offer()->set_agent_id(e.agent_id());
  *c->mutable_offer()->mutable_expire_time() = e.expire_time();
  Give(*c, e.agent_id(), e.units());
  NoteGiven(Agent(c->workspace_id(), e.agent_id()));
}

void State::On(const conversation::v1::OfferAccepted& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  if (AgentState* agent = Agent(c->workspace_id(), e.agent_id())) agent->set_missed_offers(0);
}

void State::On(const conversation::v1::OfferDeclined& e) {
  EndOffer(e.conversation_id(), e.offer_id());
  if (ConversationState* c = Conversation(e.conversation_id())) Exclude(*c, e.agent_id());
}

void State::On(const conversation::v1::OfferTimedOut& e) {
  EndOffer(e.conversation_id(), e.offer_id());
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Exclude(*c, e.agent_id());
  if (AgentState* agent = Agent(c->workspace_id(), e.agent_id())) {
    agent->set_missed_offers(agent->missed_offers() + 1);
  }
}

void State::On(const conversation::v1::OfferWithdrawn& e) {
  EndOffer(e.conversation_id(), e.offer_id());
}

void State::On(const conversation::v1::Assigned& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  NoteDeparture(*c);
  Unpark(*c);
  if (e.agent_id() != c->agent_id()) NoteHandled(*c);
  Release(*c);
  SetStatus(*c, ConversationStatus::CONVERSATION_STATUS_ACTIVE);
  c->set_agent_id(e.agent_id());
  if (!c->has_assign_time()) *c->mutable_assign_time() = ToProto(time_);
  c->clear_resolve_time();
  c->clear_exclusions();
  c->clear_overflow_due_to_queue_id();
  Give(*c, e.agent_id(), e.units());
  AgentState* agent = Agent(c->workspace_id(), e.agent_id());
  if (agent != nullptr) *agent->mutable_idle_since() = ToProto(time_);
  if (e.reason() != conversation::v1::Assigned::REASON_OFFER_ACCEPTED) NoteGiven(agent);
}

void State::On(const conversation::v1::Transferred& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Unpark(*c);
  NoteHandled(*c);
  Release(*c);
  c->clear_agent_id();
  c->clear_exclusions();
  // A person has chosen where it waits.
  if (!e.to_queue_id().empty()) c->clear_overflow_due_to_queue_id();
  SetStatus(*c, ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

void State::NoteAnswer(ConversationState& c) {
  EndGains(c);
  *c.mutable_last_reply_time() = ToProto(time_);
  if (c.has_first_reply_time()) return;
  *c.mutable_first_reply_time() = ToProto(time_);
  auto* queue = Queue(c.workspace_id(), c.queue_id());
  if (queue != nullptr && c.has_assign_time()) {
    routing::NoteAnswered(*queue, time_ - FromProto(c.assign_time()), time_);
  }
}

void State::On(const conversation::v1::ReplySent& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  c->set_replies(c->replies() + 1);
  if (IsAnswer(*c, e)) {
    TellClock(*c, SlaEvent::Kind::kReply);
    NoteAnswer(*c);
  }
  auto& deliveries = *c->mutable_deliveries();
  if (deliveries.size() >= kMaxDeliveries) {
    const auto settled = std::find_if(deliveries.begin(), deliveries.end(),
                                      [](const auto& d) { return IsSettled(d.state()); });
    if (settled != deliveries.end()) {
      UnindexDelivery(*c, *settled);
      deliveries.erase(settled);
    }
  }
  state::v1::Delivery* d = deliveries.Add();
  d->set_outbound_id(e.outbound_id());
  d->set_state(DeliveryState::DELIVERY_STATE_PENDING);
  by_outbound_[e.outbound_id()] = c->conversation_id();
}

void State::On(const conversation::v1::DeliveryUpdated& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  for (state::v1::Delivery& d : *c->mutable_deliveries()) {
    if (d.outbound_id() != e.outbound_id()) continue;
    d.set_state(e.state());
    if (e.attempt() > 0) d.set_attempt(e.attempt());
    if (!e.attempt_id().empty()) d.set_attempt_id(e.attempt_id());
    if (e.has_retry_time()) {
      *d.mutable_retry_time() = e.retry_time();
    } else {
      d.clear_retry_time();
    }
    if (!e.provider_message_id().empty() && d.provider_message_id() != e.provider_message_id()) {
      d.set_provider_message_id(e.provider_message_id());
      AddProviderMessageId(*c, e.provider_message_id());
    }
    IndexDeliveries(*c);
    return;
  }
}

void State::On(const conversation::v1::Parked& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  NoteHandled(*c);
  Release(*c);
  TellClock(*c, e.reason() == conversation::v1::Parked::REASON_ON_HOLD ? SlaEvent::Kind::kOnHold
                                                                       : SlaEvent::Kind::kPending);
  SetStatus(*c, ConversationStatus::CONVERSATION_STATUS_PARKED);
  *c->mutable_park_time() = ToProto(time_);
  Give(*c, c->agent_id(), 0);
}

void State::On(const conversation::v1::Resolved& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  NoteHandled(*c);
  Release(*c);
  c->clear_exclusions();
  c->clear_overflow_due_to_queue_id();
  c->clear_callback_request_time();
  NoteLeft(*c);
  TellClock(*c, SlaEvent::Kind::kResolved);
  EndGains(*c);
  c->clear_park_time();
  SetStatus(*c, ConversationStatus::CONVERSATION_STATUS_RESOLVED);
  *c->mutable_resolve_time() = ToProto(time_);
}

void State::On(const conversation::v1::Reopened& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  if (!c->has_sla() && HasSlaPolicies(c->workspace_id())) BeginClocksAnew(*c);
  TellClock(*c, SlaEvent::Kind::kReopened);
  c->clear_agent_id();
  c->clear_resolve_time();
  SetStatus(*c, ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

void State::On(const conversation::v1::AgentConnected& e) {
  SetLease(e.gateway_id(), e.lease_expire_time());
  AgentState* agent = Agent(e.workspace_id(), e.agent_id());
  if (agent == nullptr) return;
  agent->clear_lost_time();
  for (const state::v1::AgentSession& s : agent->sessions()) {
    if (s.session_id() == e.session_id()) return;
  }
  state::v1::AgentSession* session = agent->add_sessions();
  session->set_session_id(e.session_id());
  session->set_gateway_id(e.gateway_id());
}

void State::On(const conversation::v1::AgentDisconnected& e) {
  AgentState* agent = Agent(e.workspace_id(), e.agent_id());
  if (agent == nullptr) return;
  auto& sessions = *agent->mutable_sessions();
  const auto gone = std::remove_if(sessions.begin(), sessions.end(),
                                   [&](const auto& s) { return s.session_id() == e.session_id(); });
  if (gone == sessions.end()) return;
  sessions.erase(gone, sessions.end());
  if (sessions.empty()) *agent->mutable_lost_time() = ToProto(time_);
}

void State::SetLease(const std::string& gateway_id,
                     const google::protobuf::Timestamp& expire_time) {
  auto& leases = *partition_.mutable_gateway_leases();
  // A lease that has run out has been dealt with by the decision that found it so.
  leases.erase(std::remove_if(leases.begin(), leases.end(),
                              [&](const auto& l) {
                                return l.gateway_id() != gateway_id &&
                                       FromProto(l.expire_time()) + absl::Minutes(10) < time_;
                              }),
               leases.end());
  auto it = std::lower_bound(
      leases.begin(), leases.end(), gateway_id,
      [](const state::v1::GatewayLease& l, const std::string& id) { return l.gateway_id() < id; });
  if (it == leases.end() || it->gateway_id() != gateway_id) {
    state::v1::GatewayLease* added = leases.Add();
    added->set_gateway_id(gateway_id);
    *added->mutable_expire_time() = expire_time;
    std::sort(leases.begin(), leases.end(),
              [](const auto& a, const auto& b) { return a.gateway_id() < b.gateway_id(); });
    return;
  }
  *it->mutable_expire_time() = expire_time;
}

void State::On(const conversation::v1::AgentPresenceChanged& e) {
  AgentState* agent = Agent(e.workspace_id(), e.agent_id());
  if (agent == nullptr) return;
  agent->set_presence(e.presence());
  agent->set_presence_reason(e.reason());
  agent->clear_lost_time();
  agent->set_forced_out(e.cause() == conversation::v1::AgentPresenceChanged::CAUSE_FORCED_LOGOUT);
  if (e.presence() == command::v1::PRESENCE_OFFLINE) {
    *agent->mutable_offline_time() = ToProto(time_);
  } else {
    agent->clear_offline_time();
  }
  if (e.presence() == command::v1::PRESENCE_AVAILABLE) {
    *agent->mutable_idle_since() = ToProto(time_);
    agent->set_missed_offers(0);
  }
  if (e.presence() != command::v1::PRESENCE_OFFLINE && agent->sessions().empty()) {
    *agent->mutable_lost_time() = ToProto(time_);
  }
}

void State::On(const conversation::v1::AgentCapacityChanged& e) {
  if (AgentState* agent = Agent(e.workspace_id(), e.agent_id())) {
    agent->set_capacity_units(e.capacity_units());
  }
}

void State::On(const conversation::v1::Overflowed& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  auto& applied = *c->mutable_overflow_rules_applied();
  const auto place = std::lower_bound(applied.begin(), applied.end(), e.rule());
  if (place != applied.end() && *place == e.rule()) return;
  applied.Add(e.rule());
  std::sort(applied.begin(), applied.end());
  c->set_overflowed_to_anyone(c->overflowed_to_anyone() || e.to_anyone());
}

void State::On(const conversation::v1::OverflowPassedOver& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  auto& passed_over = *c->mutable_overflow_rules_passed_over();
  passed_over.MergeFrom(e.rules());
  std::sort(passed_over.begin(), passed_over.end());
}

void State::On(const conversation::v1::ConversationUpdated& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  if (e.has_priority_points()) c->set_priority_points(e.priority_points());
  if (e.has_language()) c->set_language(e.language());
  if (e.has_facts()) *c->mutable_facts() = e.facts();
}

void ApplyCompany(const conversation::v1::ConsultStarted& e, ConversationState& c) {
  auto& consulted = *c.mutable_consulted_agent_ids();
  if (std::find(consulted.begin(), consulted.end(), e.agent_id()) == consulted.end()) {
    *consulted.Add() = e.agent_id();
  }
}

void ApplyCompany(const conversation::v1::ConsultEnded& e, ConversationState& c) {
  auto& consulted = *c.mutable_consulted_agent_ids();
  consulted.erase(std::remove(consulted.begin(), consulted.end(), e.agent_id()), consulted.end());
}

void ApplyCompany(const conversation::v1::SupervisorJoined& e, ConversationState& c) {
  for (const state::v1::JoinedSupervisor& joined : c.joined_supervisors()) {
    if (joined.subject() == e.actor().subject()) return;
  }
  state::v1::JoinedSupervisor& joined = *c.add_joined_supervisors();
  joined.set_subject(e.actor().subject());
  joined.set_agent_id(e.actor().agent_id());
}

void ApplyCompany(const conversation::v1::SupervisorLeft& e, ConversationState& c) {
  auto& joined = *c.mutable_joined_supervisors();
  joined.erase(std::remove_if(joined.begin(), joined.end(),
                              [&](const auto& s) { return s.subject() == e.subject(); }),
               joined.end());
}

template <typename E>
void State::OnCompany(const E& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  UnindexCompany(*c);
  ApplyCompany(e, *c);
  IndexCompany(*c);
}

void State::On(const conversation::v1::WrapUpStarted& e) {
  AgentState* agent = Agent(e.workspace_id(), e.agent_id());
  if (agent == nullptr) return;
  Hold(*agent, e.channel_kind(), 1, e.units());
  state::v1::WrapUp& wrap_up = *agent->add_wrap_ups();
  wrap_up.set_conversation_id(e.conversation_id());
  wrap_up.set_channel_kind(e.channel_kind());
  wrap_up.set_units(e.units());
  *wrap_up.mutable_expire_time() = e.expire_time();
  std::stable_sort(agent->mutable_wrap_ups()->begin(), agent->mutable_wrap_ups()->end(),
                   [](const auto& a, const auto& b) {
                     return FromProto(a.expire_time()) < FromProto(b.expire_time());
                   });
}

void State::On(const conversation::v1::WrapUpEnded& e) {
  AgentState* agent = Agent(e.workspace_id(), e.agent_id());
  if (agent == nullptr) return;
  auto& wrap_ups = *agent->mutable_wrap_ups();
  const auto it = std::find_if(wrap_ups.begin(), wrap_ups.end(), [&](const auto& w) {
    return w.conversation_id() == e.conversation_id();
  });
  if (it == wrap_ups.end()) return;
  Hold(*agent, it->channel_kind(), -1, -it->units());
  wrap_ups.erase(it);
  *agent->mutable_idle_since() = ToProto(time_);
}

void State::On(const conversation::v1::WaitEstimated& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  *c->mutable_estimate_time() = ToProto(time_);
  c->set_estimated_position(e.position());
  if (e.has_expected_wait()) {
    *c->mutable_estimated_wait() = e.expected_wait();
  } else {
    c->clear_estimated_wait();
  }
}

void State::On(const conversation::v1::RestateStarted& e) {
  const google::protobuf::Timestamp now = partition_.time();
  if (!whole_) {
    // What the head that was cut off knew, and this reader cannot.
    *partition_.mutable_positions() = e.partition().positions();
    *partition_.mutable_gateway_leases() = e.partition().gateway_leases();
    partition_.set_given(e.partition().given());
  }
  partition_.set_restate_round(e.round());
  *partition_.mutable_restate_start_time() = now;
  partition_.set_restating(true);
}

}  // namespace wissel::domain
