#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace wissel {

// Bytes of the UTF-8 character at the front of `text`, 0 if there is none that is valid (RFC 3629).
size_t Utf8Length(absl::string_view text);

// The code point of the character at the front of `text`, which has one (see Utf8Length).
char32_t DecodeUtf8(absl::string_view text);

// True for what steers a terminal, or the reader's eye, instead of being seen: controls (C0, DEL,
// C1), line and paragraph separators, what turns the direction of the text, and what has no width.
bool IsSteering(char32_t c);

// True if all of it is well-formed: no overlong forms, no surrogates, nothing cut short.
bool IsUtf8(absl::string_view text);

// `bytes` with each one that is no part of a character replaced by U+FFFD.
std::string RepairUtf8(absl::string_view bytes);

// The longest prefix of at most `max_bytes` that does not cut a character. A string field of
// Protobuf must be valid UTF-8, or nobody can read the message that it stands in.
absl::string_view TruncateUtf8(absl::string_view text, size_t max_bytes);

}  // namespace wissel
