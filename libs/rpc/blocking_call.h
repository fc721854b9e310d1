#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <utility>

#include "absl/status/status.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/status.h"

namespace wissel::rpc {

/// Answers a unary call from a pool of threads, as handlers must not block: `work`, called with a
/// tool of the pool, returns the call's status, and may use the request and response until then. A
/// call that nobody waits for any more is not begun; RESOURCE_EXHAUSTED when the pool has too much
/// waiting.
template <class Tool, class Work>
grpc::ServerUnaryReactor* RunBlocking(WorkerPool<Tool>& pool, grpc::CallbackServerContext* context,
                                      Work work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken = pool.TryRun([context, reactor, work = std::move(work)](Tool& tool) mutable {
    if (context->IsCancelled()) {
      reactor->Finish(grpc::Status::CANCELLED);
    } else {
      reactor->Finish(ToGrpc(work(tool)));
    }
  });
  if (!taken) {
    reactor->Finish(ToGrpc(absl::ResourceExhaustedError("too many calls are waiting")));
  }
  return reactor;
}

}  // namespace wissel::rpc
