#include "libs/views/restore.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/bus/resume.h"

namespace wissel::views {
namespace {

// A fold that begins where the log does now.
absl::StatusOr<Restored> FromTheStart(bus::Bus& bus, int32_t partition, std::string detail) {
  WISSEL_ASSIGN_OR_RETURN(const auto reader, bus.OpenReader(bus::Topic::kLog, partition, {}));
  WISSEL_ASSIGN_OR_RETURN(const int64_t start, reader->StartOffset());
  Restored restored;
  restored.detail = std::move(detail);
  if (start > 0) restored.state.BeginsAfterCut();
  return restored;
}

}  // namespace

absl::StatusOr<Restored> RestoreFromLog(bus::Bus& bus, int32_t partition) {
  return FromTheStart(bus, partition, "not asked for");
}

absl::StatusOr<Restored> Restore(store::Redis& redis, const PartitionKeys& keys, bus::Bus& bus) {
  WISSEL_ASSIGN_OR_RETURN(CheckpointLoad load, LoadCheckpoint(redis, keys));
  const int32_t partition = keys.partition();
  if (load.outcome != CheckpointLoad::Outcome::kLoaded) {
    return FromTheStart(bus, partition, absl::StrCat(OutcomeName(load.outcome), ": ", load.detail));
  }
  Checkpoint& checkpoint = load.checkpoint;
  // After the checkpoint: it cannot be beyond an end that was asked for later.
  WISSEL_ASSIGN_OR_RETURN(std::optional<std::string> misfit,
                          bus::WhyNotFrom(bus, partition, *checkpoint.meta.position));
  if (misfit.has_value()) return FromTheStart(bus, partition, *std::move(misfit));

  Restored restored;
  for (const domain::Piece& piece : checkpoint.pieces) {
    if (const absl::Status status = restored.state.Load(piece); !status.ok()) {
      return FromTheStart(bus, partition, status.ToString());
    }
  }
  if (!checkpoint.meta.whole) restored.state.BeginsAfterCut();
  restored.source = Restored::Source::kCheckpoint;
  restored.meta = std::move(checkpoint.meta);
  return restored;
}

}  // namespace wissel::views
