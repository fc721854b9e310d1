#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"
#include "libs/domain/state.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::ctl {

// A decision that comes out otherwise than it was recorded.
struct ReplayDifference {
  int32_t partition = 0;
  int64_t offset = 0;
  log::v1::Decision recorded;
  // Nothing: nothing is decided.
  std::optional<log::v1::Decision> replayed;
};

struct PartitionReplay {
  int32_t partition = 0;
  int64_t claims = 0;
  // Decided again and compared.
  int64_t decisions = 0;
  int64_t identical = 0;
  // Inputs that are no longer in their topic: taken as recorded.
  int64_t inputs_gone = 0;
  // Before the state is whole, where the log's head has been cut off: taken as recorded.
  int64_t not_whole = 0;
  // True where it was given up after many differences.
  bool given_up = false;
  std::optional<ReplayDifference> first;
};

struct ReplayRange {
  absl::Time from = absl::InfinitePast();
  absl::Time to = absl::InfiniteFuture();
};

// Decides everything in the log once more: each decision from its cause, read where the cause says,
// at the recorded time, with an engine that begins where the router's began. What is compared is
// the bytes, without the stamps of who appended it. Decisions outside the range are made, but not
// counted.
//
// `progress` is told a share of 1, now and then.
absl::StatusOr<std::vector<PartitionReplay>> ReplayLog(bus::Bus& bus, const ReplayRange& range,
                                                       absl::FunctionRef<void(double)> progress);

// Event by event: what is the same, what was recorded, what is decided now.
void PrintDifference(const ReplayDifference& difference, std::ostream& out);

}  // namespace wissel::ctl
