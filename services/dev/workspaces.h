#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::dev {

// The configuration in force of every workspace, by workspace id; read from the config topic.
absl::StatusOr<std::vector<config::v1::WorkspaceConfig>> ReadWorkspaces(bus::Bus& bus);

// Puts a workspace file in force as its workspace's version 1. Durable when it returns.
//   INVALID_ARGUMENT  the file is not right; everything that is wrong, a line each
absl::Status ApplyFirst(bus::Bus& bus, const std::string& file, absl::Time now);

}  // namespace wissel::dev
