#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"
#include "libs/domain/state.h"
#include "libs/telemetry/log.h"
#include "services/agent-gateway/partition_view.h"
#include "services/agent-gateway/visibility.h"

namespace wissel::agent_gateway {

/// A stream as the tail sees it. All calls but viewer() come from the tail's thread and must not
/// block.
class Subscriber {
 public:
  virtual ~Subscriber() = default;
  virtual const Viewer& viewer() const = 0;

  enum class Taken { kTaken, kFull };
  /// Shows the entry, as far as the viewer may see it. kFull: nothing was taken; PartitionTail::Go
  /// asks for it again.
  virtual Taken Take(const Entry& entry) = 0;
  /// Everything up to now has been taken; what follows comes as it happens.
  virtual void OnLive(const Position& position) = 0;
  /// Now and then while live: everything before this position was shown, if there was anything.
  virtual void OnBeat(const Position& position) = 0;
  /// The place is older than what the tail keeps. Not subscribed (any more).
  virtual void OnTooOld(const Position& position) = 0;
  /// Live, and did not take an entry. Not subscribed any more.
  virtual void OnOverflow() = 0;
  /// The tail lost its place in the log. Not subscribed any more.
  virtual void OnLost(const absl::Status& status) = 0;
};

/// Somebody who waits for what becomes of a command.
class OutcomeWaiter {
 public:
  virtual ~OutcomeWaiter() = default;
  /// The entry that decided the command, on the tail's thread, after the entry was shown to the
  /// streams. `original` is the entry that decided the same command earlier, where `entry` only
  /// says that it did; null where that is not known.
  virtual void OnOutcome(const Entry& entry, const Entry* original) = 0;
};

/// Where a partition's state can be had without folding the whole log; NOT_FOUND: nowhere, fold.
struct Checkpoint {
  domain::State state;
  bus::LogPosition position;
};
using LoadCheckpoint = std::function<absl::StatusOr<Checkpoint>(int32_t partition)>;

/// Reads one partition's log for all streams of this gateway: folds it, keeps the latest entries,
/// shows each entry to the streams that may see it. Owns one thread, on which everything happens in
/// the log's order; public functions are thread-safe and never wait for it. While the log cannot be
/// read, the tail goes on trying.
class PartitionTail {
 public:
  struct Options {
    int32_t partition = 0;
    PartitionView::Limits limits;
    LoadCheckpoint load_checkpoint;  // may be unset
  };

  PartitionTail(bus::Bus& bus, Options options, telemetry::Logger log);
  ~PartitionTail();
  PartitionTail(const PartitionTail&) = delete;
  PartitionTail& operator=(const PartitionTail&) = delete;

  int32_t partition() const { return options_.partition; }

  /// Shows what follows `from`, once the state has been folded to the log's end as it was when the
  /// tail started.
  void Subscribe(std::shared_ptr<Subscriber> subscriber, const Position& from);
  /// To be called when a subscriber that was full has room.
  void Go(std::shared_ptr<Subscriber> subscriber);
  void Unsubscribe(std::shared_ptr<Subscriber> subscriber);

  using Task = absl::AnyInvocable<void()>;
  /// Calls `append` once the state is there, commands in their order: at once, or later on the
  /// tail's thread. What the tail begins behind it cannot tell.
  void Expect(const std::string& command_id, std::shared_ptr<OutcomeWaiter> waiter, Task append);
  void StopExpecting(const std::string& command_id, const OutcomeWaiter* waiter);

  /// Runs on the tail's thread, once the state is there.
  void Ask(absl::AnyInvocable<void(const PartitionView&)> question);

  /// Calls OnBeat of every live subscriber.
  void Beat();

  /// Of the next record to read.
  int64_t offset() const { return offset_.load(std::memory_order_relaxed); }

 private:
  struct Subscription {
    std::shared_ptr<Subscriber> subscriber;
    Position next;  // while not live: behind what it has taken
    bool live = false;
  };

  void Post(Task task);
  void Run(std::stop_token stop);
  absl::Status Open();
  bool ReadSome();
  void RunTasks();
  void Show(const EntryPtr& entry);
  void Answer(const EntryPtr& entry);
  void AnswerWhatIsDecided();
  void AppendHeld();
  void Start(const std::shared_ptr<Subscriber>& subscriber, const Position& from);
  void Pump(Subscription& subscription);
  void PumpAhead();
  void GoLive(Subscription& subscription);
  void Remove(const Subscriber* subscriber);
  void LoseAll(const absl::Status& status);

  bus::Bus& bus_;
  const Options options_;
  const telemetry::Logger log_;
  const std::shared_ptr<bus::Wakeup> wakeup_ = std::make_shared<bus::Wakeup>();

  mutable Mutex mutex_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::vector<std::shared_ptr<OutcomeWaiter>>> expected_
      ABSL_GUARDED_BY(mutex_);
  bool may_append_ ABSL_GUARDED_BY(mutex_) = false;  // The state is there, and nothing is held.
  std::vector<Task> held_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int64_t> offset_ = 0;

  // The thread's own.
  std::unique_ptr<bus::LogReader> reader_;
  std::unique_ptr<PartitionView> view_;
  int64_t load_until_ = 0;
  bool ready_ = false;
  std::vector<Task> waiting_;  // for the state to be there
  absl::flat_hash_map<const Subscriber*, Subscription> subscriptions_;
  absl::flat_hash_map<std::string, std::vector<Subscriber*>> live_by_agent_;
  absl::flat_hash_map<std::string, std::vector<Subscriber*>> live_by_group_;
  // Those who come from a gateway that had read further than this one has so far.
  std::vector<const Subscriber*> ahead_;
  std::vector<Subscriber*> audience_;  // reused by Show

  std::jthread thread_;
};

}  // namespace wissel::agent_gateway
