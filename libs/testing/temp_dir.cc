#include "libs/testing/temp_dir.h"

#include <stdlib.h>
#include <string.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"

namespace wissel::testing {

TempDir::TempDir() {
  const char* base = getenv("TMPDIR");
  path_ = absl::StrCat(base == nullptr || strlen(base) > 40 ? "/tmp" : base, "/wissel-XXXXXX");
  WISSEL_CHECK(mkdtemp(path_.data()) != nullptr) << "cannot make " << path_;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Join(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

}  // namespace wissel::testing
