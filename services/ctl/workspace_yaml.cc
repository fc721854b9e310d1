#include "services/ctl/workspace_yaml.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "services/ctl/proto_yaml.h"

namespace wissel::ctl {

absl::StatusOr<config::v1::WorkspaceConfig> ParseWorkspaceYaml(absl::string_view file,
                                                               absl::string_view yaml) {
  config::v1::WorkspaceConfig config;
  WISSEL_RETURN_IF_ERROR(YamlToProto(file, yaml, config));
  if (!config.applied_by().empty() || config.has_applied_time()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, ": applied_by and applied_time are the server's to set: leave them out"));
  }
  if (config.workspace_id().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": workspace_id: expected a value"));
  }
  return config;
}

std::string FormatWorkspaceYaml(const config::v1::WorkspaceConfig& config) {
  config::v1::WorkspaceConfig file = config;
  file.clear_applied_by();
  file.clear_applied_time();
  return ProtoToYaml(file);
}

}  // namespace wissel::ctl
