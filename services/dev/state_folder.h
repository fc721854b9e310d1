#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel::dev {

// The folder that everything of one wissel-dev is kept in, for its user alone (mode 0700; files
// 0600). Held by one process at a time. Thread-safe.
class StateFolder {
 public:
  // Makes the folder where it is not there.
  //   FAILED_PRECONDITION  another process holds it
  //   PERMISSION_DENIED    it cannot be made or written
  static absl::StatusOr<std::unique_ptr<StateFolder>> Open(const std::string& path);
  ~StateFolder();
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  // Absolute.
  const std::string& path() const { return path_; }
  std::string Path(absl::string_view name) const;

  absl::Status MakeFolder(absl::string_view name) const;

  // Replaces the file as a whole: a crash leaves the old one or the new one.
  absl::Status Write(absl::string_view name, absl::string_view bytes) const;

  // The secret of this name, in the file secrets/<name>: drawn when first asked for, the same ever
  // after. 64 hexadecimal digits.
  absl::StatusOr<std::string> Secret(absl::string_view name) const;
  std::string SecretPath(absl::string_view name) const;

 private:
  StateFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  const std::string path_;
  const int lock_;
};

// Writes `bytes` to a file of mode 0600 beside `path`, syncs it, and puts it in the place of
// `path`.
absl::Status ReplaceFile(const std::string& path, absl::string_view bytes);

}  // namespace wissel::dev
