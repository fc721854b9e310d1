#pragma once

#include <functional>

#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/partition_tail.h"
#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::agent_gateway {

/// What the viewer has, and the place in the log it was read at. The place is one that the tail
/// still keeps.
struct PlacedSnapshot {
  agent::v1::Snapshot snapshot;
  Position position;
};

/// Makes the viewer's snapshot. For an agent from the views, which have the latest messages too;
/// where there are none, or they cannot be read, or lag behind what the tail keeps, from the tail's
/// own state, with messages_missing set. For a whole routing group from the tail's state. `done` is
/// called once, on the tail's thread; never if the gateway stops before.
void TakeSnapshot(Gateway& gateway, PartitionTail& tail, const Viewer& viewer,
                  std::function<void(PlacedSnapshot)> done);

}  // namespace wissel::agent_gateway
