#include "libs/config/secret.h"

#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/json_string.h"
#include "libs/base/status_macros.h"
#include "libs/config/file.h"

namespace wissel::config {
namespace {

constexpr size_t kMaxSecretBytes = 64 * 1024;

std::string Reference(absl::string_view kind, absl::string_view name) {
  std::string text = absl::StrCat("{", kind, ": ");
  AppendJsonString(name, &text);
  return absl::StrCat(text, "}");
}

}  // namespace

absl::StatusOr<Secret> Secret::FromFile(absl::string_view path) {
  WISSEL_ASSIGN_OR_RETURN(const std::string value, ReadFile(std::string(path), kMaxSecretBytes));
  absl::string_view trimmed = value;
  absl::ConsumeSuffix(&trimmed, "\n");
  absl::ConsumeSuffix(&trimmed, "\r");
  if (trimmed.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": is empty"));
  Secret secret(std::string(trimmed), absl::StrCat("from file ", path));
  secret.reference_ = Reference("file", path);
  return secret;
}

absl::StatusOr<Secret> Secret::FromEnvironment(absl::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr || *value == '\0') {
    return absl::NotFoundError(absl::StrCat("the environment has no ", name));
  }
  Secret secret(value, absl::StrCat("from environment ", name));
  secret.reference_ = Reference("env", name);
  return secret;
}

std::string Secret::Describe() const {
  return empty() ? "(not set)" : absl::StrCat("(", origin_, ")");
}

}  // namespace wissel::config
