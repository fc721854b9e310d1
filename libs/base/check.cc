#include "libs/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace wissel::internal {

CheckFailure::CheckFailure(const char* expression, const char* file, int line) {
  text_ << file << ":" << line << ": check failed: " << expression << " ";
}

CheckFailure::~CheckFailure() {
  text_ << "\n";
  const std::string text = text_.str();
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  std::abort();
}

}  // namespace wissel::internal
