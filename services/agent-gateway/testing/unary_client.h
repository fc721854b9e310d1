#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "services/agent-gateway/testing/gateway_fixture.h"

namespace wissel::agent_gateway {

/// A client that has no stream.
struct UnaryClient {
  const RunningGateway& gateway;
  std::string token;
  std::string traceparent = "";

  /// E.g. `client.Call(&Stub::AddNote, request, &response)`.
  template <typename Method, typename Request, typename Response>
  absl::Status Call(Method method, const Request& request, Response* response) const {
    grpc::ClientContext context;
    rpc::Prepare({.timeout = absl::Seconds(20), .token = token, .traceparent = traceparent},
                 context);
    return rpc::FromGrpc((*gateway.Stub().*method)(&context, request, response));
  }
  absl::StatusOr<agent::v1::CommandOutcome> Execute(command::v1::Command command) const {
    if (command.envelope().id().empty()) command.mutable_envelope()->set_id(RandomUuid());
    agent::v1::ExecuteRequest request;
    *request.mutable_command() = std::move(command);
    agent::v1::ExecuteResponse response;
    const absl::Status status = Call(&agent::v1::AgentService::Stub::Execute, request, &response);
    if (!status.ok()) return status;
    return response.outcome();
  }
  absl::StatusOr<agent::v1::GetWorkResponse> GetWork(
      const agent::v1::GetWorkRequest& request = {}) const {
    agent::v1::GetWorkResponse response;
    const absl::Status status = Call(&agent::v1::AgentService::Stub::GetWork, request, &response);
    if (!status.ok()) return status;
    return response;
  }
};

}  // namespace wissel::agent_gateway
