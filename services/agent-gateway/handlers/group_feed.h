#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/agent-gateway/catch_up.h"
#include "services/agent-gateway/directory.h"
#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/partition_tail.h"
#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::agent_gateway {

class AgentStream;

/// What a stream shows of one routing group: where its events come from, and the commands that go
/// to it.
///
/// Part of its stream, which owns it; whoever holds a reference holds the stream. Thread-safe: the
/// tail's thread, workers, gRPC's reactions and the clock call in; none of them ever blocks, but
/// workers. Neither holds its mutex while it calls the other.
///
/// A snapshot or the client's cursor gives a position. The tail shows what follows; if the position
/// is older than the tail's memory, a worker reads the log up to there first. Either way each
/// visible decision is one message, and the next one's cursor lies behind it.
class GroupFeed final : public Subscriber, public OutcomeWaiter {
 public:
  /// `index` is the feed's place among its stream's.
  GroupFeed(Gateway& gateway, AgentStream& stream, size_t index, Seat seat, Viewer viewer);

  size_t index() const { return index_; }
  const Seat& seat() const { return seat_; }

  /// To be called once. `from` unset: begins with a snapshot. `connect`: the agent counts as
  /// connected for as long as the feed lasts.
  struct Beginning {
    std::optional<Position> from;
    bool connect = false;
  };
  void Begin(const Beginning& beginning);
  /// The stream has room again for what it had none for.
  void Resume();
  /// `command` as its client wrote it.
  void OnCommand(command::v1::Command command);
  /// Now and then: connects the agent again where the router has lost the session otherwise than by
  /// its lease.
  void Mend(absl::Time now);
  /// Now and then: says of commands that have waited too long that nobody knows.
  void GiveUpCommands(absl::Time now);
  /// All that has happened up to now has been shown.
  bool live() const;
  /// The stream is over.
  void Close();

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

 private:
  /// Who makes the next events when there is room again.
  enum class Source { kSnapshot, kTail, kCatchUp };

  std::shared_ptr<GroupFeed> Shared();
  void ShowSnapshot();
  bool HasLostLease(const Entry& entry) const;
  void ConnectAgent();
  void Append(command::v1::Command command);
  void GiveUp(const std::string& command_id, const absl::Status& status);
  void SendUndecided(const std::string& command_id, const absl::Status& status);
  void SendOutcome(agent::v1::CommandOutcome outcome, const std::string& cursor);

  void CatchUpInBackground(std::function<void(GroupFeed&)> step);
  void OpenCatchUp(const Position& from);
  void ContinueCatchUp();
  absl::StatusOr<std::unique_ptr<CatchUp>> MakeCatchUp(const Position& from);

  Gateway& gateway_;
  AgentStream& stream_;
  const size_t index_;
  const Seat seat_;
  const Viewer viewer_;
  PartitionTail& tail_;

  mutable Mutex mutex_;
  Source source_ ABSL_GUARDED_BY(mutex_) = Source::kTail;
  bool live_ ABSL_GUARDED_BY(mutex_) = false;
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time mended_ ABSL_GUARDED_BY(mutex_);  // or connected, if that was later
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<std::string, absl::Time> pending_ ABSL_GUARDED_BY(mutex_);
  std::vector<agent::v1::CommandOutcome> early_outcomes_ ABSL_GUARDED_BY(mutex_);

  Mutex catch_up_mutex_;  // held by a worker for as long as it works; taken before mutex_
  std::unique_ptr<CatchUp> catch_up_ ABSL_GUARDED_BY(catch_up_mutex_);
  std::deque<EntryPtr> read_ahead_ ABSL_GUARDED_BY(catch_up_mutex_);
};

}  // namespace wissel::agent_gateway
