#pragma once

#include "libs/base/worker_pool.h"
#include "libs/rpc/auth.h"
#include "services/history/history.h"
#include "services/history/metrics.h"
#include "wissel/history/v1/history_service.grpc.pb.h"

namespace wissel::history {

// HistoryService on the wire: the token, then the reading on a thread that may block. What it is
// made of must outlive it.
class HistoryServiceHandler final : public v1::HistoryService::CallbackService {
 public:
  using Pool = WorkerPool<History>;

  HistoryServiceHandler(rpc::Authenticator& authenticator, Pool& pool, Metrics& metrics)
      : authenticator_(authenticator), pool_(pool), metrics_(metrics) {}

  grpc::ServerUnaryReactor* GetConversation(grpc::CallbackServerContext* context,
                                            const v1::GetConversationRequest* request,
                                            v1::GetConversationResponse* response) override;
  grpc::ServerUnaryReactor* ListConversations(grpc::CallbackServerContext* context,
                                              const v1::ListConversationsRequest* request,
                                              v1::ListConversationsResponse* response) override;
  grpc::ServerUnaryReactor* ListMessages(grpc::CallbackServerContext* context,
                                         const v1::ListMessagesRequest* request,
                                         v1::ListMessagesResponse* response) override;
  grpc::ServerUnaryReactor* ListContactConversations(
      grpc::CallbackServerContext* context, const v1::ListContactConversationsRequest* request,
      v1::ListContactConversationsResponse* response) override;
  grpc::ServerUnaryReactor* GetQueue(grpc::CallbackServerContext* context,
                                     const v1::GetQueueRequest* request,
                                     v1::GetQueueResponse* response) override;
  grpc::ServerUnaryReactor* GetAgent(grpc::CallbackServerContext* context,
                                     const v1::GetAgentRequest* request,
                                     v1::GetAgentResponse* response) override;
  grpc::ServerUnaryReactor* ListAgents(grpc::CallbackServerContext* context,
                                       const v1::ListAgentsRequest* request,
                                       v1::ListAgentsResponse* response) override;

 private:
  template <class Request, class Response>
  using Method = absl::StatusOr<Response> (History::*)(const rpc::Principal&, const Request&);

  template <class Request, class Response>
  grpc::ServerUnaryReactor* Run(Method<Request, Response> method,
                                grpc::CallbackServerContext* context, const Request* request,
                                Response* response);

  rpc::Authenticator& authenticator_;
  Pool& pool_;
  Metrics& metrics_;
};

}  // namespace wissel::history
