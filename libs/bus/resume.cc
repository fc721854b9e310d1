#include "libs/bus/resume.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace wissel::bus {
namespace {

// How long a record that is certainly there may take to come.
constexpr absl::Duration kReadTimeout = absl::Seconds(10);

}  // namespace

absl::StatusOr<std::optional<std::string>> WhyNotFrom(Bus& bus, int32_t partition,
                                                      const LogPosition& position) {
  WISSEL_ASSIGN_OR_RETURN(const auto reader, bus.OpenReader(Topic::kLog, partition, {}));
  WISSEL_ASSIGN_OR_RETURN(const int64_t start, reader->StartOffset());
  WISSEL_ASSIGN_OR_RETURN(const int64_t end, reader->EndOffset());
  if (position.offset < start) {
    return absl::StrCat("the checkpoint's offset ", position.offset,
                        " is older than what retention has left, which begins at ", start);
  }
  if (position.offset > end) {
    return absl::StrCat("the checkpoint's offset ", position.offset, " is beyond the log's end ",
                        end, ": it is of another log");
  }
  const RuleState& rule = position.rule;
  if (rule.epoch == 0 || rule.claim_offset < start || rule.claim_offset >= position.offset) {
    return std::nullopt;
  }
  WISSEL_RETURN_IF_ERROR(reader->Seek(rule.claim_offset));
  WISSEL_ASSIGN_OR_RETURN(const auto records, reader->Poll(1, kReadTimeout));
  if (records.empty()) return absl::UnavailableError("the log does not answer");
  wissel::log::v1::LogRecord record;
  const RecordStamp stamp = ReadStamp(records[0].value, record);
  if (records[0].offset != rule.claim_offset || stamp.kind != RecordKind::kClaim ||
      stamp.epoch != rule.epoch || stamp.owner != rule.owner) {
    return absl::StrCat("the log has no claim of epoch ", rule.epoch, " by ", rule.owner,
                        " at offset ", rule.claim_offset, ": the checkpoint is of another log");
  }
  return std::nullopt;
}

}  // namespace wissel::bus
