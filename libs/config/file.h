#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel::config {

// What a file, a pipe (`<(...)`) or a device gives, at most `max_bytes`.
//   NOT_FOUND         it cannot be read, a folder for one, with the system's reason
//   INVALID_ARGUMENT  there is more
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes);

// Whether a file, and no folder, can be opened for reading there. It is not opened.
bool IsReadableFile(const std::string& path);

}  // namespace wissel::config
