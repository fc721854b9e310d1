#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "services/agent-gateway/gateway.h"
#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::agent_gateway {

/// AgentService.GetWork: what the caller has now, from the views; without them, or where they
/// cannot be read, from the tail's state, without messages.
grpc::ServerUnaryReactor* GetWork(Gateway& gateway, grpc::CallbackServerContext* context,
                                  const agent::v1::GetWorkRequest* request,
                                  agent::v1::GetWorkResponse* response);

}  // namespace wissel::agent_gateway
