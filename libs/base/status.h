#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace wissel {

// The same status with "context: " in front of its message; code and payloads are kept. OK stays
// OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace wissel
