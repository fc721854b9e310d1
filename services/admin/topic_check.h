#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"
#include "wissel/admin/v1/admin_service.pb.h"

namespace wissel::admin {

// What is wanted of the topics.
struct TopicNeeds {
  // Below this the log loses state: a reader that begins behind a cut needs a whole round of
  // restating, a day from the last one (router.restate_interval), and another day to be read in.
  static constexpr absl::Duration kLogRetention = absl::Hours(72);

  // Copies of each record, or as many as the topic with the most of them has.
  int replication = 1;
  absl::Duration log_retention = kLogRetention;
  size_t max_record_bytes = bus::kMaxRecordBytes;
};

// Puts into `status` where the settings of a topic differ from those that `topics create` gives it
// (`made`): what records can be lost by is a problem, what else to know of a warning. More copies
// and longer retention are neither.
void CompareSettings(const bus::TopicSpec& made, const bus::TopicSettings& found,
                     const TopicNeeds& needs, v1::TopicStatus& status);

// How each topic stands. Blocks on the broker.
//   UNAVAILABLE  the broker cannot be asked
absl::StatusOr<std::vector<v1::TopicStatus>> ExamineTopics(bus::Bus& bus,
                                                           const TopicNeeds& needs = {});

}  // namespace wissel::admin
