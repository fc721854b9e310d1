#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/telemetry/metrics.h"

namespace wissel::rpc {

/// Counts the calls and streams that a service turns away, in one metric with the label `reason`:
/// unauthenticated, denied or exhausted. A value, thread-safe; part of a service's metrics.
class Refusals {
 public:
  /// `metric` is its name: "wissel_admin_refused_total".
  Refusals(telemetry::Registry& registry, absl::string_view metric);

  /// Counts `status` if it is UNAUTHENTICATED, PERMISSION_DENIED or RESOURCE_EXHAUSTED. Only for
  /// what the service decided itself: what it was answered by others is no refusal.
  void Count(const absl::Status& status) const;

 private:
  telemetry::CounterFamily refused_;
};

/// Ends a unary call that is not taken on, and counts it.
grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status,
                                 const Refusals& refusals);

}  // namespace wissel::rpc
