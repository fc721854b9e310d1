#pragma once

#include "absl/strings/string_view.h"

namespace wissel {

// The release and, when built from a checkout, the commit: "0.1.0 (v0.1.0-12-gabc1234)". The commit
// is the one at configure time.
absl::string_view Version();

}  // namespace wissel
