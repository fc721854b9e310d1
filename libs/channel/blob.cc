#include "libs/channel/blob.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/hash.h"
#include "libs/base/hex.h"
#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"

namespace wissel::channel {
namespace {

constexpr absl::Duration kTempAge = absl::Hours(24);
constexpr size_t kBlobIdSize = 64;

absl::Status Failed(absl::string_view what, const std::string& path) {
  const int error = errno;
  const std::string text = absl::StrCat("blob store: ", what, " ", path, ": ", strerror(error));
  return error == ENOSPC || error == EDQUOT ? absl::ResourceExhaustedError(text)
                                            : absl::UnavailableError(text);
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status SyncFolder(const std::string& path) {
  const File folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.fd() < 0 || fsync(folder.fd()) != 0) return Failed("cannot sync", path);
  return absl::OkStatus();
}

bool IsBlobId(absl::string_view id) {
  return id.size() == kBlobIdSize && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

struct HashedFile {
  std::string sha256_hex;
  int64_t size = 0;
};

absl::StatusOr<HashedFile> HashAndSync(const std::string& path) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0) return Failed("cannot open", path);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return absl::InternalError("blob store: no SHA-256");
  }
  HashedFile hashed;
  std::vector<char> buffer(256 << 10);
  for (;;) {
    const ssize_t n = read(file.fd(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("cannot read", path);
    if (n == 0) break;
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(n));
    hashed.size += n;
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(context.get(), digest, &length);
  hashed.sha256_hex = HexEncode({reinterpret_cast<const char*>(digest), length});
  if (fsync(file.fd()) != 0) return Failed("cannot sync", path);
  return hashed;
}

class FolderBlobStore final : public BlobStore {
 public:
  explicit FolderBlobStore(FolderBlobStoreOptions options) : options_(std::move(options)) {}

  absl::Status Open() {
    std::error_code error;
    std::filesystem::create_directories(TempFolder(), error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("blob store: cannot make ", TempFolder(), ": ", error.message()));
    }
    if (access(TempFolder().c_str(), W_OK) != 0) return Failed("cannot write", TempFolder());
    RemoveOldTemps();
    return absl::OkStatus();
  }

  absl::StatusOr<message::v1::BlobRef> Put(absl::string_view bytes, const BlobInfo& info) override {
    WISSEL_RETURN_IF_ERROR(CheckSize(static_cast<int64_t>(bytes.size())));
    const std::string id = Sha256Hex(bytes);
    if (KeepYoung(id, static_cast<int64_t>(bytes.size()))) {
      return Ref(id, static_cast<int64_t>(bytes.size()), info);
    }
    const std::string temp = NewTempPath();
    const absl::Status written = Write(temp, bytes);
    const absl::Status moved = written.ok() ? Move(temp, id) : written;
    if (!moved.ok()) {
      unlink(temp.c_str());
      return moved;
    }
    return Ref(id, static_cast<int64_t>(bytes.size()), info);
  }

  absl::StatusOr<message::v1::BlobRef> PutFile(const std::string& path,
                                               const BlobInfo& info) override {
    absl::StatusOr<HashedFile> hashed = HashAndSync(path);
    absl::Status status = hashed.status();
    if (status.ok()) status = CheckSize(hashed->size);
    if (status.ok() && !KeepYoung(hashed->sha256_hex, hashed->size))
      status = Move(path, hashed->sha256_hex);
    unlink(path.c_str());
    if (!status.ok()) return status;
    return Ref(hashed->sha256_hex, hashed->size, info);
  }

  std::string NewTempPath() override { return absl::StrCat(TempFolder(), "/", RandomUuid()); }

  absl::StatusOr<std::string> PathOf(absl::string_view blob_id) override {
    if (!IsBlobId(blob_id)) return absl::InvalidArgumentError("not a blob id");
    std::string path = PathFor(blob_id);
    if (access(path.c_str(), R_OK) != 0) {
      if (errno == ENOENT) return absl::NotFoundError(absl::StrCat("no blob ", blob_id));
      return Failed("cannot read", path);
    }
    return path;
  }

  absl::StatusOr<std::string> Get(absl::string_view blob_id) override {
    WISSEL_ASSIGN_OR_RETURN(const std::string path, PathOf(blob_id));
    const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd() < 0) return Failed("cannot open", path);
    std::string bytes;
    std::vector<char> buffer(256 << 10);
    for (;;) {
      const ssize_t n = read(file.fd(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("cannot read", path);
      if (n == 0) return bytes;
      bytes.append(buffer.data(), static_cast<size_t>(n));
    }
  }

  int64_t max_blob_bytes() const override { return options_.max_blob_bytes; }

 private:
  std::string TempFolder() const { return options_.folder + "/tmp"; }
  std::string FolderFor(absl::string_view id) const {
    return absl::StrCat(options_.folder, "/", id.substr(0, 2));
  }
  std::string PathFor(absl::string_view id) const { return absl::StrCat(FolderFor(id), "/", id); }

  absl::Status CheckSize(int64_t size) const {
    if (size <= options_.max_blob_bytes) return absl::OkStatus();
    return absl::OutOfRangeError(
        absl::StrCat("blob of ", size, " bytes is larger than ", options_.max_blob_bytes));
  }

  // Whether it is there; if so, it is as young as a new one from now on, so that who removes files
  // by their age keeps it.
  bool KeepYoung(absl::string_view id, int64_t size) const {
    struct stat found {};
    const std::string path = PathFor(id);
    return stat(path.c_str(), &found) == 0 && found.st_size == size &&
           utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0;
  }

  static message::v1::BlobRef Ref(const std::string& id, int64_t size, const BlobInfo& info) {
    message::v1::BlobRef ref;
    ref.set_blob_id(id);
    ref.set_size_bytes(size);
    ref.set_content_type(info.content_type);
    ref.set_file_name(info.file_name);
    return ref;
  }

  static absl::Status Write(const std::string& path, absl::string_view bytes) {
    const File file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    if (file.fd() < 0) return Failed("cannot make", path);
    while (!bytes.empty()) {
      const ssize_t n = write(file.fd(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("cannot write", path);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    if (fsync(file.fd()) != 0) return Failed("cannot sync", path);
    return absl::OkStatus();
  }

  absl::Status Move(const std::string& temp, absl::string_view id) const {
    const std::string folder = FolderFor(id);
    if (mkdir(folder.c_str(), 0750) == 0) {
      WISSEL_RETURN_IF_ERROR(SyncFolder(options_.folder));
    } else if (errno != EEXIST) {
      return Failed("cannot make", folder);
    }
    if (rename(temp.c_str(), PathFor(id).c_str()) != 0) return Failed("cannot make", PathFor(id));
    return SyncFolder(folder);
  }

  void RemoveOldTemps() const {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(TempFolder(), error)) {
      struct stat found {};
      if (stat(entry.path().c_str(), &found) == 0 &&
          absl::Now() - absl::FromTimeT(found.st_mtime) > kTempAge) {
        unlink(entry.path().c_str());
      }
    }
  }

  const FolderBlobStoreOptions options_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlobStore>> NewFolderBlobStore(FolderBlobStoreOptions options) {
  auto store = std::make_unique<FolderBlobStore>(std::move(options));
  WISSEL_RETURN_IF_ERROR(store->Open());
  return store;
}

}  // namespace wissel::channel
