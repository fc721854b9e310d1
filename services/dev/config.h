#pragma once

#include <string>

#include "libs/config/binder.h"

namespace wissel::dev {

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

  void Describe(config::Binder& b);
};

}  // namespace wissel::dev
