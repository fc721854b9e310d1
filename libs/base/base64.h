#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel {

// RFC 4648, section 4, with padding.
std::string Base64Encode(absl::string_view bytes);
absl::StatusOr<std::string> Base64Decode(absl::string_view text);

// RFC 4648, section 5 (URL and file name safe), without padding, as JWT and our signed ids use it.
std::string Base64UrlEncode(absl::string_view bytes);
absl::StatusOr<std::string> Base64UrlDecode(absl::string_view text);

// The decoders are strict: no white space, padding exactly as the encoder writes it, and no bits
// set beyond the last byte, so that each value has one spelling only. Anything else:
// INVALID_ARGUMENT.

}  // namespace wissel
