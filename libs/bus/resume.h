#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"

namespace wissel::bus {

// Why reading cannot go on from a position that somebody has kept, for a person: it is older than
// what retention has left, or of another log. Nothing where it can. Reads the claim that the
// position stands on.
//   UNAVAILABLE, NOT_FOUND  as Bus::OpenReader, or the log does not answer
absl::StatusOr<std::optional<std::string>> WhyNotFrom(Bus& bus, int32_t partition,
                                                      const LogPosition& position);

}  // namespace wissel::bus
