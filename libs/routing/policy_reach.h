#pragma once

#include <vector>

#include "libs/routing/policy.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::routing {

// Whether what a configuration without errors asks for can ever be done: queues that nobody serves,
// requirements that nobody meets, skills that nobody has, channels that weigh more than anybody can
// hold, queues that nothing leads into, rules and SLA policies that an earlier one leaves nothing,
// or rules that two of which one goes by a calendar's openings and the other by when it is closed.
// Warnings only, in the order of the configuration.
std::vector<PolicyFinding> CheckReach(const config::v1::WorkspaceConfig& config);

}  // namespace wissel::routing
