#include "services/agent-gateway/handlers/command_call.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/rpc/auth.h"
#include "libs/rpc/grpc_order.h"
#include "libs/rpc/metadata.h"
#include "libs/rpc/status.h"
#include "services/agent-gateway/outcome.h"

namespace wissel::agent_gateway {
namespace {

grpc::ServerUnaryReactor* Refuse(const Gateway& gateway, grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  gateway.metrics().refused.Count(status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(rpc::ToGrpc(status));
  return reactor;
}

// Supervisors and integrators of several routing groups say in which of them; for agents it is
// their own. An integrator says what is known of a conversation, does nothing else, and is nobody's
// agent.
absl::StatusOr<Issuer> Authorise(Gateway& gateway, const grpc::CallbackServerContext& context,
                                 const command::v1::Command& command) {
  WISSEL_ASSIGN_OR_RETURN(const rpc::Principal principal,
                          gateway.authenticator().Authenticate(context));
  const absl::Status works = rpc::RequireRole(
      principal, {rpc::Role::kAgent, rpc::Role::kSupervisor, rpc::Role::kBot, rpc::Role::kAdmin});
  const bool informs =
      command.has_update_conversation() && principal.roles.Has(rpc::Role::kIntegrator);
  if (!works.ok() && !informs) return works;
  const bool may_choose =
      informs || principal.roles.HasAny({rpc::Role::kSupervisor, rpc::Role::kAdmin});
  WISSEL_ASSIGN_OR_RETURN(
      Seat seat,
      gateway.directory().Find(principal, may_choose ? command.envelope().routing_group_id() : "",
                               {.may_choose = may_choose}));
  if (!works.ok()) seat.agent = AgentId();
  return Issuer{.seat = std::move(seat), .subject = principal.subject, .roles = principal.roles};
}

bool GoesOffline(const command::v1::Command& command, const Seat& seat) {
  const command::v1::SetPresence& set = command.set_presence();
  return set.presence() == command::v1::PRESENCE_OFFLINE &&
         (set.agent_id().empty() || set.agent_id() == seat.agent.value());
}

}  // namespace

grpc::ServerUnaryReactor* CommandCall::Start(Gateway& gateway, grpc::CallbackServerContext* context,
                                             command::v1::Command command,
                                             agent::v1::CommandOutcome* outcome) {
  absl::StatusOr<Issuer> issuer = Authorise(gateway, *context, command);
  if (!issuer.ok()) return Refuse(gateway, context, issuer.status());
  if (const absl::Status status = CheckCommand(command); !status.ok()) {
    return Refuse(gateway, context, status);
  }
  const Viewer viewer{
      .workspace = issuer->seat.workspace.value(),
      .routing_group = issuer->seat.routing_group.value(),
      .agent = issuer->seat.agent.value(),
      .subject = issuer->subject,
      .whole_group = issuer->roles.HasAny({rpc::Role::kSupervisor, rpc::Role::kAdmin})};
  const std::string id = command.envelope().id();
  // The connection stands in the log before the command that counts on it.
  if (!GoesOffline(command, issuer->seat)) {
    const absl::Status renewed = gateway.unary_sessions().Renew(issuer->seat);
    if (!renewed.ok()) return Refuse(gateway, context, renewed);
  }
  std::shared_ptr<CommandCall> call(new CommandCall(gateway, id, *issuer, viewer, outcome));
  if (const absl::Status status = gateway.AddCall(call); !status.ok()) {
    return Refuse(gateway, context, status);
  }
  call->self_ = call;
  gateway.metrics().commands_in_flight.Increment();
  call->tail_.Expect(
      id, call,
      [call, command = std::move(command),
       traceparent = std::string(rpc::ClientMetadata(*context, rpc::kTraceparentKey))]() mutable {
        call->Append(std::move(command), traceparent);
      });
  rpc::HandToGrpc(call.get());
  return call.get();
}

CommandCall::CommandCall(Gateway& gateway, std::string command_id, Issuer issuer, Viewer viewer,
                         agent::v1::CommandOutcome* outcome)
    : gateway_(gateway),
      command_id_(std::move(command_id)),
      issuer_(std::move(issuer)),
      viewer_(std::move(viewer)),
      tail_(gateway.TailOf(issuer_.seat.partition)),
      started_(gateway.Now()),
      outcome_(outcome) {}

void CommandCall::Append(command::v1::Command command, absl::string_view traceparent) {
  {
    MutexLock lock(mutex_);
    if (finished_) return;  // Given up meanwhile.
  }
  const bool goes_offline = GoesOffline(command, issuer_.seat);
  gateway_.commands().Send(issuer_, std::move(command), traceparent,
                           [call = shared_from_this()](const absl::Status& status) {
                             if (!status.ok()) call->GiveUp(status);
                           });
  if (goes_offline) gateway_.unary_sessions().End(issuer_.seat);
}

void CommandCall::OnCancel() {
  rpc::TakeFromGrpc(this);
  GiveUp(absl::CancelledError("the caller did not wait for the outcome"));
}

void CommandCall::OnDone() {
  rpc::TakeFromGrpc(this);
  tail_.StopExpecting(command_id_, this);
  gateway_.Remove(this);
  gateway_.metrics().commands_in_flight.Decrement();
  self_.reset();
}

void CommandCall::OnOutcome(const Entry& entry, const Entry* original) {
  agent::v1::CommandOutcome outcome = MakeOutcome(entry, original);
  AddEvents(entry, viewer_, outcome);
  Metrics& metrics = gateway_.metrics();
  metrics.outcome_seconds.Observe(gateway_.Now() - started_);
  metrics.commands.With({KindOf(outcome)}).Increment();
  MutexLock lock(mutex_);
  if (finished_) return;
  *outcome_ = std::move(outcome);
  FinishOnce(absl::OkStatus());
}

void CommandCall::Tick(absl::Time now) {
  if (now - started_ < gateway_.options().command_timeout) return;
  GiveUp(absl::DeadlineExceededError(kNoOutcomeYet));
}

void CommandCall::GiveUp(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (finished_) return;
  gateway_.metrics().commands.With({"undecided"}).Increment();
  FinishOnce(status);
}

void CommandCall::FinishOnce(const absl::Status& status) {
  finished_ = true;
  Finish(rpc::ToGrpc(status));
}

}  // namespace wissel::agent_gateway
