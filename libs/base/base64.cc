#include "libs/base/base64.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"

namespace wissel {

// Decoding leniently and comparing with the canonical spelling is what makes the decoders strict.

std::string Base64Encode(absl::string_view bytes) { return absl::Base64Escape(bytes); }

absl::StatusOr<std::string> Base64Decode(absl::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes) || Base64Encode(bytes) != text) {
    return absl::InvalidArgumentError("not base64");
  }
  return bytes;
}

std::string Base64UrlEncode(absl::string_view bytes) { return absl::WebSafeBase64Escape(bytes); }

absl::StatusOr<std::string> Base64UrlDecode(absl::string_view text) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(text, &bytes) || Base64UrlEncode(bytes) != text) {
    return absl::InvalidArgumentError("not base64url");
  }
  return bytes;
}

}  // namespace wissel
