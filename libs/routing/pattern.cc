#include "libs/routing/pattern.h"

#include <re2/re2.h>

namespace wissel::routing {
namespace {

// Enough for any pattern of 256 bytes without large counted repetitions; what needs more is
// refused.
constexpr int64_t kMaxPatternMemory = 1 << 20;

}  // namespace

std::unique_ptr<re2::RE2> CompilePattern(absl::string_view pattern) {
  re2::RE2::Options options;
  options.set_case_sensitive(false);
  options.set_max_mem(kMaxPatternMemory);
  options.set_log_errors(false);
  return std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
}

bool PatternFound(const re2::RE2& pattern, absl::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

}  // namespace wissel::routing
