#pragma once

#include <cstdint>

#include "wissel/config/v1/config.pb.h"

namespace wissel::domain::testing {

// The shop (see ShopConfig) with everything that routing knows switched on; short times, so that
// much of it comes to pass in a day.
config::v1::WorkspaceConfig RichConfig(int64_t version = 1);
// The same, but the first version has no SLA policies.
config::v1::WorkspaceConfig LaterRichConfig(int64_t version);

}  // namespace wissel::domain::testing
