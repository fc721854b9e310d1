#pragma once

#include "absl/status/statusor.h"
#include "libs/routing/calendar.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::routing {

// A calendar of the configuration. INVALID_ARGUMENT says which entry is wrong, and why.
absl::StatusOr<Calendar> BuildCalendar(const config::v1::Calendar& calendar);

}  // namespace wissel::routing
