#include "services/agent-gateway/command_port.h"

#include <utility>

#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"
#include "libs/bus/content_type.h"
#include "libs/domain/state.h"
#include "libs/rpc/status.h"
#include "libs/telemetry/trace.h"

namespace wissel::agent_gateway {

using command::v1::Command;
using Kind = Command::KindCase;

namespace {

std::pair<std::string, std::string> ContentType() {
  return bus::ContentTypeHeader(Command::descriptor()->full_name());
}

// The role that allows most of those the token carries, for this command.
common::v1::Role ActorRole(const rpc::Roles& roles, const Command& command) {
  if (roles.Has(rpc::Role::kAdmin)) return common::v1::ROLE_ADMIN;
  if (roles.Has(rpc::Role::kSupervisor)) return common::v1::ROLE_SUPERVISOR;
  if (roles.Has(rpc::Role::kIntegrator) && command.has_update_conversation()) {
    return common::v1::ROLE_INTEGRATOR;
  }
  if (roles.Has(rpc::Role::kBot)) return common::v1::ROLE_BOT;
  if (roles.Has(rpc::Role::kAgent)) return common::v1::ROLE_AGENT;
  return common::v1::ROLE_UNSPECIFIED;
}

// Where a command names an agent and the client left it empty, it is the caller's own.
void FillAgent(const AgentId& agent, Command& command) {
  const auto fill = [&](auto* body) {
    if (body->agent_id().empty()) body->set_agent_id(agent.value());
  };
  switch (command.kind_case()) {
    case Kind::kSetPresence:
      return fill(command.mutable_set_presence());
    case Kind::kSetCapacity:
      return fill(command.mutable_set_capacity());
    case Kind::kAcceptOffer:
      return fill(command.mutable_accept_offer());
    case Kind::kDeclineOffer:
      return fill(command.mutable_decline_offer());
    case Kind::kPull:
      return fill(command.mutable_pull());
    case Kind::kEndConsult:
      return fill(command.mutable_end_consult());
    case Kind::kEndWrapUp:
      return fill(command.mutable_end_wrap_up());
    case Kind::kReassign:
    case Kind::kConsult:
    case Kind::kBargeIn:
    case Kind::kLeaveConversation:
    case Kind::kForceLogout:
    case Kind::kUpdateConversation:
    case Kind::kSendReply:
    case Kind::kAddNote:
    case Kind::kTransfer:
    case Kind::kPark:
    case Kind::kResume:
    case Kind::kResolve:
    case Kind::kReopen:
    case Kind::kMergeConversation:
    case Kind::kSettleDelivery:
    case Kind::kConnectAgent:
    case Kind::kDisconnectAgent:
    case Kind::kRenewGatewayLease:
    case Kind::KIND_NOT_SET:
      return;
  }
}

}  // namespace

absl::Status CheckCommand(const Command& command) {
  if (!Uuid::Parse(command.envelope().id()).ok()) {
    return absl::InvalidArgumentError("a command needs an id of its own: a UUID");
  }
  switch (command.kind_case()) {
    case Kind::kSetPresence:
    case Kind::kSetCapacity:
    case Kind::kAcceptOffer:
    case Kind::kDeclineOffer:
    case Kind::kSendReply:
    case Kind::kAddNote:
    case Kind::kTransfer:
    case Kind::kPark:
    case Kind::kResume:
    case Kind::kResolve:
    case Kind::kReopen:
    case Kind::kMergeConversation:
    case Kind::kSettleDelivery:
    case Kind::kPull:
    case Kind::kReassign:
    case Kind::kConsult:
    case Kind::kEndConsult:
    case Kind::kBargeIn:
    case Kind::kLeaveConversation:
    case Kind::kForceLogout:
    case Kind::kEndWrapUp:
    case Kind::kUpdateConversation:
      return absl::OkStatus();
    case Kind::kConnectAgent:
    case Kind::kDisconnectAgent:
    case Kind::kRenewGatewayLease:
      return absl::InvalidArgumentError("connections and leases are the gateway's to report");
    case Kind::KIND_NOT_SET:
      return absl::InvalidArgumentError("the command says nothing that is known here");
  }
  return absl::InvalidArgumentError("the command says nothing that is known here");
}

CommandPort::CommandPort(bus::Bus& bus, const Clock& clock)
    : clock_(clock), appender_(bus.NewAppender({})) {}

void CommandPort::Send(const Issuer& issuer, Command command, absl::string_view traceparent,
                       Done done) {
  command::v1::Actor& actor = *command.mutable_actor();
  actor.set_subject(issuer.subject);
  actor.set_role(ActorRole(issuer.roles, command));
  actor.set_agent_id(issuer.seat.agent.value());
  FillAgent(issuer.seat.agent, command);
  const telemetry::TraceContext trace =
      telemetry::TraceContext::FromHeaderOrNew(traceparent).NewChild();
  common::v1::Envelope& envelope = *command.mutable_envelope();
  envelope.set_workspace_id(issuer.seat.workspace.value());
  envelope.set_routing_group_id(issuer.seat.routing_group.value());
  *envelope.mutable_time() = ToProto(clock_.Now());
  Append(issuer.seat, command,
         {ContentType(), {std::string(telemetry::kTraceParent), trace.ToHeader()}},
         std::move(done));
}

void CommandPort::SendOwn(const Seat& seat, Command command, Done done) {
  common::v1::Envelope& envelope = *command.mutable_envelope();
  envelope.set_id(RandomUuid());
  envelope.set_workspace_id(seat.workspace.value());
  envelope.set_routing_group_id(seat.routing_group.value());
  *envelope.mutable_time() = ToProto(clock_.Now());
  Append(seat, command, {ContentType()}, std::move(done));
}

void CommandPort::Append(const Seat& seat, const Command& command, bus::Headers headers,
                         Done done) {
  appender_->Append({.topic = bus::Topic::kCommands,
                     .partition = seat.partition,
                     .key = seat.routing_key(),
                     .value = command.SerializeAsString(),
                     .headers = std::move(headers)},
                    [done = std::move(done)](const absl::StatusOr<int64_t>& offset) {
                      done(rpc::OfDependency(offset.status()));
                    });
}

}  // namespace wissel::agent_gateway
