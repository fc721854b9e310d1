#pragma once

#include <functional>
#include <string>

#include "libs/base/worker_pool.h"
#include "libs/rpc/auth.h"
#include "services/admin/admin.h"
#include "services/admin/metrics.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"

namespace wissel::admin {

// AdminService on the wire: token and role, then the work on a thread that may block. What it is
// made of must outlive it.
class AdminServiceHandler final : public v1::AdminService::CallbackService {
 public:
  struct NoTool {};
  using Pool = WorkerPool<NoTool>;

  AdminServiceHandler(Admin& admin, rpc::Authenticator& authenticator, Pool& pool, Metrics& metrics)
      : admin_(admin), authenticator_(authenticator), pool_(pool), metrics_(metrics) {}

  grpc::ServerUnaryReactor* ApplyConfig(grpc::CallbackServerContext* context,
                                        const v1::ApplyConfigRequest* request,
                                        v1::ApplyConfigResponse* response) override;
  grpc::ServerUnaryReactor* GetConfig(grpc::CallbackServerContext* context,
                                      const v1::GetConfigRequest* request,
                                      v1::GetConfigResponse* response) override;
  grpc::ServerUnaryReactor* ListDeadLetters(grpc::CallbackServerContext* context,
                                            const v1::ListDeadLettersRequest* request,
                                            v1::ListDeadLettersResponse* response) override;
  grpc::ServerUnaryReactor* GetDeadLetter(grpc::CallbackServerContext* context,
                                          const v1::GetDeadLetterRequest* request,
                                          v1::GetDeadLetterResponse* response) override;
  grpc::ServerUnaryReactor* ReplayDeadLetter(grpc::CallbackServerContext* context,
                                             const v1::ReplayDeadLetterRequest* request,
                                             v1::ReplayDeadLetterResponse* response) override;
  grpc::ServerUnaryReactor* CreateTopics(grpc::CallbackServerContext* context,
                                         const v1::CreateTopicsRequest* request,
                                         v1::CreateTopicsResponse* response) override;
  grpc::ServerUnaryReactor* CheckTopics(grpc::CallbackServerContext* context,
                                        const v1::CheckTopicsRequest* request,
                                        v1::CheckTopicsResponse* response) override;

 private:
  template <class Request, class Response>
  using Method = absl::StatusOr<Response> (Admin::*)(const rpc::Principal&, const Request&);

  template <class Request, class Response>
  grpc::ServerUnaryReactor* Run(Method<Request, Response> method,
                                grpc::CallbackServerContext* context, const Request* request,
                                Response* response);

  Admin& admin_;
  rpc::Authenticator& authenticator_;
  Pool& pool_;
  Metrics& metrics_;
};

}  // namespace wissel::admin
