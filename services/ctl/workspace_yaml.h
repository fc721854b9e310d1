#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::ctl {

// A workspace's configuration as a file: wissel.config.v1.WorkspaceConfig in YAML (proto_yaml.h).
// `version`, where it stands, is the version that the file was written for: applying it makes the
// next one, and is refused where another is in force. The server's own fields, `applied_by` and
// `applied_time`, have no place in a file.

// INVALID_ARGUMENT lists everything that is wrong, a line each: "file:line: path: ...". Checks the
// form alone; what it means is the admin service's to judge.
absl::StatusOr<config::v1::WorkspaceConfig> ParseWorkspaceYaml(absl::string_view file,
                                                               absl::string_view yaml);

// The file that ParseWorkspaceYaml reads back as `config`.
std::string FormatWorkspaceYaml(const config::v1::WorkspaceConfig& config);

}  // namespace wissel::ctl
