#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/bus/kafka.h"
#include "libs/bus/topic.h"

namespace wissel::bus::testing {

// The offset that a group has committed, as a lag monitor asks for it; negative where it has
// committed none. `group` as Bus::Join has it.
absl::StatusOr<int64_t> CommittedOffset(const KafkaOptions& options, absl::string_view group,
                                        Topic topic, int32_t partition);

}  // namespace wissel::bus::testing
