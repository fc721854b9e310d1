#pragma once

#include "libs/telemetry/metrics.h"

namespace wissel::admin {

// Every metric of the admin service.
struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

  telemetry::CounterFamily applies;  // by outcome: applied, dry_run, invalid, conflict, failed
  telemetry::Counter replays;
};

}  // namespace wissel::admin
