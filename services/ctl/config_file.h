#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/ctl/client.h"
#include "services/ctl/session.h"
#include "wissel/admin/v1/admin_service.pb.h"

namespace wissel::ctl {

// Reads a workspace file and asks the server to apply it, or only to say what would change. The
// version in the file, where it stands, is the one that must be in force; else whatever is in force
// is replaced.
//   FAILED_PRECONDITION  another version is in force
absl::StatusOr<admin::v1::ApplyConfigResponse> SubmitFile(const Session& session,
                                                          const std::string& path, bool dry_run);

// Whether the configuration of `file` could be put in force: INVALID_ARGUMENT with all that is
// wrong. What it would be applied with a warning about goes to the session's standard error.
absl::Status CheckConfig(const Session& session, const std::string& file,
                         const config::v1::WorkspaceConfig& config);

// "+ agents[anna]", "~ queues[nl].offer_timeout: 30s → 20s", a line each.
void PrintDifferences(const admin::v1::ApplyConfigResponse& response, std::ostream& out);

}  // namespace wissel::ctl
