#pragma once

#include <memory>

#include "absl/strings/string_view.h"

namespace re2 {
class RE2;
}

namespace wissel::routing {

inline constexpr size_t kMaxPatternBytes = 256;

// A topic pattern of a queue's rule: RE2, without regard to case, bounded in memory. Always returns
// one; ok() says whether it can be used, error() why not.
std::unique_ptr<re2::RE2> CompilePattern(absl::string_view pattern);
// Anywhere in the text.
bool PatternFound(const re2::RE2& pattern, absl::string_view text);

}  // namespace wissel::routing
