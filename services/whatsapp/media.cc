#include "services/whatsapp/media.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/thread.h"

namespace wissel::whatsapp {

// A message while its media arrive. Touched by the storing thread alone, one part after the other;
// done when the last reference goes.
struct MediaFetcher::Work {
  NormalisedMessage normalised;
  Done done;
  absl::Status status;

  ~Work() {
    if (status.ok()) {
      std::move(done)(std::move(normalised.message));
    } else {
      std::move(done)(std::move(status));
    }
  }
};

MediaFetcher::MediaFetcher(Graph* graph, channel::BlobStore* blobs, Metrics* metrics)
    : graph_(graph), blobs_(blobs), metrics_(metrics) {
  thread_ = StartThread("media", [this] {
    while (std::optional<absl::AnyInvocable<void()>> task = tasks_.Pop()) (*task)();
  });
}

MediaFetcher::~MediaFetcher() {
  tasks_.Close();
  thread_.join();
}

void MediaFetcher::Fetch(const Account& account, NormalisedMessage normalised, Done done) {
  auto work = std::make_shared<Work>();
  work->normalised = std::move(normalised);
  work->done = std::move(done);
  // Until it is kept: where it cannot even be queued, the provider has to send it again.
  if (!work->normalised.raw.empty()) {
    work->status = absl::ResourceExhaustedError("too much waits for the blob store");
  }
  for (const MediaToFetch& media : work->normalised.media) {
    const std::string path = blobs_->NewTempPath();
    graph_->Download(account, media.media_id, path,
                     [this, work, media, path](std::string reason, std::string content_type) {
                       const bool posted =
                           Post([this, work, media, path, reason = std::move(reason),
                                 content_type = std::move(content_type)] {
                             Store(*work, media, path, reason, content_type);
                           });
                       if (!posted) unlink(path.c_str());
                     });
  }
  if (!work->normalised.raw.empty()) {
    Post([this, work] {
      absl::StatusOr<message::v1::BlobRef> raw = blobs_->Put(
          work->normalised.raw, {.content_type = "application/x-ndjson", .file_name = ""});
      work->status = raw.status();
      if (raw.ok()) *work->normalised.message.mutable_raw() = *std::move(raw);
    });
  }
}

void MediaFetcher::Store(Work& work, const MediaToFetch& media, const std::string& path,
                         const std::string& reason, const std::string& content_type) {
  message::v1::Media& out =
      *work.normalised.message.mutable_contents(media.content)->mutable_media();
  absl::StatusOr<message::v1::BlobRef> blob = absl::UnavailableError(reason);
  if (reason.empty()) {
    blob = blobs_->PutFile(
        path, {.content_type = media.content_type.empty() ? content_type : media.content_type,
               .file_name = media.file_name});
  }
  metrics_->media.With({blob.ok() ? "stored" : "unavailable"}).Increment();
  if (blob.ok()) {
    *out.mutable_blob() = *std::move(blob);
    out.clear_unavailable_reason();
  } else {
    unlink(path.c_str());
    out.set_unavailable_reason(std::string(blob.status().message()));
  }
}

bool MediaFetcher::Post(absl::AnyInvocable<void()> task) {
  // Full or closed: the task is dropped, and with it its part of the message, which keeps the
  // reason that it began with.
  return tasks_.TryPush(std::move(task));
}

}  // namespace wissel::whatsapp
