#include "libs/rpc/refusals.h"

namespace wissel::rpc {

Refusals::Refusals(telemetry::Registry& registry, absl::string_view metric)
    : refused_(registry.AddCounterFamily(
          metric,
          "Calls, streams and commands turned away: without a valid token, without the right, at a "
          "limit.",
          {{"reason", {"unauthenticated", "denied", "exhausted"}}})) {}

bool Refusals::Count(const absl::Status& status) const {
  const auto count = [this](absl::string_view reason) {
    refused_.With({reason}).Increment();
    return true;
  };
  if (absl::IsUnauthenticated(status)) return count("unauthenticated");
  if (absl::IsPermissionDenied(status)) return count("denied");
  if (absl::IsResourceExhausted(status)) return count("exhausted");
  return false;
}

}  // namespace wissel::rpc
