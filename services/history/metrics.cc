#include "services/history/metrics.h"

namespace wissel::history {

Metrics::Metrics(telemetry::Registry& registry)
    : refused(registry, "wissel_history_refused_total"),
      calls(registry.AddCounterFamily(
          "wissel_history_calls_total", "Calls that were not refused, by how they ended.",
          {{"outcome", {"ok", "not_found", "invalid", "unavailable", "cancelled", "failed"}}})),
      call_seconds(registry.AddHistogram("wissel_history_call_seconds",
                                         "Time to read an answer from the views.",
                                         telemetry::LatencyBuckets())) {}

}  // namespace wissel::history
