#pragma once

#include <cstdint>

#include "libs/config/binder.h"
#include "libs/connections/kafka_settings.h"
#include "libs/connections/redis_settings.h"
#include "libs/rpc/settings.h"

namespace wissel::history {

// What decides how the history service works, whatever bus and Redis it stands on.
struct HistorySettings {
  rpc::ServerSettings grpc;
  rpc::AuthSettings auth;
  int threads = 4;
  int64_t max_waiting_calls = 1'000;

  void Describe(config::Binder& b);
};

// Everything wissel-history can be told.
struct Settings {
  connections::KafkaSettings kafka;
  connections::RedisSettings redis;
  HistorySettings history;

  void Describe(config::Binder& b);
};

}  // namespace wissel::history
