#pragma once

#include "libs/telemetry/metrics.h"

namespace wissel::history {

// Every metric of the history service.
struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

  telemetry::CounterFamily
      calls;  // by outcome: ok, not_found, invalid, denied, unavailable, failed
  telemetry::Histogram call_seconds;  // of those that were worked on
};

}  // namespace wissel::history
