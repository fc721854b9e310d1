#include "libs/views/restore.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace wissel::views {
namespace {

// How long a record that is certainly there may take to come.
constexpr absl::Duration kReadTimeout = absl::Seconds(10);

struct Bounds {
  int64_t start = 0;
  int64_t end = 0;
};

absl::StatusOr<Bounds> FindBounds(bus::Reader& reader) {
  Bounds bounds;
  WISSEL_ASSIGN_OR_RETURN(bounds.start, reader.StartOffset());
  WISSEL_ASSIGN_OR_RETURN(bounds.end, reader.EndOffset());
  return bounds;
}

// Why the checkpoint is of another log, or nothing.
absl::StatusOr<std::optional<std::string>> Misfit(const bus::LogPosition& position,
                                                  const Bounds& bounds, bus::Reader& reader) {
  if (position.offset < bounds.start) {
    return absl::StrCat("the checkpoint's offset ", position.offset,
                        " is older than what retention has left, which begins at ", bounds.start);
  }
  if (position.offset > bounds.end) {
    return absl::StrCat("the checkpoint's offset ", position.offset, " is beyond the log's end ",
                        bounds.end, ": it is of another log");
  }
  const bus::RuleState& rule = position.rule;
  if (rule.epoch == 0 || rule.claim_offset < bounds.start || rule.claim_offset >= position.offset) {
    return std::nullopt;
  }
  WISSEL_RETURN_IF_ERROR(reader.Seek(rule.claim_offset));
  WISSEL_ASSIGN_OR_RETURN(const auto records, reader.Poll(1, kReadTimeout));
  if (records.empty()) return absl::UnavailableError("the log does not answer");
  log::v1::LogRecord record;
  const bus::RecordStamp stamp = bus::ReadStamp(records[0].value, record);
  if (records[0].offset != rule.claim_offset || stamp.kind != bus::RecordKind::kClaim ||
      stamp.epoch != rule.epoch || stamp.owner != rule.owner) {
    return absl::StrCat("the log has no claim of epoch ", rule.epoch, " by ", rule.owner,
                        " at offset ", rule.claim_offset, ": the checkpoint is of another log");
  }
  return std::nullopt;
}

Restored EmptyState(const Bounds& bounds, std::string detail) {
  Restored restored;
  restored.detail = std::move(detail);
  if (bounds.start > 0) restored.state.BeginsAfterCut();
  return restored;
}

absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Bus& bus, int32_t partition) {
  return bus.OpenReader(bus::Topic::kLog, partition, {});
}

}  // namespace

absl::StatusOr<Restored> RestoreFromLog(bus::Bus& bus, int32_t partition) {
  WISSEL_ASSIGN_OR_RETURN(const auto reader, OpenReader(bus, partition));
  WISSEL_ASSIGN_OR_RETURN(const Bounds bounds, FindBounds(*reader));
  return EmptyState(bounds, "not asked for");
}

absl::StatusOr<Restored> Restore(store::Redis& redis, const PartitionKeys& keys, bus::Bus& bus) {
  WISSEL_ASSIGN_OR_RETURN(CheckpointLoad load, LoadCheckpoint(redis, keys));
  // After the checkpoint: it cannot be beyond an end that was asked for later.
  WISSEL_ASSIGN_OR_RETURN(const auto reader, OpenReader(bus, keys.partition()));
  WISSEL_ASSIGN_OR_RETURN(const Bounds bounds, FindBounds(*reader));
  if (load.outcome != CheckpointLoad::Outcome::kLoaded) {
    return EmptyState(bounds, absl::StrCat(OutcomeName(load.outcome), ": ", load.detail));
  }
  Checkpoint& checkpoint = load.checkpoint;
  WISSEL_ASSIGN_OR_RETURN(std::optional<std::string> misfit,
                          Misfit(*checkpoint.meta.position, bounds, *reader));
  if (misfit.has_value()) return EmptyState(bounds, *std::move(misfit));

  Restored restored;
  for (const domain::Piece& piece : checkpoint.pieces) {
    if (const absl::Status status = restored.state.Load(piece); !status.ok()) {
      return EmptyState(bounds, status.ToString());
    }
  }
  if (!checkpoint.meta.whole) restored.state.BeginsAfterCut();
  restored.source = Restored::Source::kCheckpoint;
  restored.meta = std::move(checkpoint.meta);
  return restored;
}

}  // namespace wissel::views
