#include "libs/bus/ownership.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"

namespace wissel::bus {

namespace {

// So many records fetched in vain, and the owner does without until it is quiet again.
constexpr int64_t kFetchedInVain = 32;

}  // namespace

struct OwnedLog::Answers {
  explicit Answers(std::shared_ptr<Wakeup> w) : wakeup(std::move(w)) {}

  const std::shared_ptr<Wakeup> wakeup;
  Mutex mutex;
  CondVar changed;
  absl::Status failure ABSL_GUARDED_BY(mutex);
  std::optional<int64_t> claim_offset ABSL_GUARDED_BY(mutex);  // Of the claim under way.
  std::vector<Run> runs ABSL_GUARDED_BY(mutex);  // Of decisions, since they were last taken.
  int64_t decisions ABSL_GUARDED_BY(mutex) = 0;  // Answered in all.
  // So many answered, and there is room again for one who waits for it.
  std::optional<int64_t> room_at ABSL_GUARDED_BY(mutex);

  void DecisionIsAt(int64_t offset) {
    bool room = false;
    {
      MutexLock lock(mutex);
      if (!runs.empty() && runs.back().offset >= 0 &&
          offset == runs.back().offset + runs.back().count) {
        ++runs.back().count;
      } else {
        runs.push_back({.offset = offset, .count = 1});
      }
      room = room_at == ++decisions;
      if (room) room_at.reset();
      changed.NotifyAll();
    }
    if (room && wakeup != nullptr) wakeup->Notify();
  }

