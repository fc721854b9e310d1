#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace wissel {

// Appends `text` as a JSON string (RFC 8259, section 7), quotes included. Invalid UTF-8 becomes
// U+FFFD.
void AppendJsonString(absl::string_view text, std::string* out);

}  // namespace wissel
