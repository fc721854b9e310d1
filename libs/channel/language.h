#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace wissel::channel {

// The BCP 47 primary language of `text` (UTF-8), e.g. "nl"; nothing where it cannot be told
// reliably, as for two-word messages. Looks at the first 512 bytes. Pure, thread-safe, some 16 µs.
std::optional<std::string> DetectLanguage(absl::string_view text);

}  // namespace wissel::channel
