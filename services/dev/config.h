#pragma once

#include <string>
#include <vector>

#include "libs/config/binder.h"
#include "services/email/config.h"
#include "services/whatsapp/config.h"

namespace wissel::dev {

// A mail provider, in wissel-email's own words.
struct EmailProvider {
  std::vector<email::AccountSettings> accounts;
  std::vector<email::ThreadKeySettings> thread_keys;

  void Describe(config::Binder& b);
};

// Meta, in wissel-whatsapp's own words.
struct WhatsappProvider {
  std::vector<whatsapp::AccountSettings> accounts;
  whatsapp::GraphSettings graph;

  void Describe(config::Binder& b);
};

// Everything wissel-dev can be told.
struct Settings {
  std::string state = ".wissel/dev";
  std::string workspace_file;
  std::string kafka;
  std::string redis;
  int partitions = 4;
  std::string grpc_listen = "127.0.0.1:7440";
  std::string admin_listen = "127.0.0.1:7441";
  std::string history_listen = "127.0.0.1:7442";
  std::string webhook_listen = "127.0.0.1:7480";
  std::string page_listen = "127.0.0.1:7400";
  EmailProvider email;
  WhatsappProvider whatsapp;

  void Describe(config::Binder& b);
};

}  // namespace wissel::dev
