#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/service/service.h"
#include "libs/store/redis.h"
#include "services/agent-gateway/config.h"

namespace wissel::agent_gateway {

/// A gateway that may already listen.
class GatewayApp : public service::App {
 public:
  /// Where it listens; 0 until it does.
  virtual int port() const = 0;
};

/// The gateway on a bus and a Redis that are there: for wissel-dev, which shares them. `bus` must
/// outlive the app. Listens once the log's partitions are known; the readiness condition
/// "agent_gateway" says what it waits for.
std::unique_ptr<GatewayApp> NewApp(bus::Bus& bus, std::optional<store::RedisOptions> redis,
                                   const GatewaySettings& settings,
                                   const service::Context& context);

/// The gateway as its settings say.
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::agent_gateway
