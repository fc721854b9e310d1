#include "libs/bus/log_reader.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"

namespace wissel::bus {

LogPosition UnknownPosition(int64_t offset) { return {offset, InitialRuleState(offset)}; }

RecordStamp ReadStamp(absl::string_view value, wissel::log::v1::LogRecord& record) {
  using wissel::log::v1::LogRecord;
  RecordStamp stamp;
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) return stamp;
  switch (record.kind_case()) {
    case LogRecord::kOwnerClaimed:
      stamp.kind = RecordKind::kClaim;
      stamp.epoch = record.owner_claimed().epoch();
      stamp.owner = record.owner_claimed().owner();
      break;
    case LogRecord::kDecision:
      stamp.kind = RecordKind::kDecision;
      stamp.epoch = record.decision().epoch();
      stamp.sequence = record.decision().sequence();
      stamp.claim_offset = record.decision().claim_offset();
      break;
    case LogRecord::KIND_NOT_SET:
      break;
  }
  return stamp;
}

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Open(Bus& bus, int32_t partition,
                                                           LogReaderOptions options) {
  auto log = std::unique_ptr<LogReader>(new LogReader(bus, partition, std::move(options)));
  const std::optional<LogPosition>& from = log->options_.from;
  if (from) {
    log->position_ = from->offset;
    log->rule_ = from->rule;
    WISSEL_RETURN_IF_ERROR(log->ReadOn());
    return log;
  }
  WISSEL_RETURN_IF_ERROR(log->ReadOn());
  WISSEL_ASSIGN_OR_RETURN(log->position_, log->reader_->StartOffset());
  log->rule_ = InitialRuleState(log->position_);
  if (log->position_ > 0) WISSEL_RETURN_IF_ERROR(log->reader_->Seek(log->position_));
  return log;
}

absl::Status LogReader::ReadOn() {
  if (reader_ != nullptr) return absl::OkStatus();
  WISSEL_ASSIGN_OR_RETURN(
      reader_,
      bus_.OpenReader(Topic::kLog, partition_, {.offset = position_, .wakeup = options_.wakeup}));
  return absl::OkStatus();
}

absl::StatusOr<int64_t> LogReader::EndOffset() {
  WISSEL_RETURN_IF_ERROR(ReadOn());
  return reader_->EndOffset();
}

bool LogReader::Judge(const RecordStamp& stamp, int64_t offset) {
  const Verdict verdict = ApplyRule(stamp, offset, rule_);
  ++counts_[static_cast<size_t>(verdict)];
  if (verdict == Verdict::kValid ||
      (options_.ignore_reader_rule && stamp.kind != RecordKind::kGarbage)) {
    return true;
  }
  if (options_.on_void) options_.on_void({offset, verdict, stamp});
  return false;
}

bool LogReader::Pass(const RecordStamp& stamp) { return Judge(stamp, position_++); }

absl::StatusOr<std::vector<LogEntry>> LogReader::Poll(size_t max, absl::Duration timeout) {
  WISSEL_RETURN_IF_ERROR(ReadOn());
  WISSEL_ASSIGN_OR_RETURN(std::vector<Record> records, reader_->Poll(max, timeout));
  std::vector<LogEntry> entries;
  entries.reserve(records.size());
  for (Record& record : records) {
    if (record.offset < position_) continue;  // Passed meanwhile.
    LogEntry entry;
    position_ = record.offset + 1;
    if (!Judge(ReadStamp(record.value, entry.record), record.offset)) continue;
    entry.offset = record.offset;
    entry.time = record.time;
    entry.key = std::move(record.key);
    entry.headers = std::move(record.headers);
    entries.push_back(std::move(entry));
  }
  // The end may lie behind offsets that hold no record.
  position_ = std::max(position_, reader_->position());
  return entries;
}

}  // namespace wissel::bus
