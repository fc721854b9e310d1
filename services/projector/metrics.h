#pragma once

#include "libs/telemetry/metrics.h"

namespace wissel::projector {

// Every metric of the projector.
struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

  telemetry::Counter decisions;
  telemetry::Counter events;
  telemetry::Counter batches;
  telemetry::Counter batch_bytes;
  telemetry::Histogram batch_seconds;
  telemetry::Counter void_records;
  telemetry::CounterFamily begins;  // by source: checkpoint, log
  telemetry::CounterFamily losses;  // by reason: restore, redis, log, other_writer, gone
  telemetry::Counter expired;
  telemetry::Gauge partitions;
  telemetry::GaugeFamily lag_offsets;  // by partition
  telemetry::GaugeFamily lag_seconds;  // by partition
};

}  // namespace wissel::projector
