#pragma once

#include "absl/status/status.h"

namespace wissel::ctl {

// What wisselctl tells a script. Part of its contract: docs/reference/cli.md lists them.
enum class ExitCode {
  kOk = 0,
  kFailed = 1,       // it went wrong, or a comparison found a difference
  kUsage = 2,        // the command line, or a file it names, is not right
  kUnavailable = 3,  // a server could not be reached or did not answer in time
  kRefused = 4,      // not allowed, or the state of things does not allow it
  kNotFound = 5,
};

// What a comparison returns that found a difference and has printed it: kFailed, and nothing more
// is said.
absl::Status FoundDifference();
bool IsDifference(const absl::Status& status);

ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace wissel::ctl
