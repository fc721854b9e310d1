#pragma once

#include "services/agent-gateway/gateway.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"

namespace wissel::agent_gateway {

namespace internal {

/// Every call but Connect with its messages; Connect with their bytes.
template <template <typename> class... Call>
struct Compose;
template <template <typename> class First, template <typename> class... Rest>
struct Compose<First, Rest...> {
  using Type = First<typename Compose<Rest...>::Type>;
};
template <>
struct Compose<> {
  using Type = agent::v1::AgentService::Service;
};
using Calls = agent::v1::AgentService;
using ServiceOfBytes =
    Compose<Calls::WithRawCallbackMethod_Connect, Calls::WithCallbackMethod_SetPresence,
            Calls::WithCallbackMethod_AcceptOffer, Calls::WithCallbackMethod_DeclineOffer,
            Calls::WithCallbackMethod_SendReply, Calls::WithCallbackMethod_AddNote,
            Calls::WithCallbackMethod_Transfer, Calls::WithCallbackMethod_Resolve,
            Calls::WithCallbackMethod_Execute, Calls::WithCallbackMethod_GetWork>::Type;

}  // namespace internal

/// AgentService on the wire: each call to its handler.
class AgentServiceHandler final : public internal::ServiceOfBytes {
 public:
  explicit AgentServiceHandler(Gateway& gateway) : gateway_(gateway) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Connect(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* SetPresence(grpc::CallbackServerContext* context,
                                        const agent::v1::SetPresenceRequest* request,
                                        agent::v1::SetPresenceResponse* response) override;
  grpc::ServerUnaryReactor* AcceptOffer(grpc::CallbackServerContext* context,
                                        const agent::v1::AcceptOfferRequest* request,
                                        agent::v1::AcceptOfferResponse* response) override;
  grpc::ServerUnaryReactor* DeclineOffer(grpc::CallbackServerContext* context,
                                         const agent::v1::DeclineOfferRequest* request,
                                         agent::v1::DeclineOfferResponse* response) override;
  grpc::ServerUnaryReactor* SendReply(grpc::CallbackServerContext* context,
                                      const agent::v1::SendReplyRequest* request,
                                      agent::v1::SendReplyResponse* response) override;
  grpc::ServerUnaryReactor* AddNote(grpc::CallbackServerContext* context,
                                    const agent::v1::AddNoteRequest* request,
                                    agent::v1::AddNoteResponse* response) override;
  grpc::ServerUnaryReactor* Transfer(grpc::CallbackServerContext* context,
                                     const agent::v1::TransferRequest* request,
                                     agent::v1::TransferResponse* response) override;
  grpc::ServerUnaryReactor* Resolve(grpc::CallbackServerContext* context,
                                    const agent::v1::ResolveRequest* request,
                                    agent::v1::ResolveResponse* response) override;
  grpc::ServerUnaryReactor* Execute(grpc::CallbackServerContext* context,
                                    const agent::v1::ExecuteRequest* request,
                                    agent::v1::ExecuteResponse* response) override;
  grpc::ServerUnaryReactor* GetWork(grpc::CallbackServerContext* context,
                                    const agent::v1::GetWorkRequest* request,
                                    agent::v1::GetWorkResponse* response) override;

 private:
  Gateway& gateway_;
};

}  // namespace wissel::agent_gateway
