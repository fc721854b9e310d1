#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/store/redis.h"
#include "libs/views/keys.h"

namespace wissel::views {

// A view that is not what the log makes of it.
struct ViewDifference {
  std::string key;
  // Members of an index, messages of a conversation.
  int64_t expected = 0;
  int64_t found = 0;
  std::string detail;  // for a person: what differs, and the first of it
};

struct ViewComparison {
  int64_t views = 0;  // keys that were compared
  int64_t differing = 0;
  std::vector<ViewDifference> differences;  // the first kMaxViewDifferences, by key
  // For a person: why nothing was compared, where nothing was.
  std::string not_compared;
};

inline constexpr size_t kMaxViewDifferences = 20;

// Folds the log, as the projector does, and compares every view of the partition with what Redis
// holds: indexes, messages, the forgotten. The pieces are LoadCheckpoint's to check.
//
// The views may move on meanwhile: some keys at a time are read with the place that they stand for,
// and the fold is taken there first. Of a log whose head is cut off the views may hold more than
// what is left of it makes: messages from before the cut, and what was forgotten by then. What the
// projector has dropped because of its own settings is not missed, unless they were raised since.
//
// Keeps the ids of the partition's messages in memory, about 120 bytes for each of them, and some
// conversations' bodies.
//
//   ABORTED      the views were begun anew meanwhile: compare again
//   UNAVAILABLE  Redis or the log's broker is away
absl::StatusOr<ViewComparison> CompareViews(bus::Bus& bus, store::Redis& redis,
                                            const PartitionKeys& keys);

}  // namespace wissel::views
