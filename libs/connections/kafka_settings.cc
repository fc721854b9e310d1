#include "libs/connections/kafka_settings.h"

#include <utility>

namespace wissel::connections {

void KafkaSettings::Describe(config::Binder& b) {
  using Protocol = bus::KafkaSecurity::Protocol;
  b.Text("brokers", &brokers, "Bootstrap servers, HOST:PORT with commas.");
  b.Text("topic_prefix", &topic_prefix, "What the names of topics and groups begin with.");
  b.Enum("protocol", &protocol, "How connections are secured.",
         {{"plaintext", Protocol::kPlaintext},
          {"tls", Protocol::kTls},
          {"sasl_plaintext", Protocol::kSaslPlaintext},
          {"sasl_tls", Protocol::kSaslTls}});
  b.File("ca_file", &ca_file, "Authorities that sign the brokers, PEM; the system's if empty.");
  b.File("certificate_file", &certificate_file, "This client's certificate, PEM, for mutual TLS.");
  b.File("key_file", &key_file, "The certificate's private key, PEM.");
  b.Text("sasl_mechanism", &sasl_mechanism, "SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN.");
  b.Text("username", &username, "Who to log in as with SASL.");
  b.SecretText("password", &password, "The password with SASL.");
  b.Bytes("max_record_bytes", &max_record_bytes,
          "The largest record appended: message.max.bytes of the brokers, less 4 KiB.",
          {.min = 64 << 10, .max = 64 << 20});
  b.Duration("delivery_timeout", &delivery_timeout,
             "An append not acknowledged by then has failed.",
             {.min = absl::Seconds(1), .max = absl::Minutes(10)});
  b.Duration("request_timeout", &request_timeout, "How long a broker's answer is waited for.",
             {.min = absl::Milliseconds(100), .max = absl::Minutes(2)});
  b.Require(!brokers.empty(), "brokers: expected HOST:PORT");
  b.Require(sasl_mechanism == "SCRAM-SHA-256" || sasl_mechanism == "SCRAM-SHA-512" ||
                sasl_mechanism == "PLAIN",
            "sasl_mechanism: expected SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN");
}

absl::StatusOr<std::unique_ptr<bus::Bus>> OpenKafka(const KafkaSettings& settings,
                                                    absl::string_view client_id,
                                                    telemetry::Logger log) {
  bus::KafkaOptions options;
  options.brokers = settings.brokers;
  options.client_id = std::string(client_id);
  options.topic_prefix = settings.topic_prefix;
  options.security.protocol = settings.protocol;
  options.security.ca_file = settings.ca_file;
  options.security.certificate_file = settings.certificate_file;
  options.security.key_file = settings.key_file;
  options.security.sasl_mechanism = settings.sasl_mechanism;
  options.security.username = settings.username;
  options.security.password = settings.password.value();
  options.max_record_bytes = static_cast<size_t>(settings.max_record_bytes);
  options.delivery_timeout = settings.delivery_timeout;
  options.request_timeout = settings.request_timeout;
  options.log = [log = std::move(log)](int severity, absl::string_view text) {
    if (severity <= 4) {
      log.Warning("kafka client", {{"detail", text}});
    } else {
      log.Debug("kafka client", {{"detail", text}});
    }
  };
  return bus::NewKafkaBus(std::move(options));
}

}  // namespace wissel::connections
