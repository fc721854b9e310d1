#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"
#include "libs/bus/ownership.h"
#include "libs/domain/config_rule.h"
#include "libs/domain/engine.h"
#include "services/router/dead_letters.h"
#include "services/router/intake.h"
#include "services/router/recovery.h"
#include "services/router/shared.h"

namespace wissel::router {

// One partition in this router's hands: folds its log, claims it, then decides its inputs and
// appends the decisions, until it is lost or given up.
//
// The next input to decide is read from the folded log, so a decision, its outcome and the position
// cannot disagree. Nothing waits for an append: decisions follow each other at once, and count when
// they are in the log. For one thread.
class Partition {
 public:
  Partition(Shared& shared, int32_t partition, bool use_checkpoint);
  ~Partition();

  // Does a share of what can be done now. True: there may be more at once. After lost() it does
  // nothing.
  bool Step();
  // When Step has something to do though nothing comes in.
  absl::Time NextDue() const;
  // Takes nothing new in; true once everything decided is durable.
  bool Drained();

  int32_t number() const { return partition_; }
  bool owning() const;
  // Why it is no longer ours; OK while it is.
  const absl::Status& lost() const { return lost_; }
  // Whether the checkpoint is what failed: the next attempt should do without.
  bool checkpoint_failed() const { return checkpoint_failed_; }
  // Whether the log was begun with another number of partitions: it can be decided on by nobody.
  bool group_elsewhere() const { return group_elsewhere_; }

  // How far its inputs have been decided; nothing while it is not owned.
  void AddProgress(std::vector<bus::Progress>& progress) const;

  // For operators: the partition's part of /statez, a JSON object. Hashes the whole state.
  std::string Describe() const;

 private:
  struct Input;

  // Once the log is claimed.
  absl::Status StartDeciding();
  absl::Status ReadBack();
  // Whether a decision may be made now.
  bool CanDecide() const;
  // Each returns how many decisions it made.
  absl::StatusOr<size_t> TakeConfigs();
  absl::StatusOr<size_t> TakeTimers();
  absl::StatusOr<size_t> TakeInputs();
  absl::StatusOr<size_t> Take(Input& input, size_t max);
  absl::StatusOr<size_t> TakeRestating();
  // Every second, what the gauges say of it.
  void ShowFigures();
  // Another router's to show, from now on.
  void ShowNothing();
  template <class Message>
  absl::Status DecideAs(const Input& input, Intake::Input& next);
  absl::Status Decide(const Input& input, Intake::Input& next);
  absl::Status DeadLetter(const bus::Record& record, log::v1::InputCause cause,
                          const domain::Refusal& refusal);
  void LogRefused(const conversation::v1::CommandRejected& rejected, const bus::Record* record);
  // `made` counts decisions of this cause. `more`: others follow at once.
  absl::Status Append(log::v1::Decision& decision, telemetry::Counter& made,
                      const bus::Record* record, bool more = false);
  // False: not now.
  absl::StatusOr<bool> TryAppend(log::v1::Decision& decision, absl::string_view key,
                                 absl::string_view trace, bool more);
  absl::Status FlushWaiting();
  void Lose(absl::Status status);

  Shared& shared_;
  const int32_t partition_;
  const absl::Time began_;
  std::optional<Recovery> recovery_;  // Until it is owned.
  // From then on:
  std::unique_ptr<bus::OwnedLog> log_;
  std::optional<domain::Engine> engine_;
  std::optional<DeadLetters> dead_letters_;

  bool checkpoint_failed_ = false;
  bool group_elsewhere_ = false;

  // Decided and applied, but too much was in flight: goes before anything else is decided.
  struct Waiting {
    log::v1::Decision decision;
    std::string key;
    std::string trace;
  };
  std::deque<Waiting> waiting_;

  std::vector<std::unique_ptr<Input>>
      inputs_;  // commands, receipts, inbound: in order of precedence
  std::unique_ptr<bus::Reader> config_;
  int64_t config_end_ = 0;  // What stands before it goes before any input.
  domain::ConfigHistory config_history_;
  int64_t last_sequence_ = 0;

  bool restate_claimed_ = false;
  absl::Time next_restate_ = absl::InfinitePast();
  int64_t void_records_ = 0;
  // What the gauges hold of this partition, by workspace and queue.
  struct Shown {
    int32_t waiting = 0;
    int32_t unmeetable = 0;
  };
  using ShownQueues = std::map<std::pair<std::string, std::string>, Shown>;
  void Show(ShownQueues queues);
  ShownQueues shown_;
  telemetry::Gauge conversations_;
  absl::Time next_shown_ = absl::InfinitePast();
  absl::Status lost_;
};

}  // namespace wissel::router
