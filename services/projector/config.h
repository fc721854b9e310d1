#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "libs/config/binder.h"
#include "libs/connections/kafka_settings.h"
#include "libs/connections/redis_settings.h"

namespace wissel::projector {

// What decides how the projector works, whatever bus and Redis it stands on.
struct ProjectorSettings {
  std::string group = "projector";
  absl::Duration session_timeout = absl::Seconds(10);
  int batch = 500;
  int64_t batch_bytes = 4 << 20;
  int messages_kept = 200;
  absl::Duration forgotten_kept = absl::Hours(24 * 7);
  absl::Duration check_interval = absl::Seconds(1);
  absl::Duration lag_interval = absl::Seconds(5);
  absl::Duration retry_initial = absl::Milliseconds(100);
  absl::Duration retry_max = absl::Seconds(5);

  void Describe(config::Binder& b);
};

// Everything wissel-projector can be told.
struct Settings {
  connections::KafkaSettings kafka;
  connections::RedisSettings redis;
  ProjectorSettings projector;

  void Describe(config::Binder& b);
};

}  // namespace wissel::projector
