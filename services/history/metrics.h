#pragma once

#include "libs/rpc/refusals.h"
#include "libs/telemetry/metrics.h"

namespace wissel::history {

// Every metric of the history service.
struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

  rpc::Refusals refused;
  // Of the others, by outcome: ok, not_found, invalid, unavailable, cancelled, failed.
  telemetry::CounterFamily calls;
  telemetry::Histogram call_seconds;  // of those that were worked on
};

}  // namespace wissel::history
