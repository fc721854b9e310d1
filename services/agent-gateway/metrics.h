#pragma once

#include "libs/rpc/refusals.h"
#include "libs/telemetry/metrics.h"

namespace wissel::agent_gateway {

/// Every metric of the gateway.
struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

  rpc::Refusals refused;
  telemetry::Gauge streams;
  telemetry::CounterFamily streams_ended;
  telemetry::Gauge unary_sessions;
  telemetry::CounterFamily resumes;
  telemetry::Counter messages_sent;
  telemetry::Counter events_sent;
  telemetry::Counter queue_overflows;
  telemetry::Gauge commands_in_flight;
  telemetry::CounterFamily commands;
  telemetry::Histogram outcome_seconds;
  telemetry::GaugeFamily log_offset;
};

}  // namespace wissel::agent_gateway
