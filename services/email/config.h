#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/config/binder.h"
#include "libs/config/secret.h"
#include "services/email/imap.h"

namespace wissel::email {

enum class Role { kIngest, kDeliver, kAll };

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
};

struct Settings {
  Role role = Role::kAll;
  std::vector<AccountSettings> accounts;
  std::vector<ThreadKeySettings> thread_keys;

  std::string brokers = "127.0.0.1:9092";
  std::string blob_folder = "/var/lib/wissel/blobs";
  std::string state_folder = "/var/lib/wissel/email";

  int64_t max_mail_bytes = 36 << 20;
  int64_t max_attachment_bytes = 30 << 20;
  int64_t max_outgoing_bytes = 25 << 20;
  int batch_mails = 50;
  int64_t batch_bytes = 32 << 20;
  absl::Duration idle_renewal = absl::Minutes(5);
  absl::Duration poll_interval = absl::Seconds(30);
  int smtp_connections = 4;
  int max_attempts = 12;
  absl::Duration max_age = absl::Hours(24);

  void Describe(config::Binder& b);
};

}  // namespace wissel::email
