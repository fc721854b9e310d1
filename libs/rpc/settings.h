#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/config/binder.h"
#include "libs/config/secret.h"
#include "libs/rpc/auth.h"
#include "libs/rpc/server.h"

namespace wissel::rpc {

/// How a service listens for gRPC, under the key `grpc` of every service that does.
struct ServerSettings {
  std::string listen = "0.0.0.0:8443";
  std::string certificate_file;
  std::string private_key_file;
  std::string client_ca_file;
  absl::Duration keepalive_interval = absl::Seconds(30);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  absl::Duration min_client_ping_interval = absl::Seconds(10);
  int64_t max_message_bytes = 4 << 20;
  int max_concurrent_streams = 1000;
  int64_t memory_quota_bytes = int64_t{1} << 30;

  void Describe(config::Binder& b);

  /// Reads the files.
  ///   INVALID_ARGUMENT, NOT_FOUND  the settings cannot be used, with the reason
  absl::StatusOr<ServerOptions> ToOptions() const;
};

/// Who may call, under the key `auth` of every service that serves gRPC.
struct AuthSettings {
  config::Secret hs256_secret;
  std::string hs256_key_id;
  std::string jwks_file;
  std::string jwks_url;
  std::string issuer;
  std::string audience;
  absl::Duration leeway = absl::Seconds(30);
  absl::Duration jwks_refresh_interval = absl::Minutes(10);
  int64_t max_token_bytes = 8192;

  void Describe(config::Binder& b);

  /// `get` fetches a URL's body, and may block; used for jwks_url alone.
  AuthenticatorOptions ToOptions(
      const Clock* clock,
      std::function<absl::StatusOr<std::string>(const std::string& url)> get) const;
};

}  // namespace wissel::rpc
