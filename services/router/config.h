#pragma once

#include <string>

#include "absl/time/time.h"
#include "libs/config/binder.h"
#include "libs/connections/kafka_settings.h"
#include "libs/connections/redis_settings.h"

namespace wissel::router {

// What decides how the router works, whatever bus and Redis it stands on.
struct RouterSettings {
  std::string group = "router";
  absl::Duration session_timeout = absl::Seconds(10);
  absl::Duration claim_backoff = absl::Seconds(2);
  bool use_checkpoints = true;
  int64_t batch = 500;
  int64_t inbound_share_percent = 50;
  int64_t max_input_bytes = 768 << 10;
  int64_t max_in_flight = 10'000;
  int64_t max_in_flight_bytes = 64 << 20;
  absl::Duration restate_interval = absl::Hours(24);
  int64_t restate_step_bytes = 128 << 10;
  int64_t restate_bytes_per_second = 4 << 20;
  bool chaos_ignore_reader_rule = false;
  bool chaos_ignore_seen = false;

  void Describe(config::Binder& b);
};

// Everything wissel-router can be told.
struct Settings {
  connections::KafkaSettings kafka;
  connections::RedisSettings redis;
  RouterSettings router;

  void Describe(config::Binder& b);
};

}  // namespace wissel::router
