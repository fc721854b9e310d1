#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace wissel::channel {

// The contract's limits on text, in bytes of UTF-8.
inline constexpr size_t kMaxTextBytes = 256 << 10;
inline constexpr size_t kMaxQuotedBytes = 64 << 10;
inline constexpr size_t kMaxAddressBytes = 320;
inline constexpr size_t kMaxDisplayNameBytes = 256;
inline constexpr size_t kMaxProviderMessageIdBytes = 998;
inline constexpr size_t kMaxFileNameBytes = 255;
inline constexpr size_t kMaxRawBytes = 64 << 10;
inline constexpr size_t kMaxErrorDetailBytes = 1024;

// `bytes` with every sequence that is not UTF-8 (RFC 3629) replaced by U+FFFD, as a string field of
// a message must be, and NUL left out.
std::string ToUtf8(absl::string_view bytes);

// A file name without folders, control characters or leading dots, at most kMaxFileNameBytes long.
// May be empty.
std::string SafeFileName(absl::string_view name);

}  // namespace wissel::channel
