#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace wissel {

// Why nobody can listen on `address`, HOST:PORT: "Address already in use". For servers of libraries
// that do not say; empty where it is possible, or where that cannot be known.
std::string WhyNotListen(absl::string_view address);

}  // namespace wissel
