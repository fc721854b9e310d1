#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "wissel/admin/v1/admin_service.pb.h"

namespace wissel::admin {

// Puts into `status` where the settings of a topic differ from those that `topics create` gives it
// (`made`): what records can be lost by is a problem, what else to know of a warning. More copies
// and longer retention are neither.
void CompareSettings(const bus::TopicSpec& made, const bus::TopicSettings& found,
                     v1::TopicStatus& status);

// How each topic stands. There are to be `replication` copies of each record, or as many as the
// topic with the most of them has. Blocks on the broker.
//   UNAVAILABLE  the broker cannot be asked
absl::StatusOr<std::vector<v1::TopicStatus>> ExamineTopics(bus::Bus& bus, int replication = 1);

}  // namespace wissel::admin
