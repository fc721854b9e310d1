#include "libs/config/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace wissel::config {
namespace {

absl::Status CannotBeRead(absl::string_view path) {
  return absl::NotFoundError(absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
}

absl::StatusOr<std::string> ReadAll(int file, absl::string_view path, size_t max_bytes) {
  std::string text;
  char buffer[16 << 10];
  while (true) {
    const ssize_t n = read(file, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CannotBeRead(path);  // a folder opens, but does not read
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > max_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": is larger than ", max_bytes >> 10, " KiB"));
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return CannotBeRead(path);
  absl::StatusOr<std::string> text = ReadAll(file, path, max_bytes);
  close(file);
  return text;
}

bool IsReadableFile(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && !S_ISDIR(found.st_mode) &&
         access(path.c_str(), R_OK) == 0;
}

}  // namespace wissel::config
