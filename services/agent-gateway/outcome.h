#pragma once

#include "absl/strings/string_view.h"
#include "services/agent-gateway/partition_view.h"
#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::agent_gateway {

inline constexpr absl::string_view kNoOutcomeYet =
    "no outcome yet; the command may still be decided: repeat it with the same id";

/// What became of the command that `entry` decides. `original` is the entry that decided it before,
/// where this one only says so and the other is still known; else null. Without the events.
agent::v1::CommandOutcome MakeOutcome(const Entry& entry, const Entry* original);

/// As the metric of the commands names it.
absl::string_view KindOf(const agent::v1::CommandOutcome& outcome);

/// Adds what followed from the command, as far as the viewer may see it.
void AddEvents(const Entry& entry, const Viewer& viewer, agent::v1::CommandOutcome& outcome);

}  // namespace wissel::agent_gateway
