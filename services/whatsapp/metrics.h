#pragma once

#include "libs/telemetry/metrics.h"

namespace wissel::whatsapp {

struct Metrics {
  explicit Metrics(telemetry::Registry& registry);

  telemetry::CounterFamily webhooks;  // By outcome.
  telemetry::Histogram webhook_seconds;
  telemetry::CounterFamily refused;  // By HTTP status.
  telemetry::Counter messages;
  telemetry::Counter receipts;
  telemetry::CounterFamily dead_letters;  // By reason.
  telemetry::CounterFamily media;         // By outcome.
};

}  // namespace wissel::whatsapp
