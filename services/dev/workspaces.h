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

//   INVALID_ARGUMENT  the file is not right; everything that is wrong, a line each
absl::StatusOr<config::v1::WorkspaceConfig> ReadWorkspaceFile(const std::string& file);

// Whether it is among them, as it stands in its file.
bool IsInForce(const config::v1::WorkspaceConfig& config,
               const std::vector<config::v1::WorkspaceConfig>& in_force);

// Puts it in force as its workspace's version 1. Durable when it returns.
absl::Status ApplyFirst(bus::Bus& bus, config::v1::WorkspaceConfig config, absl::Time now);

}  // namespace wissel::dev
