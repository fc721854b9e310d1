#pragma once

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

  /// Counts `status` if it is UNAUTHENTICATED, PERMISSION_DENIED or RESOURCE_EXHAUSTED, and says
  /// whether it is.
  bool Count(const absl::Status& status) const;

 private:
  telemetry::CounterFamily refused_;
};

}  // namespace wissel::rpc
