#include "libs/bus/kafka_client.h"

#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace wissel::bus::internal {
namespace {

absl::string_view ProtocolName(KafkaSecurity::Protocol protocol) {
  switch (protocol) {
    case KafkaSecurity::Protocol::kPlaintext:
      return "plaintext";
    case KafkaSecurity::Protocol::kTls:
      return "ssl";
    case KafkaSecurity::Protocol::kSaslPlaintext:
      return "sasl_plaintext";
    case KafkaSecurity::Protocol::kSaslTls:
      return "sasl_ssl";
  }
  return "plaintext";
}

Settings CommonSettings(const KafkaOptions& options) {
  const KafkaSecurity& security = options.security;
  Settings settings = {
      {"bootstrap.servers", options.brokers},
      {"client.id", options.client_id},
      {"security.protocol", std::string(ProtocolName(security.protocol))},
      {"socket.nagle.disable", "true"},
      {"socket.keepalive.enable", "true"},
      {"reconnect.backoff.ms", "50"},
      {"reconnect.backoff.max.ms", "1000"},
      {"log.connection.close", "false"},  // Brokers close idle connections: no news.
      // Frames carry a batch's overhead beside the record; brokers have the last word.
      {"message.max.bytes", absl::StrCat(options.max_record_bytes + kRecordOverhead)},
  };
  const auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) settings.emplace_back(name, value);
  };
  set("ssl.ca.location", security.ca_file);
  set("ssl.certificate.location", security.certificate_file);
  set("ssl.key.location", security.key_file);
  if (security.protocol == KafkaSecurity::Protocol::kSaslPlaintext ||
      security.protocol == KafkaSecurity::Protocol::kSaslTls) {
    set("sasl.mechanism", security.sasl_mechanism);
    set("sasl.username", security.username);
    set("sasl.password", security.password);
  }
  return settings;
}

void OnLog(const rd_kafka_t* client, int severity, const char* facility, const char* text) {
  auto* owner = static_cast<ClientOwner*>(rd_kafka_opaque(client));
  if (owner == nullptr) return;
  if (absl::string_view(facility) == "FAIL") owner->NoteFailure(text);
  // "... is experimental", at each start: it has been so since 1.0, and we mean it.
  if (absl::string_view(facility) == "CONFWARN" &&
      absl::StrContains(text, "enable.gapless.guarantee")) {
    return;
  }
  if (owner->options().log) {
    owner->options().log(severity, absl::StrCat(facility, ": ", text));
  }
}

}  // namespace

absl::StatusOr<Client> ClientOwner::NewClient(rd_kafka_type_t type, const Settings& settings,
                                              void (*set_callbacks)(rd_kafka_conf_t*)) {
  Handle<rd_kafka_conf_t, rd_kafka_conf_destroy> conf(rd_kafka_conf_new());
  char error[512];
  for (const Settings& group : {CommonSettings(*options_), settings}) {
    for (const auto& [name, value] : group) {
      if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), error, sizeof(error)) !=
          RD_KAFKA_CONF_OK) {
        return absl::InvalidArgumentError(absl::StrCat("Kafka client: ", error));
      }
    }
  }
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_log_cb(conf.get(), &OnLog);
  if (set_callbacks != nullptr) set_callbacks(conf.get());
  Client client(rd_kafka_new(type, conf.get(), error, sizeof(error)));
  if (client == nullptr) return absl::InvalidArgumentError(absl::StrCat("Kafka client: ", error));
  (void)conf.release();  // The client's now.
  return client;
}

void ClientOwner::NoteFailure(absl::string_view text) {
  // "[thrd:…]: " in front tells nothing to who reads it.
  if (const size_t end = text.find("]: "); absl::StartsWith(text, "[thrd:") && end != text.npos) {
    text.remove_prefix(end + 3);
  }
  MutexLock lock(mutex_);
  failure_ = std::string(text);
}

absl::Status ClientOwner::Explain(absl::Status status) {
  MutexLock lock(mutex_);
  if (status.ok()) failure_.clear();
  if (!absl::IsUnavailable(status) || failure_.empty()) return status;
  return absl::UnavailableError(absl::StrCat(status.message(), "; ", failure_));
}

int Millis(absl::Duration duration) {
  const int64_t millis = absl::ToInt64Milliseconds(duration);
  return static_cast<int>(std::clamp<int64_t>(millis, 0, std::numeric_limits<int>::max()));
}

Record ToRecord(const rd_kafka_message_t& message, Topic topic) {
  Record record;
  record.topic = topic;
  record.partition = message.partition;
  record.offset = message.offset;
  record.time = absl::FromUnixMillis(rd_kafka_message_timestamp(&message, nullptr));
  record.key.assign(static_cast<const char*>(message.key), message.key_len);
  record.value.assign(static_cast<const char*>(message.payload), message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers.emplace_back(name, std::string(static_cast<const char*>(value), size));
    }
  }
  return record;
}

void NotifyOn(rd_kafka_queue_t* queue, Wakeup* wakeup) {
  rd_kafka_queue_cb_event_enable(
      queue, [](rd_kafka_t*, void* opaque) { static_cast<Wakeup*>(opaque)->Notify(); }, wakeup);
}

void SilenceQueue(rd_kafka_queue_t* queue) {
  rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr);
}

}  // namespace wissel::bus::internal
