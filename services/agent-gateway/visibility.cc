#include "services/agent-gateway/visibility.h"

#include <algorithm>

#include "libs/domain/state.h"

namespace wissel::agent_gateway {

using conversation::v1::Event;
using Kind = Event::KindCase;

namespace {

template <typename E>
Matter OfConversation(const E& e) {
  return {.kind = Matter::Kind::kConversation, .conversation = e.conversation_id()};
}

// The events of an agent name everything themselves.
template <typename E>
Matter OfAgent(const E& e) {
  return {.kind = Matter::Kind::kAgent,
          .agent = e.agent_id(),
          .workspace = e.workspace_id(),
          .routing_group = e.routing_group_id()};
}

Matter OfRefusal(const conversation::v1::CommandRejected& e) {
  return {.kind = Matter::Kind::kRefusal,
          .agent = e.actor().agent_id(),
          .subject = e.actor().subject()};
}

template <typename E>
Matter OfQueue(const E& e) {
  return {.kind = Matter::Kind::kQueue,
          .workspace = e.workspace_id(),
          .routing_group = e.routing_group_id()};
}

}  // namespace

Matter MatterOf(const Event& event) {
  switch (event.kind_case()) {
    case Kind::kConversationOpened:
      return OfConversation(event.conversation_opened());
    case Kind::kMessageReceived:
      return OfConversation(event.message_received());
    case Kind::kMessageEdited:
      return OfConversation(event.message_edited());
    case Kind::kQueued:
      return OfConversation(event.queued());
    case Kind::kOffered:
      return OfConversation(event.offered());
    case Kind::kOfferAccepted:
      return OfConversation(event.offer_accepted());
    case Kind::kOfferDeclined:
      return OfConversation(event.offer_declined());
    case Kind::kOfferTimedOut:
      return OfConversation(event.offer_timed_out());
    case Kind::kOfferWithdrawn:
      return OfConversation(event.offer_withdrawn());
    case Kind::kAssigned:
      return OfConversation(event.assigned());
    case Kind::kTransferred:
      return OfConversation(event.transferred());
    case Kind::kNoteAdded:
      return OfConversation(event.note_added());
    case Kind::kReplySent:
      return OfConversation(event.reply_sent());
    case Kind::kDeliveryUpdated:
      return OfConversation(event.delivery_updated());
    case Kind::kParked:
      return OfConversation(event.parked());
    case Kind::kResumed:
      return OfConversation(event.resumed());
    case Kind::kResolved:
      return OfConversation(event.resolved());
    case Kind::kReopened:
      return OfConversation(event.reopened());
    case Kind::kConversationForgotten:
      return OfConversation(event.conversation_forgotten());
    case Kind::kConversationMerged:
      return OfConversation(event.conversation_merged());
    case Kind::kOverflowed:
      return OfConversation(event.overflowed());
    case Kind::kOverflowPassedOver:
      return OfConversation(event.overflow_passed_over());
    case Kind::kCallbackRequested:
      return OfConversation(event.callback_requested());
    case Kind::kConversationUpdated:
      return OfConversation(event.conversation_updated());
    case Kind::kConsultStarted:
      return OfConversation(event.consult_started());
    case Kind::kConsultEnded:
      return OfConversation(event.consult_ended());
    case Kind::kSupervisorJoined:
      return OfConversation(event.supervisor_joined());
    case Kind::kSupervisorLeft:
      return OfConversation(event.supervisor_left());
    case Kind::kSlaPolicyApplied:
      return OfConversation(event.sla_policy_applied());
    case Kind::kSlaWarned:
      return OfConversation(event.sla_warned());
    case Kind::kSlaBreached:
      return OfConversation(event.sla_breached());
    case Kind::kSlaEscalated:
      return OfConversation(event.sla_escalated());
    case Kind::kWaitEstimated:
      return OfConversation(event.wait_estimated());
    case Kind::kSlaAtRisk:
      return OfConversation(event.sla_at_risk());
    // The agent's, though it names a conversation.
    case Kind::kWrapUpStarted:
      return OfAgent(event.wrap_up_started());
    case Kind::kWrapUpEnded:
      return OfAgent(event.wrap_up_ended());
    case Kind::kAgentConnected:
      return OfAgent(event.agent_connected());
    case Kind::kAgentDisconnected:
      return OfAgent(event.agent_disconnected());
    case Kind::kAgentPresenceChanged:
      return OfAgent(event.agent_presence_changed());
    case Kind::kAgentCapacityChanged:
      return OfAgent(event.agent_capacity_changed());
    case Kind::kAgentLeaving:
      return OfAgent(event.agent_leaving());
    case Kind::kAgentRemoved:
      return OfAgent(event.agent_removed());
    case Kind::kQueueClosing:
      return OfQueue(event.queue_closing());
    case Kind::kQueueClosed:
      return OfQueue(event.queue_closed());
    case Kind::kCommandRejected:
      return OfRefusal(event.command_rejected());
    case Kind::kConfigApplied:
      return {.kind = Matter::Kind::kConfiguration,
              .workspace = event.config_applied().config().workspace_id()};
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
      return {};
  }
  return {};
}

absl::string_view ConversationOf(const Event& event) { return MatterOf(event).conversation; }

Party PartyOf(const state::v1::ConversationState& conversation) {
  Party party{.holder = conversation.has_offer() ? conversation.offer().agent_id()
                                                 : conversation.agent_id(),
              .company = {}};
  for (const std::string& agent : conversation.consulted_agent_ids()) {
    party.company.emplace(CompanyKey(Company::kConsulted, agent), agent);
  }
  for (const state::v1::JoinedSupervisor& joined : conversation.joined_supervisors()) {
    if (joined.agent_id().empty()) continue;
    party.company.emplace(CompanyKey(Company::kJoined, joined.subject()), joined.agent_id());
  }
  return party;
}

std::vector<std::string> AgentsIn(const Party& before, const Party& after) {
  std::vector<std::string> agents;
  for (const Party* party : {&before, &after}) {
    if (!party->holder.empty()) agents.push_back(party->holder);
    for (const auto& [key, agent] : party->company) agents.push_back(agent);
  }
  std::sort(agents.begin(), agents.end());
  agents.erase(std::unique(agents.begin(), agents.end()), agents.end());
  return agents;
}

void SetPlace(const PartyChange& change, const std::string& agent, Party& party) {
  if (!change.company.has_value()) {
    party.holder = agent;
  } else if (agent.empty()) {
    party.company.erase(*change.company);
  } else {
    party.company.insert_or_assign(*change.company, agent);
  }
}

bool VisibleTo(const Viewer& viewer, const Event& event, const EventFacts& facts) {
  const Matter matter = MatterOf(event);
  switch (matter.kind) {
    case Matter::Kind::kConversation:
      if (facts.workspace != viewer.workspace) return false;
      if (viewer.whole_group && facts.routing_group == viewer.routing_group) return true;
      return std::binary_search(facts.agents.begin(), facts.agents.end(), viewer.agent);
    case Matter::Kind::kAgent:
      if (matter.workspace != viewer.workspace) return false;
      if (viewer.whole_group && matter.routing_group == viewer.routing_group) return true;
      return !viewer.agent.empty() && matter.agent == viewer.agent;
    case Matter::Kind::kQueue:
      return viewer.whole_group && matter.workspace == viewer.workspace &&
             matter.routing_group == viewer.routing_group;
    case Matter::Kind::kRefusal:
      return facts.workspace == viewer.workspace && matter.subject == viewer.subject;
    case Matter::Kind::kConfiguration:
      return viewer.whole_group && matter.workspace == viewer.workspace;
    case Matter::Kind::kInternal:
      return false;
  }
  return false;
}

void AddAddressees(const Event& event, const EventFacts& facts, Addressees& addressees) {
  const Matter matter = MatterOf(event);
  switch (matter.kind) {
    case Matter::Kind::kConversation:
      addressees.groups.push_back(domain::RoutingKey(facts.workspace, facts.routing_group));
      for (const std::string& agent : facts.agents) {
        addressees.agents.push_back(domain::AgentKey(facts.workspace, agent));
      }
      return;
    case Matter::Kind::kAgent:
      addressees.groups.push_back(domain::RoutingKey(matter.workspace, matter.routing_group));
      addressees.agents.push_back(domain::AgentKey(matter.workspace, matter.agent));
      return;
    case Matter::Kind::kQueue:
      addressees.groups.push_back(domain::RoutingKey(matter.workspace, matter.routing_group));
      return;
    case Matter::Kind::kRefusal:
      addressees.groups.push_back(domain::RoutingKey(facts.workspace, facts.routing_group));
      if (!matter.agent.empty()) {
        addressees.agents.push_back(domain::AgentKey(facts.workspace, matter.agent));
      }
      return;
    case Matter::Kind::kConfiguration:
      for (const auto& group : event.config_applied().config().routing_groups()) {
        addressees.groups.push_back(domain::RoutingKey(matter.workspace, group.routing_group_id()));
      }
      return;
    case Matter::Kind::kInternal:
      return;
  }
}

namespace {

PartyChange OfHolder(std::string before, std::string after) {
  return {.company = std::nullopt, .before = std::move(before), .after = std::move(after)};
}

// What `event` makes of the conversation's holder; nullopt: it says nothing about them.
std::optional<PartyChange> HolderChangeOf(const Event& event) {
  using conversation::v1::Assigned;
  switch (event.kind_case()) {
    case Kind::kConversationOpened:
      return OfHolder("", "");
    case Kind::kQueued:
      return OfHolder(event.queued().from_agent_id(), "");
    // What went before it (Queued, Transferred, Reopened) took the conversation from whoever had
    // it.
    case Kind::kOffered:
      return OfHolder("", event.offered().agent_id());
    case Kind::kOfferDeclined:
      return OfHolder(event.offer_declined().agent_id(), "");
    case Kind::kOfferTimedOut:
      return OfHolder(event.offer_timed_out().agent_id(), "");
    case Kind::kOfferWithdrawn:
      return OfHolder(event.offer_withdrawn().agent_id(), "");
    case Kind::kOfferAccepted:
      return OfHolder(event.offer_accepted().agent_id(), event.offer_accepted().agent_id());
    // A parked conversation goes back to its agent, a reassigned one names whose it was; in every
    // other case another event about the conversation's agent stands just before this one, and
    // leaves it with nobody or this agent.
    case Kind::kAssigned:
      return OfHolder(event.assigned().reason() == Assigned::REASON_RESUMED
                          ? event.assigned().agent_id()
                          : event.assigned().from_agent_id(),
                      event.assigned().agent_id());
    case Kind::kTransferred:
      return OfHolder(event.transferred().from_agent_id(), "");
    case Kind::kParked:
      return OfHolder(event.parked().agent_id(), event.parked().agent_id());
    case Kind::kReopened:
      return OfHolder(event.reopened().from_agent_id(), "");
    case Kind::kConversationForgotten:
      return OfHolder(event.conversation_forgotten().agent_id(), "");
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<PartyChange> PartyChangeOf(const Event& event) {
  const auto came = [](Company how, const std::string& who, const std::string& agent) {
    return PartyChange{.company = CompanyKey(how, who), .before = "", .after = agent};
  };
  const auto went = [](Company how, const std::string& who, const std::string& agent) {
    return PartyChange{.company = CompanyKey(how, who), .before = agent, .after = ""};
  };
  if (event.has_consult_started()) {
    const std::string& agent = event.consult_started().agent_id();
    return came(Company::kConsulted, agent, agent);
  }
  if (event.has_consult_ended()) {
    const std::string& agent = event.consult_ended().agent_id();
    return went(Company::kConsulted, agent, agent);
  }
  if (event.has_supervisor_joined()) {
    const command::v1::Actor& actor = event.supervisor_joined().actor();
    return came(Company::kJoined, actor.subject(), actor.agent_id());
  }
  if (event.has_supervisor_left()) {
    const auto& left = event.supervisor_left();
    return went(Company::kJoined, left.subject(), left.agent_id());
  }
  return HolderChangeOf(event);
}

}  // namespace wissel::agent_gateway
