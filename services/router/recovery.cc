#include "services/router/recovery.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/views/keys.h"
#include "libs/views/restore.h"

namespace wissel::router {

namespace {

// Records folded at a time.
constexpr size_t kReadBatch = 2000;

}  // namespace

Recovery::Recovery(Shared& shared, int32_t partition) : shared_(shared), partition_(partition) {}

Recovery::~Recovery() { AwaitFolded(); }

absl::Status Recovery::Open(absl::Time began, bool use_checkpoint) {
  // The owner's name tells one ownership from the next, also where the process, or its id in a new
  // container, is the same: behind another name an engine begins anew, behind the same one (a claim
  // before restating) it goes on. `wisselctl replay` relies on it.
  const std::string owner = absl::StrCat(
      shared_.owner, "@", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", began, absl::UTCTimeZone()));
  bus::OwnedLogOptions options{.partition = partition_,
                               .owner = owner,
                               .wakeup = shared_.wakeup,
                               .clock = &shared_.clock,
                               .ignore_reader_rule = shared_.settings.chaos_ignore_reader_rule};
  absl::StatusOr<views::Restored> restored = absl::UnavailableError("checkpoints are not used");
  if (use_checkpoint && shared_.redis != nullptr) {
    restored = views::Restore(*shared_.redis, views::PartitionKeys(partition_), shared_.bus);
    if (!restored.ok()) {
      shared_.log.Warning("no checkpoint, folding the log alone",
                          {{"partition", partition_}, {"reason", restored.status()}});
    }
  }
  if (!restored.ok()) restored = views::RestoreFromLog(shared_.bus, partition_);
  WISSEL_RETURN_IF_ERROR(restored.status());
  // A checkpoint that is not whole is no better than the log that it was made from.
  if (restored->source == views::Restored::Source::kCheckpoint && !restored->meta.whole) {
    WISSEL_ASSIGN_OR_RETURN(*restored, views::RestoreFromLog(shared_.bus, partition_));
  }
  from_checkpoint_ = restored->source == views::Restored::Source::kCheckpoint;
  if (from_checkpoint_) options.from = restored->meta.position;
  state_ = std::move(restored->state);
  const std::shared_ptr<bus::Appender> appender = shared_.bus.NewAppender(
      {.gapless = true,
       .max_in_flight = static_cast<size_t>(shared_.settings.max_in_flight),
       .max_in_flight_bytes = static_cast<size_t>(shared_.settings.max_in_flight_bytes)});
  WISSEL_ASSIGN_OR_RETURN(log_, bus::OwnedLog::Open(shared_.bus, appender, std::move(options)));
  return absl::OkStatus();
}

absl::StatusOr<bool> Recovery::Fold() {
  const int64_t before = log_->position().offset;
  const bus::OwnedLog::Phase phase = log_->phase();
  WISSEL_ASSIGN_OR_RETURN(std::vector<bus::LogEntry> polled,
                          log_->Poll(kReadBatch, absl::ZeroDuration()));
  if (!polled.empty()) FoldAhead(std::move(polled));
  if (claimed()) AwaitFolded();
  return log_->position().offset != before || log_->phase() != phase;
}

void Recovery::FoldAhead(std::vector<bus::LogEntry> polled) {
  AwaitFolded();
  auto folded = std::make_shared<Notification>();
  const auto entries = std::make_shared<const std::vector<bus::LogEntry>>(std::move(polled));
  const auto fold = [this, folded, entries](NoTool&) {
    for (const bus::LogEntry& entry : *entries) {
      if (entry.record.has_decision()) state_.Apply(entry.record.decision());
    }
    folded->Notify();
  };
  if (shared_.ahead.TryRun(fold)) {
    folded_ = std::move(folded);
  } else {
    NoTool none;
    fold(none);
  }
}

void Recovery::AwaitFolded() {
  if (folded_ != nullptr) folded_->Wait();
  folded_.reset();
}

}  // namespace wissel::router
