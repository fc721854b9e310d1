#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace wissel {

// Appends `text` as a JSON string (RFC 8259, section 7), quotes included. Invalid UTF-8 becomes
// U+FFFD.
void AppendJsonString(absl::string_view text, std::string* out);

// Bytes of the UTF-8 character at the front of `text`, 0 if there is none that is valid (RFC 3629).
size_t Utf8Length(absl::string_view text);

}  // namespace wissel
