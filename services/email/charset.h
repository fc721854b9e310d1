#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace wissel::email {

// `bytes`, said to be in `charset` (a name of the IANA registry; may be empty, unknown or a lie),
// as UTF-8. Never fails: what is declared as ASCII, Latin-1 or Windows-1252 but is well-formed
// UTF-8 is taken as UTF-8; Latin-1 is read as its superset Windows-1252, as browsers do; bytes that
// the charset does not have become U+FFFD.
std::string ToUtf8(absl::string_view bytes, absl::string_view charset);

// Text as the contract wants it: CRLF and CR as LF, no control characters but tab and LF.
// `utf8` must be well-formed.
std::string CleanText(absl::string_view utf8);

// The same for a value of one line: white space, line ends included, as single spaces, none at the
// ends; at most `max_bytes`.
std::string CleanLine(absl::string_view utf8, size_t max_bytes);

}  // namespace wissel::email
