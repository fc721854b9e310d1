#pragma once

#include <grpcpp/impl/service_type.h>

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/http/client.h"
#include "libs/rpc/auth.h"
#include "libs/rpc/server.h"
#include "libs/rpc/settings.h"
#include "libs/service/service.h"

namespace wissel::serving {

// The body at `url`; UNAVAILABLE after a few attempts, with the reason. Blocks.
absl::StatusOr<std::string> Get(http::Client& client, const std::string& url);

struct Options {
  std::string name;  // of the readiness condition: "history"
  rpc::ServerSettings grpc;
  rpc::AuthSettings auth;

  // Makes the handlers, which stay the caller's; called again after UNAVAILABLE and NOT_FOUND, what
  // it left behind included. Any other error ends the process.
  std::function<absl::StatusOr<std::vector<grpc::Service*>>(rpc::Authenticator&)> make;
  // Whether calls can be answered now. Asked again and again once it listens.
  std::function<absl::Status()> check;
  // Before the calls that are under way are waited for. May be empty.
  std::function<void()> on_drain;
};

// A gRPC server that comes up once what it needs is there: the keys that tokens are verified with,
// and what `make` asks for. Until then, and whenever `check` is not OK, its readiness condition
// says why and gRPC's health is NOT_SERVING. An address that cannot be had ends the process.
//
// Owns the server and a thread, on which `make` and `check` run. Stop or destroy it before what
// they and the handlers work on.
class Serving {
 public:
  Serving(Options options, const service::Context& context);
  ~Serving();
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  // 0 until it listens.
  int port() const { return port_; }

  // Takes no new calls, waits for those under way, cancels what is left after `limit`.
  void Drain(absl::Duration limit);

 private:
  void Run(const std::stop_token& stop);
  absl::Status TryToListen();
  void Watch(const std::stop_token& stop);

  const Options options_;
  const service::Context context_;
  telemetry::Readiness::Condition ready_;
  std::unique_ptr<http::Client> http_;
  std::unique_ptr<rpc::Authenticator> authenticator_;
  std::unique_ptr<rpc::Server> server_;
  std::atomic<int> port_ = 0;
  std::jthread thread_;  // makes the rest; joined before anyone else touches it
};

}  // namespace wissel::serving
