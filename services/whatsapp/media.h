#pragma once

#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "libs/base/bounded_queue.h"
#include "libs/channel/blob.h"
#include "services/whatsapp/accounts.h"
#include "services/whatsapp/graph.h"
#include "services/whatsapp/metrics.h"
#include "services/whatsapp/normalise.h"

namespace wissel::whatsapp {

// Brings what a message refers to into the blob store. Owns a thread for writing there.
// Thread-safe.
class MediaFetcher {
 public:
  // Not owned.
  MediaFetcher(Graph* graph, channel::BlobStore* blobs, Metrics* metrics);
  // Ends after what has been fetched is stored. The graph's client must be gone by then.
  ~MediaFetcher();

  // Fetches every media of the message and gives it back, in media_timeout at most: each Media then
  // has its blob, or the reason why not. An error only where the provider's JSON could not be kept,
  // which has no other place.
  using Done = absl::AnyInvocable<void(absl::StatusOr<message::v1::InboundMessage>) &&>;
  void Fetch(const Account& account, NormalisedMessage normalised, Done done);

 private:
  struct Work;

  void Store(Work& work, const MediaToFetch& media, const std::string& path,
             const std::string& reason, const std::string& content_type);
  // False where it is dropped.
  bool Post(absl::AnyInvocable<void()> task);

  Graph* const graph_;
  channel::BlobStore* const blobs_;
  Metrics* const metrics_;
  BoundedQueue<absl::AnyInvocable<void()>> tasks_{10'000};
  std::jthread thread_;
};

}  // namespace wissel::whatsapp
