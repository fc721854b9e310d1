#pragma once

#include "libs/telemetry/metrics.h"

namespace wissel::router {

// Every metric of the router.
struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

 private:
  telemetry::CounterFamily decisions_;
  telemetry::CounterFamily dead_letters_;

 public:
  // Decisions, by cause.
  telemetry::Counter messages;
  telemetry::Counter commands;
  telemetry::Counter receipts;
  telemetry::Counter configs;
  telemetry::Counter timers;
  telemetry::Counter restatings;
  telemetry::Counter garbage;
  telemetry::Counter events;
  telemetry::Counter duplicates;
  // Dead letters, by reason.
  telemetry::Counter unparsable;
  telemetry::Counter invalid;
  telemetry::Counter too_large;
  telemetry::Counter misrouted;
  telemetry::Counter lost_inputs;
  telemetry::Counter incomplete_recoveries;
  telemetry::Counter rejected_commands;
  telemetry::Counter claims;
  telemetry::Counter losses;
  telemetry::Counter append_full;
  telemetry::Counter void_records;
  telemetry::Counter restate_rounds;
  telemetry::Gauge partitions_owned;
  telemetry::GaugeFamily conversations;  // by partition
  telemetry::GaugeFamily lag;            // by topic and partition
  // By workspace and queue.
  telemetry::GaugeFamily waiting;
  telemetry::GaugeFamily unmeetable;
  telemetry::Histogram recovery;
  telemetry::Histogram input_age;
};

}  // namespace wissel::router
