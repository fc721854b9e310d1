#include "services/agent-gateway/metrics.h"

namespace wissel::agent_gateway {

Metrics::Metrics(telemetry::Registry& registry)
    : refused(registry, "wissel_agent_gateway_refused_total"),
      streams(registry.AddGauge("wissel_agent_gateway_streams", "Streams open now.")),
      streams_ended(registry.AddCounterFamily(
          "wissel_agent_gateway_streams_ended_total", "Streams ended, by how.",
          {{"reason",
            {"client", "slow_reader", "token_expired", "cursor_too_old", "draining", "refused",
             "log_unavailable"}}})),
      unary_sessions(registry.AddGauge("wissel_agent_gateway_unary_sessions",
                                       "Agents connected by their unary calls now.")),
      resumes(registry.AddCounterFamily(
          "wissel_agent_gateway_stream_starts_total",
          "Routing groups that streams began to show, by where their events came from.",
          {{"from", {"snapshot", "recent", "log"}}})),
      messages_sent(registry.AddCounter("wissel_agent_gateway_messages_sent_total",
                                        "Messages written to streams.")),
      events_sent(registry.AddCounter("wissel_agent_gateway_events_sent_total",
                                      "Events of the log written to streams.")),
      queue_overflows(registry.AddCounter("wissel_agent_gateway_queue_overflows_total",
                                          "Streams ended because their client read too slowly.")),
      commands_in_flight(registry.AddGauge("wissel_agent_gateway_commands_in_flight",
                                           "Commands waiting for their outcome.")),
      commands(registry.AddCounterFamily("wissel_agent_gateway_commands_total",
                                         "Commands answered, by what became of them.",
                                         {{"outcome", {"done", "rejected", "undecided"}}})),
      outcome_seconds(registry.AddHistogram("wissel_agent_gateway_outcome_seconds",
                                            "From taking a command to reading its outcome.",
                                            telemetry::LatencyBuckets())),
      log_offset(registry.AddGaugeFamily("wissel_agent_gateway_log_offset",
                                         "The next offset of the log to read.", {{"partition"}})) {}

}  // namespace wissel::agent_gateway
