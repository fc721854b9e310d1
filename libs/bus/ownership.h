#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/timeout.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::bus {

struct OwnedLogOptions {
  int32_t partition = 0;

  // Names the claimant for people: host and process id, at most 256 bytes.
  std::string owner;

  // Where to start folding: a checkpoint's position, with the state folded up to there in hand.
  // From what retention has left if not given.
  std::optional<LogPosition> from;

  std::shared_ptr<Wakeup> wakeup;

  // Quiet for so long, an owner reads along.
  absl::Duration read_along_after = absl::Milliseconds(200);

  // Stamps the claims; the system's clock if null. Must outlive the log.
  const Clock* clock = nullptr;

  // See LogReaderOptions. The owner then does not stop at another's claim either.
  bool ignore_reader_rule = false;
};

// A partition of the log in the hands of its owner, from the first folded record to the loss. Poll
// drives it; there is no thread in it, and nothing is decided but in a call. For one thread at a
// time.
//
//   kFolding   Poll returns what stands in the log. At its end Poll appends a claim.
//   kClaiming  Poll returns what another owner still got in before the claim. Nothing may be
//   decided
//              until the claim is read back.
//   kOwning    Append is possible. Poll proves that our decisions are in force, and returns nothing
//              of them: they are no news.
//   kLost      For good: forget the folded state, and open another after a pause if the partition
//   is
//              still ours to take care of. Ways to get there: another's claim was read, our own
//              record was read as void, an append failed, retention overtook the fold.
//
// How a decision is proven: the appender reports its offset. Where that is the one behind all that
// is proven, nobody has written in between, and the rule judges the decision without reading it.
// Anything else, a gap or an offset that is not known, is read. So a busy owner fetches none of its
// own records, and notices another's claim with its next decision; one that has been quiet for a
// while reads along and notices at once.
class OwnedLog {
 public:
  enum class Phase { kFolding, kClaiming, kOwning, kLost };

  // What a decision was stamped with.
  struct Stamp {
    int64_t epoch = 0;
    int64_t sequence = 0;
    int64_t claim_offset = 0;
  };

  // `appender` must be gapless; one may serve the logs of many partitions of one thread. After a
  // failed append it is used up, and so is each log on it.
  //   UNAVAILABLE, NOT_FOUND  as Bus::OpenReader
  static absl::StatusOr<std::unique_ptr<OwnedLog>> Open(Bus& bus,
                                                        std::shared_ptr<Appender> appender,
                                                        OwnedLogOptions options);

  // Reads on, `max` records at most, waiting up to `timeout` if there is nothing new.
  //   ABORTED  lost; the same again from every later call
  absl::StatusOr<std::vector<LogEntry>> Poll(size_t max, absl::Duration timeout);

  // Stamps the decision and appends it, without waiting for anything. Later ones may follow at
  // once; `more`: they will. Its fields epoch, sequence and claim_offset are overwritten, the
  // others are left alone.
  //   FAILED_PRECONDITION  not owning (yet, or while a new claim is under way)
  //   ABORTED              lost
  //   INVALID_ARGUMENT     larger than the bus takes: not appended, decide something smaller
  //   RESOURCE_EXHAUSTED   too much in flight: not appended, come back later; the wakeup is
  //                        notified when half of what this log has in flight is done
  absl::StatusOr<Stamp> Append(wissel::log::v1::Decision&& decision, absl::string_view key,
                               Headers headers = {}, bool more = false);

  // Claims once more, with a higher epoch, while owning. Before each round of restating, so that
  // whatever retention cuts off, a claim stands before what is left of the round. Decisions already
  // appended stand before it and stay valid; new ones must wait until phase() is kOwning again,
  // a round trip (a claim's offset, which decisions carry, is known only when it is there).
  //   FAILED_PRECONDITION, ABORTED, RESOURCE_EXHAUSTED  as Append
  absl::Status Reclaim();

  Phase phase() const { return phase_; }
  // Why it is lost; OK otherwise.
  const absl::Status& loss() const { return loss_; }
  // Behind what Poll has returned.
  LogPosition position() const { return reader_->position(); }
  int64_t epoch() const { return epoch_; }
  // Appended under the present claim and not yet proven.
  int64_t unconfirmed() const { return next_sequence_ - 1 - confirmed_sequence_; }
  const LogReader& reader() const { return *reader_; }

 private:
  // What the appender's thread reports. Outlives the log, for answers that come late.
  struct Answers;

  OwnedLog(std::shared_ptr<Appender> appender, OwnedLogOptions options);

  // Offsets reported of decisions that follow one another, each one higher than the one before.
  struct Run {
    int64_t offset = 0;  // Of the first; below 0: not known.
    int64_t count = 0;
  };

  absl::Status AppendClaim();
  absl::Status AwaitAnswer(absl::Duration timeout);
  void TakeReports();
  bool AwaitReports(absl::Duration timeout);
  void NotQuiet() { quiet_ = Timeout(options_.read_along_after); }
  // Whether Poll has anything to gain from reading; waits for reports where it has not.
  bool MustRead(absl::Duration timeout);
  void SettleClaim();
  void OnVoid(const VoidRecord& record);
  absl::Status Lose(absl::string_view reason);
  bool IsOwn(int64_t epoch, int64_t claim_offset) const {
    return claim_offset == claim_offset_ && epoch == epoch_;
  }

  const std::shared_ptr<Appender> appender_;
  const OwnedLogOptions options_;
  const std::shared_ptr<Answers> answers_;
  std::unique_ptr<LogReader> reader_;

  Phase phase_ = Phase::kFolding;
  absl::Status loss_;
  int64_t fold_end_ = 0;  // Fold up to here before claiming.

  int64_t claiming_epoch_ = 0;           // Of the claim under way.
  std::optional<int64_t> claim_read_;    // Where a valid claim of that epoch was read.
  std::optional<int64_t> claim_answer_;  // Where the claim under way stands.
  int64_t epoch_ = 0;                    // Of the claim that is ours,
  int64_t claim_offset_ = -1;            // and its offset.
  int64_t next_sequence_ = 1;
  int64_t confirmed_sequence_ = 0;
  int64_t appended_ = 0;  // Decisions, under all claims.

  std::vector<Run> reports_;       // Not yet used: they begin behind
  int64_t reported_sequence_ = 0;  // this decision.
  int64_t passed_ = 0;             // Proven by reports since reading began.
  int64_t polled_sequence_ = 0;
  Timeout quiet_{absl::ZeroDuration()};
};

}  // namespace wissel::bus
