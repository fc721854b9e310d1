#pragma once

#include <vector>

#include "wissel/admin/v1/admin_service.pb.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::admin {

// What changed, in the order of the configuration's fields: one entry for each value, item added
// and item removed. Items are told apart by their ids, not by where they stand; for queues, where
// the order counts, a change of order is a difference of its own. Version, applied_by and
// applied_time are left out.
std::vector<v1::Difference> Diff(const config::v1::WorkspaceConfig& before,
                                 const config::v1::WorkspaceConfig& after);

}  // namespace wissel::admin
