#include "libs/channel/sender.h"

namespace wissel::channel {

absl::string_view OutcomeName(SendOutcome::Kind kind) {
  switch (kind) {
    case SendOutcome::Kind::kAccepted:
      return "accepted";
    case SendOutcome::Kind::kRetry:
      return "retry";
    case SendOutcome::Kind::kFailed:
      return "failed";
    case SendOutcome::Kind::kReauthorise:
      return "reauthorise";
    case SendOutcome::Kind::kUncertain:
      return "uncertain";
  }
  return "uncertain";
}

}  // namespace wissel::channel
