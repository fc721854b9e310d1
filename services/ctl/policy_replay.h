#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/ctl/log_replay.h"
#include "services/ctl/session.h"

namespace wissel::ctl {

struct PolicyFlags {
  std::string policy;
  std::string plot;
  std::optional<absl::Duration> patience;
  absl::Duration service_level = absl::Seconds(60);
  absl::Duration first_response = absl::Minutes(15);
};

// `wisselctl replay --policy`: a recorded time lived through once more, under its own configuration
// and under another one, beside what really came of it.
absl::Status ReplayPolicy(Session& session, const ReplayRange& range, const PolicyFlags& flags);

}  // namespace wissel::ctl
