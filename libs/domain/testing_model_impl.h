#pragma once

// What the parts of EngineModel share.

#include <algorithm>
#include <string>

#include "absl/time/time.h"
#include "wissel/state/v1/state.pb.h"

namespace wissel::domain::testing {

// For short: the statuses of a conversation.
constexpr auto kQueued = state::v1::CONVERSATION_STATUS_QUEUED;
constexpr auto kOffered = state::v1::CONVERSATION_STATUS_OFFERED;
constexpr auto kActive = state::v1::CONVERSATION_STATUS_ACTIVE;
constexpr auto kParked = state::v1::CONVERSATION_STATUS_PARKED;
constexpr auto kResolved = state::v1::CONVERSATION_STATUS_RESOLVED;

template <typename Values, typename Value>
bool Has(const Values& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

template <typename Values, typename Value>
bool HasOrEmpty(const Values& values, const Value& value) {
  return values.empty() || Has(values, value);
}

// What may be longer, in what is said of a failure.
inline std::string Short(absl::Time time) {
  return absl::FormatTime("%H:%M:%E3S", time, absl::UTCTimeZone());
}

}  // namespace wissel::domain::testing
