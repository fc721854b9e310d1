#pragma once

#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel::config {

// A value that is used but never shown. Printing gives where it came from, not what it is. In a
// configuration it can only be a reference: `{file: PATH}` or `{env: NAME}`.
class Secret {
 public:
  Secret() = default;
  // For values made by the program itself. `origin` is what is shown: "generated".
  Secret(std::string value, std::string origin)
      : value_(std::move(value)), origin_(std::move(origin)) {}

  // The file's content without a line end at its end. NOT_FOUND, INVALID_ARGUMENT when empty or
  // larger than 64 KiB.
  static absl::StatusOr<Secret> FromFile(absl::string_view path);
  static absl::StatusOr<Secret> FromEnvironment(absl::string_view name);

  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }

  // "(from file /run/secrets/token)", "(from environment TOKEN)", "(not set)".
  std::string Describe() const;
  // The reference as the configuration has it: `{file: "/run/secrets/token"}`; empty when there is
  // none.
  const std::string& reference() const { return reference_; }

  friend std::ostream& operator<<(std::ostream& out, const Secret& secret) {
    return out << secret.Describe();
  }

 private:
  std::string value_;
  std::string origin_;
  std::string reference_;
};

}  // namespace wissel::config
