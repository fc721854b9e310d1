#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/config/binder.h"
#include "libs/config/secret.h"
#include "libs/store/redis.h"

namespace wissel::connections {

// How a service reaches Redis, under the key `redis` of every service that does.
struct RedisSettings {
  std::string address = "127.0.0.1:6379";
  std::string username;
  config::Secret password;
  int database = 0;
  bool tls = false;
  std::string ca_file;
  std::string server_name;
  absl::Duration connect_timeout = absl::Seconds(2);
  absl::Duration command_timeout = absl::Seconds(10);

  void Describe(config::Binder& b);

  //   INVALID_ARGUMENT  the settings cannot be used, with the reason
  absl::StatusOr<store::RedisOptions> ToOptions() const;
};

}  // namespace wissel::connections
