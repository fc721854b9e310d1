#include "services/admin/handlers/admin_service.h"

#include <utility>

#include "libs/rpc/blocking_call.h"
#include "libs/rpc/status.h"

namespace wissel::admin {

template <class Request, class Response>
grpc::ServerUnaryReactor* AdminServiceHandler::Run(Method<Request, Response> method,
                                                   grpc::CallbackServerContext* context,
                                                   const Request* request, Response* response) {
  auto caller = authenticator_.Authenticate(*context);
  absl::Status allowed = caller.status();
  if (allowed.ok()) allowed = rpc::RequireRole(*caller, {rpc::Role::kAdmin});
  if (!allowed.ok()) return rpc::Refuse(context, allowed, metrics_.refused);
  return rpc::RunBlocking(
      pool_, context, metrics_.refused,
      [this, method, caller = *std::move(caller), request, response](NoTool&) {
        absl::StatusOr<Response> answer = (admin_.*method)(caller, *request);
        if (answer.ok()) *response = *std::move(answer);
        return answer.status();
      },
      // Admin's own refusals: what Kafka refuses is UNAVAILABLE.
      [this](const absl::Status& status) { metrics_.refused.Count(status); });
}

grpc::ServerUnaryReactor* AdminServiceHandler::ApplyConfig(grpc::CallbackServerContext* context,
                                                           const v1::ApplyConfigRequest* request,
                                                           v1::ApplyConfigResponse* response) {
  return Run(&Admin::ApplyConfig, context, request, response);
}
grpc::ServerUnaryReactor* AdminServiceHandler::GetConfig(grpc::CallbackServerContext* context,
                                                         const v1::GetConfigRequest* request,
                                                         v1::GetConfigResponse* response) {
  return Run(&Admin::GetConfig, context, request, response);
}
grpc::ServerUnaryReactor* AdminServiceHandler::ListDeadLetters(
    grpc::CallbackServerContext* context, const v1::ListDeadLettersRequest* request,
    v1::ListDeadLettersResponse* response) {
  return Run(&Admin::ListDeadLetters, context, request, response);
}
grpc::ServerUnaryReactor* AdminServiceHandler::GetDeadLetter(
    grpc::CallbackServerContext* context, const v1::GetDeadLetterRequest* request,
    v1::GetDeadLetterResponse* response) {
  return Run(&Admin::GetDeadLetter, context, request, response);
}
grpc::ServerUnaryReactor* AdminServiceHandler::ReplayDeadLetter(
    grpc::CallbackServerContext* context, const v1::ReplayDeadLetterRequest* request,
    v1::ReplayDeadLetterResponse* response) {
  return Run(&Admin::ReplayDeadLetter, context, request, response);
}
grpc::ServerUnaryReactor* AdminServiceHandler::CreateTopics(grpc::CallbackServerContext* context,
                                                            const v1::CreateTopicsRequest* request,
                                                            v1::CreateTopicsResponse* response) {
  return Run(&Admin::CreateTopics, context, request, response);
}
grpc::ServerUnaryReactor* AdminServiceHandler::CheckTopics(grpc::CallbackServerContext* context,
                                                           const v1::CheckTopicsRequest* request,
                                                           v1::CheckTopicsResponse* response) {
  return Run(&Admin::CheckTopics, context, request, response);
}

}  // namespace wissel::admin
