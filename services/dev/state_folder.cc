#include "services/dev/state_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"

namespace wissel::dev {
namespace {

absl::Status Failed(absl::string_view path) {
  return absl::PermissionDeniedError(absl::StrCat(path, ": ", std::strerror(errno)));
}

absl::Status MakeFolderAt(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return absl::PermissionDeniedError(absl::StrCat(path, ": ", error.message()));
  if (chmod(path.c_str(), 0700) != 0) return Failed(path);
  return absl::OkStatus();
}

// 244 random bits.
std::string DrawSecret() {
  return absl::StrReplaceAll(absl::StrCat(RandomUuid(), RandomUuid()), {{"-", ""}});
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, absl::string_view bytes) {
  static std::atomic<int> sequence = 0;
  const std::string next = absl::StrCat(path, ".", getpid(), ".", ++sequence, ".next");
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Failed(next);
  absl::Status status;
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      status = Failed(next);
      break;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  if (status.ok() && fsync(fd) != 0) status = Failed(next);
  close(fd);
  if (status.ok() && rename(next.c_str(), path.c_str()) != 0) status = Failed(path);
  if (!status.ok()) unlink(next.c_str());
  return status;
}

absl::StatusOr<std::unique_ptr<StateFolder>> StateFolder::Open(const std::string& path) {
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) return absl::PermissionDeniedError(absl::StrCat(path, ": ", error.message()));
  WISSEL_RETURN_IF_ERROR(MakeFolderAt(absolute));
  // Not inherited: a child that outlives this process for a moment must not keep the folder.
  const std::string lock_file = absolute + "/lock";
  const int lock = open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return Failed(lock_file);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return absl::FailedPreconditionError(
        absl::StrCat("another wissel-dev runs with the state folder ", absolute));
  }
  auto folder = std::unique_ptr<StateFolder>(new StateFolder(absolute, lock));
  WISSEL_RETURN_IF_ERROR(folder->MakeFolder("secrets"));
  return folder;
}

StateFolder::~StateFolder() { close(lock_); }

std::string StateFolder::Path(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

absl::Status StateFolder::MakeFolder(absl::string_view name) const {
  return MakeFolderAt(Path(name));
}

absl::Status StateFolder::Write(absl::string_view name, absl::string_view bytes) const {
  return ReplaceFile(Path(name), bytes);
}

std::string StateFolder::SecretPath(absl::string_view name) const {
  return Path(absl::StrCat("secrets/", name));
}

absl::StatusOr<std::string> StateFolder::Secret(absl::string_view name) const {
  const std::string path = SecretPath(name);
  std::ifstream file(path);
  std::string secret((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  while (!secret.empty() && secret.back() == '\n') secret.pop_back();
  if (!secret.empty()) return secret;
  secret = DrawSecret();
  WISSEL_RETURN_IF_ERROR(ReplaceFile(path, secret + "\n"));
  return secret;
}

}  // namespace wissel::dev
