#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

// Signed webhooks: a client that sends them, and the plainest server that takes them.
namespace wissel::bench {

// The body of a Cloud API webhook with one text, the `n`th, and the signature of its bytes.
std::string WebhookBody(absl::string_view phone_number_id, int64_t n);
std::string HubSignature(absl::string_view secret, absl::string_view body);

// The `n` of a record or message that came from WebhookBody; -1 for any other.
int64_t WebhookNumber(absl::string_view text);

// A server that checks the signature, appends the body to the inbound topic and answers 200 when
// Kafka has acknowledged it: Beast, OpenSSL and librdkafka, one thread for each of network and
// delivery.
class BareWebhook {
 public:
  struct Options {
    std::string brokers;
    std::string topic_prefix;
    std::string secret;
  };
  explicit BareWebhook(const Options& options);
  ~BareWebhook();
  int port() const;
  void Run();  // Until the process ends.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

struct PostOptions {
  int port = 0;
  std::string path;
  std::string secret;
  std::string phone_number_id;
  int connections = 64;
  int64_t count = 0;
  double rate = 0;  // A second; 0: each connection sends when it has been answered.
};

// Sends `count` webhooks over connections that stay open and returns the seconds from the first to
// the last answer. With a rate, each is sent when its time has come, or waits for a connection;
// `due` is called with its number at its time, sent or not. Aborts on an answer other than 200.
double PostWebhooks(const PostOptions& options, const std::function<void(int64_t n)>& due);

}  // namespace wissel::bench
