#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "libs/base/mutex.h"
#include "libs/rpc/auth.h"
#include "services/agent-gateway/catch_up.h"
#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/partition_tail.h"
#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::agent_gateway {

/// Trailing metadata of a stream: where to resume.
inline constexpr char kCursorMetadata[] = "wissel-cursor";

/// One agent's stream, from Hello to the end.
///
/// Owns itself until gRPC is done with it; tail, gateway and workers hold references. Thread-safe:
/// gRPC's reactions, the tail's thread, workers and the clock call in; none of them ever blocks,
/// but workers. Messages leave in the order in which they were queued, one write in flight. What a
/// client does not read in time piles up in the queue; above the limits a live stream ends with
/// RESOURCE_EXHAUSTED, while one that catches up waits for room.
///
/// Where events come from: a snapshot or the client's cursor gives a position. The tail shows what
/// follows; if the position is older than the tail's memory, a worker reads the log up to there
/// first. Either way each visible decision is one message, and the next one's cursor lies behind
/// it.
class AgentStream final
    : public grpc::ServerBidiReactor<agent::v1::ConnectRequest, agent::v1::ConnectResponse>,
      public Subscriber,
      public OutcomeWaiter,
      public Tickable,
      public std::enable_shared_from_this<AgentStream> {
 public:
  /// Authenticates and begins to read; the reactor to give to gRPC.
  static grpc::ServerBidiReactor<agent::v1::ConnectRequest, agent::v1::ConnectResponse>* Open(
      Gateway& gateway, grpc::CallbackServerContext* context);

  // gRPC's reactions.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // Subscriber.
  const Viewer& viewer() const override { return viewer_; }
  Taken Take(const Entry& entry) override;
  void OnLive(const Position& position) override;
  void OnBeat(const Position& position) override;
  void OnTooOld(const Position& position) override;
  void OnOverflow() override;
  void OnLost(const absl::Status& status) override;

  // OutcomeWaiter.
  void OnOutcome(const Entry& entry, const Entry* original) override;

  // Tickable.
  void Tick(absl::Time now) override;
  void GoAway() override;

 private:
  struct Item {
    agent::v1::ConnectResponse message;
    size_t bytes = 0;
    std::string cursor;  // empty: the message has none
  };
  /// Who makes the next events when the queue has room again.
  enum class Source { kNone, kTail, kCatchUp };

  AgentStream(Gateway& gateway, grpc::CallbackServerContext* context, rpc::Principal principal);

  void OnHello(const agent::v1::Hello& hello);
  absl::Status TakeSeat(const agent::v1::Hello& hello);
  void ConnectAgent();
  void DisconnectAgent();
  void OnCommand(command::v1::Command command);
  void OnAppendFailed(const std::string& command_id, const absl::Status& status);

  void CatchUpInBackground(std::function<void(AgentStream&)> step);
  void OpenCatchUp(const Position& from);
  void ContinueCatchUp();
  absl::StatusOr<std::unique_ptr<CatchUp>> MakeCatchUp(const Position& from);

  void Enqueue(agent::v1::ConnectResponse message, std::string cursor)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Queue(Item item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoomFor(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EnqueueUndecided(const std::string& command_id, absl::string_view reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  enum class Unsent { kDrop, kSend };
  void End(const absl::Status& status, absl::string_view reason, Unsent unsent = Unsent::kDrop)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Gateway& gateway_;
  const rpc::Principal principal_;
  const std::string session_id_;
  std::string traceparent_;
  std::shared_ptr<AgentStream> self_;  // until OnDone

  // Set by Hello, before the tail and the workers know of the stream; tail_ under mutex_, because
  // the clock looks at it.
  Seat seat_;
  Viewer viewer_;
  PartitionTail* tail_ = nullptr;

  agent::v1::ConnectRequest request_;  // of the read under way
  bool greeted_ = false;               // read reactions only

  grpc::CallbackServerContext* const call_;  // good until Finish
  Mutex context_mutex_;                      // never taken with mutex_ held
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(context_mutex_);  // null when done

  mutable Mutex mutex_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queue_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Item current_ ABSL_GUARDED_BY(mutex_);  // of the write in flight
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool wrote_any_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  absl::Time ending_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  std::string written_cursor_ ABSL_GUARDED_BY(mutex_);
  std::string queued_cursor_ ABSL_GUARDED_BY(mutex_);
  Source waiting_source_ ABSL_GUARDED_BY(mutex_) = Source::kNone;
  Source source_ ABSL_GUARDED_BY(mutex_) = Source::kNone;
  bool live_ ABSL_GUARDED_BY(mutex_) = false;
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time opened_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_queued_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, absl::Time> pending_ ABSL_GUARDED_BY(mutex_);
  std::vector<agent::v1::CommandOutcome> early_outcomes_ ABSL_GUARDED_BY(mutex_);

  Mutex catch_up_mutex_;  // held by a worker for as long as it works; taken before mutex_
  std::unique_ptr<CatchUp> catch_up_ ABSL_GUARDED_BY(catch_up_mutex_);
  std::deque<EntryPtr> read_ahead_ ABSL_GUARDED_BY(catch_up_mutex_);
};

}  // namespace wissel::agent_gateway
