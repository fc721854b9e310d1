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
/// waiting. `ended` is told the status, whichever it is, before the caller is.
template <class Tool, class Work, class Ended>
grpc::ServerUnaryReactor* RunBlocking(WorkerPool<Tool>& pool, grpc::CallbackServerContext* context,
                                      Work work, Ended ended) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto end = [reactor, ended = std::move(ended)](const absl::Status& status) {
    ended(status);
    reactor->Finish(ToGrpc(status));
  };
  const bool taken = pool.TryRun([context, end, work = std::move(work)](Tool& tool) mutable {
    end(context->IsCancelled() ? absl::CancelledError("nobody waits for the answer") : work(tool));
  });
  if (!taken) end(absl::ResourceExhaustedError("too many calls are waiting"));
  return reactor;
}

}  // namespace wissel::rpc
