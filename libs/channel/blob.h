#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::channel {

struct BlobInfo {
  std::string content_type;
  std::string file_name;
};

// Where attachments are kept, beside the log. A blob's id is the SHA-256 of its bytes: putting the
// same bytes twice keeps them once, and whoever reads can check. Thread-safe.
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // Durable when it returns.
  //   OUT_OF_RANGE        larger than the store's limit
  //   RESOURCE_EXHAUSTED  no space left
  //   UNAVAILABLE         the store cannot be written
  virtual absl::StatusOr<message::v1::BlobRef> Put(absl::string_view bytes,
                                                   const BlobInfo& info) = 0;

  // The same for the bytes of a file, which is taken over: it must come from NewTempPath, and is
  // gone afterwards whatever the outcome.
  virtual absl::StatusOr<message::v1::BlobRef> PutFile(const std::string& path,
                                                       const BlobInfo& info) = 0;

  // A path for a file that is being made. What is left behind there for a day is removed when the
  // store is opened.
  virtual std::string NewTempPath() = 0;

  // A local file with the blob's bytes, not to be written, there as long as the store.
  //   INVALID_ARGUMENT  not a blob id
  //   NOT_FOUND         no such blob
  virtual absl::StatusOr<std::string> PathOf(absl::string_view blob_id) = 0;

  // The bytes; for small blobs and tools.
  virtual absl::StatusOr<std::string> Get(absl::string_view blob_id) = 0;

  virtual int64_t max_blob_bytes() const = 0;
};

struct FolderBlobStoreOptions {
  std::string folder;  // Made if it is not there. May be shared by processes.
  int64_t max_blob_bytes = 100 << 20;
};

// Blobs as files <folder>/ab/abcdef…, each written to <folder>/tmp first, synced, then renamed.
//   UNAVAILABLE  the folder cannot be made or written
absl::StatusOr<std::unique_ptr<BlobStore>> NewFolderBlobStore(FolderBlobStoreOptions options);

}  // namespace wissel::channel
