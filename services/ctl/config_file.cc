#include "services/ctl/config_file.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/domain/config_validation.h"
#include "services/ctl/proto_yaml.h"
#include "services/ctl/workspace_yaml.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"

namespace wissel::ctl {

using admin::v1::AdminService;

absl::StatusOr<admin::v1::ApplyConfigResponse> SubmitFile(const Session& session,
                                                          const std::string& path, bool dry_run) {
  WISSEL_ASSIGN_OR_RETURN(const std::string yaml, ReadInput(path, kMaxYamlBytes));
  admin::v1::ApplyConfigRequest request;
  request.set_dry_run(dry_run);
  auto& config = *request.mutable_config();
  WISSEL_ASSIGN_OR_RETURN(config, ParseWorkspaceYaml(path, yaml));
  if (!session.flags.workspace.empty() && session.flags.workspace != config.workspace_id()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": workspace_id: expected ",
                                                   session.flags.workspace, ", found ",
                                                   config.workspace_id()));
  }
  WISSEL_ASSIGN_OR_RETURN(const Client client,
                          MakeClient(session, Session::Service::kAdmin, "admin"));
  if (config.version() == 0) {
    const auto in_force = Call<AdminService>(client, &AdminService::StubInterface::GetConfig,
                                             admin::v1::GetConfigRequest());
    if (!in_force.ok() && !absl::IsNotFound(in_force.status())) return in_force.status();
    if (in_force.ok()) config.set_version(in_force->config().version());
  }
  config.set_version(config.version() + 1);
  return Call<AdminService>(client, &AdminService::StubInterface::ApplyConfig, request);
}

absl::Status CheckConfig(const Session& session, const std::string& file,
                         const config::v1::WorkspaceConfig& config) {
  // How large it may be the service says, which knows the log.
  const domain::ConfigFindings findings =
      domain::ValidateConfig(config, std::numeric_limits<size_t>::max());
  for (const std::string& warning : findings.warnings) {
    session.err << "! " << file << ": " << OneLine(warning, warning.size()) << "\n";
  }
  if (findings.errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrJoin(findings.errors, "\n", [&](std::string* out, const std::string& error) {
        absl::StrAppend(out, file, ": ", error);
      }));
}

void PrintDifferences(const admin::v1::ApplyConfigResponse& response, std::ostream& out) {
  using admin::v1::Difference;
  const auto line = [&](absl::string_view text) { out << OneLine(text, text.size()) << "\n"; };
  for (const Difference& d : response.differences()) {
    switch (d.kind()) {
      case Difference::KIND_ADDED:
        line(absl::StrCat("+ ", d.path(), d.after().empty() ? "" : ": ", d.after()));
        break;
      case Difference::KIND_REMOVED:
        line(absl::StrCat("- ", d.path(), d.before().empty() ? "" : ": ", d.before()));
        break;
      default:
        line(absl::StrCat("~ ", d.path(), ": ", d.before(), " → ", d.after()));
        break;
    }
  }
  for (const auto& warning : response.warnings()) line(absl::StrCat("! ", warning));
}

}  // namespace wissel::ctl
