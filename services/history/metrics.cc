#include "services/history/metrics.h"

namespace wissel::history {

Metrics::Metrics(telemetry::Registry& registry)
    : calls(registry.AddCounterFamily(
          "wissel_history_calls_total", "Calls answered.",
          {{"outcome", {"ok", "not_found", "invalid", "denied", "unavailable", "failed"}}})),
      call_seconds(registry.AddHistogram("wissel_history_call_seconds",
                                         "Time to read an answer from the views.",
                                         telemetry::LatencyBuckets())) {}

}  // namespace wissel::history
