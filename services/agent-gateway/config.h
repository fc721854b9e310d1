#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "libs/config/binder.h"
#include "libs/connections/kafka_settings.h"
#include "libs/connections/redis_settings.h"
#include "libs/rpc/settings.h"
#include "services/agent-gateway/gateway.h"

namespace wissel::agent_gateway {

/// What decides how the gateway works, whatever bus and Redis it stands on.
struct GatewaySettings {
  rpc::ServerSettings grpc;
  rpc::AuthSettings auth;
  bool use_views = true;
  int64_t queue_messages = 1'000;
  int64_t queue_bytes = 4 << 20;
  int64_t max_streams = 20'000;
  int64_t max_calls = 10'000;
  int64_t max_commands_in_flight = 64;
  int64_t max_stream_groups = 64;
  int64_t ring_entries = 65'536;
  int64_t ring_bytes = 64 << 20;
  int64_t snapshot_items = 1'000;
  int64_t catch_up_max_records = 1'000'000;
  int workers = 4;
  absl::Duration hello_timeout = absl::Seconds(10);
  absl::Duration heartbeat_interval = absl::Seconds(15);
  absl::Duration command_timeout = absl::Seconds(30);
  absl::Duration end_grace = absl::Seconds(5);
  absl::Duration lease = absl::Seconds(15);
  absl::Duration lease_renewal = absl::Seconds(5);
  absl::Duration unary_session = absl::Seconds(30);

  void Describe(config::Binder& b);

  GatewayOptions ToOptions(GatewayId id) const;
};

/// Everything wissel-agent-gateway can be told.
struct Settings {
  connections::KafkaSettings kafka;
  connections::RedisSettings redis;
  GatewaySettings gateway;

  void Describe(config::Binder& b);
};

}  // namespace wissel::agent_gateway
