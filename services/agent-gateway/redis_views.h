#pragma once

#include <functional>
#include <memory>

#include "libs/store/redis.h"
#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/partition_tail.h"

namespace wissel::agent_gateway {

/// The projector's views and checkpoints in Redis.
std::function<std::unique_ptr<WorkViews>()> RedisViews(const store::RedisOptions& options);

/// nullopt where there is no checkpoint that can be used. Opens a connection of its own each time.
LoadCheckpoint RedisCheckpoints(const store::RedisOptions& options);

}  // namespace wissel::agent_gateway
