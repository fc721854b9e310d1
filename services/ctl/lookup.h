#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/ctl/client.h"

namespace wissel::ctl {

// A conversation's id in full, from its beginning: the only one of the workspace that begins so,
// resolved ones included. A whole id is given back as it stands. Goes through the history service's
// lists, page by page.
//   INVALID_ARGUMENT  fewer than 4 characters, or several begin so
//   NOT_FOUND         none does
absl::StatusOr<std::string> WholeConversationId(const Client& history, absl::string_view id);

}  // namespace wissel::ctl
