#pragma once

#include "absl/strings/string_view.h"

namespace wissel {

// Whether what goes to `host` stays on this machine: localhost, 127.0.0.0/8 or ::1, which may stand
// in brackets. What other names come to is not asked.
bool IsLoopback(absl::string_view host);

}  // namespace wissel
