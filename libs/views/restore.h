#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"
#include "libs/domain/state.h"
#include "libs/views/checkpoint.h"

namespace wissel::views {

// Where the fold of a partition can begin.
struct Restored {
  enum class Source {
    kCheckpoint,
    // No checkpoint that fits this log: begin with an empty state at what retention has left.
    kLog,
  };
  Source source = Source::kLog;
  // For a person: why not from the checkpoint.
  std::string detail;
  domain::State state;
  // From a checkpoint only.
  CheckpointMeta meta;
};

// Takes a partition's state from its checkpoint, if there is one and it belongs to the log as it
// stands: not older than what retention has left, not beyond the end, and with the same claim where
// it says there is one (a topic that was made anew under the same name, or a Redis of another
// installation). Else an empty state, which knows it if the head has been cut off.
//
// Errors are Redis's and the log's own; a router then begins with RestoreFromLog.
absl::StatusOr<Restored> Restore(store::Redis& redis, const PartitionKeys& keys, bus::Bus& bus);

// The empty state to fold the log with, from what retention has left.
absl::StatusOr<Restored> RestoreFromLog(bus::Bus& bus, int32_t partition);

}  // namespace wissel::views