  void Fail(const absl::Status& status) {
    {
      MutexLock lock(mutex);
      if (failure.ok()) failure = status;
      changed.NotifyAll();
    }
    if (wakeup != nullptr) wakeup->Notify();
  }
  void ClaimIsAt(int64_t offset) {
    {
      MutexLock lock(mutex);
      claim_offset = offset;
      changed.NotifyAll();
    }
    if (wakeup != nullptr) wakeup->Notify();
  }
};

OwnedLog::OwnedLog(std::shared_ptr<Appender> appender, OwnedLogOptions options)
    : appender_(std::move(appender)),
      options_(std::move(options)),
      answers_(std::make_shared<Answers>(options_.wakeup)) {}

absl::StatusOr<std::unique_ptr<OwnedLog>> OwnedLog::Open(Bus& bus,
                                                         std::shared_ptr<Appender> appender,
                                                         OwnedLogOptions options) {
  auto log = std::unique_ptr<OwnedLog>(new OwnedLog(std::move(appender), std::move(options)));
  WISSEL_ASSIGN_OR_RETURN(
      log->reader_,
      LogReader::Open(bus, log->options_.partition,
                      {.from = log->options_.from,
                       .wakeup = log->options_.wakeup,
                       .on_void = [raw = log.get()](const VoidRecord& r) { raw->OnVoid(r); },
                       .ignore_reader_rule = log->options_.ignore_reader_rule}));
  WISSEL_ASSIGN_OR_RETURN(log->fold_end_, log->reader_->EndOffset());
  return log;
}

absl::StatusOr<std::vector<LogEntry>> OwnedLog::Poll(size_t max, absl::Duration timeout) {
  if (phase_ == Phase::kLost) return loss_;
  const Timeout limit(timeout);
  if (absl::Status failure = AwaitAnswer(timeout); !failure.ok()) {
    return Lose(absl::StrCat("an append failed: ", failure.ToString()));
  }
  if (phase_ == Phase::kClaiming && claim_read_) {
    SettleClaim();
    if (phase_ == Phase::kLost) return loss_;
    // The phase is the news, or the answer is still to come.
    if (phase_ == Phase::kOwning || !claim_answer_) return std::vector<LogEntry>();
  }
  if (phase_ == Phase::kFolding && reader_->offset() >= fold_end_) {
    const absl::Status claimed = AppendClaim();
    // A shared appender may be full for the moment: the next Poll tries again.
    if (!claimed.ok() && !absl::IsResourceExhausted(claimed)) return Lose(claimed.ToString());
  }
  absl::Duration patience = limit.Remaining();
  if (phase_ == Phase::kOwning) {
    const int64_t proven = confirmed_sequence_;
    TakeReports();
    // That is reason enough to return.
    if (confirmed_sequence_ != proven) patience = absl::ZeroDuration();
    const bool read = phase_ == Phase::kOwning && MustRead(patience);
    if (phase_ == Phase::kLost) return loss_;
    if (!read) return std::vector<LogEntry>();
  }

  absl::StatusOr<std::vector<LogEntry>> read = reader_->Poll(max, patience);
  AwaitAnswer(absl::ZeroDuration()).IgnoreError();  // A failure is the next call's matter.
  if (absl::IsOutOfRange(read.status())) return Lose(read.status().message());
  if (!read.ok()) return read.status();

  std::vector<LogEntry> entries;
  entries.reserve(read->size());
  for (LogEntry& entry : *read) {
    if (entry.record.has_owner_claimed()) {
      const wissel::log::v1::OwnerClaimed& claim = entry.record.owner_claimed();
      if (phase_ == Phase::kClaiming && claim.epoch() == claiming_epoch_) {
        claim_read_ = entry.offset;
      } else if (phase_ != Phase::kFolding && claim.epoch() >= std::max(claiming_epoch_, epoch_) &&
                 !options_.ignore_reader_rule) {
        return Lose(absl::StrCat("epoch ", claim.epoch(), " claimed by ", claim.owner(),
                                 " at offset ", entry.offset));
      }
    } else if (IsOwn(entry.record.decision().epoch(), entry.record.decision().claim_offset())) {
      confirmed_sequence_ = entry.record.decision().sequence();
      continue;
    }
    entries.push_back(std::move(entry));
  }
  if (phase_ == Phase::kClaiming) SettleClaim();
  if (phase_ == Phase::kLost) return loss_;
  return entries;
}

bool OwnedLog::MustRead(absl::Duration timeout) {
  if (!reports_.empty()) return true;
  if (std::exchange(polled_sequence_, next_sequence_) != next_sequence_) NotQuiet();
  if (!reader_->resting()) {
    if (passed_ < kFetchedInVain) return true;
    reader_->Rest();
    NotQuiet();
  }
  if (!quiet_.Expired() && timeout > absl::ZeroDuration()) {
    if (AwaitReports(std::min(timeout, quiet_.Remaining()))) {
      TakeReports();
      return phase_ != Phase::kLost && !reports_.empty();
    }
  }
  if (!quiet_.Expired()) return false;
  passed_ = 0;
  return true;
}

// Uses what the appender has reported, up to what must be read.
void OwnedLog::TakeReports() {
  {
    MutexLock lock(answers_->mutex);
    reports_.insert(reports_.end(), answers_->runs.begin(), answers_->runs.end());
    answers_->runs.clear();
  }
  size_t used = 0;
  for (Run& run : reports_) {
    const int64_t read = std::min(run.count, confirmed_sequence_ - reported_sequence_);
    reported_sequence_ += read;
    run.count -= read;
    if (run.offset >= 0) run.offset += read;
    if (run.count > 0 && run.offset != reader_->offset()) break;
    for (; run.count > 0; --run.count, ++run.offset) {
      const RecordStamp stamp{.kind = RecordKind::kDecision,
                              .epoch = epoch_,
                              .sequence = reported_sequence_ + 1,
                              .claim_offset = claim_offset_};
      if (!reader_->Pass(stamp)) return;  // OnVoid has seen to it.
      confirmed_sequence_ = ++reported_sequence_;
      ++passed_;
    }
    ++used;
  }
  reports_.erase(reports_.begin(), reports_.begin() + static_cast<std::ptrdiff_t>(used));
}

// False: none came in time.
bool OwnedLog::AwaitReports(absl::Duration timeout) {
  const Timeout limit(timeout);
  MutexLock lock(answers_->mutex);
  while (answers_->runs.empty() && answers_->failure.ok() && !limit.Expired()) {
    answers_->changed.WaitFor(answers_->mutex, limit.Remaining());
  }
  return !answers_->runs.empty() || !answers_->failure.ok();
}

// Takes what the appender has reported. Waits for the answer to a claim that has been read already:
// before that there is nothing to do.
absl::Status OwnedLog::AwaitAnswer(absl::Duration timeout) {
  const Timeout limit(timeout);
  MutexLock lock(answers_->mutex);
  while (phase_ == Phase::kClaiming && claim_read_ && !answers_->claim_offset &&
         answers_->failure.ok() && !limit.Expired()) {
    answers_->changed.WaitFor(answers_->mutex, limit.Remaining());
  }
  claim_answer_ = answers_->claim_offset;
  return answers_->failure;
}

void OwnedLog::SettleClaim() {
  if (!claim_answer_) return;
  const bool passed = *claim_answer_ < reader_->offset();
  if (claim_read_ == claim_answer_ || (options_.ignore_reader_rule && passed)) {
    phase_ = Phase::kOwning;
    epoch_ = claiming_epoch_;
    claim_offset_ = *claim_answer_;
    next_sequence_ = 1;
    confirmed_sequence_ = 0;
    // What was reported so far stands before the claim, and has been read.
    reports_.clear();
    reported_sequence_ = 0;
    passed_ = 0;
    MutexLock lock(answers_->mutex);
    answers_->runs.clear();
    return;
  }
  // Of one epoch one claim is valid: if it is another's, ours is not, wherever it stands.
  if ((claim_read_ && !options_.ignore_reader_rule) || passed) {
    Lose(absl::StrCat("our claim of epoch ", claiming_epoch_, " at offset ", *claim_answer_,
                      " is void"))
        .IgnoreError();
  }
}

absl::Status OwnedLog::AppendClaim() {
  wissel::log::v1::LogRecord record;
  wissel::log::v1::OwnerClaimed& claim = *record.mutable_owner_claimed();
  const absl::Time now = options_.clock != nullptr ? options_.clock->Now() : absl::Now();
  const int64_t epoch = EpochToClaim(reader_->rule(), reader_->offset());
  claim.set_epoch(epoch);
  claim.set_owner(options_.owner);
  claim.mutable_time()->set_seconds(absl::ToUnixSeconds(now));
  claim.mutable_time()->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(now - absl::FromUnixSeconds(absl::ToUnixSeconds(now)))));
  Outgoing out{.topic = Topic::kLog,
               .partition = options_.partition,
               .key = "",
               .value = record.SerializeAsString(),
               .headers = {}};
  WISSEL_RETURN_IF_ERROR(appender_->Admit(out));
  {
    MutexLock lock(answers_->mutex);
    answers_->claim_offset.reset();
  }
  claiming_epoch_ = epoch;
  claim_read_.reset();
  claim_answer_.reset();
  phase_ = Phase::kClaiming;
  appender_->Append(std::move(out), [answers = answers_](absl::StatusOr<int64_t> offset) {
    if (offset.ok()) {
      answers->ClaimIsAt(*offset);
    } else {
      answers->Fail(offset.status());
    }
  });
  return absl::OkStatus();
}

