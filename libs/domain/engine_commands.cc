// How the engine decides on commands. Each handler checks, then emits; a command is done whole or
// rejected with a reason.

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/utf8.h"
#include "libs/base/uuid.h"
#include "libs/domain/command_checks.h"
#include "libs/domain/engine.h"

namespace wissel::domain {

using command::v1::Command;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using conversation::v1::OfferWithdrawn;
using conversation::v1::Queued;
using receipt::v1::DeliveryState;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

constexpr size_t kMaxReasonBytes = 128;
constexpr size_t kMaxDetailBytes = 1024;
// A decision may say several times by whom it was asked for.
constexpr size_t kMaxActorBytes = 4096;
constexpr absl::Duration kMaxLease = absl::Minutes(10);
constexpr int kMaxCompany = 5;

// What gateways say of themselves: nobody repeats it with the same id, and it would crowd out the
// ids that matter.
bool IsHousekeeping(const Command& command) {
  switch (command.kind_case()) {
    case Command::kConnectAgent:
    case Command::kDisconnectAgent:
    case Command::kRenewGatewayLease:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<Refusal> Engine::Refuse(const Command& command) const {
  if (command.kind_case() == Command::KIND_NOT_SET) {
    return Refusal{deadletter::v1::REASON_INVALID, "the command is of no known kind"};
  }
  if (!Uuid::Parse(command.envelope().id()).ok()) {
    return Refusal{deadletter::v1::REASON_INVALID, "the command's id is not a UUID"};
  }
  if (const size_t bytes = command.actor().ByteSizeLong(); bytes > kMaxActorBytes) {
    return Refusal{deadletter::v1::REASON_INVALID,
                   absl::StrCat("the actor has ", bytes, " bytes; at most ", kMaxActorBytes)};
  }
  return std::nullopt;
}

log::v1::Decision& Engine::Decide(const log::v1::InputCause& cause, const Command& command,
                                  absl::Time now) {
  const bool housekeeping = IsHousekeeping(command);
  const bool seen = !housekeeping && !options_.ignore_seen && state_.Seen(command.envelope().id());
  Begin(cause, housekeeping || seen ? "" : command.envelope().id(), now);
  if (seen) {
    Event& event = NewEvent();
    event.mutable_duplicate_skipped()->set_id(command.envelope().id());
    Emit(event);
    return Finish();
  }
  Verdict verdict;
  if (command.kind_case() != Command::kRenewGatewayLease && !Holds(command.envelope())) {
    verdict = Rejection{CommandRejected::REASON_UNKNOWN_WORKSPACE,
                        absl::StrCat("no configuration in force has the routing group ",
                                     command.envelope().workspace_id(), "/",
                                     command.envelope().routing_group_id())};
  } else {
    verdict = Execute(command);
  }
  if (verdict.has_value()) {
    Event& event = NewEvent();
    event.mutable_command_rejected()->set_command_id(command.envelope().id());
    event.mutable_command_rejected()->set_reason(verdict->reason);
    event.mutable_command_rejected()->set_detail(
        std::string(TruncateUtf8(verdict->detail, kMaxDetailBytes)));
    *event.mutable_command_rejected()->mutable_actor() = command.actor();
    Emit(event);
  }
  return Finish();
}

Engine::Verdict Engine::Execute(const Command& command) {
  switch (command.kind_case()) {
    case Command::kSetPresence:
      return On(command, command.set_presence());
    case Command::kSetCapacity:
      return On(command, command.set_capacity());
    case Command::kAcceptOffer:
      return On(command, command.accept_offer());
    case Command::kDeclineOffer:
      return On(command, command.decline_offer());
    case Command::kSendReply:
      return On(command, command.send_reply());
    case Command::kAddNote:
      return On(command, command.add_note());
    case Command::kTransfer:
      return On(command, command.transfer());
    case Command::kPark:
      return On(command, command.park());
    case Command::kResume:
      return On(command, command.resume());
    case Command::kResolve:
      return On(command, command.resolve());
    case Command::kReopen:
      return On(command, command.reopen());
    case Command::kMergeConversation:
      return On(command, command.merge_conversation());
    case Command::kSettleDelivery:
      return On(command, command.settle_delivery());
    case Command::kPull:
      return On(command, command.pull());
    case Command::kReassign:
      return On(command, command.reassign());
    case Command::kConsult:
      return On(command, command.consult());
    case Command::kEndConsult:
      return On(command, command.end_consult());
    case Command::kBargeIn:
      return On(command, command.barge_in());
    case Command::kLeaveConversation:
      return On(command, command.leave_conversation());
    case Command::kForceLogout:
      return On(command, command.force_logout());
    case Command::kEndWrapUp:
      return On(command, command.end_wrap_up());
    case Command::kUpdateConversation:
      return On(command, command.update_conversation());
    case Command::kConnectAgent:
      return On(command, command.connect_agent());
    case Command::kDisconnectAgent:
      return On(command, command.disconnect_agent());
    case Command::kRenewGatewayLease:
      return On(command, command.renew_gateway_lease());
    case Command::KIND_NOT_SET:
      break;
  }
  return Rejection{CommandRejected::REASON_INVALID, "the command is of no known kind"};
}

// ---------------------------------------------------------------------------------------------
// Whom and what a command is about

namespace {

// The agent a command speaks of; an agent speaks for nobody else.
std::optional<Rejected> CheckAgent(const State& state, const Command& command,
                                   absl::string_view agent_id, const AgentState** agent) {
  if (!MaySupervise(command.actor()) && agent_id != command.actor().agent_id()) {
    return Rejected{CommandRejected::REASON_FORBIDDEN,
                    absl::StrCat("you are not the agent ", agent_id)};
  }
  *agent = state.FindAgent(command.envelope().workspace_id(), agent_id);
  // Of another routing group too: whether it stands on this partition is chance.
  if (*agent == nullptr || (*agent)->routing_group_id() != command.envelope().routing_group_id()) {
    return Rejected{CommandRejected::REASON_UNKNOWN_AGENT,
                    absl::StrCat("the routing group has no agent ", TruncateUtf8(agent_id, 64))};
  }
  return std::nullopt;
}

bool Contains(const google::protobuf::RepeatedPtrField<std::string>& values,
              absl::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Null: no supervisor of that subject has joined.
const state::v1::JoinedSupervisor* FindJoined(const ConversationState& conversation,
                                              absl::string_view subject) {
  for (const state::v1::JoinedSupervisor& joined : conversation.joined_supervisors()) {
    if (joined.subject() == subject) return &joined;
  }
  return nullptr;
}

absl::string_view StatusName(ConversationStatus status) {
  switch (status) {
    case ConversationStatus::CONVERSATION_STATUS_QUEUED:
      return "queued";
    case ConversationStatus::CONVERSATION_STATUS_OFFERED:
      return "offered";
    case ConversationStatus::CONVERSATION_STATUS_ACTIVE:
      return "active";
    case ConversationStatus::CONVERSATION_STATUS_PARKED:
      return "parked";
    case ConversationStatus::CONVERSATION_STATUS_RESOLVED:
      return "resolved";
    default:
      return "unknown";
  }
}

}  // namespace

Engine::Target Engine::FindTarget(const Command& command, absl::string_view conversation_id,
                                  bool must_own) const {
  const ConversationState* c = state_.FindConversation(conversation_id);
  // Of another routing group too: whether it stands on this partition is chance.
  if (c == nullptr || c->workspace_id() != command.envelope().workspace_id() ||
      c->routing_group_id() != command.envelope().routing_group_id()) {
    return {.verdict = Rejection{
                CommandRejected::REASON_UNKNOWN_CONVERSATION,
                absl::StrCat("there is no conversation ", TruncateUtf8(conversation_id, 64))}};
  }
  if (must_own && !IsOpen(*c)) {
    return {.verdict = Rejection{CommandRejected::REASON_CLOSED, "the conversation is resolved"}};
  }
  if (must_own && !MaySupervise(command.actor()) && !IsTheirs(*c, command.actor())) {
    return {.verdict = Rejection{CommandRejected::REASON_NOT_YOURS,
                                 c->agent_id().empty()
                                     ? absl::StrCat("the conversation is ", StatusName(c->status()))
                                     : absl::StrCat("the conversation is ", c->agent_id(), "'s")}};
  }
  return {.conversation = c};
}

Engine::OfferTarget Engine::FindOffer(const Command& command, absl::string_view offer_id,
                                      absl::string_view agent_id) const {
  const AgentState* agent = nullptr;
  if (const auto rejected = CheckAgent(state_, command, agent_id, &agent)) {
    return {.verdict = Rejection{rejected->first, rejected->second}};
  }
  for (const std::string& id : state_.ConversationsOf(agent->workspace_id(), agent_id)) {
    const ConversationState* c = state_.FindConversation(id);
    if (c->offer().offer_id() == offer_id && !offer_id.empty()) return {.conversation = c};
  }
  return {.verdict = Rejection{CommandRejected::REASON_OFFER_GONE,
                               "the offer has been answered, withdrawn or timed out"}};
}

// ---------------------------------------------------------------------------------------------
// Agents

Engine::Verdict Engine::On(const Command& command, const command::v1::SetPresence& c) {
  const AgentState* agent = nullptr;
  if (const auto rejected = CheckAgent(state_, command, c.agent_id(), &agent)) {
    return Rejection{rejected->first, rejected->second};
  }
  if (c.presence() == command::v1::PRESENCE_UNSPECIFIED ||
      !command::v1::Presence_IsValid(c.presence()) || c.reason().size() > kMaxReasonBytes) {
    return Rejection{
        CommandRejected::REASON_INVALID,
        "presence must be offline, available, away or draining; reason at most 128 bytes"};
  }
  if (c.presence() == agent->presence() && c.reason() == agent->presence_reason()) {
    return std::nullopt;
  }
  SetPresence(*agent, c.presence(), c.reason(),
              conversation::v1::AgentPresenceChanged::CAUSE_COMMANDED);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::SetCapacity& c) {
  const AgentState* agent = nullptr;
  if (!MaySupervise(command.actor())) {
    return Rejection{CommandRejected::REASON_FORBIDDEN, "only supervisors set capacities"};
  }
  if (const auto rejected = CheckAgent(state_, command, c.agent_id(), &agent)) {
    return Rejection{rejected->first, rejected->second};
  }
  if (c.capacity_units() < 0 || c.capacity_units() > 1'000'000) {
    return Rejection{CommandRejected::REASON_INVALID, "capacity_units must be 0 to 1,000,000"};
  }
  TouchAgent(agent->workspace_id(), agent->agent_id());
  Event& event = NewEvent();
  conversation::v1::AgentCapacityChanged& changed = *event.mutable_agent_capacity_changed();
  changed.set_workspace_id(agent->workspace_id());
  changed.set_routing_group_id(agent->routing_group_id());
  changed.set_agent_id(agent->agent_id());
  changed.set_capacity_units(c.capacity_units());
  Emit(event);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::ConnectAgent& c) {
  const AgentState* agent = state_.FindAgent(command.envelope().workspace_id(), c.agent_id());
  if (agent == nullptr) {
    return Rejection{CommandRejected::REASON_UNKNOWN_AGENT,
                     absl::StrCat("the configuration in force has no agent ", c.agent_id())};
  }
  const absl::Duration lease = FromProto(c.lease());
  if (c.session_id().empty() || c.gateway_id().empty() || lease <= absl::ZeroDuration() ||
      lease > kMaxLease) {
    return Rejection{CommandRejected::REASON_INVALID,
                     "a session, a gateway and a lease of at most 10 minutes are needed"};
  }
  TouchAgent(agent->workspace_id(), agent->agent_id());
  Event& event = NewEvent();
  conversation::v1::AgentConnected& connected = *event.mutable_agent_connected();
  connected.set_workspace_id(agent->workspace_id());
  connected.set_routing_group_id(agent->routing_group_id());
  connected.set_agent_id(agent->agent_id());
  connected.set_session_id(c.session_id());
  connected.set_gateway_id(c.gateway_id());
  *connected.mutable_lease_expire_time() = ToProto(now_ + lease);
  timers_.Set(TimerKind::kGatewayLease, c.gateway_id(), now_ + lease);
  Emit(event);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::DisconnectAgent& c) {
  const AgentState* agent = state_.FindAgent(command.envelope().workspace_id(), c.agent_id());
  if (agent == nullptr) return std::nullopt;
  const bool connected =
      std::any_of(agent->sessions().begin(), agent->sessions().end(),
                  [&](const auto& s) { return s.session_id() == c.session_id(); });
  if (!connected) return std::nullopt;
  TouchAgent(agent->workspace_id(), agent->agent_id());
  Event& event = NewEvent();
  conversation::v1::AgentDisconnected& gone = *event.mutable_agent_disconnected();
  gone.set_workspace_id(agent->workspace_id());
  gone.set_routing_group_id(agent->routing_group_id());
  gone.set_agent_id(agent->agent_id());
  gone.set_session_id(c.session_id());
  gone.set_reason(conversation::v1::AgentDisconnected::REASON_COMMANDED);
  Emit(event);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command&, const command::v1::RenewGatewayLease& c) {
  const absl::Duration lease = FromProto(c.lease());
  if (c.gateway_id().empty() || lease <= absl::ZeroDuration() || lease > kMaxLease) {
    return Rejection{CommandRejected::REASON_INVALID,
                     "a gateway and a lease of at most 10 minutes are needed"};
  }
  timers_.Set(TimerKind::kGatewayLease, c.gateway_id(), now_ + lease);
  Event& event = NewEvent();
  event.mutable_gateway_lease_renewed()->set_gateway_id(c.gateway_id());
  *event.mutable_gateway_lease_renewed()->mutable_lease_expire_time() = ToProto(now_ + lease);
  Emit(event);
  return std::nullopt;
}

// ---------------------------------------------------------------------------------------------
// Offers

Engine::Verdict Engine::On(const Command& command, const command::v1::AcceptOffer& c) {
  const OfferTarget target = FindOffer(command, c.offer_id(), c.agent_id());
  if (target.verdict.has_value()) return target.verdict;
  const std::string id = target.conversation->conversation_id();
  const int32_t units = target.conversation->units();
  TouchAgent(target.conversation->workspace_id(), c.agent_id());
  TouchConversation(id);
  Event& accepted = NewEvent();
  accepted.mutable_offer_accepted()->set_conversation_id(id);
  accepted.mutable_offer_accepted()->set_offer_id(c.offer_id());
  accepted.mutable_offer_accepted()->set_agent_id(c.agent_id());
  Emit(accepted);
  Event& assigned = NewEvent();
  assigned.mutable_assigned()->set_conversation_id(id);
  assigned.mutable_assigned()->set_agent_id(c.agent_id());
  assigned.mutable_assigned()->set_reason(conversation::v1::Assigned::REASON_OFFER_ACCEPTED);
  assigned.mutable_assigned()->set_units(units);
  Emit(assigned);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::DeclineOffer& c) {
  const OfferTarget target = FindOffer(command, c.offer_id(), c.agent_id());
  if (target.verdict.has_value()) return target.verdict;
  if (c.reason().size() > kMaxReasonBytes) {
    return Rejection{CommandRejected::REASON_INVALID, "reason must be at most 128 bytes"};
  }
  const std::string id = target.conversation->conversation_id();
  const absl::Time place = FromProto(target.conversation->waiting_since());
  TouchAgent(target.conversation->workspace_id(), c.agent_id());
  Event& event = NewEvent();
  event.mutable_offer_declined()->set_conversation_id(id);
  event.mutable_offer_declined()->set_offer_id(c.offer_id());
  event.mutable_offer_declined()->set_agent_id(c.agent_id());
  event.mutable_offer_declined()->set_reason(c.reason());
  Emit(event);
  Queue(id, Queued::REASON_OFFER_DECLINED, place);
  return std::nullopt;
}

// ---------------------------------------------------------------------------------------------
// Beside the queue's way: pull, reassign, consult, barge in, force out

void Engine::Assign(const ConversationState& conversation, const std::string& agent_id,
                    conversation::v1::Assigned::Reason reason, const Command& command) {
  const std::string id = conversation.conversation_id();
  const std::string workspace_id = conversation.workspace_id();
  TouchConversation(id);
  TouchAgent(workspace_id, conversation.agent_id());
  TouchAgent(workspace_id, agent_id);
  Event& event = NewEvent();
  conversation::v1::Assigned& assigned = *event.mutable_assigned();
  assigned.set_conversation_id(id);
  assigned.set_agent_id(agent_id);
  assigned.set_reason(reason);
  assigned.set_units(UnitsOf(conversation));
  if (conversation.agent_id() != agent_id) assigned.set_from_agent_id(conversation.agent_id());
  *assigned.mutable_actor() = command.actor();
  Emit(event);
}

Engine::Verdict Engine::On(const Command& command, const command::v1::Pull& c) {
  const AgentState* agent = nullptr;
  if (const auto rejected = CheckAgent(state_, command, c.agent_id(), &agent)) {
    return Rejection{rejected->first, rejected->second};
  }
  const Target target = FindTarget(command, c.conversation_id(), false);
  if (target.verdict.has_value()) return target.verdict;
  if (target.conversation->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) {
    return Rejection{CommandRejected::REASON_WRONG_STATE,
                     absl::StrCat("only what waits is pulled; the conversation is ",
                                  StatusName(target.conversation->status()))};
  }
  routing::Matcher& matcher = *MatcherOf(*target.conversation);
  Advance(RoutingKey(target.conversation->workspace_id(), target.conversation->routing_group_id()),
          matcher);
  // Whoever declined it may think better of it.
  const auto why_not =
      matcher.WhyNot(c.agent_id(), WaitingOf(*target.conversation), {.exclusion = false});
  if (why_not.has_value()) {
    const auto [reason, detail] = CannotTake(c.agent_id(), *why_not);
    return Rejection{reason, detail};
  }
  Assign(*target.conversation, c.agent_id(), conversation::v1::Assigned::REASON_PULLED, command);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::Reassign& c) {
  if (!MaySupervise(command.actor())) {
    return Rejection{CommandRejected::REASON_FORBIDDEN, "only supervisors reassign"};
  }
  const Target target = FindTarget(command, c.conversation_id(), true);
  if (target.verdict.has_value()) return target.verdict;
  const ConversationState& conversation = *target.conversation;
  const AgentState* agent = FindReceiver(state_, conversation.workspace_id(), c.agent_id());
  if (agent == nullptr) {
    return Rejection{CommandRejected::REASON_UNKNOWN_AGENT,
                     absl::StrCat("the configuration in force has no agent ", c.agent_id())};
  }
  if (agent->agent_id() == conversation.agent_id() &&
      conversation.status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE) {
    return Rejection{CommandRejected::REASON_INVALID, "the agent has the conversation already"};
  }
  const auto why_not =
      MatcherOf(conversation)
          ->WhyNot(c.agent_id(), WaitingOf(conversation),
                   {.requirement = false, .exclusion = false, .room = !c.over_capacity()});
  if (why_not.has_value()) {
    const auto [reason, detail] = CannotTake(c.agent_id(), *why_not);
    return Rejection{reason, detail};
  }
  if (conversation.has_offer()) WithdrawOffer(conversation, OfferWithdrawn::REASON_REASSIGNED);
  Assign(conversation, c.agent_id(), conversation::v1::Assigned::REASON_REASSIGNED, command);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::Consult& c) {
  const Target target = FindTarget(command, c.conversation_id(), true);
  if (target.verdict.has_value()) return target.verdict;
  const ConversationState& conversation = *target.conversation;
  const AgentState* agent = FindReceiver(state_, conversation.workspace_id(), c.agent_id());
  if (agent == nullptr || agent->routing_group_id() != conversation.routing_group_id()) {
    return Rejection{CommandRejected::REASON_UNKNOWN_AGENT,
                     absl::StrCat("the routing group has no agent ", c.agent_id())};
  }
  if (c.note().size() > kMaxNoteBytes) {
    return Rejection{CommandRejected::REASON_INVALID, "a note has at most 64 KiB of text"};
  }
  if (c.agent_id() == conversation.agent_id() ||
      Contains(conversation.consulted_agent_ids(), c.agent_id())) {
    return Rejection{CommandRejected::REASON_INVALID,
                     absl::StrCat(c.agent_id(), " sees the conversation already")};
  }
  if (conversation.consulted_agent_ids_size() >= kMaxCompany) {
    return Rejection{CommandRejected::REASON_WRONG_STATE,
                     absl::StrCat("at most ", kMaxCompany, " agents are consulted at a time")};
  }
  Event& event = NewEvent();
  conversation::v1::ConsultStarted& started = *event.mutable_consult_started();
  started.set_conversation_id(c.conversation_id());
  started.set_agent_id(c.agent_id());
  *started.mutable_actor() = command.actor();
  started.set_note(c.note());
  Emit(event);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::EndConsult& c) {
  const Target target = FindTarget(command, c.conversation_id(), false);
  if (target.verdict.has_value()) return target.verdict;
  const ConversationState& conversation = *target.conversation;
  if (!MaySupervise(command.actor()) && command.actor().agent_id() != c.agent_id() &&
      !IsTheirs(conversation, command.actor())) {
    return Rejection{CommandRejected::REASON_NOT_YOURS,
                     "a consult is ended by its conversation's agent or by the one consulted"};
  }
  if (!Contains(conversation.consulted_agent_ids(), c.agent_id())) {
    return Rejection{CommandRejected::REASON_WRONG_STATE,
                     absl::StrCat(c.agent_id(), " is not being consulted")};
  }
  EndConsult(c.conversation_id(), c.agent_id());
  return std::nullopt;
}

std::vector<std::string> Engine::ConsultedStrangers(const ConversationState& c) const {
  std::vector<std::string> strangers;
  const routing::Matcher* matcher = MatcherOf(c);
  if (matcher == nullptr) return strangers;
  for (const std::string& agent_id : c.consulted_agent_ids()) {
    if (matcher->policy().FindAgent(agent_id) == nullptr) strangers.push_back(agent_id);
  }
  return strangers;
}

void Engine::EndConsult(const std::string& conversation_id, const std::string& agent_id) {
  Event& event = NewEvent();
  event.mutable_consult_ended()->set_conversation_id(conversation_id);
  event.mutable_consult_ended()->set_agent_id(agent_id);
  Emit(event);
}

void Engine::EndCompany(const ConversationState& c) {
  const std::string id = c.conversation_id();
  while (!c.consulted_agent_ids().empty()) {
    EndConsult(id, std::string(c.consulted_agent_ids(0)));
  }
  while (!c.joined_supervisors().empty()) EndJoining(id, c.joined_supervisors(0));
}

void Engine::EndJoining(const std::string& conversation_id,
                        const state::v1::JoinedSupervisor& joined) {
  Event& event = NewEvent();
  event.mutable_supervisor_left()->set_conversation_id(conversation_id);
  event.mutable_supervisor_left()->set_subject(joined.subject());
  event.mutable_supervisor_left()->set_agent_id(joined.agent_id());
  Emit(event);
}

Engine::Verdict Engine::On(const Command& command, const command::v1::BargeIn& c) {
  if (!MaySupervise(command.actor())) {
    return Rejection{CommandRejected::REASON_FORBIDDEN, "only supervisors barge in"};
  }
  const Target target = FindTarget(command, c.conversation_id(), true);
  if (target.verdict.has_value()) return target.verdict;
  const ConversationState& conversation = *target.conversation;
  if (FindJoined(conversation, command.actor().subject()) != nullptr) return std::nullopt;
  if (conversation.joined_supervisors_size() >= kMaxCompany) {
    return Rejection{CommandRejected::REASON_WRONG_STATE,
                     absl::StrCat("at most ", kMaxCompany, " supervisors join at a time")};
  }
  Event& event = NewEvent();
  event.mutable_supervisor_joined()->set_conversation_id(c.conversation_id());
  *event.mutable_supervisor_joined()->mutable_actor() = command.actor();
  Emit(event);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::LeaveConversation& c) {
  const Target target = FindTarget(command, c.conversation_id(), false);
  if (target.verdict.has_value()) return target.verdict;
  const auto* joined = FindJoined(*target.conversation, command.actor().subject());
  if (joined == nullptr) {
    return Rejection{CommandRejected::REASON_WRONG_STATE, "you have not joined the conversation"};
  }
  EndJoining(c.conversation_id(), *joined);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::ForceLogout& c) {
  if (!MaySupervise(command.actor())) {
    return Rejection{CommandRejected::REASON_FORBIDDEN, "only supervisors log agents out"};
  }
  const AgentState* agent = nullptr;
  if (const auto rejected = CheckAgent(state_, command, c.agent_id(), &agent)) {
    return Rejection{rejected->first, rejected->second};
  }
  if (c.reason().size() > kMaxReasonBytes) {
    return Rejection{CommandRejected::REASON_INVALID, "reason must be at most 128 bytes"};
  }
  SetPresence(*agent, command::v1::PRESENCE_OFFLINE, c.reason(),
              conversation::v1::AgentPresenceChanged::CAUSE_FORCED_LOGOUT);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::EndWrapUp& c) {
  const AgentState* agent = nullptr;
  if (const auto rejected = CheckAgent(state_, command, c.agent_id(), &agent)) {
    return Rejection{rejected->first, rejected->second};
  }
  const bool any = std::any_of(agent->wrap_ups().begin(), agent->wrap_ups().end(), [&](auto& w) {
    return c.conversation_id().empty() || w.conversation_id() == c.conversation_id();
  });
  if (!any) {
    return Rejection{CommandRejected::REASON_WRONG_STATE,
                     absl::StrCat(c.agent_id(), " has no after-work")};
  }
  EndWrapUps(*agent,
             c.conversation_id().empty() ? kAllWrapUps : absl::string_view(c.conversation_id()));
  return std::nullopt;
}

}  // namespace wissel::domain
