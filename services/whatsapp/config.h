#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/channel/settings.h"
#include "libs/config/binder.h"
#include "libs/config/secret.h"
#include "libs/connections/kafka_settings.h"
#include "libs/connections/redis_settings.h"

namespace wissel::whatsapp {

// One phone number of a shop, as Meta's app and WhatsApp Manager show it.
struct AccountSettings {
  std::string account_id;
  std::string workspace_id;
  std::string routing_group_id;
  std::string phone_number_id;
  config::Secret access_token;
  config::Secret app_secret;
  config::Secret previous_app_secret;
  config::Secret verify_token;
  double messages_per_second = 80;

  void Describe(config::Binder& b);
};

// Meta's Graph API.
struct GraphSettings {
  std::string base_url = "https://graph.facebook.com";
  std::string version = "v21.0";
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration call_timeout = absl::Seconds(20);
  absl::Duration media_timeout = absl::Seconds(15);
  int64_t max_media_bytes = 100 << 20;
  std::vector<std::string> media_types = {"image/*", "audio/*", "video/*", "application/*",
                                          "text/*"};
  std::string ca_file;

  void Describe(config::Binder& b);
};

// The webhook's server.
struct WebhookSettings {
  std::string listen = "127.0.0.1:8081";
  std::string path = "/whatsapp/webhook";
  std::string tls_certificate_file;
  std::string tls_key_file;
  int threads = 1;
  int max_connections = 1024;
  int max_pending = 1000;
  int64_t max_header_bytes = 16 << 10;
  int64_t max_body_bytes = 3 << 20;
  absl::Duration header_timeout = absl::Seconds(10);
  absl::Duration body_timeout = absl::Seconds(30);
  absl::Duration write_timeout = absl::Seconds(30);
  absl::Duration idle_timeout = absl::Seconds(75);
  bool chaos_ack_before_publish = false;

  void Describe(config::Binder& b);
};

// What decides how the channel works, whatever bus it stands on.
struct WhatsappSettings {
  channel::Role role = channel::Role::kAll;
  std::vector<AccountSettings> accounts;
  WebhookSettings webhook;
  GraphSettings graph;
  channel::PublishSettings publish;
  channel::DeliverySettings delivery;
  channel::BlobSettings blobs;

  void Describe(config::Binder& b);
};

// Everything wissel-whatsapp can be told.
struct Settings {
  connections::KafkaSettings kafka;
  std::optional<connections::RedisSettings> redis;
  WhatsappSettings whatsapp;

  void Describe(config::Binder& b);
};

}  // namespace wissel::whatsapp
