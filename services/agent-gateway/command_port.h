#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/base/clock.h"
#include "libs/base/ids.h"
#include "libs/bus/bus.h"
#include "libs/rpc/auth.h"
#include "services/agent-gateway/directory.h"
#include "wissel/command/v1/command.pb.h"

namespace wissel::agent_gateway {

/// Who issues a command, as the gateway verified it.
struct Issuer {
  Seat seat;
  std::string subject;
  rpc::Roles roles;
};

/// What is wrong with a command as a client sent it; OK where it can go to the log. Whether it is
/// allowed and makes sense is the router's to decide.
absl::Status CheckCommand(const command::v1::Command& command);

/// Puts commands into the log's command topic. Thread-safe, never blocks.
class CommandPort {
 public:
  CommandPort(bus::Bus& bus, const Clock& clock);

  /// Called once, on any thread, perhaps before Send returns: OK once the command is durable, else
  /// what a client may be told.
  using Done = std::function<void(const absl::Status&)>;

  /// Sends a client's command, with envelope and actor filled in from the issuer, whatever was
  /// there; its id stays.
  void Send(const Issuer& issuer, command::v1::Command command, absl::string_view traceparent,
            Done done);

  /// Sends the gateway's own word (a connection, a lease) under a new id.
  void SendOwn(const Seat& seat, command::v1::Command command, Done done);

 private:
  void Append(const Seat& seat, const command::v1::Command& command, bus::Headers headers,
              Done done);

  const Clock& clock_;
  const std::unique_ptr<bus::Appender> appender_;
};

}  // namespace wissel::agent_gateway
