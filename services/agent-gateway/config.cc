#include "services/agent-gateway/config.h"

#include <utility>

namespace wissel::agent_gateway {

void GatewaySettings::Describe(config::Binder& b) {
  b.Group("grpc", &grpc, "How the gateway listens.");
  b.Group("auth", &auth, "Who may call: docs/reference/tokens.md.");
  b.Bool(
      "use_views", &use_views,
      "Whether snapshots and checkpoints come from Redis; without it the log alone is folded and "
      "snapshots have no messages.");
  b.Int("queue_messages", &queue_messages,
        "Messages waiting for one stream's client; above it the stream ends with "
        "RESOURCE_EXHAUSTED.",
        {.min = 16, .max = 1'000'000});
  b.Bytes("queue_bytes", &queue_bytes, "Their bytes, likewise.", {.min = 64 << 10, .max = 1 << 30});
  b.Int("max_streams", &max_streams, "Streams at once; above it RESOURCE_EXHAUSTED.",
        {.min = 1, .max = 1'000'000});
  b.Int("max_calls", &max_calls, "Unary calls at once; above it RESOURCE_EXHAUSTED.",
        {.min = 1, .max = 1'000'000});
  b.Int("max_commands_in_flight", &max_commands_in_flight,
        "Commands of one stream that wait for their outcome in one routing group.",
        {.min = 1, .max = 10'000});
  b.Int("max_stream_groups", &max_stream_groups,
        "Routing groups that one supervisor's stream may show; above it INVALID_ARGUMENT.",
        {.min = 1, .max = 10'000});
  b.Int("ring_entries", &ring_entries,
        "Decisions of each partition kept in memory, from which streams resume at once.",
        {.min = 16, .max = 10'000'000});
  b.Bytes("ring_bytes", &ring_bytes, "Their bytes.", {.min = 1 << 20, .max = int64_t{16} << 30});
  b.Int("snapshot_items", &snapshot_items,
        "Conversations in one snapshot; a supervisor's is cut there.", {.min = 1, .max = 100'000});
  b.Int("catch_up_max_records", &catch_up_max_records,
        "How far back in the log a stream may resume; beyond it OUT_OF_RANGE.",
        {.min = 0, .max = 1'000'000'000});
  b.Int("workers", &workers, "Threads that read Redis and old stretches of the log.",
        {.min = 1, .max = 64});
  b.Duration("hello_timeout", &hello_timeout, "How long a stream may take to say Hello.",
             {.min = absl::Seconds(1), .max = absl::Minutes(5)});
  b.Duration("heartbeat_interval", &heartbeat_interval,
             "How often each stream gets a heartbeat, with a cursor.",
             {.min = absl::Seconds(1), .max = absl::Hours(1)});
  b.Duration("command_timeout", &command_timeout,
             "How long a command's outcome is waited for, if a call's own deadline is not earlier.",
             {.min = absl::Seconds(1), .max = absl::Minutes(10)});
  b.Duration("end_grace", &end_grace,
             "How long a client that does not read has to hear that its stream ends.",
             {.min = absl::Seconds(1), .max = absl::Minutes(5)});
  b.Duration("lease", &lease,
             "How long agents count as connected when the gateway is not heard of any more.",
             {.min = absl::Seconds(3), .max = absl::Minutes(10)});
  b.Duration("lease_renewal", &lease_renewal, "How often the gateway is heard of.",
             {.min = absl::Seconds(1), .max = absl::Minutes(3)});
  b.Duration("unary_session", &unary_session,
             "How long an agent counts as connected after a unary call, each of which renews it.",
             {.min = absl::Seconds(5), .max = absl::Minutes(10)});
  b.Require(lease_renewal * 2 <= lease, "lease must be at least twice lease_renewal");
}

GatewayOptions GatewaySettings::ToOptions(GatewayId id) const {
  return {.id = std::move(id),
          .limits = {.ring_entries = static_cast<size_t>(ring_entries),
                     .ring_bytes = static_cast<size_t>(ring_bytes),
                     .snapshot_items = static_cast<size_t>(snapshot_items)},
          .queue_messages = static_cast<size_t>(queue_messages),
          .queue_bytes = static_cast<size_t>(queue_bytes),
          .max_streams = static_cast<size_t>(max_streams),
          .max_commands_in_flight = static_cast<size_t>(max_commands_in_flight),
          .max_stream_groups = static_cast<size_t>(max_stream_groups),
          .max_calls = static_cast<size_t>(max_calls),
          .catch_up_max_records = catch_up_max_records,
          .workers = workers,
          .hello_timeout = hello_timeout,
          .heartbeat_interval = heartbeat_interval,
          .command_timeout = command_timeout,
          .end_grace = end_grace,
          .lease = lease,
          .lease_renewal = lease_renewal,
          .unary_session = unary_session};
}

void Settings::Describe(config::Binder& b) {
  b.Group("kafka", &kafka, "Where the log is.");
  b.Group("redis", &redis, "Where the views and checkpoints are.");
  b.Group("gateway", &gateway, "How the gateway works.");
}

}  // namespace wissel::agent_gateway
