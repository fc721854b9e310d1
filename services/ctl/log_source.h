#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"
#include "services/ctl/session.h"

namespace wissel::ctl {

// The log where --kafka or --log-file says it is; for reading only.
//   INVALID_ARGUMENT  nothing says where it is; the file cannot be opened or is no log
absl::StatusOr<std::unique_ptr<bus::Bus>> OpenLog(const Session& session);

// One record of the log as a walk meets it: valid, or void.
struct LogItem {
  int32_t partition = 0;
  int64_t offset = 0;
  // Of the partition's first record that retention has left; 0: nothing is cut off.
  int64_t begins = 0;
  // Set for a valid record; else it is void, and `verdict` says why.
  const bus::LogEntry* entry = nullptr;
  bus::Verdict verdict = bus::Verdict::kValid;
};

struct WalkOptions {
  static constexpr int32_t kAllPartitions = -1;
  int32_t partition = kAllPartitions;
  // Goes on when the end is reached, until `visit` ends it.
  bool follow = false;
};

// Of those partitions, by LogItem::begins, whose head is cut off: "the log begins at [0]@1200:
// retention has taken what was before"; empty: of none.
std::string SayBeginnings(const std::map<int32_t, int64_t>& begins);

// Conversations are named by how their ids begin. INVALID_ARGUMENT: that is too little.
absl::Status CheckBeginning(absl::string_view wanted);

// INVALID_ARGUMENT: two begin so.
absl::Status FitsSeveral(absl::string_view wanted, absl::string_view one, absl::string_view other);

// NOT_FOUND: no record that is left is about it.
absl::Status NoSuchConversation(absl::string_view wanted, const std::map<int32_t, int64_t>& begins);

// Goes through the log from what retention has left to where it ended when the walk began (or
// on). Within a partition in order; across partitions by the records' times, until it follows: then
// as they come. Ends with the first error of `visit`; a CANCELLED one is its way of saying that it
// has seen enough, and OK for the caller.
//   UNAVAILABLE  what was there when it began does not come: the broker is away. One that
//                follows waits for it instead.
absl::Status WalkLog(bus::Bus& bus, const WalkOptions& options,
                     absl::FunctionRef<absl::Status(const LogItem&)> visit);

}  // namespace wissel::ctl
