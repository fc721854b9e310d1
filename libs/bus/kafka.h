#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"

namespace wissel::bus {

struct KafkaSecurity {
  enum class Protocol { kPlaintext, kTls, kSaslPlaintext, kSaslTls };
  Protocol protocol = Protocol::kPlaintext;

  // PEM files. Without a CA the system's store is used; certificate and key are for mutual TLS.
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;

  // "SCRAM-SHA-256", "SCRAM-SHA-512" or "PLAIN".
  std::string sasl_mechanism = "SCRAM-SHA-512";
  std::string username;
  std::string password;
};

struct KafkaOptions {
  std::string brokers;  // host:port, comma-separated
  std::string client_id = "wissel";
  std::string topic_prefix = std::string(kDefaultTopicPrefix);  // Also of the groups' names.
  KafkaSecurity security;

  // At most the brokers' message.max.bytes less about 1 KiB for the framing.
  size_t max_record_bytes = kMaxRecordBytes;

  // An append that has not been acknowledged by then fails. Retries go on until then.
  absl::Duration delivery_timeout = absl::Seconds(30);

  // Everything else that asks a broker and waits for its answer.
  absl::Duration request_timeout = absl::Seconds(5);

  // What the client has to say about connections and brokers, with its syslog severity (4:
  // warning). Called from any thread; must not block. Nothing is printed if empty.
  std::function<void(int severity, absl::string_view text)> log;
};

// The log on Apache Kafka 2.1 to 3.9, or what speaks its protocol. Connects in the background and
// for ever: a broker that is away shows in Health and as UNAVAILABLE.
//
// Readers share clients, and so connections, as long as they read different partitions. Each
// appender and each membership has a client of its own. In an assignment's terms a member's
// session_timeout is the broker's session timeout and its longest pause between polls; brokers
// refuse less than group.min.session.timeout.ms (6 s unless set).
//   INVALID_ARGUMENT  the options cannot be used, with the client's reason
absl::StatusOr<std::unique_ptr<Bus>> NewKafkaBus(KafkaOptions options);

}  // namespace wissel::bus
