#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/notification.h"
#include "libs/bus/log_reader.h"
#include "libs/bus/ownership.h"
#include "libs/domain/state.h"
#include "services/router/shared.h"

namespace wissel::router {

// How a partition comes into this router's hands: its state from a checkpoint or the log's own
// beginning, folded on while the log is read, until the claim on it is read back. For one thread.
class Recovery {
 public:
  Recovery(Shared& shared, int32_t partition);
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  // First of all. `began`: when this ownership did.
  absl::Status Open(absl::Time began, bool use_checkpoint);
  // Does a share of it. True: there may be more at once.
  absl::StatusOr<bool> Fold();
  bool claimed() const { return log_->phase() == bus::OwnedLog::Phase::kOwning; }
  bool from_checkpoint() const { return from_checkpoint_; }

  // What came of it, once claimed.
  const domain::State& state() const { return state_; }
  domain::State TakeState() { return std::move(state_); }
  std::unique_ptr<bus::OwnedLog> TakeLog() { return std::move(log_); }

 private:
  // Has the worker fold these while the next ones are read and parsed.
  void FoldAhead(std::vector<bus::LogEntry> polled);
  // Until it has.
  void AwaitFolded();

  Shared& shared_;
  const int32_t partition_;
  std::unique_ptr<bus::OwnedLog> log_;
  domain::State state_;  // The worker's while `folded_` is there.
  std::shared_ptr<Notification> folded_;
  bool from_checkpoint_ = false;
};

}  // namespace wissel::router
