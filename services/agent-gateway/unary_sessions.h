#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/agent-gateway/directory.h"

namespace wissel::agent_gateway {

class Gateway;

/// The agents who count as connected because their clients make unary calls: the first call opens a
/// session, each further one renews it, and it ends when none has for
/// GatewayOptions::unary_session. To the router it is a session like a stream's, which the
/// gateway's lease keeps alive.
///
/// Thread-safe; never blocks.
class UnarySessions {
 public:
  explicit UnarySessions(Gateway& gateway) : gateway_(gateway) {}

  /// A caller with this seat has called. Nothing for those who are nobody's agent.
  ///   RESOURCE_EXHAUSTED  as many as there may be
  ///   UNAVAILABLE         the gateway is going away
  absl::Status Renew(const Seat& seat);
  /// The agent goes offline: there is nothing left to wait for.
  void End(const Seat& seat);

  /// Ends those that have run out.
  void Tick(absl::Time now);
  /// Opens again those that the router has ended because it had not heard of the gateway for too
  /// long: their clients still call.
  void Mend();
  /// Ends all, and opens no more.
  void Close();

 private:
  using Key = std::pair<std::string, std::string>;  // routing key, agent
  struct Session {
    Seat seat;
    std::string id;
    absl::Time renewed = absl::InfinitePast();
    absl::Time connected = absl::InfinitePast();  // when the router was last told
  };

  static Key KeyOf(const Seat& seat) { return {seat.routing_key(), seat.agent.value()}; }
  void Connect(Session& session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ConnectAgain(const Session& missed);
  void Count() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Gateway& gateway_;
  // Held while a connection or its end is appended: the log has them in the order of what is here.
  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<Key, Session> sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace wissel::agent_gateway
