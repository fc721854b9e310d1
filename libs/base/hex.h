#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel {

// Two lower-case digits a byte.
std::string HexEncode(absl::string_view bytes);

// Digits in either case; an odd number of them or any other character is an INVALID_ARGUMENT.
absl::StatusOr<std::string> HexDecode(absl::string_view digits);

}  // namespace wissel
