#include "services/projector/metrics.h"

namespace wissel::projector {

Metrics::Metrics(telemetry::Registry& registry)
    : decisions(registry.AddCounter("wissel_projector_decisions_total",
                                    "Decisions folded into the views.")),
      events(registry.AddCounter("wissel_projector_events_total", "Events folded into the views.")),
      batches(registry.AddCounter("wissel_projector_batches_total", "Batches written to Redis.")),
      batch_bytes(registry.AddCounter("wissel_projector_batch_bytes_total",
                                      "What the batches changed, in bytes.")),
      batch_seconds(registry.AddHistogram("wissel_projector_batch_seconds",
                                          "Time to write one batch.", telemetry::LatencyBuckets())),
      void_records(registry.AddCounter("wissel_projector_void_records_total",
                                       "Log records that the reader's rule skips.")),
      begins(registry.AddCounterFamily("wissel_projector_begins_total",
                                       "Partitions begun, by what from.",
                                       {{"source", {"checkpoint", "log"}}})),
      losses(registry.AddCounterFamily(
          "wissel_projector_losses_total",
          "Partitions dropped to be begun again: the state could not be restored, Redis or the log "
          "failed, another projector wrote, or the data was gone.",
          {{"reason", {"restore", "redis", "log", "other_writer", "gone"}}})),
      expired(registry.AddCounter("wissel_projector_expired_conversations_total",
                                  "Forgotten conversations taken out of the views.")),
      partitions(
          registry.AddGauge("wissel_projector_partitions", "Partitions this one looks after.")),
      lag_offsets(registry.AddGaugeFamily("wissel_projector_lag_offsets",
                                          "Log records not yet in the views.", {{"partition"}})),
      lag_seconds(registry.AddGaugeFamily(
          "wissel_projector_lag_seconds",
          "Age of the last record in the views while there are newer ones, else 0.",
          {{"partition"}})) {}

}  // namespace wissel::projector
