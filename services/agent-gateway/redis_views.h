#pragma once

#include <functional>
#include <memory>

#include "libs/bus/bus.h"
#include "libs/store/redis.h"
#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/partition_tail.h"

namespace wissel::agent_gateway {

/// The projector's views and checkpoints in Redis.
std::function<std::unique_ptr<WorkViews>()> RedisViews(const store::RedisOptions& options);

/// Those that fit the log on `bus`. Opens a connection of its own each time.
LoadCheckpoint RedisCheckpoints(const store::RedisOptions& options, bus::Bus& bus);

}  // namespace wissel::agent_gateway
