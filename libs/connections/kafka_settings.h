#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/bus/kafka.h"
#include "libs/config/binder.h"
#include "libs/config/secret.h"
#include "libs/telemetry/log.h"

namespace wissel::connections {

// How a service reaches Kafka, under the key `kafka` of every service that does.
struct KafkaSettings {
  std::string brokers = "127.0.0.1:9092";
  std::string topic_prefix = std::string(bus::kDefaultTopicPrefix);
  bus::KafkaSecurity::Protocol protocol = bus::KafkaSecurity::Protocol::kPlaintext;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string sasl_mechanism = "SCRAM-SHA-512";
  std::string username;
  config::Secret password;
  int64_t max_record_bytes = bus::kMaxRecordBytes;
  absl::Duration delivery_timeout = absl::Seconds(30);
  absl::Duration request_timeout = absl::Seconds(5);

  void Describe(config::Binder& b);
};

// The bus on these settings. Connects in the background.
//   INVALID_ARGUMENT  the settings cannot be used, with the reason
absl::StatusOr<std::unique_ptr<bus::Bus>> OpenKafka(const KafkaSettings& settings,
                                                    absl::string_view client_id,
                                                    telemetry::Logger log);

}  // namespace wissel::connections
