#include "libs/bus/log_reader.h"

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
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader,
                          bus.OpenReader(Topic::kLog, partition,
                                         {.offset = options.from ? options.from->offset : 0,
                                          .wakeup = options.wakeup}));
  RuleState rule;
  if (options.from) {
    rule = options.from->rule;
  } else {
    WISSEL_ASSIGN_OR_RETURN(const int64_t start, reader->StartOffset());
    rule = InitialRuleState(start);
    if (start > 0) WISSEL_RETURN_IF_ERROR(reader->Seek(start));
  }
  return std::unique_ptr<LogReader>(
      new LogReader(std::move(reader), std::move(rule), std::move(options)));
}

absl::StatusOr<std::vector<LogEntry>> LogReader::Poll(size_t max, absl::Duration timeout) {
  WISSEL_ASSIGN_OR_RETURN(std::vector<Record> records, reader_->Poll(max, timeout));
  std::vector<LogEntry> entries;
  entries.reserve(records.size());
  for (Record& record : records) {
    LogEntry entry;
    const RecordStamp stamp = ReadStamp(record.value, entry.record);
    const Verdict verdict = ApplyRule(stamp, record.offset, rule_);
    ++counts_[static_cast<size_t>(verdict)];
    const bool passes = verdict == Verdict::kValid ||
                        (options_.ignore_reader_rule && stamp.kind != RecordKind::kGarbage);
    if (!passes) {
      if (options_.on_void) options_.on_void({record.offset, verdict, stamp});
      continue;
    }
    entry.offset = record.offset;
    entry.time = record.time;
    entry.key = std::move(record.key);
    entry.headers = std::move(record.headers);
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace wissel::bus
