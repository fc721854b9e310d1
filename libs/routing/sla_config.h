#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "libs/routing/sla.h"
#include "wissel/common/v1/common.pb.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::routing {

SlaMetric FromProto(config::v1::SlaMetric metric);
config::v1::SlaMetric ToProto(SlaMetric metric);

// The workspace's policies by id, ready to measure with. What is wrong in one (which CheckPolicy
// reports) is left out: a calendar that does not build, a target of no metric. Something is said at
// the warning shares (80 where none is given), at those of escalation steps, and, for first and
// next response, at those that raise the priority.
std::map<std::string, std::shared_ptr<const SlaPolicy>> CompileSlaPolicies(
    const config::v1::WorkspaceConfig& config);

// What a policy's conditions look at.
struct SlaFacts {
  absl::string_view queue_id;
  common::v1::ChannelKind kind = common::v1::CHANNEL_KIND_UNSPECIFIED;
  absl::string_view tier;
  // The queue's base and what was set for the conversation.
  int32_t priority = 0;
};
// The first whose conditions all hold; null: none.
const config::v1::SlaPolicy* ChooseSlaPolicy(const config::v1::WorkspaceConfig& config,
                                             const SlaFacts& facts);

}  // namespace wissel::routing
