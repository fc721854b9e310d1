#include "services/agent-gateway/handlers/agent_service.h"

#include <utility>

#include "services/agent-gateway/handlers/command_call.h"
#include "services/agent-gateway/handlers/connect.h"
#include "services/agent-gateway/handlers/get_work.h"

namespace wissel::agent_gateway {

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* AgentServiceHandler::Connect(
    grpc::CallbackServerContext* context) {
  return AgentStream::Open(gateway_, context);
}

grpc::ServerUnaryReactor* AgentServiceHandler::SetPresence(
    grpc::CallbackServerContext* context, const agent::v1::SetPresenceRequest* request,
    agent::v1::SetPresenceResponse* response) {
  command::v1::Command command;
  command.mutable_envelope()->set_id(request->command_id());
  *command.mutable_set_presence() = request->command();
  return CommandCall::Start(gateway_, context, std::move(command), response->mutable_outcome());
}

grpc::ServerUnaryReactor* AgentServiceHandler::AcceptOffer(
    grpc::CallbackServerContext* context, const agent::v1::AcceptOfferRequest* request,
    agent::v1::AcceptOfferResponse* response) {
  command::v1::Command command;
  command.mutable_envelope()->set_id(request->command_id());
  *command.mutable_accept_offer() = request->command();
  return CommandCall::Start(gateway_, context, std::move(command), response->mutable_outcome());
}

grpc::ServerUnaryReactor* AgentServiceHandler::DeclineOffer(
    grpc::CallbackServerContext* context, const agent::v1::DeclineOfferRequest* request,
    agent::v1::DeclineOfferResponse* response) {
  command::v1::Command command;
  command.mutable_envelope()->set_id(request->command_id());
  *command.mutable_decline_offer() = request->command();
  return CommandCall::Start(gateway_, context, std::move(command), response->mutable_outcome());
}

grpc::ServerUnaryReactor* AgentServiceHandler::SendReply(grpc::CallbackServerContext* context,
                                                         const agent::v1::SendReplyRequest* request,
                                                         agent::v1::SendReplyResponse* response) {
  command::v1::Command command;
  command.mutable_envelope()->set_id(request->command_id());
  *command.mutable_send_reply() = request->command();
  return CommandCall::Start(gateway_, context, std::move(command), response->mutable_outcome());
}

grpc::ServerUnaryReactor* AgentServiceHandler::AddNote(grpc::CallbackServerContext* context,
                                                       const agent::v1::AddNoteRequest* request,
                                                       agent::v1::AddNoteResponse* response) {
  command::v1::Command command;
  command.mutable_envelope()->set_id(request->command_id());
  *command.mutable_add_note() = request->command();
  return CommandCall::Start(gateway_, context, std::move(command), response->mutable_outcome());
}

grpc::ServerUnaryReactor* AgentServiceHandler::Transfer(grpc::CallbackServerContext* context,
                                                        const agent::v1::TransferRequest* request,
                                                        agent::v1::TransferResponse* response) {
  command::v1::Command command;
  command.mutable_envelope()->set_id(request->command_id());
  *command.mutable_transfer() = request->command();
  return CommandCall::Start(gateway_, context, std::move(command), response->mutable_outcome());
}

grpc::ServerUnaryReactor* AgentServiceHandler::Resolve(grpc::CallbackServerContext* context,
                                                       const agent::v1::ResolveRequest* request,
                                                       agent::v1::ResolveResponse* response) {
  command::v1::Command command;
  command.mutable_envelope()->set_id(request->command_id());
  *command.mutable_resolve() = request->command();
  return CommandCall::Start(gateway_, context, std::move(command), response->mutable_outcome());
}

grpc::ServerUnaryReactor* AgentServiceHandler::Execute(grpc::CallbackServerContext* context,
                                                       const agent::v1::ExecuteRequest* request,
                                                       agent::v1::ExecuteResponse* response) {
  return CommandCall::Start(gateway_, context, request->command(), response->mutable_outcome());
}

grpc::ServerUnaryReactor* AgentServiceHandler::GetWork(grpc::CallbackServerContext* context,
                                                       const agent::v1::GetWorkRequest* request,
                                                       agent::v1::GetWorkResponse* response) {
  return agent_gateway::GetWork(gateway_, context, request, response);
}

}  // namespace wissel::agent_gateway
