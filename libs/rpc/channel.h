#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace wissel::rpc {

/// Keys and certificates as PEM text.
struct ChannelTls {
  std::string server_ca;          // empty: the system's authorities
  std::string certificate_chain;  // the client's own, for mutual TLS
  std::string private_key;
  std::string server_name;  // expected in the server's certificate; empty: the target's host
};

struct ChannelOptions {
  std::string target;             // host:port, or any gRPC name
  std::optional<ChannelTls> tls;  // unset: plain text
  absl::Duration keepalive_interval = absl::Seconds(30);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  int max_message_bytes = 4 << 20;  // received
};

/// A channel that connects when first used and again whenever the connection is lost. Channels with
/// equal options share one connection.
std::shared_ptr<grpc::Channel> MakeChannel(const ChannelOptions& options);

struct CallOptions {
  absl::Duration timeout = absl::Seconds(10);  // InfiniteDuration: none, for streams
  absl::string_view token;                     // a JWT; empty: none
  absl::string_view traceparent;               // W3C trace context, section 3.2; empty: none
  absl::string_view tracestate;                // section 3.3
};

/// Sets a call's deadline and its metadata. To be called once, before the call starts.
void Prepare(const CallOptions& options, grpc::ClientContext& context);

}  // namespace wissel::rpc
