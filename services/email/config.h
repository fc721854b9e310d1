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
#include "services/email/imap.h"
#include "services/email/normalise.h"

namespace wissel::email {

// A mail server, and who we are there.
struct ServerSettings {
  std::string host;
  uint16_t port = 0;  // 0: the usual one
  Security security = Security::kTls;
  std::string ca_file;
  std::string user;
  config::Secret password;
  absl::Duration timeout = absl::Seconds(25);

  void Describe(config::Binder& b);
  ServerLogin Login(uint16_t usual_port) const;
};

struct ThreadKeySettings {
  config::Secret key;
  void Describe(config::Binder& b);
};

// One mailbox of one workspace.
struct AccountSettings {
  std::string workspace_id;
  std::string routing_group_id;
  std::string account_id;
  std::string address;
  std::string display_name;
  ServerSettings imap;
  ServerSettings smtp;
  std::string folder = "INBOX";
  std::string since;
  bool plus_addressing = true;

  void Describe(config::Binder& b);
  // The file, of the state folder, where a mailbox without keywords has its marks.
  std::string StateFileName() const;
};

// What decides how the channel works, whatever bus it stands on.
struct EmailSettings {
  EmailSettings();

  channel::Role role = channel::Role::kAll;
  std::vector<AccountSettings> accounts;
  std::vector<ThreadKeySettings> thread_keys;

  std::string state_folder = "email";
  int64_t max_mail_bytes = kDefaultMaxMailBytes;
  int64_t max_attachment_bytes = 30 << 20;
  int64_t max_outgoing_bytes = 25 << 20;
  int batch_mails = 50;
  int64_t batch_bytes = 32 << 20;
  absl::Duration idle_renewal = absl::Minutes(5);
  absl::Duration poll_interval = absl::Seconds(30);
  absl::Duration unreadable_after = absl::Hours(1);
  int smtp_connections = 4;

  channel::PublishSettings publish;
  channel::DeliverySettings delivery;
  channel::BlobSettings blobs;

  void Describe(config::Binder& b);
};

// Everything wissel-email can be told.
struct Settings {
  connections::KafkaSettings kafka;
  std::optional<connections::RedisSettings> redis;
  EmailSettings email;

  void Describe(config::Binder& b);
};

}  // namespace wissel::email
