#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"
#include "libs/rpc/auth.h"
#include "services/agent-gateway/frame.h"
#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/handlers/group_feed.h"
#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::agent_gateway {

/// Trailing metadata of a stream: where to resume.
inline constexpr char kCursorMetadata[] = "wissel-cursor";

/// One client's stream, from Hello to the end: a feed for each routing group that it shows, and the
/// queue of what is to be written.
///
/// Owns itself until gRPC is done with it; feeds, gateway and workers hold references. Thread-safe:
/// gRPC's reactions, the feeds and the clock call in; nothing ever blocks. Messages leave in the
/// order in which they were queued, one write in flight; their bytes are shared with other streams
/// and never copied here. What a client does not read in time piles up in the queue; above the
/// limits a live feed's stream ends with RESOURCE_EXHAUSTED, while a feed that catches up waits for
/// room.
class AgentStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          public Tickable,
                          public std::enable_shared_from_this<AgentStream> {
 public:
  /// Authenticates and begins to read; the reactor to give to gRPC.
  static grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Open(
      Gateway& gateway, grpc::CallbackServerContext* context);

  // gRPC's reactions.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // Tickable.
  void Tick(absl::Time now) override;
  void GoAway() override;

  // For the feeds.

  const std::string& session_id() const { return session_id_; }
  const rpc::Principal& principal() const { return principal_; }
  const std::string& traceparent() const { return traceparent_; }
  bool ending() const;
  /// Queues a message of the feed's; without room nothing is taken, and the feed is told when there
  /// is some again.
  Subscriber::Taken Offer(GroupFeed& feed, FramePtr frame);
  /// For what is not asked for again: without room, the stream ends.
  void Send(FramePtr frame, size_t feed);
  enum class Unsent { kDrop, kSend };
  void End(const absl::Status& status, absl::string_view reason, Unsent unsent = Unsent::kDrop);
  /// The client does not take what must be shown now.
  void EndSlowReader();

 private:
  struct Item {
    FramePtr frame;
    size_t feed = 0;
  };
  /// Where one feed's client can resume; null: nowhere yet.
  struct Place {
    std::shared_ptr<const std::string> queued;
    std::shared_ptr<const std::string> written;
  };

  AgentStream(Gateway& gateway, grpc::CallbackServerContext* context, rpc::Principal principal);

  absl::Status OnRequest();
  absl::Status OnHello(const agent::v1::Hello& hello);
  void OnCommand(command::v1::Command command);

  void SendLocked(FramePtr frame, size_t feed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLocked(const absl::Status& status, absl::string_view reason, Unsent unsent)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoomFor(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Queue(Item item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddTrailingCursors() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Gateway& gateway_;
  const rpc::Principal principal_;
  const std::string session_id_;
  const std::string traceparent_;
  std::shared_ptr<AgentStream> self_;  // until OnDone

  grpc::ByteBuffer request_;  // of the read under way
  bool greeted_ = false;      // read reactions only

  grpc::CallbackServerContext* const call_;  // good until Finish
  Mutex context_mutex_;                      // never taken with mutex_ held
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(context_mutex_);  // null when done

  mutable Mutex mutex_;
  // Set once, by Hello; none before.
  std::vector<std::unique_ptr<GroupFeed>> feeds_ ABSL_GUARDED_BY(mutex_);
  std::vector<Place> places_ ABSL_GUARDED_BY(mutex_);        // of the feeds
  std::vector<GroupFeed*> waiting_ ABSL_GUARDED_BY(mutex_);  // for room in the queue
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queue_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Item current_ ABSL_GUARDED_BY(mutex_);  // of the write in flight
  grpc::ByteBuffer writing_bytes_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool wrote_any_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  absl::Time ending_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time opened_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_queued_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace wissel::agent_gateway
