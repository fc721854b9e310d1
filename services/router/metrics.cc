#include "services/router/metrics.h"

namespace wissel::router {

Metrics::Metrics(telemetry::Registry& r)
    : decisions_(r.AddCounterFamily("wissel_router_decisions_total",
                                    "Decisions appended, by what caused them.",
                                    {{.name = "cause",
                                      .values = {"message", "command", "receipt", "config", "timer",
                                                 "restate", "garbage"}}})),
      dead_letters_(r.AddCounterFamily(
          "wissel_router_dead_letters_total",
          "Inputs that could not be decided and went to the dead letters.",
          {{.name = "reason", .values = {"unparsable", "invalid", "too_large", "misrouted"}}})),
      messages(decisions_.With({"message"})),
      commands(decisions_.With({"command"})),
      receipts(decisions_.With({"receipt"})),
      configs(decisions_.With({"config"})),
      timers(decisions_.With({"timer"})),
      restatings(decisions_.With({"restate"})),
      garbage(decisions_.With({"garbage"})),
      events(r.AddCounter("wissel_router_events_total", "Events in the decisions appended.")),
      duplicates(
          r.AddCounter("wissel_router_duplicates_total", "Inputs recognised as decided before.")),
      unparsable(dead_letters_.With({"unparsable"})),
      invalid(dead_letters_.With({"invalid"})),
      too_large(dead_letters_.With({"too_large"})),
      misrouted(dead_letters_.With({"misrouted"})),
      lost_inputs(r.AddCounter("wissel_router_lost_inputs_total",
                               "Inputs that were gone from their topic before they were decided, "
                               "by their offsets; one for a topic that was made anew.")),
      incomplete_recoveries(r.AddCounter(
          "wissel_router_incomplete_recoveries_total",
          "Partitions begun from a log that has lost what was never restated behind it.")),
      rejected_commands(
          r.AddCounter("wissel_router_commands_rejected_total", "Commands rejected.")),
      claims(r.AddCounter("wissel_router_claims_total", "Claims of partitions that became valid.")),
      losses(r.AddCounter("wissel_router_ownership_losses_total",
                          "Partitions lost to another claim or a failed append.")),
      append_full(r.AddCounter("wissel_router_append_full_total",
                               "Times an input had to wait because too much was in flight.")),
      void_records(r.AddCounter("wissel_router_void_records_total",
                                "Records of the log skipped by the reader's rule.")),
      restate_rounds(
          r.AddCounter("wissel_router_restate_rounds_total", "Restating rounds completed.")),
      partitions_owned(r.AddGauge("wissel_router_partitions_owned", "Partitions owned now.")),
      conversations(r.AddGaugeFamily("wissel_router_conversations",
                                     "Conversations in the working state, by partition.",
                                     {{.name = "partition"}})),
      lag(r.AddGaugeFamily(
          "wissel_router_lag_offsets",
          "Records of a topic that are not decided yet, as far as the router has heard.",
          {{.name = "topic", .values = {"commands", "receipts", "inbound"}},
           {.name = "partition"}})),
      waiting(r.AddGaugeFamily("wissel_router_waiting_conversations",
                               "Conversations waiting in a queue; not those on offer.",
                               {{.name = "workspace"}, {.name = "queue"}})),
      unmeetable(r.AddGaugeFamily(
          "wissel_router_unmeetable_conversations",
          "Of those waiting, the ones that ask for what no configured agent can, even after the "
          "queue's last relaxation step.",
          {{.name = "workspace"}, {.name = "queue"}})),
      recovery(r.AddHistogram("wissel_router_recovery_seconds",
                              "From being given a partition to owning it.",
                              telemetry::LatencyBuckets())),
      input_age(r.AddHistogram("wissel_router_input_age_seconds",
                               "From an input's append to its decision.",
                               telemetry::LatencyBuckets())) {}

}  // namespace wissel::router
