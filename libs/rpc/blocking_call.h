#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <utility>

#include "absl/status/status.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/refusals.h"
#include "libs/rpc/status.h"

namespace wissel::rpc {

/// Answers a unary call from a pool of threads, as handlers must not block: `work`, called with a
/// tool of the pool, returns the call's status, and may use the request and response until then. A
/// call that nobody waits for any more is not begun. `ended` is told the status, whichever it is,
/// before the caller is. When the pool has too much waiting, the call is refused instead:
/// RESOURCE_EXHAUSTED.
template <class Tool, class Work, class Ended>
grpc::ServerUnaryReactor* RunBlocking(WorkerPool<Tool>& pool, grpc::CallbackServerContext* context,
                                      const Refusals& refusals, Work work, Ended ended) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken = pool.TryRun([reactor, context, work = std::move(work),
                                  ended = std::move(ended)](Tool& tool) mutable {
    const absl::Status status =
        context->IsCancelled() ? absl::CancelledError("nobody waits for the answer") : work(tool);
    ended(status);
    reactor->Finish(ToGrpc(status));
  });
  if (!taken) {
    const auto refused = absl::ResourceExhaustedError("too many calls are waiting");
    refusals.Count(refused);
    reactor->Finish(ToGrpc(refused));
  }
  return reactor;
}

}  // namespace wissel::rpc
