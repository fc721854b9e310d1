#include "libs/rpc/refusals.h"

#include "libs/rpc/status.h"

namespace wissel::rpc {

Refusals::Refusals(telemetry::Registry& registry, absl::string_view metric)
    : refused_(registry.AddCounterFamily(
          metric,
          "Calls, streams and commands turned away: without a valid token, without the right, at a "
          "limit.",
          {{"reason", {"unauthenticated", "denied", "exhausted"}}})) {}

void Refusals::Count(const absl::Status& status) const {
  const auto count = [this](absl::string_view reason) { refused_.With({reason}).Increment(); };
  if (absl::IsUnauthenticated(status)) count("unauthenticated");
  if (absl::IsPermissionDenied(status)) count("denied");
  if (absl::IsResourceExhausted(status)) count("exhausted");
}

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status,
                                 const Refusals& refusals) {
  refusals.Count(status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace wissel::rpc
