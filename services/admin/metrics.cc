#include "services/admin/metrics.h"

namespace wissel::admin {

Metrics::Metrics(telemetry::Registry& registry)
    : refused(registry, "wissel_admin_refused_total"),
      applies(registry.AddCounterFamily(
          "wissel_admin_applies_total",
          "Configurations of the caller's workspace that were to be in force; failed: may be so "
          "all "
          "the same.",
          {{"outcome", {"applied", "dry_run", "invalid", "conflict", "failed"}}})),
      replays(registry.AddCounter("wissel_admin_dead_letter_replays_total",
                                  "Dead letters put back where they came from.")) {}

}  // namespace wissel::admin
