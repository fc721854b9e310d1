#pragma once

#include <cstdint>
#include <string>

#include "libs/config/binder.h"
#include "libs/connections/kafka_settings.h"
#include "libs/rpc/settings.h"
#include "services/admin/topic_check.h"

namespace wissel::admin {

// What decides how the admin service works, whatever bus it stands on.
struct AdminSettings {
  rpc::ServerSettings grpc;
  rpc::AuthSettings auth;
  std::string operator_workspace;
  absl::Duration log_retention = TopicNeeds::kLogRetention;
  int64_t dead_letters_per_call = 10'000;
  int threads = 4;
  int64_t max_waiting_calls = 100;
  size_t max_record_bytes = bus::kMaxRecordBytes;  // as the log has it; not a setting

  void Describe(config::Binder& b);
};

// Everything wissel-admin can be told.
struct Settings {
  connections::KafkaSettings kafka;
  AdminSettings admin;

  void Describe(config::Binder& b);
};

}  // namespace wissel::admin
