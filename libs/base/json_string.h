#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace wissel {

// Appends `text` as a JSON string (RFC 8259, section 7), quotes included. Invalid UTF-8 becomes
// U+FFFD; what IsSteering is escaped, so that a terminal can show the string.
void AppendJsonString(absl::string_view text, std::string* out);

// The same JSON with what IsSteering in its strings escaped. Also of YAML whose strings that hold
// any are in double quotes. Control characters below 0x20 are left: between values they may stand.
std::string EscapeSteering(absl::string_view json);

}  // namespace wissel
