#include "services/history/handlers/history_service.h"

#include <chrono>
#include <utility>

#include "libs/rpc/blocking_call.h"
#include "libs/rpc/status.h"

namespace wissel::history {
namespace {

absl::string_view OutcomeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return "ok";
    case absl::StatusCode::kNotFound:
      return "not_found";
    case absl::StatusCode::kInvalidArgument:
      return "invalid";
    case absl::StatusCode::kUnavailable:
      return "unavailable";
    case absl::StatusCode::kCancelled:
      return "cancelled";
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kDoNotUseReservedForFutureExpansionUseDefaultInSwitchInstead_:
      return "failed";
  }
  return "failed";
}

}  // namespace

template <class Request, class Response>
grpc::ServerUnaryReactor* HistoryServiceHandler::Run(Method<Request, Response> method,
                                                     grpc::CallbackServerContext* context,
                                                     const Request* request, Response* response) {
  auto caller = authenticator_.Authenticate(*context);
  absl::Status allowed = caller.status();
  if (allowed.ok()) {
    allowed = rpc::RequireRole(
        *caller, {rpc::Role::kAgent, rpc::Role::kSupervisor, rpc::Role::kAdmin, rpc::Role::kBot});
  }
  if (!allowed.ok()) return rpc::Refuse(context, allowed, metrics_.refused);
  return rpc::RunBlocking(
      pool_, context, metrics_.refused,
      [this, method, caller = *std::move(caller), request, response](History& history) {
        const auto begin = std::chrono::steady_clock::now();
        auto answer = rpc::OfDependency((history.*method)(caller, *request));
        metrics_.call_seconds.Observe(absl::FromChrono(std::chrono::steady_clock::now() - begin));
        if (answer.ok()) *response = *std::move(answer);
        return answer.status();
      },
      [this](const absl::Status& status) { metrics_.calls.With({OutcomeOf(status)}).Increment(); });
}

grpc::ServerUnaryReactor* HistoryServiceHandler::GetConversation(
    grpc::CallbackServerContext* context, const v1::GetConversationRequest* request,
    v1::GetConversationResponse* response) {
  return Run(&History::GetConversation, context, request, response);
}
grpc::ServerUnaryReactor* HistoryServiceHandler::ListConversations(
    grpc::CallbackServerContext* context, const v1::ListConversationsRequest* request,
    v1::ListConversationsResponse* response) {
  return Run(&History::ListConversations, context, request, response);
}
grpc::ServerUnaryReactor* HistoryServiceHandler::ListMessages(
    grpc::CallbackServerContext* context, const v1::ListMessagesRequest* request,
    v1::ListMessagesResponse* response) {
  return Run(&History::ListMessages, context, request, response);
}
grpc::ServerUnaryReactor* HistoryServiceHandler::ListContactConversations(
    grpc::CallbackServerContext* context, const v1::ListContactConversationsRequest* request,
    v1::ListContactConversationsResponse* response) {
  return Run(&History::ListContactConversations, context, request, response);
}
grpc::ServerUnaryReactor* HistoryServiceHandler::GetQueue(grpc::CallbackServerContext* context,
                                                          const v1::GetQueueRequest* request,
                                                          v1::GetQueueResponse* response) {
  return Run(&History::GetQueue, context, request, response);
}
grpc::ServerUnaryReactor* HistoryServiceHandler::GetAgent(grpc::CallbackServerContext* context,
                                                          const v1::GetAgentRequest* request,
                                                          v1::GetAgentResponse* response) {
  return Run(&History::GetAgent, context, request, response);
}
grpc::ServerUnaryReactor* HistoryServiceHandler::ListAgents(grpc::CallbackServerContext* context,
                                                            const v1::ListAgentsRequest* request,
                                                            v1::ListAgentsResponse* response) {
  return Run(&History::ListAgents, context, request, response);
}

}  // namespace wissel::history
