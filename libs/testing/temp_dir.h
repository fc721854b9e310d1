#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace wissel::testing {

// A folder of its own for one test, gone with everything in it when this object goes. Its path is
// short enough for a unix socket inside it (108 bytes, unix(7)).
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` inside the folder; nothing is made.
  std::string Join(absl::string_view name) const;

 private:
  std::string path_;
};

}  // namespace wissel::testing