absl::Status OwnedLog::Reclaim() {
  if (phase_ == Phase::kLost) return loss_;
  if (phase_ != Phase::kOwning) return absl::FailedPreconditionError("not the owner yet");
  const absl::Status claimed = AppendClaim();
  if (absl::IsAborted(claimed)) return Lose(claimed.message());
  return claimed;
}

absl::StatusOr<OwnedLog::Stamp> OwnedLog::Append(wissel::log::v1::Decision&& decision,
                                                 absl::string_view key, Headers headers,
                                                 bool more) {
  if (phase_ == Phase::kLost) return loss_;
  if (phase_ != Phase::kOwning) return absl::FailedPreconditionError("not the owner yet");
  const Stamp stamp{epoch_, next_sequence_, claim_offset_};
  decision.set_epoch(stamp.epoch);
  decision.set_sequence(stamp.sequence);
  decision.set_claim_offset(stamp.claim_offset);
  // Lent, for as long as it takes to write it.
  wissel::log::v1::LogRecord record;
  record.unsafe_arena_set_allocated_decision(&decision);
  const absl::Cleanup take_back = [&] { (void)record.unsafe_arena_release_decision(); };
  Outgoing out{.topic = Topic::kLog,
               .partition = options_.partition,
               .key = std::string(key),
               .value = record.SerializeAsString(),
               .headers = std::move(headers),
               .more = more};
  if (absl::Status refusal = appender_->Admit(out); !refusal.ok()) {
    if (absl::IsResourceExhausted(refusal)) {
      MutexLock lock(answers_->mutex);
      const int64_t in_flight = appended_ - answers_->decisions;
      answers_->room_at = answers_->decisions + std::max<int64_t>(1, in_flight / 2);
      if (in_flight == 0 && options_.wakeup != nullptr) options_.wakeup->Notify();
    }
    return absl::IsAborted(refusal) ? Lose(refusal.message()) : refusal;
  }
  ++next_sequence_;
  ++appended_;
  appender_->Append(std::move(out), [answers = answers_](absl::StatusOr<int64_t> offset) {
    if (offset.ok()) {
      answers->DecisionIsAt(*offset);
    } else {
      answers->Fail(offset.status());
    }
  });
  return stamp;
}

void OwnedLog::OnVoid(const VoidRecord& record) {
  if (phase_ == Phase::kLost || record.stamp.kind != RecordKind::kDecision) return;
  if (!IsOwn(record.stamp.epoch, record.stamp.claim_offset)) return;
  Lose(absl::StrCat("our decision ", record.stamp.sequence, " at offset ", record.offset,
                    " is void: ", VerdictName(record.verdict)))
      .IgnoreError();
}

absl::Status OwnedLog::Lose(absl::string_view reason) {
  phase_ = Phase::kLost;
  loss_ = absl::AbortedError(
      absl::StrCat("partition ", options_.partition, " of the log is no longer ours: ", reason));
  return loss_;
}

}  // namespace wissel::bus
