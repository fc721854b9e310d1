#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace wissel::rpc {

/// Keys and certificates as PEM text.
struct ServerTls {
  std::string certificate_chain;
  std::string private_key;
  /// When not empty, a client must present a certificate that this authority signed (mutual TLS).
  std::string client_ca;
};

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // host:port; port 0 takes a free one
  std::optional<ServerTls> tls;        // unset: plain text
  /// An idle connection is pinged this often, and dropped when no answer comes in time.
  absl::Duration keepalive_interval = absl::Seconds(30);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  /// A client that pings more often than this is told to go away.
  absl::Duration min_client_ping_interval = absl::Seconds(10);
  int max_message_bytes = 4 << 20;              // received; a larger one is RESOURCE_EXHAUSTED
  int max_concurrent_streams = 1000;            // on one connection
  size_t memory_quota_bytes = size_t{1} << 30;  // gRPC's own buffers, all connections together
};

/// Owns a listening gRPC server with the standard health service and reflection beside the given
/// services. Thread-safe. Handlers run on gRPC's shared pool and must not block.
class Server {
 public:
  /// Listens and serves; `services` must outlive the server. The health service answers NOT_SERVING
  /// until SetServing. UNAVAILABLE when the address cannot be bound, INVALID_ARGUMENT for TLS
  /// material that cannot be read.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services);
  /// Cancels the calls under way and waits until their handlers are done.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const { return port_; }

  /// What the health service answers, for the server as a whole and for each of its services.
  void SetServing(bool serving);

  /// Takes no new calls (GOAWAY to every connection, health NOT_SERVING), waits for the calls under
  /// way, and cancels what is left at `deadline`. Blocks until every handler is done. Idempotent.
  void Drain(absl::Time deadline);

 private:
  Server(std::unique_ptr<grpc::Server> server, int port);

  const std::unique_ptr<grpc::Server> server_;
  const int port_;
};

}  // namespace wissel::rpc
