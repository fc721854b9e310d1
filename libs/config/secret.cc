#include "libs/config/secret.h"

#include <cstdlib>
#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/json_string.h"

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
  std::ifstream in{std::string(path), std::ios::binary};
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read the file ", path));
  std::string value(kMaxSecretBytes + 1, '\0');
  in.read(value.data(), static_cast<std::streamsize>(value.size()));
  value.resize(static_cast<size_t>(in.gcount()));
  if (value.size() > kMaxSecretBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is larger than 64 KiB"));
  }
  absl::string_view trimmed = value;
  absl::ConsumeSuffix(&trimmed, "\n");
  absl::ConsumeSuffix(&trimmed, "\r");
  if (trimmed.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " is empty"));
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
