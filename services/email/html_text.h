#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel::email {

// What stands behind so many tags of a page is not read.
inline constexpr int kMaxHtmlTags = 50'000;

// The text that a reader of `html` (UTF-8) sees: blocks on lines of their own, list items after "-
// ", quotations after "> ", the addresses of links behind their text in angle brackets. Scripts,
// styles, comments and what is hidden by display:none are left out. RESOURCE_EXHAUSTED where the
// page is nested so deeply, or repairing it takes so much memory, that it was made to do harm.
absl::StatusOr<std::string> HtmlToText(absl::string_view html);

}  // namespace wissel::email
