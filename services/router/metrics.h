#pragma once

#include "libs/telemetry/metrics.h"

namespace wissel::router {

// Every metric of the router.
struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

  telemetry::CounterFamily decisions;  // by cause
  telemetry::Counter events;
  telemetry::Counter duplicates;
  telemetry::Counter dead_letters;
  telemetry::Counter rejected_commands;
  telemetry::Counter claims;
  telemetry::Counter losses;
  telemetry::Counter append_full;
  telemetry::Counter void_records;
  telemetry::Counter restate_rounds;
  telemetry::Gauge partitions_owned;
  telemetry::GaugeFamily conversations;  // by partition
  telemetry::Histogram recovery;
  telemetry::Histogram input_age;
};

}  // namespace wissel::router
