#pragma once

#include "libs/rpc/refusals.h"
#include "libs/telemetry/metrics.h"

namespace wissel::admin {

// Every metric of the admin service.
struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

  rpc::Refusals refused;
  // By outcome: applied, dry_run, invalid, conflict, failed.
  telemetry::CounterFamily applies;
  telemetry::Counter replays;
};

}  // namespace wissel::admin
