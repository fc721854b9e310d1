#include "services/admin/metrics.h"

namespace wissel::admin {

Metrics::Metrics(telemetry::Registry& registry)
    : applies(registry.AddCounterFamily(
          "wissel_admin_applies_total", "Configurations that were to be put in force.",
          {{"outcome", {"applied", "dry_run", "invalid", "conflict", "failed"}}})),
      replays(registry.AddCounter("wissel_admin_dead_letter_replays_total",
                                  "Dead letters put back where they came from.")) {}

}  // namespace wissel::admin
