#include "services/agent-gateway/handlers/get_work.h"

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/auth.h"
#include "libs/rpc/grpc_order.h"
#include "libs/rpc/status.h"
#include "services/agent-gateway/snapshot.h"

namespace wissel::agent_gateway {
namespace {

// Owns itself until gRPC is done with it; an answer that comes later is dropped.
class WorkCall final : public grpc::ServerUnaryReactor,
                       public Tickable,
                       public std::enable_shared_from_this<WorkCall> {
 public:
  WorkCall(Gateway& gateway, agent::v1::GetWorkResponse* response)
      : gateway_(gateway), started_(gateway.Now()), response_(response) {}

  absl::Status Begin(const Viewer& viewer, int32_t partition) {
    if (absl::Status status = gateway_.AddCall(shared_from_this()); !status.ok()) return status;
    self_ = shared_from_this();
    TakeSnapshot(gateway_, gateway_.TailOf(partition), viewer,
                 [self = shared_from_this()](PlacedSnapshot placed) {
                   MutexLock lock(self->mutex_);
                   if (self->finished_) return;
                   *self->response_->mutable_snapshot() = std::move(placed.snapshot);
                   self->FinishOnce(absl::OkStatus());
                 });
    return absl::OkStatus();
  }

  void OnCancel() override {
    rpc::TakeFromGrpc(this);
    GiveUp(absl::CancelledError("the caller did not wait"));
  }
  void OnDone() override {
    rpc::TakeFromGrpc(this);
    gateway_.Remove(this);
    self_.reset();
  }
  void Tick(absl::Time now) override {
    if (now - started_ < gateway_.options().command_timeout) return;
    GiveUp(absl::DeadlineExceededError("the partition is still being read"));
  }
  void GoAway() override {}  // its answer is near

 private:
  void GiveUp(const absl::Status& status) {
    MutexLock lock(mutex_);
    if (!finished_) FinishOnce(status);
  }
  void FinishOnce(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    finished_ = true;
    Finish(rpc::ToGrpc(status));
  }

  Gateway& gateway_;
  const absl::Time started_;
  std::shared_ptr<WorkCall> self_;
  Mutex mutex_;
  agent::v1::GetWorkResponse* const response_ ABSL_PT_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::StatusOr<Seat> FindSeat(Gateway& gateway, const grpc::CallbackServerContext& context,
                              const agent::v1::GetWorkRequest& request, Viewer& viewer) {
  WISSEL_ASSIGN_OR_RETURN(const rpc::Principal principal,
                          gateway.authenticator().Authenticate(context));
  WISSEL_RETURN_IF_ERROR(rpc::RequireRole(
      principal, {rpc::Role::kAgent, rpc::Role::kSupervisor, rpc::Role::kBot, rpc::Role::kAdmin}));
  WISSEL_ASSIGN_OR_RETURN(Seat seat, gateway.directory().Find(principal, ""));
  if (seat.agent.empty()) {
    return absl::FailedPreconditionError("the caller is no agent of this workspace");
  }
  if (!request.observe()) {
    WISSEL_RETURN_IF_ERROR(gateway.unary_sessions().Renew(seat));
  }
  viewer = {.workspace = seat.workspace.value(),
            .routing_group = seat.routing_group.value(),
            .agent = seat.agent.value(),
            .subject = principal.subject};
  return seat;
}

}  // namespace

grpc::ServerUnaryReactor* GetWork(Gateway& gateway, grpc::CallbackServerContext* context,
                                  const agent::v1::GetWorkRequest* request,
                                  agent::v1::GetWorkResponse* response) {
  Viewer viewer;
  const absl::StatusOr<Seat> seat = FindSeat(gateway, *context, *request, viewer);
  if (!request->observe()) {
    *response->mutable_poll_within() = ToProto(gateway.options().unary_session);
  }
  absl::Status status = seat.status();
  auto call = std::make_shared<WorkCall>(gateway, response);
  if (status.ok()) status = call->Begin(viewer, seat->partition);
  if (status.ok()) {
    rpc::HandToGrpc(call.get());
    return call.get();
  }
  gateway.metrics().refused.Count(status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(rpc::ToGrpc(status));
  return reactor;
}

}  // namespace wissel::agent_gateway
