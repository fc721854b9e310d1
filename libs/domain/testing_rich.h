#pragma once

#include <cstdint>

#include "wissel/config/v1/config.pb.h"

namespace wissel::domain::testing {

// The shop (see ShopConfig) with everything that routing knows switched on; short times, so that
// much of it comes to pass in a day.
config::v1::WorkspaceConfig RichConfig(int64_t version = 1);
// The same, but the first version has no SLA policies.
config::v1::WorkspaceConfig LaterRichConfig(int64_t version);

// A shop of 3 to 12 agents, one of them perhaps a bot, and 3 to 6 queues in one or two routing
// groups, made at random: whatever a configuration may say of routing it says in some shops. The
// same for the same seed and version; the first version has every agent and queue of the later
// ones. Topics are plain words.
config::v1::WorkspaceConfig RandomConfig(uint32_t seed, int64_t version);

// What customers say of themselves and of what they want, for the rules and points of such shops.
inline constexpr const char* kTiers[] = {"", "silver", "gold"};
inline constexpr const char* kOrderStates[] = {"", "delayed", "returned"};
inline constexpr const char* kTags[] = {"vip", "trial"};
inline constexpr const char* kTopics[] = {"hello", "refund", "warranty"};

}  // namespace wissel::domain::testing
